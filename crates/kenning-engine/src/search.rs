//! Finders by meaning and by words.
//!
//! Each arm gives its best candidates; every one of them is held against the view, since an index
//! over vectors may be behind; then the scores are made comparable and summed with weights
//! ([`fuse`]). Whatever stands first then is a question itself: whom it names, and what is like it,
//! come in as well, and all are ranked once more ([`follow`]).
//! The pieces of an index answer for every version that they
//! serve; for other views, and while an index is not there yet, an index is made of the view's own
//! records and thrown away.

mod arms; // what each arm finds
mod filter; // the rows that a predicate lets through
mod follow; // what the first hit leads to
mod fuse; // several rankings to one
mod measure; // how near each candidate is

use std::collections::HashMap;
use std::sync::Arc;

use kenning_index::{Predicate, WordQuestion};
use kenning_record::{Id, Json, RecordRef, TableNo, Version, entry};
use kenning_store::{Bytes, Error, ErrorKind, Result};
use serde_json::json;

use crate::database::Database;
use crate::sealed::Finders;
use crate::table::{Table, number};
use crate::view::View;
use arms::Arms;

/// Hits that can be asked for, those that are passed over included.
const HITS_MAX: usize = 10_000;
/// Bytes of a question.
const QUESTION_BYTES_MAX: usize = 64 << 10;
/// Hits that are found if nothing else is said.
const HITS: usize = 10;

/// What is asked of a search.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The question in words.
    pub text: Option<String>,
    /// The question as a vector.
    pub vector: Option<Vec<f32>>,
    /// How it is looked for.
    pub mode: Mode,
    /// The tables; every one if none is named.
    pub tables: Vec<String>,
    /// Which records may be found.
    pub filter: Option<Predicate>,
    /// Only records that are valid at this instant, in milliseconds since the epoch.
    pub valid_at: Option<i64>,
    /// Which vectors: `embed`, `embed_alt`, or the path of a property; `embed` if nothing is said.
    pub vectors: Option<String>,
    /// How many hits.
    pub limit: usize,
    /// How many of the best are passed over.
    pub offset: usize,
    /// Hits with a lower score are left out.
    pub score_min: Option<f32>,
    /// Whether every vector is compared, so that nothing near is missed.
    pub exact: bool,
    /// Whether it is told where the hits have words of the question.
    pub highlights: bool,
}

/// How a question is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// By words and by meaning; by what there is, where one of the two can't be.
    #[default]
    Hybrid,
    /// By meaning.
    Vectors,
    /// By words.
    Words,
}

/// Who found a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arm {
    /// Its own words.
    Words,
    /// The words around it in its source.
    Window,
    /// Its vector.
    Vectors,
    /// The vectors around it in its source.
    Around,
    /// Its name, which stands in the question or in the first hit.
    Named,
    /// Its vector, which is near that of the first hit.
    Alike,
}

/// A record that answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Its id.
    pub id: Id,
    /// Its table.
    pub table: String,
    /// Its key, if it has one.
    pub key: Option<String>,
    /// How well it answers: more is better. Of a hybrid search 0 to 1.
    pub score: f32,
    /// How far its vector is from that of the question.
    pub distance: Option<f32>,
    /// What it says.
    pub text: String,
    /// Where in `text` it has words of the question, if that was asked for.
    pub highlights: Vec<std::ops::Range<usize>>,
    /// Who found it.
    pub why: Vec<Why>,
    /// The version that it is from.
    pub version: Version,
}

/// One arm's reason for a hit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Why {
    /// The arm.
    pub arm: Arm,
    /// Its place there, from 1.
    pub rank: usize,
    /// Its score there: BM25, or how alike the vectors are; of a name how sure it is that it is
    /// meant.
    pub score: f32,
    /// What it adds to the score of the hit: that is the sum of these.
    pub part: f32,
}

/// What was found, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The hits, best first.
    pub hits: Vec<Hit>,
    /// What it took.
    pub explain: SearchExplain,
}

