//! search, eval, model.

use clap::{Args, Subcommand};

use super::When;
use crate::examples;

#[derive(Args)]
pub(crate) struct Search {
    /// The question: words, "a phrase", +must, -not, begin*, alike~
    #[arg(required_unless_present = "vector")]
    pub(crate) text: Option<String>,
    /// At most so many hits
    #[arg(short = 'k', long = "limit", value_name = "N", default_value_t = 10)]
    pub(crate) limit: usize,
    /// Pass over so many of the best
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) offset: usize,
    /// Only in this table; may be given several times
    #[arg(long = "table", value_name = "TABLE")]
    pub(crate) tables: Vec<String>,
    /// Only records for which this holds, such as "city = 'Bern' AND age > 30"
    #[arg(long = "where", value_name = "PREDICATE")]
    pub(crate) filter: Option<String>,
    /// By meaning and words, or by one of them: hybrid, vectors, words [default: hybrid; with
    /// --vector and no text vectors]
    #[arg(long, value_name = "MODE")]
    pub(crate) mode: Option<String>,
    /// The question as a vector: a JSON array of numbers, - for standard input
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) vector: Option<String>,
    /// Which vectors: embed, embed_alt, or a property that is one [default: embed]
    #[arg(long, value_name = "NAME")]
    pub(crate) vectors: Option<String>,
    /// Leave out hits with a lower score
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    pub(crate) min_score: Option<f32>,
    /// Compare with every vector, so that nothing near is missed
    #[arg(long)]
    pub(crate) exact: bool,
    /// Show why each hit was found, and what the search took
    #[arg(long)]
    pub(crate) explain: bool,
    #[command(flatten)]
    pub(crate) when: When,
}

#[derive(Args)]
pub(crate) struct Eval {
    /// The folder of the set: corpus.jsonl, queries.jsonl, qrels.tsv
    #[arg(value_name = "DIR")]
    pub(crate) folder: String,
    /// Up to which places right answers are counted
    #[arg(short = 'k', long = "k", value_name = "N,...", value_delimiter = ',')]
    #[arg(default_value = "5,10", value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) places: Vec<u16>,
    /// Into how many tokens the evidence has to fit
    #[arg(long = "budget", value_name = "TOKENS,...", value_delimiter = ',')]
    #[arg(default_value = "1024,2048", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) budgets: Vec<u32>,
    /// How is searched: words, vectors, hybrid
    #[arg(long, value_name = "MODE,...", value_delimiter = ',')]
    #[arg(default_value = "words,vectors,hybrid")]
    pub(crate) arms: Vec<String>,
    /// The model that says what texts mean [default: as for any database]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum ModelVerb {
    /// List the models, where they are, and which is the default
    #[command(after_help = examples::MODEL_LIST)]
    List,
    /// Show a model and its files, and check every byte of them
    #[command(after_help = examples::MODEL_INFO)]
    Info {
        /// Its name
        name: String,
    },
    /// Bring the files of a model into the folder of models
    #[command(after_help = examples::MODEL_PULL)]
    Pull {
        /// Its name
        name: String,
        /// A folder that has them, or the URL of one [default: where they are published]
        #[arg(long, value_name = "URL-or-FOLDER")]
        from: Option<String>,
    },
}
