//! import, export.
//!
//! Both can take long, so both show on a terminal how far they are, and both listen to Ctrl-C: an
//! import finishes the transaction that is on its way and can be gone on with, an export leaves no
//! file.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use kenning::blocking::{self, Database};
use kenning::ingest::{BadRow, ColumnType, Ending, Event, ExportOptions, Format, ImportOptions};
use kenning::ingest::{Imported, Progress, Source, Target};
use kenning::{Error, Json, Predicate, Result, World};

use super::{view, waiting};
use crate::args::{self, Export, FileFormat, FileShape, Import};
use crate::exit::{Outcome, say};
use crate::output::{Columns, Output, json_line, thousands};
use crate::raw;

/// Stands for standard input or output.
const STANDARD: &str = "-";
/// How often progress is shown.
const SHOWN_MS: u64 = 100;
/// Threads that stage, at most: one commits.
const LOADERS_MAX: usize = 8;

const TYPES: Columns = Columns::all(&["column", "type", "source"]);

pub(super) fn import(
    database: &Database,
    import: &Import,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let options = options(import)?;
    let source = match named(&import.file) {
        STANDARD => Source::Stream(Box::new(io::stdin())),
        path => Source::File(path.into()),
    };
    if import.show_types {
        return show_types(database, import, source, &options, output);
    }
    let errors = import.errors.as_deref().map(ErrorsFile::open).transpose()?;
    let mut teller = Teller { errors, ..Teller::new(database, output) };
    raw::note_interrupts();
    let imported =
        blocking::import(database, named(&import.table), source, &options, &mut |event| {
            teller.on(&event)
        });
    teller.wipe();
    let imported = imported?;
    if let Some(error) = teller.errors.and_then(|errors| errors.failed) {
        return Err(error);
    }
    let seconds = teller.clock.seconds();
    report(&imported, import, seconds, teller.json);
    let outcome = match imported.ending {
        Ending::Interrupted => return Ok(Outcome::Interrupted),
        Ending::Done | Ending::DoneBefore | Ending::TooManyBad if imported.bad_in_all > 0 => {
            Outcome::Partly
        }
        Ending::Done | Ending::DoneBefore | Ending::TooManyBad => Outcome::Done,
    };
    waiting::embedded(database, named(&import.table), &import.waiting, outcome, output)
}

/// A table or a file, which the parser asks for unless a whole database is meant.
fn named(word: &Option<String>) -> &str {
    word.as_deref().expect("the parser asks for it")
}

fn options(import: &Import) -> Result<ImportOptions> {
    let loaders = std::thread::available_parallelism().map_or(1, |n| n.get());
    Ok(ImportOptions {
        key: import.key.clone(),
        types: import.types.iter().map(|said| column_type(said)).collect::<Result<_>>()?,
        whole_records: import.shape.full,
        again: import.again,
        bad_max: import.max_errors,
        loaders: loaders.min(LOADERS_MAX),
        ..ImportOptions::new(format(&import.shape, named(&import.file))?)
    })
}

fn column_type(said: &str) -> Result<(String, ColumnType)> {
    let Some((name, holds)) = said.rsplit_once('=') else {
        let message = format!("'{said}' is not NAME=TYPE");
        return Err(Error::invalid("TYPES", message));
    };
    Ok((name.to_owned(), holds.parse()?))
}

/// What the file is made of: what was said, or what its name says.
fn format(shape: &FileShape, file: &str) -> Result<Format> {
    let format = match shape.file_format {
        Some(FileFormat::Jsonl) => Format::Jsonl,
        Some(FileFormat::Csv) => Format::CSV,
        Some(FileFormat::Tsv) => Format::TSV,
        None if file == STANDARD => {
            let message = "standard input and output have no name: say --as jsonl, csv or tsv";
            return Err(Error::invalid("FORMAT_UNKNOWN", message));
        }
        None => Format::of_path(Path::new(file))?,
    };
    match shape.delimiter.as_deref().map(str::as_bytes) {
        None => Ok(format),
        Some([delimiter]) => format.delimited(*delimiter),
        Some(_) => Err(Error::invalid("DELIMITER", "a delimiter is one ASCII character")),
    }
}

