//! A file to a table.
//!
//! Transactions land in the order of the file, so how far an import has come is one place in it:
//! a mark under the hash of the content and of how it is read lands with each of them. Running the
//! import again finds the mark and goes on behind it; a file that was read to its end has a mark
//! that says so, and importing it again stores nothing. What comes from a pipe has no identity and
//! no mark.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Read;
use std::ops::ControlFlow;

use futures_channel::oneshot;
use kenning_engine::{Database, Mark, Transaction};
use kenning_record::{Id, Json};
use kenning_store::{Error, ErrorKind, Result};

use crate::column::{Column, ColumnType};
use crate::draft::{Reading, Shape, text};
use crate::note::Note;
use crate::pipeline::{Item, Loaded, Next, Pipeline, Plan, Refused, stage};
use crate::rows::{Chunk, Place, Rows};
use crate::source::{Hash, Opened};
use crate::{Format, Source, csv};

/// Rows from which the types of columns are inferred.
const SAMPLE_ROWS: usize = 1_000;
/// How often a chunk is staged again because others write what it stands on.
const TRIES_MAX: usize = 1_000;
/// The code of a transaction that has too much.
const TOO_LARGE: &str = "TRANSACTION_TOO_LARGE";

/// How a file is imported.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// What the file is made of.
    pub format: Format,
    /// The property that names a record, for a table whose schema names none.
    pub key: Option<String>,
    /// What columns of csv hold, where the caller knows better.
    pub types: Vec<(String, ColumnType)>,
    /// Whether each line of jsonl is a whole record, with id, key, aliases and validity, as an
    /// export of whole records writes it.
    pub whole_records: bool,
    /// Whether a file that was imported before, all of it or a part, is imported from its begin.
    pub again: bool,
    /// Ends the import after so many bad rows.
    pub bad_max: Option<u64>,
    /// Rows of one transaction.
    pub transaction_rows_max: usize,
    /// Bytes of the rows of one transaction, unless a single row has more.
    pub transaction_bytes_max: usize,
    /// Threads that stage transactions.
    pub loaders: usize,
}

impl ImportOptions {
    /// What nobody changed.
    pub fn new(format: Format) -> Self {
        ImportOptions {
            format,
            key: None,
            types: Vec::new(),
            whole_records: false,
            again: false,
            bad_max: None,
            transaction_rows_max: 2_000,
            transaction_bytes_max: 4 << 20,
            loaders: 2,
        }
    }
}

/// A row that was not stored.
#[derive(Debug)]
pub struct BadRow {
    /// Its first line, as an editor numbers it.
    pub line: u64,
    /// Why.
    pub error: Error,
}

/// How far an import has come, in this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows that were stored.
    pub stored: u64,
    /// Rows that were bad.
    pub bad: u64,
    /// The next line.
    pub line: u64,
    /// Bytes of text that were read, those of earlier runs included.
    pub bytes: u64,
    /// Bytes of the file, if it is one.
    pub bytes_total: Option<u64>,
}

/// What happens while an import runs.
#[derive(Debug)]
pub enum Event<'a> {
    /// So many bytes were hashed.
    Hashed(u64),
    /// An earlier run came to this line, and this one goes on there.
    GoesOn(u64),
    /// A row is bad. Told before the rows around it have landed.
    Bad(&'a BadRow),
    /// A transaction has landed.
    Landed(&'a Progress),
}

/// Why an import ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The whole source was read.
    Done,
    /// An earlier run had read the whole file; nothing was stored.
    DoneBefore,
    /// Whoever watched broke it off. Running it again goes on.
    Interrupted,
    /// There were as many bad rows as were allowed.
    TooManyBad,
}

/// What an import did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Why it ended.
    pub ending: Ending,
    /// What this run did.
    pub progress: Progress,
    /// Rows that were stored by all runs.
    pub stored_in_all: u64,
    /// Rows that were bad in all runs.
    pub bad_in_all: u64,
}

/// Who watches an import; it goes on while it is told to.
pub type Watch<'a> = dyn FnMut(Event<'_>) -> ControlFlow<()> + Send + 'a;

