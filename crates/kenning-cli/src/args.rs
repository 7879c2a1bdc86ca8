//! What can be typed.
//!
//! The words of the command line and nothing else: values stay text until the verb reads them, so
//! that a malformed id or instant is an error of the house, with its code, and not one of the
//! parser.

mod finding; // search, eval, model

use std::ffi::OsString;
use std::num::NonZeroUsize;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::examples;

/// What says which engine keeps a database that is made.
pub(crate) const ENGINE: &str = "KENNING_ENGINE";

pub(crate) use finding::{Eval, ModelVerb, Search};

/// Keeps what is known, and every moment of its past.
#[derive(Parser)]
#[command(name = "kenning", version, arg_required_else_help = true)]
#[command(after_help = examples::START)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Flags that go before or after the verb.
#[derive(Args, Clone)]
#[command(next_help_heading = "Before or after any verb")]
pub(crate) struct Globals {
    /// The database: a folder, or memory: for one that is forgotten [default: kenning.db]
    #[arg(long, global = true, env = "KENNING_DB", value_name = "PATH|URL")]
    #[arg(hide_env_values = true)]
    pub(crate) db: Option<String>,
    /// Whose records
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
    /// How results are written
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// How results are written: for people, or one document, one a line, or with a head line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
    Jsonl,
    Csv,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Create a database
    #[command(after_help = examples::INIT)]
    Init(Init),
    /// Create, list, show, alter and drop tables
    #[command(subcommand)]
    Table(TableVerb),
    /// Create, list and drop tenants
    #[command(subcommand)]
    Tenant(TenantVerb),
    /// Store a record; one with the same key is replaced
    #[command(after_help = examples::PUT)]
    Put(Put),
    /// Store the records of a file; cut off and run again, it goes on
    #[command(after_help = examples::IMPORT)]
    Import(Import),
    /// Write the records of a table to a file
    #[command(after_help = examples::EXPORT)]
    Export(Export),
    /// Change some properties of a record (JSON merge patch)
    #[command(after_help = examples::UPDATE)]
    Update(Update),
    /// Show a record
    #[command(after_help = examples::GET)]
    Get(Get),
    /// Remove a record; its past stays
    #[command(after_help = examples::DELETE)]
    Delete(Target),
    /// Find records by key or alias, in every table
    #[command(after_help = examples::LOOKUP)]
    Lookup(Lookup),
    /// Find records by a name that is like theirs
    #[command(after_help = examples::FUZZY)]
    Fuzzy(Fuzzy),
    /// Find records by meaning and by words
    #[command(after_help = examples::SEARCH)]
    Search(Search),
    /// Show everything that a record ever was, oldest first
    #[command(after_help = examples::HISTORY)]
    History(History),
    /// Make two records one: names, links and history of the second go to the first
    #[command(after_help = examples::MERGE)]
    Merge(Merge),
    /// Connect two records
    #[command(after_help = examples::LINK)]
    Link(Link),
    /// Remove a connection
    #[command(after_help = examples::UNLINK)]
    Unlink(Ends),
    /// Show what a record is directly connected to
    #[command(after_help = examples::NEIGHBORS)]
    Neighbors(Walk),
    /// Follow connections outwards from a record
    #[command(after_help = examples::TRAVERSE)]
    Traverse(Traverse),
    /// Check every checksum, and every index against its rebuild
    #[command(after_help = examples::VERIFY)]
    Verify(Verify),
    /// Count and measure what is stored
    #[command(after_help = examples::STATS)]
    Stats,
    /// List what changed, transaction by transaction
    #[command(after_help = examples::LOG)]
    Log(Log),
    /// Rewrite what is stored, of every tenant, without what is no longer needed
    #[command(after_help = examples::COMPACT)]
    Compact,
    /// Remove the past before a moment, of every tenant
    #[command(after_help = examples::PRUNE)]
    Prune(Prune),
    /// Remove every value that a record ever had, also from the past and from the files
    #[command(after_help = examples::PURGE)]
    Purge(Target),
    /// Copy what changed since the last backup into a folder of backups
    #[command(after_help = examples::BACKUP)]
    Backup(Backup),
    /// Make a database of a backup; --db says where, and nothing may be there
    #[command(after_help = examples::RESTORE)]
    Restore(Restore),
    /// Make the indexes of a table anew, or of every table
    #[command(after_help = examples::REINDEX)]
    Reindex(Reindex),
    /// List, show and bring the models that say what texts mean
    #[command(subcommand)]
    Model(ModelVerb),
    /// Measure how well questions are answered, on a set of them whose answers are known
    #[command(after_help = examples::EVAL)]
    Eval(Eval),
    /// Load a small made-up sample and show what can be done with it
    #[command(after_help = examples::DEMO)]
    Demo,
    /// Print a script that lets a shell complete the words of this program
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Args)]
pub(crate) struct Init {
    /// What keeps a database that is made; one that is there keeps its own [default: rocksdb]
    #[arg(long, env = ENGINE, value_enum, hide_env_values = true)]
    pub(crate) engine: Option<Engine>,
}