/// What a search took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchExplain {
    /// Parts on the disk that were searched.
    pub parts: u64,
    /// Pieces in memory that were searched.
    pub tails: u64,
    /// Searches that went through a graph.
    pub graphs: u64,
    /// Searches that compared every vector that may be found.
    pub scans: u64,
    /// Distances between vectors.
    pub distances: u64,
    /// Rows that the filter lets through; none if there is no filter.
    pub filter_rows: Option<u64>,
    /// Whether what passes the filter was known from an earlier search.
    pub filter_known: bool,
    /// Indexes that were made of records for this search alone.
    pub made: u64,
    /// Records that the question, or the first hit, names.
    pub named: u64,
    /// Records that were found as they are like the first hit.
    pub alike: u64,
    /// Candidates that were held against the view.
    pub candidates: u64,
    /// Those that it does not show so.
    pub outdated: u64,
    /// Why one of the arms could not be asked.
    pub missing: Vec<String>,
}

impl Ask {
    /// A question in words.
    pub fn text(text: impl Into<String>) -> Self {
        Ask { text: Some(text.into()), ..Ask::default() }
    }

    /// A question as a vector.
    pub fn vector(vector: Vec<f32>) -> Self {
        Ask { vector: Some(vector), mode: Mode::Vectors, ..Ask::default() }
    }

    /// The same, in one table.
    #[must_use]
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.tables.push(table.into());
        self
    }

    /// The same, with so many hits.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// The same, in this mode.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The same, of records for which this holds.
    #[must_use]
    pub fn filter(mut self, filter: Predicate) -> Self {
        self.filter = Some(filter);
        self
    }

    fn check(&self) -> Result<()> {
        let bytes = self.text.as_ref().map_or(0, String::len);
        if bytes > QUESTION_BYTES_MAX {
            let message =
                format!("the question has {bytes} bytes, the most is {QUESTION_BYTES_MAX}");
            return Err(Error::exhausted("QUESTION_TOO_LONG", message));
        }
        let hits = self.limit.saturating_add(self.offset);
        if hits > HITS_MAX {
            let message = format!("{hits} hits are asked for, the most is {HITS_MAX}");
            return Err(Error::exhausted("HITS_TOO_MANY", message));
        }
        let is_empty = self.text.as_ref().is_none_or(|text| text.trim().is_empty());
        if is_empty && self.vector.is_none() {
            return Err(Error::invalid("QUESTION_EMPTY", "nothing is asked"));
        }
        if is_empty && self.mode == Mode::Words {
            return Err(Error::invalid("QUESTION_EMPTY", "a search by words needs words"));
        }
        let finite = |vector: &Vec<f32>| vector.iter().all(|number| number.is_finite());
        if !self.vector.as_ref().is_none_or(finite) {
            let message = "the question has a number that is not finite";
            return Err(Error::invalid("VECTOR_NOT_FINITE", message));
        }
        Ok(())
    }
}

impl Default for Ask {
    fn default() -> Self {
        Ask {
            text: None,
            vector: None,
            mode: Mode::default(),
            tables: Vec::new(),
            filter: None,
            valid_at: None,
            vectors: None,
            limit: HITS,
            offset: 0,
            score_min: None,
            exact: false,
            highlights: false,
        }
    }
}

impl Mode {
    const ALL: [Mode; 3] = [Mode::Hybrid, Mode::Vectors, Mode::Words];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Hybrid => "hybrid",
            Mode::Vectors => "vectors",
            Mode::Words => "words",
        }
    }
}

impl std::str::FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Mode::ALL.into_iter().find(|mode| mode.name() == text);
        found.ok_or_else(|| {
            let names = Mode::ALL.map(Mode::name).join(", ");
            Error::invalid("MODE_UNKNOWN", format!("there is no mode '{text}'; there are {names}"))
        })
    }
}

impl Arm {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Arm::Words => "words",
            Arm::Window => "window",
            Arm::Vectors => "vectors",
            Arm::Around => "around",
            Arm::Named => "named",
            Arm::Alike => "alike",
        }
    }
}

impl Hit {
    /// As it is shown.
    pub fn to_json(&self) -> Json {
        let why = |why: &Why| {
            json!({
                "arm": why.arm.name(), "rank": why.rank, "score": why.score, "part": why.part,
            })
        };
        json!({
            "id": self.id.to_string(),
            "table": self.table,
            "key": self.key,
            "score": self.score,
            "distance": self.distance,
            "text": self.text,
            "why": self.why.iter().map(why).collect::<Vec<_>>(),
        })
    }
}