/// Stores the rows of `source` in `table`.
///
/// A record with the key of an earlier one replaces it, as a put does, also inside of one file. A
/// bad row is told to `watch` and left out. After an error what landed before stays; a file can be
/// imported again and goes on there.
pub async fn import(
    database: &Database,
    table: &str,
    source: Source,
    options: &ImportOptions,
    watch: &mut Watch<'_>,
) -> Result<Imported> {
    let schema = schema(database, table, options).await?;
    let opened = source.open(&mut |bytes| watch(Event::Hashed(bytes)))?;
    let nothing = |ending, note: Note| Imported {
        ending,
        progress: Progress::default(),
        stored_in_all: note.stored,
        bad_in_all: note.bad,
    };
    let Some(Opened { reader, hash, bytes }) = opened else {
        return Ok(nothing(Ending::Interrupted, Note::default()));
    };
    let mark = match hash {
        Some(hash) => Some(database.mark(table, identity(&hash, options)).await?),
        None => None,
    };
    let before = match &mark {
        Some(mark) if !options.again => mark.read().await?,
        Some(_) | None => None,
    };
    let note = before.map_or(Ok(Note::default()), |note| Note::decode(&note))?;
    if note.done {
        return Ok(nothing(Ending::DoneBefore, note));
    }
    if note.until > 0 && watch(Event::GoesOn(note.line)).is_break() {
        return Ok(nothing(Ending::Interrupted, note));
    }
    let plan = plan(reader, options, &schema, note)?;
    let progress = Progress { bytes_total: bytes, ..Progress::default() };
    let landing =
        Landing { database, table, mark, note, progress, options, watch, broken_off: false };
    landing.run(plan).await
}

/// What the columns of a csv file would be read as.
pub async fn columns(
    database: &Database,
    table: &str,
    source: Source,
    options: &ImportOptions,
) -> Result<Vec<Column>> {
    let schema = schema(database, table, options).await?;
    let plan = plan(source.peek()?, options, &schema, Note::default())?;
    match plan.reading.shape {
        Shape::Fields { columns, .. } => Ok(columns),
        Shape::Properties | Shape::Record => Err(not_csv()),
    }
}

/// The schema of the table, once the options are known to fit it.
async fn schema(database: &Database, table: &str, options: &ImportOptions) -> Result<Json> {
    let schema = database.table(table).await?.schema;
    let known = schema_key(&schema);
    if let (Some(known), Some(key)) = (known, &options.key)
        && known != key
    {
        let message = format!("the key of table '{table}' is its property '{known}'");
        return Err(Error::invalid("KEY_IS_IDENTITY", message));
    }
    let csv = options.format != Format::Jsonl;
    if csv && options.whole_records {
        let message = "whole records are lines of jsonl: csv has properties only";
        return Err(Error::invalid("WHOLE_RECORDS", message));
    }
    if !csv && !options.types.is_empty() {
        return Err(not_csv());
    }
    Ok(schema)
}

fn not_csv() -> Error {
    Error::invalid("TYPES", "columns with types are of csv: jsonl says itself what a value is")
}

fn schema_key(schema: &Json) -> Option<&str> {
    schema.get("x-kenning")?.get("key")?.as_str()
}

/// Under which an import is known: what the file holds and how it is read. The table is in the key
/// of the mark.
fn identity(hash: &Hash, options: &ImportOptions) -> Id {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(hash);
    match options.format {
        Format::Jsonl => part(b"jsonl"),
        Format::Csv { delimiter } => part(&[delimiter]),
    }
    part(&[u8::from(options.whole_records)]);
    part(options.key.as_deref().unwrap_or_default().as_bytes());
    for (name, holds) in &options.types {
        part(name.as_bytes());
        part(holds.name().as_bytes());
    }
    let id = hasher.finalize().as_bytes().first_chunk().copied();
    Id(id.expect("a hash is longer than an id"))
}

/// The bytes of a file.
type Text = Box<dyn Read + Send>;

/// Looks at how the rows begin, and passes over those that an earlier run stored.
fn plan(
    reader: Box<dyn Read + Send>,
    options: &ImportOptions,
    schema: &Json,
    note: Note,
) -> Result<Plan<Text>> {
    let mut rows = Rows::new(reader, options.format);
    let mut first = None;
    let shape = match options.format {
        Format::Jsonl if options.whole_records => Shape::Record,
        Format::Jsonl => Shape::Properties,
        Format::Csv { delimiter } => {
            let names = head(&mut rows, delimiter)?;
            let sample = rows.chunk(SAMPLE_ROWS, options.transaction_bytes_max)?;
            let columns = infer(names, &sample, delimiter, options, schema)?;
            first = Some(sample);
            Shape::Fields { delimiter, columns }
        }
    };
    match &mut first {
        Some(sample) if note.until <= sample.end.until => {
            sample.rows.retain(|row| row.place.until > note.until);
        }
        _ if note.until > 0 => {
            first = None;
            rows.skip_to(note.until, note.line)?;
        }
        _ => {}
    }
    let rows_max = options.transaction_rows_max.max(1);
    Ok(Plan {
        rows,
        first: first.map_or_else(VecDeque::new, |sample| sample.parts(rows_max)),
        reading: Reading { shape, key: options.key.clone() },
        rows_max,
        bytes_max: options.transaction_bytes_max.max(1),
        loaders: options.loaders,
    })
}