/// The engines of databases on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    Rocksdb,
    Fjall,
}

#[derive(Subcommand)]
pub(crate) enum TableVerb {
    /// Create a table
    #[command(after_help = examples::TABLE_CREATE)]
    Create {
        /// Its name
        name: String,
        /// A file with its JSON Schema, - for standard input; without one anything goes
        #[arg(long, value_name = "FILE")]
        schema: Option<String>,
    },
    /// List the tables
    #[command(after_help = examples::TABLE_LIST)]
    List,
    /// Show the schema and the indexes of a table
    #[command(after_help = examples::TABLE_SHOW)]
    Show {
        /// Its name
        name: String,
    },
    /// Remove a table with all its records
    #[command(after_help = examples::TABLE_DROP)]
    Drop {
        /// Its name
        name: String,
    },
    /// Give a table another schema
    #[command(after_help = examples::TABLE_ALTER)]
    Alter {
        /// Its name
        name: String,
        /// A file with its JSON Schema, - for standard input
        #[arg(long, value_name = "FILE")]
        schema: String,
        /// Do not wait for new indexes: whoever opens the database next builds them
        #[arg(long)]
        no_wait: bool,
    },
}

#[derive(Args)]
pub(crate) struct Prune {
    /// The first moment that can still be shown: a version, or an instant like 2026-11-20T08:30:00Z
    #[arg(long, value_name = "VERSION|INSTANT")]
    pub(crate) before: String,
    /// The log, too, as far as no follower still has to read it
    #[arg(long)]
    pub(crate) log: bool,
}

#[derive(Args)]
pub(crate) struct Backup {
    /// The folder of backups of this database; made if it is missing
    #[arg(value_name = "DIR")]
    pub(crate) folder: String,
    /// Remove all but so many backups from the folder, once this one is there
    #[arg(long, value_name = "N")]
    pub(crate) keep: Option<NonZeroUsize>,
    /// List the backups in the folder instead, which takes no database
    #[arg(long, conflicts_with = "keep")]
    pub(crate) list: bool,
}

#[derive(Args)]
pub(crate) struct Restore {
    /// The folder of backups
    #[arg(value_name = "DIR")]
    pub(crate) folder: String,
    /// Which backup [default: the latest]
    #[arg(long, value_name = "N")]
    pub(crate) backup: Option<u64>,
}

#[derive(Args)]
pub(crate) struct Reindex {
    /// The table; every one if none is named
    pub(crate) table: Option<String>,
    /// Do not wait: whoever opens the database next goes on
    #[arg(long)]
    pub(crate) no_wait: bool,
}

#[derive(Subcommand)]
pub(crate) enum TenantVerb {
    /// Create a tenant
    #[command(after_help = examples::TENANT_CREATE)]
    Create {
        /// Its name
        name: String,
    },
    /// List the tenants, and about how large each is
    #[command(after_help = examples::TENANT_LIST)]
    List,
    /// Remove a tenant with all its records and their past, for good
    #[command(after_help = examples::TENANT_DROP)]
    Drop {
        /// Its name; it can't be the one that --tenant names
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Do not wait until its space is free: whoever opens the database next goes on
        #[arg(long)]
        no_wait: bool,
    },
}

#[derive(Args)]
pub(crate) struct Put {
    /// The table
    pub(crate) table: String,
    /// A JSON object; - reads one or many from standard input
    pub(crate) json: String,
    /// The name under which the table knows the record
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// A further name; may be given several times
    #[arg(long)]
    pub(crate) alias: Vec<String>,
    /// The id, a UUID; without one it comes from the key or is made
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Refuse if the key is taken
    #[arg(long)]
    pub(crate) new: bool,
    #[command(flatten)]
    pub(crate) validity: Validity,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

#[derive(Args)]
pub(crate) struct Waiting {
    /// Do not wait until it can be found by meaning: whoever opens the database next goes on
    #[arg(long)]
    pub(crate) no_wait: bool,
}

#[derive(Args)]
pub(crate) struct Validity {
    /// When it begins to hold
    #[arg(long, value_name = "INSTANT")]
    pub(crate) valid_from: Option<String>,
    /// When it no longer holds
    #[arg(long, value_name = "INSTANT")]
    pub(crate) valid_until: Option<String>,
}

/// What a file is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileFormat {
    Jsonl,
    Csv,
    Tsv,
}

