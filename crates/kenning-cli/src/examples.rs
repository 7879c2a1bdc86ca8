//! One runnable example for each verb, shown by `kenning help VERB`.
//!
//! They work on what `kenning --db demo.db demo` leaves behind, and a test runs every one.

/// `$text` as the example of a verb.
macro_rules! example {
    ($text:literal) => {
        concat!("Example, after 'kenning --db demo.db demo':\n  ", $text)
    };
}

pub(crate) const START: &str = "\
Start with:
  kenning demo
  kenning --db notes.db put entities '{\"name\": \"Ada Lovelace\", \"born\": 1815}'
  kenning --db notes.db get entities 'ada lovelace'

'kenning help VERB' shows an example for each verb. Exit codes: 0 done, 1 nothing found,
2 the request is wrong, 3 the database cannot answer or is damaged.";

pub(crate) const INIT: &str =
    "Examples:\n  kenning --db notes.db init\n  kenning --db other.db init --engine fjall";

pub(crate) const TABLE_CREATE: &str = example!(
    "echo '{\"required\": [\"title\"]}' | kenning --db demo.db table create books --schema -"
);
pub(crate) const TABLE_LIST: &str = example!("kenning --db demo.db table list");
pub(crate) const TABLE_SHOW: &str = example!("kenning --db demo.db table show decisions");
pub(crate) const TABLE_DROP: &str = example!("kenning --db demo.db table drop decisions");
pub(crate) const TABLE_ALTER: &str = example!(
    "echo '{\"x-kenning\": {\"indexed\": [\"summary\"]}}' \
     | kenning --db demo.db table alter moments --schema -"
);

pub(crate) const TENANT_CREATE: &str = example!("kenning --db demo.db tenant create guests");
pub(crate) const TENANT_LIST: &str = example!("kenning --db demo.db tenant list");
pub(crate) const TENANT_DROP: &str = example!(
    "kenning --db demo.db tenant create guests && kenning --db demo.db tenant drop guests --yes"
);

pub(crate) const PUT: &str = example!(
    "kenning --db demo.db put people '{\"name\": \"ida\", \"full_name\": \"Ida Berg\"}'
  kenning --db demo.db put entities --alias flood '{\"name\": \"The tide\"}'
  printf '{\"name\": \"a\"}\\n{\"name\": \"b\"}\\n' | kenning --db demo.db put entities -"
);
pub(crate) const IMPORT: &str = example!(
    "printf '{\"name\": \"ida\", \"full_name\": \"Ida Berg\"}\\n' > new.jsonl \
&& kenning --db demo.db import people new.jsonl
  printf 'name,born\\nada,1815\\ngrace,1906\\n' | \
kenning --db demo.db import entities - --as csv --types born=text
  kenning --db demo.db export --all files && kenning --db copy.db import --all files

It ends with 0, with 2 if lines were bad, with 130 if it was interrupted."
);
pub(crate) const EXPORT: &str = example!(
    "kenning --db demo.db export people people.csv --replace
  kenning --db demo.db export people - --as jsonl --where \"role LIKE 'k%' OR _key = 'ida'\"
  kenning --db demo.db export --all files --history"
);
pub(crate) const UPDATE: &str =
    example!("kenning --db demo.db update people noor '{\"role\": \"keeper emerita\"}'");
pub(crate) const GET: &str = example!(
    "kenning --db demo.db get people noor
  kenning --db demo.db --format json get decisions keep-lens --as-of 6"
);
pub(crate) const DELETE: &str = example!("kenning --db demo.db delete decisions open-data");
pub(crate) const LOOKUP: &str = example!("kenning --db demo.db lookup noor lighthouse");
pub(crate) const FUZZY: &str = example!(
    "kenning --db demo.db fuzzy lighthuose
  kenning --db demo.db fuzzy 'mei okfor' --table people --threshold 0.5 -k 1"
);
pub(crate) const SEARCH: &str = example!(
    "kenning --db demo.db search 'who watches the tower at night?'
  kenning --db demo.db search 'storm +lamp' --mode words --table resources -k 3 --explain
  kenning --db demo.db search lamp --table decisions --where \"status = 'accepted'\"

Words may be \"a phrase\", +must, -not, begin*, alike~. What begins with - goes behind --."
);
pub(crate) const HISTORY: &str = example!("kenning --db demo.db history decisions keep-lens");

pub(crate) const MERGE: &str = example!(
    "kenning --db demo.db put people '{\"name\": \"jo\", \"full_name\": \"Jo Mei\"}'
  kenning --db demo.db merge people/mei people/jo
  kenning --db demo.db merge --undo people/mei people/jo"
);
pub(crate) const LINK: &str =
    example!("kenning --db demo.db link people/mei reviews decisions/led-lamp --weight 0.5");
pub(crate) const UNLINK: &str =
    example!("kenning --db demo.db unlink people/noor leads projects/lighthouse");
pub(crate) const NEIGHBORS: &str =
    example!("kenning --db demo.db neighbors people/noor --direction out");
pub(crate) const TRAVERSE: &str =
    example!("kenning --db demo.db traverse people/noor --depth 2 --type made --type about");

pub(crate) const VERIFY: &str = example!(
    "kenning --db demo.db verify
  kenning --db demo.db verify --content"
);
pub(crate) const STATS: &str = example!("kenning --db demo.db stats");
pub(crate) const LOG: &str = example!(
    "kenning --db demo.db log --after 6 --limit 2
  kenning --db demo.db --format jsonl log --follow --after 0 --limit 3"
);
pub(crate) const COMPACT: &str = example!("kenning --db demo.db compact");
pub(crate) const PRUNE: &str = example!("kenning --db demo.db prune --before 5");
pub(crate) const PURGE: &str = example!("kenning --db demo.db purge people mei");
pub(crate) const BACKUP: &str = example!(
    "kenning --db demo.db backup backups
  kenning --db demo.db backup backups --keep 7
  kenning backup backups --list

It ends with 130 if it was interrupted; earlier backups stay as they are."
);
pub(crate) const RESTORE: &str = example!(
    "kenning --db demo.db backup backups && kenning --db new.db restore backups
  kenning --db other.db restore backups --backup 1"
);
pub(crate) const REINDEX: &str = example!("kenning --db demo.db reindex people");
pub(crate) const EVAL: &str = "\
Example, with a set of one document and one question:
  mkdir -p set && echo '{\"_id\": \"a\", \"text\": \"Herons fish.\"}' > set/corpus.jsonl && \
echo '{\"_id\": \"q\", \"text\": \"heron\"}' > set/queries.jsonl && \
printf 'q\\ta\\t1\\n' > set/qrels.tsv && kenning eval set
  kenning --format json eval set --arms words --k 1,10";
pub(crate) const MODEL_LIST: &str = "Example:\n  kenning model list";
pub(crate) const MODEL_INFO: &str = "Example:\n  kenning model info all-minilm-l6-v2";
pub(crate) const MODEL_PULL: &str = "\
Examples:
  kenning model pull all-minilm-l6-v2
  kenning model pull all-minilm-l6-v2 --from models/all-minilm-l6-v2

Models go to $KENNING_MODELS, else to a folder kenning/models in the user's cache.";
pub(crate) const DEMO: &str = "Example:\n  kenning demo";
pub(crate) const COMPLETIONS: &str = "\
Examples:
  kenning completions bash
  kenning completions fish

For bash put 'source <(kenning completions bash)' into ~/.bashrc. For zsh write the script to a file
_kenning in a folder of $fpath, for fish to ~/.config/fish/completions/kenning.fish.";