fn head(rows: &mut Rows<Text>, delimiter: u8) -> Result<Vec<String>> {
    let mut head = rows.chunk(1, usize::MAX)?;
    let Some(row) = head.rows.pop() else {
        return Err(Error::invalid("CSV_HEAD", "the file has no head line"));
    };
    let names = match row.fault {
        Some(fault) => Err(fault),
        None => text(&head.bytes[row.bytes]).and_then(|head| csv::names(head, delimiter)),
    };
    names.map_err(|error| match error.code() {
        "CSV_HEAD" | "TOO_MANY_COLUMNS" => error,
        _ => Error::invalid("CSV_HEAD", "the head line cannot be read").because(error),
    })
}

fn infer(
    names: Vec<String>,
    sample: &Chunk,
    delimiter: u8,
    options: &ImportOptions,
    schema: &Json,
) -> Result<Vec<Column>> {
    let good = sample.rows.iter().filter(|row| row.fault.is_none());
    let texts = good.filter_map(|row| text(&sample.bytes[row.bytes.clone()]).ok());
    let fields = texts.map(|row| csv::fields(row, delimiter));
    let fields: Vec<_> = fields.filter(|fields| fields.len() == names.len()).collect();
    let keys: Vec<&str> = schema_key(schema).into_iter().collect();
    crate::column::columns(names, &options.types, &keys, schema, &fields)
}

/// Commits what the threads staged, in the order of the file.
struct Landing<'a> {
    database: &'a Database,
    table: &'a str,
    mark: Option<Mark>,
    note: Note,
    progress: Progress,
    options: &'a ImportOptions,
    watch: &'a mut Watch<'a>,
    broken_off: bool,
}