fn show_types(
    database: &Database,
    import: &Import,
    source: Source,
    options: &ImportOptions,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let columns = blocking::columns(database, named(&import.table), source, options)?;
    let mut list = output.list(TYPES);
    for column in columns {
        list.row(vec![
            ("column", column.name.into()),
            ("type", column.holds.name().into()),
            ("source", column.source.name().into()),
        ])?;
    }
    list.end()?;
    Ok(Outcome::Done)
}

/// Says what an import did.
fn report(imported: &Imported, import: &Import, seconds: f64, json: bool) {
    let Imported { ending, progress: Progress { stored, bad, line, .. }, .. } = *imported;
    if json {
        let ending = match ending {
            Ending::Done => "done",
            Ending::DoneBefore => "done before",
            Ending::Interrupted => "interrupted",
            Ending::TooManyBad => "too many bad",
        };
        return say(&json_line(&[
            ("ending", ending.into()),
            ("stored", stored.into()),
            ("bad", bad.into()),
            ("stored_in_all", imported.stored_in_all.into()),
            ("bad_in_all", imported.bad_in_all.into()),
            ("seconds", seconds.into()),
        ]));
    }
    let (all, bad_all) = (thousands(imported.stored_in_all), thousands(imported.bad_in_all));
    match ending {
        Ending::DoneBefore => {
            return say(&format!(
                "imported before: {all} rows stored, {bad_all} bad; --again imports it anew"
            ));
        }
        Ending::Interrupted if named(&import.file) != STANDARD => {
            say("interrupted: the same command goes on from here");
        }
        Ending::Interrupted => say("interrupted"),
        Ending::TooManyBad => say(&format!("stopped behind line {}", line.saturating_sub(1))),
        Ending::Done => {}
    }
    if imported.stored_in_all > stored || imported.bad_in_all > bad {
        say(&format!("with what was stored before: {all} rows, {bad_all} bad"));
    }
    say(&format!(
        "{} rows stored, {} bad, {}",
        thousands(stored),
        thousands(bad),
        pace(stored, seconds)
    ));
}

/// The seconds that rows took, and how many that is in one.
pub(super) fn pace(rows: u64, seconds: f64) -> String {
    let rate = rows as f64 / seconds.max(0.001);
    format!("in {seconds:.2} s, {} rows/s", thousands(rate as u64))
}

/// Tells a person or a program what happens.
pub(super) struct Teller {
    pub(super) clock: Clock,
    errors: Option<ErrorsFile>,
    pub(super) json: bool,
    on_terminal: bool,
    shown_ms: u64,
}

impl Teller {
    fn new(database: &Database, output: &Output<'_>) -> Self {
        Teller::of(database.world(), output.format())
    }

    pub(super) fn of(world: Arc<dyn World>, format: args::Format) -> Self {
        let json = match format {
            args::Format::Json | args::Format::Jsonl => true,
            args::Format::Table | args::Format::Csv => false,
        };
        let on_terminal = io::stderr().is_terminal();
        Teller { clock: Clock::start(world), errors: None, json, on_terminal, shown_ms: 0 }
    }

    fn on(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Hashed(_) => {}
            Event::GoesOn(line) => {
                if let Some(errors) = &mut self.errors {
                    errors.begun = true;
                }
                if !self.json {
                    say(&format!("going on from line {line}"));
                }
            }
            Event::Bad(row) => self.bad(row),
            Event::Landed(progress) => {
                if let Some(errors) = &mut self.errors {
                    errors.begin();
                }
                self.progress(&progress_line(progress));
            }
        }
        let failed = self.errors.as_ref().is_some_and(|errors| errors.failed.is_some());
        if failed { ControlFlow::Break(()) } else { flow() }
    }

    fn bad(&mut self, row: &BadRow) {
        let BadRow { line, error } = row;
        let shown = json_line(&[
            ("line", Json::from(*line)),
            ("code", error.code().into()),
            ("message", error.message().into()),
        ]);
        self.wipe();
        match &mut self.errors {
            Some(errors) => errors.write(&shown),
            None if self.json => say(&shown),
            None => say(&format!("line {line}: {}: {}", error.code(), error.message())),
        }
    }

    /// Shows where it is, if somebody looks, and not too often.
    pub(super) fn progress(&mut self, line: &str) {
        let now = self.clock.ms();
        if self.on_terminal && (self.shown_ms == 0 || now >= self.shown_ms + SHOWN_MS) {
            self.shown_ms = now.max(1);
            // If nobody listens there, there is nobody to tell.
            let _ = write!(io::stderr(), "\r\x1b[K{line}");
        }
    }

    /// Takes away what `progress` shows.
    pub(super) fn wipe(&mut self) {
        if self.on_terminal && self.shown_ms > 0 {
            let _ = write!(io::stderr(), "\r\x1b[K");
            self.shown_ms = 0;
        }
    }
}

