//! A table to a file.
//!
//! Everything comes from one view, so an export of a table that is written to is the table as it
//! was when the export began. Records are read and written a page at a time.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use kenning_engine::{Encoded, View};
use kenning_index::Predicate;
use kenning_record::{Id, Json, Schema};
use kenning_store::{Error, Result};

use crate::Format;
use crate::csv::{self, COLUMNS_MAX};
use crate::part::PartFile;

/// Records of one page.
const PAGE_ROWS: usize = 1_000;
const BUFFER_BYTES: usize = 1 << 20;

/// How a table is exported.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// What the file is made of.
    pub format: Format,
    /// Whether each line of jsonl is a whole record, with id, key, aliases and validity, instead of
    /// its properties.
    pub whole_records: bool,
    /// Whether a file that is there is replaced.
    pub replace: bool,
    /// Which records are written.
    pub predicate: Predicate,
}

impl ExportOptions {
    /// What nobody changed.
    pub fn new(format: Format) -> Self {
        ExportOptions {
            format,
            whole_records: false,
            replace: false,
            predicate: Predicate::default(),
        }
    }
}

/// Where an export goes.
pub enum Target {
    /// A file, which has its name when it is whole.
    File(PathBuf),
    /// Whoever reads it as it comes, such as standard output.
    Stream(Box<dyn Write + Send>),
}

/// What an export did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Records that were written.
    pub records: u64,
    /// Whether all were; otherwise whoever watched broke it off, and there is no file.
    pub whole: bool,
}

/// Writes the records of `table` that are asked for, as `view` has them, in the order of the ids.
/// `watch` is told how many were written.
pub async fn export(
    view: &View,
    table: &str,
    target: Target,
    options: &ExportOptions,
    watch: &mut (dyn FnMut(u64) -> ControlFlow<()> + Send),
) -> Result<Exported> {
    let schema = view.table(table).await?.schema;
    if options.whole_records && options.format != Format::Jsonl {
        let message = "whole records are lines of jsonl: csv has properties only";
        return Err(Error::invalid("WHOLE_RECORDS", message));
    }
    let predicate = &options.predicate;
    if !predicate.is_always() {
        predicate.check_against(&Schema::parse(&schema)?)?;
    }
    let mut sink = Sink::open(target, options.replace)?;
    let mut lines = Lines { options, columns: Vec::new(), buffer: Vec::new() };
    if let Format::Csv { delimiter } = options.format {
        let Some(columns) = columns(view, table, &schema, predicate, watch).await? else {
            return Ok(Exported { records: 0, whole: false });
        };
        lines.columns = columns;
        sink.write(&lines.head(delimiter))?;
    }
    let mut records = 0;
    let mut after = None;
    loop {
        let page = view.page(table, after, PAGE_ROWS).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id());
        let page = passing(page, predicate)?;
        sink.write(lines.page(&page)?)?;
        records += page.len() as u64;
        if watch(records).is_break() {
            return Ok(Exported { records, whole: false });
        }
    }
    sink.finish()?;
    Ok(Exported { records, whole: true })
}

/// The names of all properties, the key first. `None` if it was broken off.
async fn columns(
    view: &View,
    table: &str,
    schema: &Json,
    predicate: &Predicate,
    watch: &mut (dyn FnMut(u64) -> ControlFlow<()> + Send),
) -> Result<Option<Vec<String>>> {
    let said = schema.get("properties").and_then(Json::as_object);
    let mut names: BTreeSet<String> =
        said.into_iter().flat_map(|properties| properties.keys().cloned()).collect();
    let mut after: Option<Id> = None;
    loop {
        let page = view.page(table, after, PAGE_ROWS).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id());
        for record in passing(page, predicate)? {
            add_names(&record, &mut names)?;
        }
        if watch(0).is_break() {
            return Ok(None);
        }
    }
    let key = schema.get("x-kenning").and_then(|extension| extension.get("key")?.as_str());
    let key = key.and_then(|key| names.take(key));
    Ok(Some(key.into_iter().chain(names).collect()))
}

fn passing(page: Vec<Encoded>, predicate: &Predicate) -> Result<Vec<Encoded>> {
    let pass = |record: Encoded| match record.passes(predicate) {
        Ok(true) => Some(Ok(record)),
        Ok(false) => None,
        Err(error) => Some(Err(error)),
    };
    page.into_iter().filter_map(pass).collect()
}

fn add_names(record: &Encoded, names: &mut BTreeSet<String>) -> Result<()> {
    for entry in record.properties()?.entries() {
        let (name, _) = entry?;
        if !names.contains(name) {
            names.insert(name.to_owned());
        }
    }
    if names.len() > COLUMNS_MAX {
        let message = format!("the records have more than {COLUMNS_MAX} properties: use jsonl");
        return Err(Error::exhausted("TOO_MANY_COLUMNS", message));
    }
    if names.contains("") {
        let message = "a record has a property without a name, a column can't be: use jsonl";
        return Err(Error::invalid("CSV_HEAD", message));
    }
    Ok(())
}

/// Records as lines.
struct Lines<'a> {
    options: &'a ExportOptions,
    columns: Vec<String>,
    buffer: Vec<u8>,
}

impl Lines<'_> {
    fn head(&self, delimiter: u8) -> Vec<u8> {
        let mut head = Vec::new();
        for (idx, name) in self.columns.iter().enumerate() {
            if idx > 0 {
                head.push(delimiter);
            }
            csv::write_text(name, delimiter, &mut head);
        }
        if !self.columns.is_empty() {
            head.push(b'\n');
        }
        head
    }

    /// The lines of a page.
    fn page(&mut self, page: &[Encoded]) -> Result<&[u8]> {
        self.buffer.clear();
        for record in page {
            match self.options.format {
                Format::Jsonl => {
                    let json = match self.options.whole_records {
                        true => record.record()?.to_json(),
                        false => record.properties()?.decode()?,
                    };
                    serde_json::to_writer(&mut self.buffer, &json)
                        .expect("a vector takes everything, and JSON has texts for names");
                    self.buffer.push(b'\n');
                }
                Format::Csv { delimiter } => {
                    let json = record.properties()?.decode()?;
                    if self.columns.is_empty() {
                        let message = "no record has a property, so csv has nothing to say";
                        return Err(Error::invalid("CSV_HEAD", message));
                    }
                    let values = self.columns.iter().map(|name| json.get(name));
                    csv::write(values, delimiter, &mut self.buffer);
                }
            }
        }
        Ok(&self.buffer)
    }
}

enum Sink {
    File(PartFile),
    Stream(BufWriter<Box<dyn Write + Send>>),
}

impl Sink {
    fn open(target: Target, replace: bool) -> Result<Self> {
        match target {
            Target::File(path) => PartFile::create(&path, replace).map(Sink::File),
            Target::Stream(stream) => {
                Ok(Sink::Stream(BufWriter::with_capacity(BUFFER_BYTES, stream)))
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Sink::File(file) => file.write(bytes),
            Sink::Stream(stream) => stream.write_all(bytes).map_err(refused),
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Sink::File(file) => file.finish(),
            Sink::Stream(mut stream) => stream.flush().map_err(refused),
        }
    }
}

fn refused(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Error::unavailable("PIPE_CLOSED", "nobody reads the output any more");
    }
    Error::unavailable("OUTPUT", "the output cannot be written").because(error)
}
