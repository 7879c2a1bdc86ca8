//! Files to a database.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use kenning_engine::TransactionId;
use kenning_engine::{ContentHash, Database, Refused, Replay, Said, SaidTable, Told, ToldChange};
use kenning_record::{Json, encode_record};
use kenning_store::{Error, ErrorKind, Result, limits};

use super::files::{Reading, check};
use super::line::{self, Members, malformed};
use super::marker::{FileOf, FileSaid, Holds, Marker};
use super::{LINKS, MARKER, WholeProgress, WholeWatch};

/// Lines of one transaction.
const LINES: usize = 2_000;
/// Bytes of the lines of one transaction, unless a single line has more; and of the transactions
/// of a log that are held at a time.
const BYTES: u64 = 4 << 20;
/// Transactions of a log that are held at a time.
const TRANSACTIONS: usize = 256;
/// The most bytes of a marker: a thousand tables take 200 KB.
const MARKER_BYTES_MAX: u64 = 256 << 20;

/// An export, whose files are known to be as they were written.
#[derive(Debug)]
pub struct WholeExport {
    folder: PathBuf,
    marker: Marker,
    source: [u8; 32],
}

/// What an import of a whole database did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeImported {
    /// What this run did.
    pub progress: WholeProgress,
    /// Whether an earlier run had begun.
    pub gone_on: bool,
    /// Whether an earlier run had done it all. The database is as it was, and may know more by now.
    pub was_there: bool,
    /// The hash of what was exported, which is what is known unless it was there before; `None` if
    /// whoever watched broke it off, and importing once more goes on.
    pub content: Option<ContentHash>,
}

impl WholeExport {
    /// Reads what is in `folder`, and compares every file with what the marker says. `None` if
    /// `hashed`, which is told of bytes, breaks that off.
    pub fn read(
        folder: &Path,
        hashed: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<Self>> {
        let path = folder.join(MARKER);
        let refused = |error| {
            let message = format!("'{}' is no export: {MARKER} cannot be read", folder.display());
            Error::invalid("EXPORT_MISSING", message).because(error)
        };
        let size = path.metadata().map_err(refused)?.len();
        if size > MARKER_BYTES_MAX {
            let message = format!("{MARKER} has {size} bytes, the most is {MARKER_BYTES_MAX}");
            return Err(Error::exhausted("EXPORT_MALFORMED", message));
        }
        let text = std::fs::read_to_string(&path).map_err(refused)?;
        let marker = Marker::decode(&text)?;
        let mut bytes = 0;
        for file in &marker.files {
            let mut on = |more: u64| {
                bytes += more;
                hashed(bytes).is_continue()
            };
            if !check(folder, file, &mut on)? {
                return Ok(None);
            }
        }
        let source = *blake3::hash(text.as_bytes()).as_bytes();
        Ok(Some(WholeExport { folder: folder.to_owned(), marker, source }))
    }

    /// What is in it.
    pub fn holds(&self) -> Holds {
        self.marker.holds
    }

    /// What tells it from every other export.
    pub fn source(&self) -> [u8; 32] {
        self.source
    }

    /// The version that it shows.
    pub fn version(&self) -> u64 {
        self.marker.version
    }

    /// Its tenants.
    pub fn tenants(&self) -> &[String] {
        &self.marker.tenants
    }

    /// The tenant that is opened for who names none, or an error if there is no such tenant.
    pub fn tenant<'a>(&'a self, named: Option<&'a str>, usual: &'a str) -> Result<&'a str> {
        let is_there = |name: &str| self.marker.tenants.iter().any(|tenant| tenant == name);
        match named {
            Some(name) if is_there(name) => Ok(name),
            Some(name) => {
                let message = format!("the export has no tenant named '{name}'");
                Err(Error::invalid("TENANT_NOT_FOUND", message))
            }
            None if is_there(usual) => Ok(usual),
            None => Ok(&self.marker.tenants[0]),
        }
    }

    fn bytes(&self) -> u64 {
        self.marker.files.iter().map(|file| file.bytes).sum()
    }
}

/// Makes the database of `replay`, which was opened for this export, what the export holds, and
/// opens it as `tenant`. No database comes back if whoever watched broke it off. Indexes that are
/// not there yet are built from now on.
pub async fn import_all(
    replay: Replay,
    export: &WholeExport,
    tenant: &str,
    watch: &mut WholeWatch<'_>,
) -> Result<(WholeImported, Option<Database>)> {
    let progress = WholeProgress { bytes_total: Some(export.bytes()), ..WholeProgress::default() };
    let content = Some(export.marker.content);
    if replay.is_made() {
        let progress = WholeProgress::default();
        let imported = WholeImported { progress, gone_on: false, was_there: true, content };
        return Ok((imported, Some(replay.finish(tenant).await?)));
    }
    let mut import = Import { replay, export, progress, watch };
    let gone_on = import.replay.version() > 0;
    let flow = match export.holds() {
        Holds::State => import.state().await?,
        Holds::History => import.log().await?,
    };
    let Import { replay, progress, .. } = import;
    if flow.is_break() {
        let imported = WholeImported { progress, gone_on, was_there: false, content: None };
        return Ok((imported, None));
    }
    compare(&replay, &export.marker).await?;
    let database = replay.finish(tenant).await?;
    Ok((WholeImported { progress, gone_on, was_there: false, content }, Some(database)))
}