impl Landing<'_> {
    async fn run<R: Read + Send + 'static>(mut self, plan: Plan<R>) -> Result<Imported> {
        let (pipeline, next) = Pipeline::start(self.database, self.table, plan);
        let ended = self.land_all(&pipeline, next).await;
        pipeline.end().await;
        let ending = ended.map_err(|error| self.told(&error))?;
        Ok(Imported {
            ending,
            progress: self.progress,
            stored_in_all: self.note.stored,
            bad_in_all: self.note.bad,
        })
    }

    async fn land_all(
        &mut self,
        pipeline: &Pipeline,
        mut next: oneshot::Receiver<Next>,
    ) -> Result<Ending> {
        loop {
            let said = next.await.expect("the reader ends with its last word");
            let (loaded, bytes, then) = match said {
                Next::Chunk { loaded, bytes, then } => (loaded, bytes, then),
                Next::Failed(error) => return Err(error),
            };
            let loaded = loaded.await.expect("a loader answers whoever waits");
            let last = loaded.last;
            let (ending, items) = self.land(loaded).await?;
            if let Some(ending) = ending {
                return Ok(ending);
            }
            if last {
                return Ok(Ending::Done);
            }
            pipeline.dealt_with(bytes, items);
            next = then;
        }
    }

    /// Commits a chunk: in one piece, or where that is too much for a transaction, in several.
    async fn land(&mut self, loaded: Loaded) -> Result<(Option<Ending>, Vec<Item>)> {
        let Loaded { mut items, staged, end, last } = loaded;
        let mut staged = Some(staged);
        let mut parts = vec![(0, items.len())];
        while let Some((from, until)) = parts.pop() {
            let whole = parts.is_empty();
            let end = if whole { end } else { items[until - 1].place };
            let rows = &mut items[from..until];
            let staged = match staged.take() {
                Some(staged) => staged,
                None => stage(self.database, self.table, rows).await,
            };
            match self.commit(rows, staged, end, last && whole).await {
                Ok(None) => {}
                Ok(ending) => return Ok((ending, items)),
                Err(error) if error.code() == TOO_LARGE && until - from > 1 => {
                    let middle = from + (until - from) / 2;
                    parts.extend([(middle, until), (from, middle)]);
                }
                Err(error) if error.code() == TOO_LARGE && until > from => {
                    items[from].draft = Err(error);
                    parts.push((from, until));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((None, items))
    }

    /// Commits one transaction, and tells which of its rows are bad. Rows behind the last bad one
    /// that is allowed are left out.
    async fn commit(
        &mut self,
        items: &mut [Item],
        mut staged: Result<(Transaction, Refused)>,
        end: Place,
        last: bool,
    ) -> Result<Option<Ending>> {
        let mut kept = items.len();
        let mut told = BTreeSet::new();
        for _ in 0..TRIES_MAX {
            let landed = match staged {
                Ok((transaction, refused)) => {
                    let cut = self.cut(&items[..kept], &refused);
                    let wanted = cut.unwrap_or(items.len());
                    if wanted != kept {
                        kept = wanted;
                        staged = stage(self.database, self.table, &mut items[..kept]).await;
                        continue;
                    }
                    let whole = kept == items.len();
                    let end = if whole { end } else { items[kept - 1].place };
                    let note = self.note_after(&items[..kept], &refused, end, last && whole);
                    self.tell(&items[..kept], &refused, &mut told);
                    self.write(transaction, note).await.map(|()| cut.is_some())
                }
                Err(error) => Err(error),
            };
            match landed {
                Ok(too_many) => {
                    self.broken_off |= (self.watch)(Event::Landed(&self.progress)).is_break();
                    return Ok(match (too_many, self.broken_off && !last) {
                        (true, _) => Some(Ending::TooManyBad),
                        (false, true) => Some(Ending::Interrupted),
                        (false, false) => None,
                    });
                }
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    staged = stage(self.database, self.table, &mut items[..kept]).await;
                }
                Err(error) => return Err(error),
            }
        }
        let message = format!("others write the same records; {TRIES_MAX} tries were in vain");
        Err(Error::conflict("IMPORT_LOSES", message))
    }

    async fn write(&mut self, mut transaction: Transaction, note: Note) -> Result<()> {
        if let Some(mark) = &self.mark {
            transaction.set_mark(mark, &note.encode()).await?;
        }
        transaction.commit().await?;
        self.progress.stored += note.stored - self.note.stored;
        self.progress.bad += note.bad - self.note.bad;
        (self.progress.line, self.progress.bytes) = (note.line, note.until);
        self.note = note;
        Ok(())
    }

    /// How many rows there are up to the last bad one that is allowed; `None` if there are fewer
    /// bad ones.
    fn cut(&self, items: &[Item], refused: &Refused) -> Option<usize> {
        let left = self.options.bad_max?.max(1).saturating_sub(self.progress.bad).max(1);
        let bad =
            |idx: &usize| items[*idx].draft.is_err() || refused.iter().any(|(of, _)| of == idx);
        let nth = usize::try_from(left - 1).unwrap_or(usize::MAX);
        (0..items.len()).filter(bad).nth(nth).map(|idx| idx + 1)
    }

    /// What the mark says once these rows have landed.
    fn note_after(&self, items: &[Item], refused: &Refused, end: Place, done: bool) -> Note {
        let unread = items.iter().filter(|item| item.draft.is_err()).count();
        let bad = (unread + refused.len()) as u64;
        Note {
            done,
            until: end.until,
            line: end.next_line,
            stored: self.note.stored + items.len() as u64 - bad,
            bad: self.note.bad + bad,
        }
    }

    /// Tells the bad rows that were not told yet. They are told before what is around them lands:
    /// after a crash some may be told twice, and none never.
    fn tell(&mut self, items: &[Item], refused: &Refused, told: &mut BTreeSet<u64>) {
        let unread = items
            .iter()
            .filter_map(|item| item.draft.as_ref().err().map(|error| (item.place.line, error)));
        let refused = refused.iter().map(|(idx, error)| (items[*idx].place.line, error));
        let bad: BTreeMap<u64, &Error> = unread.chain(refused).collect();
        for (line, error) in bad {
            if told.insert(line) {
                let row = BadRow { line, error: error.again() };
                self.broken_off |= (self.watch)(Event::Bad(&row)).is_break();
            }
        }
    }

    /// The error, and how far it went before.
    fn told(&self, error: &Error) -> Error {
        let Progress { stored, bad, line, .. } = self.progress;
        if stored + bad == 0 {
            return error.again();
        }
        let before = line.saturating_sub(1);
        let message = format!("{}; {stored} rows up to line {before} are stored", error.message());
        let told = Error::new(error.kind(), error.code(), message);
        match std::error::Error::source(error) {
            Some(source) => told.because(source.to_string()),
            None => told,
        }
    }
}