#[derive(Args)]
pub(crate) struct FileShape {
    /// What the file is made of [default: as its name ends]
    #[arg(long = "as", value_enum, value_name = "FORMAT")]
    pub(crate) file_format: Option<FileFormat>,
    /// What is between two fields of csv
    #[arg(long, value_name = "CHARACTER")]
    pub(crate) delimiter: Option<String>,
    /// Each line of jsonl is a whole record: id, key, aliases, validity, properties
    #[arg(long)]
    pub(crate) full: bool,
}

#[derive(Args)]
pub(crate) struct Import {
    /// The table
    #[arg(required_unless_present = "all")]
    pub(crate) table: Option<String>,
    /// A file of jsonl, csv or tsv; - for standard input, which can't be gone on with
    #[arg(required_unless_present = "all")]
    pub(crate) file: Option<String>,
    /// Make a new database what `export --all` wrote to this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["table", "file", "file_format"])]
    #[arg(conflicts_with_all = ["delimiter", "full", "key", "types", "show_types", "errors"])]
    #[arg(conflicts_with_all = ["max_errors", "again"])]
    pub(crate) all: Option<String>,
    #[command(flatten)]
    pub(crate) shape: FileShape,
    /// The property that names a record, if the schema of the table has none
    #[arg(long, value_name = "PROPERTY")]
    pub(crate) key: Option<String>,
    /// What columns of csv hold: boolean, integer, number, json or text
    #[arg(long, value_name = "NAME=TYPE,...", value_delimiter = ',')]
    pub(crate) types: Vec<String>,
    /// Show what columns of csv would be read as, and import nothing
    #[arg(long)]
    pub(crate) show_types: bool,
    /// Write bad lines to this file, one JSON object each, instead of to standard error
    #[arg(long, value_name = "FILE")]
    pub(crate) errors: Option<String>,
    /// Stop after so many bad lines [default: never]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_errors: Option<u64>,
    /// Import a file that was imported before, all of it
    #[arg(long)]
    pub(crate) again: bool,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

#[derive(Args)]
pub(crate) struct Export {
    /// The table
    #[arg(required_unless_present = "all")]
    pub(crate) table: Option<String>,
    /// A file that is there once it is whole; - for standard output
    #[arg(required_unless_present = "all")]
    pub(crate) file: Option<String>,
    /// Write what every tenant knows, into a folder that is new or empty
    #[arg(long, value_name = "DIR", conflicts_with_all = ["table", "file", "file_format"])]
    #[arg(conflicts_with_all = ["delimiter", "full", "replace", "predicate"])]
    pub(crate) all: Option<String>,
    /// With --all: everything that ever was, every transaction of the log
    #[arg(long, requires = "all", conflicts_with_all = ["as_of", "table", "file"])]
    pub(crate) history: bool,
    #[command(flatten)]
    pub(crate) shape: FileShape,
    /// Only records of which this SQL expression holds, such as "born > 1900 AND role LIKE 'k%'"
    #[arg(long = "where", value_name = "PREDICATE")]
    pub(crate) predicate: Option<String>,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) replace: bool,
    /// Export the past: a version, or an instant such as 2026-11-20T08:30:00Z
    #[arg(long, value_name = "VERSION-or-INSTANT")]
    pub(crate) as_of: Option<String>,
}

#[derive(Args)]
pub(crate) struct Update {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The properties to change; null removes one; - reads standard input
    pub(crate) json: String,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

#[derive(Args)]
pub(crate) struct Target {
    /// The table
    pub(crate) table: String,
    /// The record: its id, key or alias
    #[arg(value_name = "ID-or-KEY")]
    pub(crate) reference: String,
}

#[derive(Args)]
pub(crate) struct When {
    /// Look at the past: a version, or an instant such as 2026-11-20T08:30:00Z
    #[arg(long, value_name = "VERSION-or-INSTANT")]
    pub(crate) as_of: Option<String>,
    /// Only what held at this instant
    #[arg(long, value_name = "INSTANT")]
    pub(crate) valid_at: Option<String>,
}

#[derive(Args)]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) target: Target,
    /// If it was deleted, show what it was last
    #[arg(long)]
    pub(crate) deleted: bool,
    #[command(flatten)]
    pub(crate) when: When,
}

#[derive(Args)]
pub(crate) struct Lookup {
    /// Keys or aliases
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) when: When,
}

#[derive(Args)]
pub(crate) struct Fuzzy {
    /// A key or alias, or something like it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Only records of this table
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: Option<String>,
    /// How similar a name has to be, by the trigrams that both have: above 0, to 1
    #[arg(long, value_name = "SIMILARITY", default_value_t = 0.3)]
    pub(crate) threshold: f32,
    /// How many records
    #[arg(short = 'k', long, value_name = "N", default_value_t = 10)]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) when: When,
}

#[derive(Args)]
pub(crate) struct History {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) when: When,
}