/// Refuses a database that does not know what was exported.
async fn compare(replay: &Replay, marker: &Marker) -> Result<()> {
    let view = replay.view()?;
    let same = view.content_hash().await? == marker.content
        && match marker.history {
            Some(history) => view.history_hash().await? == history,
            None => true,
        };
    if same {
        return Ok(());
    }
    let message = "what was imported is not what was exported: the hash of the content differs";
    Err(Error::invalid("CONTENT_DIFFERS", message))
}

struct Import<'a> {
    replay: Replay,
    export: &'a WholeExport,
    progress: WholeProgress,
    watch: &'a mut WholeWatch<'a>,
}

/// How far an import is: so many files, and of the next one so many bytes and lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    files: u32,
    offset: u64,
    line: u64,
}

impl Place {
    const SIZE: usize = 20;

    fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Place::SIZE);
        bytes.extend_from_slice(&self.files.to_le_bytes());
        bytes.extend_from_slice(&self.offset.to_le_bytes());
        bytes.extend_from_slice(&self.line.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Place::default());
        }
        let damaged = || Error::corrupt("NOTE_DAMAGED", "the note of an import is damaged");
        let bytes: &[u8; Place::SIZE] = bytes.try_into().map_err(|_| damaged())?;
        let number = |at: usize| {
            let part = bytes[at..].first_chunk().expect("the parts add up to the size");
            u64::from_le_bytes(*part)
        };
        let files = bytes.first_chunk().expect("the size is greater");
        Ok(Place { files: u32::from_le_bytes(*files), offset: number(4), line: number(12) })
    }
}

impl Import<'_> {
    /// Tells how far it is.
    fn tell(&mut self, lines: u64, bytes: u64) -> ControlFlow<()> {
        self.progress.lines += lines;
        self.progress.bytes += bytes;
        (self.watch)(&self.progress)
    }

    /// What a view knew.
    async fn state(&mut self) -> Result<ControlFlow<()>> {
        let place = Place::decode(&self.replay.note().await?)?;
        for (at, file) in self.export.marker.files.iter().enumerate().skip(place.files as usize) {
            let here = at == place.files as usize;
            let from = Place { files: at as u32, ..if here { place } else { Place::default() } };
            let flow = match file.of()? {
                FileOf::Tables(tenant) => self.tables(file, tenant, from).await?,
                FileOf::Table(tenant, table) => self.table(file, tenant, table, from).await?,
                FileOf::Log => unreachable!("the marker was checked"),
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        for file in &self.export.marker.files {
            if let FileOf::Tables(tenant) = file.of()? {
                let (tables, reading) = self.read_tables(file)?;
                let built = self.replay.build(tenant, &tables).await;
                built.map_err(|error| reading.refused(reading.line, &error))?;
            }
        }
        // What an import had half done is no past that anybody should look at.
        self.replay.forget(self.replay.version()).await?;
        Ok(ControlFlow::Continue(()))
    }

    fn read_tables<'b>(&self, file: &'b FileSaid) -> Result<(Vec<SaidTable>, Reading<'b>)> {
        let mut reading = Reading::open(&self.export.folder, file, 0, 0)?;
        let mut tables = Vec::new();
        while let Some(line) = reading.next()? {
            match line::read_table(line) {
                Ok(table) => tables.push(table),
                Err(error) => return Err(reading.refused(reading.line, &error)),
            }
        }
        Ok((tables, reading))
    }

    async fn tables(
        &mut self,
        file: &FileSaid,
        tenant: &str,
        from: Place,
    ) -> Result<ControlFlow<()>> {
        let (tables, reading) = self.read_tables(file)?;
        let next = Place { files: from.files + 1, ..Place::default() };
        let learned = self.replay.learn_tables(tenant, &tables, &next.encode()).await;
        learned.map_err(|Refused { at, error }| reading.refused(at as u64 + 1, &error))?;
        Ok(self.tell(tables.len() as u64, file.bytes))
    }

    async fn table(
        &mut self,
        file: &FileSaid,
        tenant: &str,
        table: &str,
        from: Place,
    ) -> Result<ControlFlow<()>> {
        let mut reading = Reading::open(&self.export.folder, file, from.offset, from.line)?;
        let mut place = from;
        loop {
            let mut said: Vec<Said> = Vec::new();
            let mut ended = false;
            while said.len() < LINES && reading.offset - place.offset < BYTES && !ended {
                match reading.next()? {
                    None => ended = true,
                    Some(line) => match line::read_said(line, table == LINKS) {
                        Ok(line) => said.push(line),
                        Err(error) => return Err(reading.refused(reading.line, &error)),
                    },
                }
            }
            let next = match ended {
                true => Place { files: from.files + 1, ..Place::default() },
                false => Place { offset: reading.offset, line: reading.line, ..from },
            };
            let learned = self.replay.learn(tenant, table, &said, &next.encode()).await;
            learned.map_err(|Refused { at, error }| {
                reading.refused(place.line + at as u64 + 1, &error)
            })?;
            let flow = self.tell(reading.line - place.line, reading.offset - place.offset);
            if ended || flow.is_break() {
                return Ok(flow);
            }
            place = next;
        }
    }

    /// Everything that ever was.
    async fn log(&mut self) -> Result<ControlFlow<()>> {
        let export = self.export;
        let file = &export.marker.files[0];
        let mut reading = Reading::open(&export.folder, file, 0, 0)?;
        let there = self.replay.version();
        let mut ended = false;
        while !ended {
            let begin = (reading.line, reading.offset);
            let mut told: Vec<Told> = Vec::new();
            let mut lines = Vec::new();
            while told.len() < TRANSACTIONS && reading.offset - begin.1 < BYTES && !ended {
                let line = reading.line + 1;
                match read_told(&mut reading, there)? {
                    Some(Some(transaction)) => {
                        told.push(transaction);
                        lines.push(line);
                    }
                    // It is there already.
                    Some(None) => {}
                    None => ended = true,
                }
            }
            let repeated = self.replay.repeat(&told).await;
            repeated.map_err(|Refused { at, error }| reading.refused(lines[at], &error))?;
            if self.tell(reading.line - begin.0, reading.offset - begin.1).is_break() && !ended {
                return Ok(ControlFlow::Break(()));
            }
        }
        self.replay.forget(export.marker.history_from).await?;
        Ok(ControlFlow::Continue(()))
    }
}