fn progress_line(progress: &Progress) -> String {
    let Progress { stored, bad, bytes, bytes_total, .. } = *progress;
    let rows = format!("{} rows, {} bad", thousands(stored), thousands(bad));
    match bytes_total.filter(|total| *total > 0) {
        Some(total) => {
            // Text that was UTF-16 has other sizes than the file.
            let percent = (bytes.saturating_mul(100) / total).min(100);
            format!("{rows}, {percent} %")
        }
        None => rows,
    }
}

pub(super) fn flow() -> ControlFlow<()> {
    if raw::interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Bad lines, one JSON object each.
struct ErrorsFile {
    file: File,
    path: String,
    /// Whether what an earlier import left in it is gone, or stays because this one goes on.
    begun: bool,
    failed: Option<Error>,
}

impl ErrorsFile {
    fn open(path: &str) -> Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(|error| {
            let message = format!("the file '{path}' cannot be written");
            Error::invalid("FILE", message).because(error)
        })?;
        Ok(ErrorsFile { file, path: path.to_owned(), begun: false, failed: None })
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            let emptied = self.file.set_len(0);
            self.note(emptied);
        }
    }

    fn write(&mut self, line: &str) {
        self.begin();
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        self.note(written);
    }

    fn note(&mut self, done: io::Result<()>) {
        if let Err(error) = done {
            let message = format!("the file '{}' cannot be written", self.path);
            self.failed = Some(Error::unavailable("IO", message).because(error));
        }
    }
}

/// How long it has taken.
pub(super) struct Clock {
    world: Arc<dyn World>,
    began_ms: u64,
}

impl Clock {
    fn start(world: Arc<dyn World>) -> Self {
        let began_ms = world.now_ms();
        Clock { world, began_ms }
    }

    fn ms(&self) -> u64 {
        self.world.now_ms().saturating_sub(self.began_ms)
    }

    pub(super) fn seconds(&self) -> f64 {
        self.ms() as f64 / 1_000.0
    }
}

pub(super) fn export(
    database: &Database,
    export: &Export,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let asked = export.predicate.as_deref().map(Predicate::parse).transpose()?;
    let options = ExportOptions {
        whole_records: export.shape.full,
        replace: export.replace,
        predicate: asked.unwrap_or_default(),
        ..ExportOptions::new(format(&export.shape, named(&export.file))?)
    };
    let target = match named(&export.file) {
        STANDARD => Target::Stream(Box::new(io::stdout())),
        path => Target::File(path.into()),
    };
    let view = view(database, export.as_of.as_deref())?;
    let mut teller = Teller::new(database, output);
    raw::note_interrupts();
    let exported =
        blocking::export(&view, named(&export.table), target, &options, &mut |records| {
            teller.progress(&format!("{} records", thousands(records)));
            flow()
        });
    teller.wipe();
    let exported = exported?;
    if !exported.whole {
        say("interrupted: there is no file");
        return Ok(Outcome::Interrupted);
    }
    if teller.json {
        say(&json_line(&[("records", exported.records.into())]));
    } else {
        let pace = pace(exported.records, teller.clock.seconds());
        say(&format!("{} rows written, {pace}", thousands(exported.records)));
    }
    Ok(Outcome::Done)
}