#[derive(Args)]
pub(crate) struct Merge {
    /// The record that is kept: TABLE/KEY, an id, or a name
    #[arg(value_name = "KEPT")]
    pub(crate) keep: String,
    /// The record that it takes in
    #[arg(value_name = "OTHER")]
    pub(crate) other: String,
    /// Take the merge back: OTHER is there again as it was
    #[arg(long)]
    pub(crate) undo: bool,
}

#[derive(Args)]
pub(crate) struct Ends {
    /// Where it starts: TABLE/KEY, an id, or a name
    pub(crate) source: String,
    /// What kind of connection it is
    #[arg(value_name = "TYPE")]
    pub(crate) kind: String,
    /// Where it ends; it may be missing yet
    pub(crate) target: String,
}

#[derive(Args)]
pub(crate) struct Link {
    #[command(flatten)]
    pub(crate) ends: Ends,
    /// How strong it is, from 0 to 1
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    pub(crate) weight: f64,
    /// What else is known about it
    #[arg(long, value_name = "JSON")]
    pub(crate) properties: Option<String>,
    #[command(flatten)]
    pub(crate) validity: Validity,
}

#[derive(Args)]
pub(crate) struct Walk {
    /// The record: TABLE/KEY, an id, or a name
    #[arg(value_name = "REF")]
    pub(crate) reference: String,
    /// Only this kind of connection; may be given several times
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kinds: Vec<String>,
    /// Which way
    #[arg(long, value_enum, default_value_t = Direction::Both)]
    pub(crate) direction: Direction,
    /// At most so many
    #[arg(long)]
    pub(crate) limit: Option<usize>,
    #[command(flatten)]
    pub(crate) when: When,
}

#[derive(Args)]
pub(crate) struct Traverse {
    #[command(flatten)]
    pub(crate) walk: Walk,
    /// How many connections away
    #[arg(long, default_value_t = 2)]
    pub(crate) depth: u32,
}

/// Which way connections are followed.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Direction {
    Out,
    In,
    Both,
}

#[derive(Args)]
pub(crate) struct Verify {
    /// Show the hashes of what is known, and of all that ever was: equal databases have equal ones
    #[arg(long, conflicts_with = "as_of")]
    pub(crate) content: bool,
    /// Check the indexes as they were: a version or an instant
    #[arg(long, value_name = "VERSION-or-INSTANT")]
    pub(crate) as_of: Option<String>,
}

#[derive(Args)]
pub(crate) struct Log {
    /// Only what came after this version [default: 0; with --follow the last one]
    #[arg(long, value_name = "VERSION")]
    pub(crate) after: Option<u64>,
    /// At most so many transactions [default: 100; with --follow no limit]
    #[arg(long)]
    pub(crate) limit: Option<usize>,
    /// Go on with each transaction as it lands, until Ctrl-C
    ///
    /// One process holds a database, so these are transactions of this very process: steps of
    /// indexes that are built, and whatever else it does meanwhile. With --after it also is a way
    /// to read a log of any length.
    #[arg(long)]
    pub(crate) follow: bool,
}

/// A command line that says nothing sensible, or that only asks for help.
pub(crate) struct Usage {
    pub(crate) error: clap::Error,
    pub(crate) json: bool,
}

impl Arguments {
    /// Reads a command line; its first word is the program.
    pub(crate) fn read(words: impl Iterator<Item = OsString>) -> Result<Self, Usage> {
        let words: Vec<OsString> = words.collect();
        let json = asks_for_json(&words);
        Arguments::try_parse_from(words).map_err(|error| Usage { error, json })
    }
}

/// Whether errors should be JSON, found without the parser, which has just given up.
fn asks_for_json(words: &[OsString]) -> bool {
    let json = |word: &str| matches!(word, "json" | "jsonl");
    let texts: Vec<&str> = words.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    texts.windows(2).any(|pair| pair[0] == "--format" && json(pair[1]))
        || texts.iter().any(|word| word.strip_prefix("--format=").is_some_and(json))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn flags_stand_before_or_after_the_verb() {
        for words in [
            ["kenning", "--format", "csv", "table", "list"],
            ["kenning", "table", "--format", "csv", "list"],
            ["kenning", "table", "list", "--format", "csv"],
        ] {
            let arguments = Arguments::try_parse_from(words).unwrap();
            assert_eq!(arguments.globals.format, Format::Csv);
        }
    }

    #[test]
    fn every_verb_has_an_example() {
        fn check(command: &clap::Command) {
            for verb in command.get_subcommands() {
                let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
                let leaf = !verb.has_subcommands();
                assert!(!leaf || help.contains("\n  "), "{} has no example", verb.get_name());
                check(verb);
            }
        }
        check(&Arguments::command());
    }
}