/// The next transaction of a log; none in it if its version is not beyond `there`.
fn read_told(reading: &mut Reading<'_>, there: u64) -> Result<Option<Option<Told>>> {
    let Some(line) = reading.next()? else { return Ok(None) };
    let head = read_head(line);
    let at = reading.line;
    let (mut told, n_changes) = head.map_err(|error| reading.refused(at, &error))?;
    let is_there = told.version <= there;
    let mut bytes = 0;
    for _ in 0..n_changes {
        let Some(line) = reading.next()? else {
            let message = "the file ends within a transaction";
            return Err(reading.refused(at, &malformed(message)));
        };
        if is_there {
            continue;
        }
        let change = read_change(line);
        let change = change.map_err(|error| reading.refused(reading.line, &error))?;
        bytes += change.after.as_ref().map_or(0, Vec::len);
        if bytes > limits::VALUE_BYTES_MAX {
            let message = "the transaction is larger than one can be";
            let error = Error::new(ErrorKind::Exhausted, "TRANSACTION_TOO_LARGE", message);
            return Err(reading.refused(at, &error));
        }
        told.changes.push(change);
    }
    Ok(Some((!is_there).then_some(told)))
}

/// A transaction without its changes, and how many there are.
fn read_head(line: &str) -> Result<(Told, u64)> {
    let mut members = Members::read(line)?;
    let origin = match members.take("origin") {
        None => [0; 16],
        Some(said) => said.as_str().unwrap_or_default().parse::<TransactionId>()?.0,
    };
    let told = Told {
        tenant: members.text("tenant")?,
        transaction: TransactionId(members.id("transaction")?.0),
        origin,
        version: members.number("version")?,
        instant: members.needed_instant("instant")?,
        previous: members.number("previous")?,
        changes: Vec::new(),
    };
    let n_changes = members.number("changes")?;
    members.end().map(|()| (told, n_changes))
}

fn read_change(line: &str) -> Result<ToldChange> {
    let mut members = Members::read(line)?;
    // Its name is for people.
    members.text("table")?;
    let number = members.number("number")?;
    let table = u32::try_from(number).map_err(|_| malformed("a table has no such number"))?;
    if let Some(deleted) = members.take("deleted") {
        let id = members.id("id")?;
        if deleted != Json::Bool(true) {
            return Err(malformed("what is deleted is told as true"));
        }
        return members.end().map(|()| ToldChange { table, id, after: None });
    }
    let record = line::read_record(&mut members)?;
    members.end()?;
    let mut payload = Vec::with_capacity(256);
    encode_record(&record.body(), &mut payload)?;
    Ok(ToldChange { table, id: record.id, after: Some(payload) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changing this means changing the format.
    #[test]
    fn the_bytes_of_a_place_are_pinned() {
        let place = Place { files: 1, offset: 2, line: 3 };
        let bytes = [&1_u32.to_le_bytes()[..], &2_u64.to_le_bytes(), &3_u64.to_le_bytes()].concat();
        assert_eq!(place.encode(), bytes);
        assert_eq!(Place::decode(&bytes).unwrap(), place);
        assert_eq!(Place::decode(&[]).unwrap(), Place::default());
        assert!(Place::decode(&bytes[1..]).is_err());
    }
}