impl SearchExplain {
    /// As it is shown.
    pub fn to_json(&self) -> Json {
        json!({
            "parts": self.parts,
            "tails": self.tails,
            "graphs": self.graphs,
            "scans": self.scans,
            "distances": self.distances,
            "filter_rows": self.filter_rows,
            "filter_known": self.filter_known,
            "made": self.made,
            "named": self.named,
            "alike": self.alike,
            "candidates": self.candidates,
            "outdated": self.outdated,
            "missing": self.missing,
        })
    }
}

impl Database {
    /// The records that answer a question best.
    pub async fn search(&self, ask: &Ask) -> Result<Answer> {
        self.view()?.search(ask).await
    }
}

impl View {
    /// The records that answer a question best.
    pub async fn search(&self, ask: &Ask) -> Result<Answer> {
        ask.check()?;
        let finders = self.handle.shared().settings.finders.clone().ok_or_else(|| {
            Error::invalid("SEARCH_MISSING", "this database was opened without what searches")
        })?;
        let tables = self.searched(ask).await?;
        if ask.limit == 0 {
            return Ok(Answer::default());
        }
        Search { view: self, ask, finders: &finders, tables }.run().await
    }

    /// The tables that are searched.
    async fn searched(&self, ask: &Ask) -> Result<Vec<Arc<Table>>> {
        let mut tables: Vec<Arc<Table>> = Vec::new();
        if ask.tables.is_empty() {
            tables = self.all_tables().await?;
            tables.retain(|table| table.number >= number::FIRST);
        }
        for name in &ask.tables {
            let table = self.table_named(name).await?;
            table.check_writable()?;
            if tables.iter().all(|known| known.number != table.number) {
                tables.push(table);
            }
        }
        if let Some(filter) = &ask.filter {
            tables.iter().try_for_each(|table| filter.check_against(&table.schema))?;
        }
        Ok(tables)
    }
}

/// A search on its way.
struct Search<'a> {
    view: &'a View,
    ask: &'a Ask,
    finders: &'a Finders,
    tables: Vec<Arc<Table>>,
}

/// A record that some arm found, as the view shows it.
struct Shown {
    table: Arc<Table>,
    version: Version,
    bytes: Bytes,
}

impl Shown {
    /// What it says.
    fn text(&self) -> Result<String> {
        let (_, payload) = entry::split(&self.bytes)?;
        let schema = &self.table.schema;
        let words = schema.words.as_deref();
        let paths = words.or(schema.embed.as_ref().map(|embed| embed.paths.as_slice()));
        let record = RecordRef::new(payload)?;
        let row = kenning_index::words_of(record, schema.key.as_ref(), paths)?;
        Ok(row.map(|row| row.body).unwrap_or_default())
    }
}

/// Whose record it is.
type Whose = (TableNo, Id);

