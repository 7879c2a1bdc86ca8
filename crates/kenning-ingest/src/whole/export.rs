//! A database to files.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use kenning_engine::{ContentHash, ContentHasher, Logged, TransactionId, View};
use kenning_record::{Id, Json, LogChange, RecordRef, TableNo};
use kenning_store::{Error, Result};
use serde_json::Map;

use super::files::Lines;
use super::folder::Folder;
use super::line;
use super::marker::{FileSaid, Holds, Marker, table_path};
use super::{ENDING, LINKS, LOG, TABLES, WholeProgress, WholeWatch};

/// Bytes of lines that are collected before they are written.
const BUFFER_BYTES: usize = 1 << 20;
/// The number of the table of tables, whose records name the others.
const TABLE_OF_TABLES: TableNo = 1;
/// The number of the table of links.
const TABLE_OF_LINKS: TableNo = 2;
/// The number of the table of tenants.
const TABLE_OF_TENANTS: TableNo = 3;

/// How a whole database is exported.
#[derive(Clone, Copy, Debug, Default)]
pub struct WholeOptions {
    /// Whether everything that ever was is exported, instead of what the view knows.
    pub history: bool,
}

/// What an export of a whole database did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeExported {
    /// How much was written.
    pub progress: WholeProgress,
    /// The hash of what is known; `None` if whoever watched broke it off, and there is no export.
    pub content: Option<ContentHash>,
}

/// Writes what every tenant knows, as `view` has it, into a new or empty folder; or, where the
/// options say so, everything that ever was.
pub async fn export_all(
    view: &View,
    folder: &Path,
    options: WholeOptions,
    watch: &mut WholeWatch<'_>,
) -> Result<WholeExported> {
    let present = match options.history {
        true => Some(view.present().await?),
        false => view.present().await.ok(),
    };
    let mut writer = Writer {
        folder: Folder::create(folder)?,
        progress: WholeProgress::default(),
        watch,
        files: Vec::new(),
        content: None,
    };
    let broken_off = match options.history {
        true => writer.log(view).await?,
        false => writer.state(view).await?,
    }
    .is_break();
    let Writer { folder, progress, files, content, .. } = writer;
    if broken_off {
        return Ok(WholeExported { progress, content: None });
    }
    let content = match content {
        Some(content) => content,
        None => view.content_hash().await?,
    };
    let mut tenants = Vec::new();
    for tenant in view.every_tenant().await? {
        tenants.push(tenant.tenant_name().to_owned());
    }
    let marker = Marker {
        holds: if options.history { Holds::History } else { Holds::State },
        version: view.version(),
        instant: present.map(|present| present.instant),
        history_from: present.filter(|_| options.history).map_or(0, |p| p.history_from),
        content,
        history: if options.history { Some(view.history_hash().await?) } else { None },
        tenants,
        files,
    };
    folder.finish(&marker.encode())?;
    Ok(WholeExported { progress, content: Some(content) })
}

struct Writer<'a> {
    folder: Folder,
    progress: WholeProgress,
    watch: &'a mut WholeWatch<'a>,
    files: Vec<FileSaid>,
    /// The hash of what was written, if that is what is known.
    content: Option<ContentHash>,
}

/// Lines on their way into a file.
struct Page {
    lines: Lines,
    buffer: Vec<u8>,
    n_lines: u64,
}

impl Page {
    fn push(&mut self, line: &Map<String, Json>) {
        line::push(line, &mut self.buffer);
        self.n_lines += 1;
    }
}