impl Search<'_> {
    /// Answers; where a part turns out to be damaged, without it.
    async fn run(&self) -> Result<Answer> {
        match self.answer().await {
            Err(error) if error.kind() == ErrorKind::Corrupt && self.distrust().await => {
                self.answer().await
            }
            done => done,
        }
    }

    /// Whether any part of what is searched is damaged. It is not asked any more.
    async fn distrust(&self) -> bool {
        let shared = self.view.handle.shared();
        let library = &self.view.tenant.library;
        let sight = library.sight();
        let is_asked = |table: TableNo| self.tables.iter().any(|it| it.number == table);
        let mut is_damaged = false;
        for index in sight.indexes.iter().filter(|index| is_asked(index.table)) {
            is_damaged |= library.distrust(shared, index).await;
        }
        is_damaged
    }

    async fn answer(&self) -> Result<Answer> {
        let mut arms = Arms::open(self).await?;
        let wanted = self.ask.limit + self.ask.offset;
        let mut depth = arms::depth(self.ask.mode, wanted);
        loop {
            let mut found = arms.ask(depth).await?;
            let mut shown: HashMap<Whose, Shown> = HashMap::new();
            let outdated = self.verify(&found, &mut shown).await?;
            // What an index does not know yet took the place of what it would have found.
            if outdated > 0 && shown.len() < wanted && found.is_full(depth) && depth < HITS_MAX {
                depth *= 4;
                continue;
            }
            found.keep(|whose| Some(shown.get(whose)?.version));
            let mut ranked = self.rank(&arms, &mut found, &shown, wanted);
            if let Some(first) = ranked.first().filter(|_| self.ask.mode == Mode::Hybrid) {
                let it = &shown[&first.whose];
                arms.follow(first, it.version, &it.text()?, depth, &mut found)?;
                self.verify(&found, &mut shown).await?;
                found.keep(|whose| Some(shown.get(whose)?.version));
                ranked = self.rank(&arms, &mut found, &shown, wanted);
            }
            arms.explain.candidates = found.whose().count() as u64;
            arms.explain.outdated = arms.explain.candidates - shown.len() as u64;
            let kept = ranked.into_iter().filter(|hit| self.is_kept(hit.score));
            let page = kept.skip(self.ask.offset).take(self.ask.limit);
            let hits = page.map(|ranked| {
                let question = arms.question(ranked.whose.0).filter(|_| self.ask.highlights);
                self.hit(ranked, &shown, question)
            });
            return Ok(Answer { hits: hits.collect::<Result<_>>()?, explain: arms.explain });
        }
    }

    fn rank(
        &self,
        arms: &Arms<'_>,
        found: &mut arms::Candidates,
        shown: &HashMap<Whose, Shown>,
        told: usize,
    ) -> Vec<fuse::Ranked> {
        arms.measure(found);
        fuse::fuse(self.ask.mode, found, told, |whose| shown.contains_key(whose))
    }

    fn is_kept(&self, score: f32) -> bool {
        self.ask.score_min.is_none_or(|least| score >= least)
    }

    /// Looks up each candidate that is not shown yet; how many the view does not show as they were
    /// found.
    async fn verify(
        &self,
        found: &arms::Candidates,
        shown: &mut HashMap<Whose, Shown>,
    ) -> Result<u64> {
        let mut whose: Vec<(Whose, Version)> = found.whose().collect();
        whose.retain(|(whose, _)| !shown.contains_key(whose));
        let tenant = self.view.tenant.number;
        let record_keys: Vec<_> = whose
            .iter()
            .map(|((table, id), _)| kenning_record::keys::record(tenant, *table, id))
            .collect();
        let asked: Vec<&[u8]> = record_keys.iter().map(<[u8; _]>::as_slice).collect();
        let mut outdated = 0;
        for ((whose, version), bytes) in whose.iter().zip(self.view.source.get_many(&asked).await?)
        {
            let table = self.tables.iter().find(|table| table.number == whose.0);
            let (Some(bytes), Some(table)) = (bytes, table) else {
                outdated += 1;
                continue;
            };
            let (from, payload) = entry::split(&bytes)?;
            if from != *version || !self.passes(whose.1, from, RecordRef::new(payload)?)? {
                outdated += 1;
                continue;
            }
            shown.insert(*whose, Shown { table: Arc::clone(table), version: from, bytes });
        }
        Ok(outdated)
    }

    /// Whether the question lets a record be found.
    fn passes(&self, id: Id, version: Version, record: RecordRef<'_>) -> Result<bool> {
        if let Some(filter) = &self.ask.filter
            && !filter.holds(id, version, record)?
        {
            return Ok(false);
        }
        let Some(at) = self.ask.valid_at else { return Ok(true) };
        let (from, until) = record.valid()?;
        Ok(from.is_none_or(|from| from <= at) && until.is_none_or(|until| at < until))
    }

    fn hit(
        &self,
        ranked: fuse::Ranked,
        shown: &HashMap<Whose, Shown>,
        question: Option<&dyn WordQuestion>,
    ) -> Result<Hit> {
        let shown = shown.get(&ranked.whose).expect("what is ranked was shown");
        let (version, payload) = entry::split(&shown.bytes)?;
        let record = RecordRef::new(payload)?;
        let text = shown.text()?;
        let highlights = question.map(|question| question.highlights(&text)).unwrap_or_default();
        Ok(Hit {
            id: ranked.whose.1,
            table: shown.table.name.clone(),
            key: record.key()?.map(str::to_owned),
            score: ranked.score,
            distance: ranked.distance,
            text,
            highlights,
            why: ranked.why,
            version,
        })
    }
}

/// An arm that can't be asked: an error where it was asked for, a note where another one answers.
fn missing(mode: Mode, error: Error, explain: &mut SearchExplain) -> Result<()> {
    let hybrid = mode == Mode::Hybrid && error.kind() != ErrorKind::Corrupt;
    if !hybrid {
        return Err(error);
    }
    explain.missing.push(error.to_string());
    Ok(())
}