impl Writer<'_> {
    fn begin(&mut self, name: &str) -> Result<Page> {
        Ok(Page { lines: self.folder.file(name)?, buffer: Vec::new(), n_lines: 0 })
    }

    /// Writes what was collected, and tells how far it is.
    fn flush(&mut self, page: &mut Page) -> Result<ControlFlow<()>> {
        page.lines.write(&page.buffer, page.n_lines)?;
        self.progress.lines += page.n_lines;
        self.progress.bytes += page.buffer.len() as u64;
        page.buffer.clear();
        page.n_lines = 0;
        Ok((self.watch)(&self.progress))
    }

    fn end(&mut self, mut page: Page) -> Result<ControlFlow<()>> {
        let flow = self.flush(&mut page)?;
        self.files.push(page.lines.finish()?);
        Ok(flow)
    }

    /// What every tenant knows.
    async fn state(&mut self, view: &View) -> Result<ControlFlow<()>> {
        let mut content = ContentHasher::new();
        for tenant in view.every_tenant().await? {
            let name = tenant.tenant_name();
            content.tenant(name);
            let tables = tenant.tables().await?;
            let mut page = self.begin(&format!("{name}/{TABLES}{ENDING}"))?;
            for table in &tables {
                page.push(&line::table(&table.name, &table.schema, &table.indexes));
            }
            if self.end(page)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            for table in &tables {
                content.table(&table.name, &table.schema)?;
                if self.table(&tenant, &table.name, &mut content).await?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            if self.table(&tenant, LINKS, &mut content).await?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        self.content = Some(content.finish());
        Ok(ControlFlow::Continue(()))
    }

    async fn table(
        &mut self,
        tenant: &View,
        table: &str,
        content: &mut ContentHasher,
    ) -> Result<ControlFlow<()>> {
        let mut page = self.begin(&table_path(tenant.tenant_name(), table))?;
        let mut inventory = tenant.inventory(table).await?;
        while let Some(known) = inventory.page().await? {
            for known in &known {
                content.known(known)?;
                page.push(&line::known(known)?);
            }
            if page.buffer.len() > BUFFER_BYTES && self.flush(&mut page)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        self.end(page)
    }

    /// Every transaction, oldest first.
    async fn log(&mut self, view: &View) -> Result<ControlFlow<()>> {
        let mut page = self.begin(LOG)?;
        let mut log = view.whole_log().await?;
        let mut names = Names::default();
        while let Some(logged) = log.next().await.map_err(|error| pruned(&error))? {
            page.push(&transaction(&logged)?);
            for change in logged.entry()?.changes() {
                let change = change?;
                page.push(&names.change(logged.tenant.as_ref(), &change)?);
                if page.buffer.len() > BUFFER_BYTES && self.flush(&mut page)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            if page.buffer.len() > BUFFER_BYTES && self.flush(&mut page)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        self.end(page)
    }
}

/// What can be exported all the same.
fn pruned(error: &Error) -> Error {
    if error.code() != "LOG_PRUNED" {
        return error.again();
    }
    let message = format!("{}; export without the history what is known now", error.message());
    Error::invalid("LOG_PRUNED", message)
}

/// The line that a transaction begins with.
fn transaction(logged: &Logged) -> Result<Map<String, Json>> {
    let entry = logged.entry()?;
    let mut line = Map::new();
    let mut put = |name: &str, value: Json| line.insert(name.into(), value);
    put("version", logged.version.into());
    put("tenant", logged.tenant.as_deref().into());
    put("transaction", TransactionId(entry.head.transaction).to_string().into());
    put("instant", line::instant(entry.head.instant));
    put("previous", entry.head.previous.into());
    if entry.head.origin != [0; 16] {
        put("origin", Id(entry.head.origin).to_string().into());
    }
    put("changes", entry.len().into());
    Ok(line)
}

/// The names of tables, as far as the log has told them.
#[derive(Default)]
struct Names(HashMap<(Option<Arc<str>>, TableNo), String>);

impl Names {
    fn change(
        &mut self,
        tenant: Option<&Arc<str>>,
        change: &LogChange<'_>,
    ) -> Result<Map<String, Json>> {
        let name = match change.table {
            TABLE_OF_TABLES => Some("_tables"),
            TABLE_OF_LINKS => Some(LINKS),
            TABLE_OF_TENANTS => Some("_tenants"),
            number => self.0.get(&(tenant.cloned(), number)).map(String::as_str),
        };
        let mut line = Map::new();
        line.insert("table".into(), name.into());
        line.insert("number".into(), change.table.into());
        let Some(payload) = change.after else {
            line.insert("id".into(), change.id.to_string().into());
            line.insert("deleted".into(), true.into());
            return Ok(line);
        };
        let record = RecordRef::new(payload)?;
        line::record(&mut line, change.id, record)?;
        if let (TABLE_OF_TABLES, Some(name)) = (change.table, record.key()?) {
            let number = line["properties"]["number"].as_u64();
            if let Some(number) = number.and_then(|number| TableNo::try_from(number).ok()) {
                self.0.insert((tenant.cloned(), number), name.to_owned());
            }
        }
        Ok(line)
    }
}
