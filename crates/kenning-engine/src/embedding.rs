//! What models say of texts, computed in the background.
//!
//! The embedder follows the log of each tenant from how far the texts of each table were computed.
//! A step takes some changes, cuts their texts as the model reads them, computes what is not known
//! of any of them, and commits the vectors together with how far it has come: a crash repeats at
//! most one step, and what was committed is not computed again. Equal texts have one vector. A
//! table that asks for a model for the first time, or whose log is gone, begins with its records.
//!
//! Nothing waits for it but who asks to. A model that can't be asked is asked again later.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use kenning_index::Embedder;
use kenning_record::{Json, Path, TableNo, TenantNo, Version, entry, keys};
use kenning_store::{Batch, Bytes, Error, ErrorKind, Range, Result, block_on};
use serde_json::json;

use crate::committer::frame;
use crate::database::Handle;
use crate::log::{Beside, write_beside};
use crate::sealed::Finders;
use crate::sealed::collect::{self, Changed, put_vector, texts};
use crate::sealed::follow::{Changes, embedded, read};
use crate::sealed::spec::{Spec, WATERMARK};
use crate::shared::{Shared, Waiting};
use crate::sweep::{living, unless_dropped};
use crate::table::number;
use crate::tenant::Tenant;
use crate::view::View;

/// Records of one step.
const STEP_ROWS: usize = 256;
/// Texts that a model gets at a time.
const TEXTS_MAX: usize = 64;
/// Versions after which it is written how far it has come, also where no text changed.
const VERSIONS_MAX: Version = 10_000;
/// How long the embedder lets changes gather.
const GATHER_MS: u64 = 5;
/// How long it leaves a model alone that failed: the first time, and at most.
const RETRY_MS: u64 = 500;
const RETRY_MS_MAX: u64 = 60_000;

/// What waits for the embedder, and what became of it.
#[derive(Default)]
pub(crate) struct Unembedded {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tenants: HashSet<TenantNo>,
    /// Up to which version nothing of a tenant is left to do.
    until: HashMap<TenantNo, Version>,
    failed: HashMap<TenantNo, Error>,
    texts: u64,
}

impl Unembedded {
    /// Notes that a tenant changed.
    pub(crate) fn note(&self, tenant: TenantNo) {
        self.state().tenants.insert(tenant);
    }

    fn take(&self) -> HashSet<TenantNo> {
        std::mem::take(&mut self.state().tenants)
    }

    fn done(&self, tenant: TenantNo, until: Version) {
        let mut state = self.state();
        state.failed.remove(&tenant);
        state.until.insert(tenant, until);
    }

    fn fail(&self, tenant: TenantNo, why: Error) {
        self.state().failed.insert(tenant, why);
    }

    /// Up to which version nothing is left to do, or why there is.
    pub(crate) fn until(&self, tenant: TenantNo) -> Result<Version> {
        let state = self.state();
        match state.failed.get(&tenant) {
            Some(error) => Err(error.again()),
            None => Ok(state.until.get(&tenant).copied().unwrap_or(0)),
        }
    }

    /// As it is told.
    pub(crate) fn to_json(&self, tenant: TenantNo) -> Json {
        let state = self.state();
        json!({
            "until": state.until.get(&tenant),
            "failed": state.failed.get(&tenant).map(ToString::to_string),
            "texts_since_open": state.texts,
        })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

/// Waits until every text of a tenant that there is now was computed.
pub(crate) async fn wait(shared: &Arc<Shared>, tenant: TenantNo) -> Result<()> {
    if !shared.is_followed.load(Ordering::Acquire) {
        return Ok(());
    }
    let waiting = Waiting::new(shared);
    let version = shared.version();
    shared.unembedded.note(tenant);
    shared.embed.ring();
    loop {
        let seen = shared.published();
        if shared.unembedded.until(tenant)? >= version {
            return Ok(());
        }
        // The reason why it closed is told, if there is one.
        shared.head()?;
        waiting.moved(seen).await;
    }
}

/// Embeds until the database is closed.
pub(crate) fn run(shared: &Arc<Shared>) {
    let Some(finders) = shared.settings.finders.clone() else { return };
    let handle = Handle::background(Arc::clone(shared));
    let mut retry_ms = RETRY_MS;
    while shared.embed.wait() {
        if !shared.embed.wait_at_most(GATHER_MS) {
            return;
        }
        let failed = block_on(round(&handle, &finders));
        shared.nudge();
        if failed.is_empty() {
            retry_ms = RETRY_MS;
            continue;
        }
        // Waiting here would keep the database from closing.
        if shared.embed.wait_at_most(retry_ms) {
            retry_ms = (retry_ms * 2).min(RETRY_MS_MAX);
            failed.into_iter().for_each(|tenant| shared.unembedded.note(tenant));
            shared.embed.ring();
        }
    }
}

/// Looks at every tenant that changed. Those with which something went wrong.
async fn round(handle: &Handle, finders: &Finders) -> Vec<TenantNo> {
    let shared = handle.shared();
    let due = shared.unembedded.take();
    let mut failed = Vec::new();
    for number in due {
        let done = async {
            let view = View::now(handle, shared.tenants.root())?;
            let tenants = crate::tenants::all(&view).await?;
            drop(view);
            let Some(tenant) = living(handle, &tenants, number).await? else { return Ok(()) };
            unless_dropped(Embedding { handle, tenant: &tenant, finders }.work().await)
        };
        if let Err(error) = done.await {
            shared.unembedded.fail(number, error);
            failed.push(number);
        }
    }
    failed
}

/// Embedding the texts of one tenant.
struct Embedding<'a> {
    handle: &'a Handle,
    tenant: &'a Arc<Tenant>,
    finders: &'a Finders,
}

/// Texts of one table that one model reads.
struct Wanted {
    table: TableNo,
    spec: Spec,
    paths: Vec<Path>,
    embedder: Arc<dyn Embedder>,
}

impl Embedding<'_> {
    async fn work(&self) -> Result<()> {
        let shared = self.handle.shared();
        let schemas = shared.schemas();
        let view = View::now(self.handle, self.tenant)?;
        let (wanted, missing) = self.wanted(&view).await?;
        self.forget(&view, &wanted).await?;
        let before = shared.unembedded.until(self.tenant.number).unwrap_or(0).min(view.version);
        let mut positions = Vec::with_capacity(wanted.len());
        for one in &wanted {
            match embedded(&view, one.table, &one.spec).await? {
                // What changed since may have had no text.
                Some(position) => positions.push(position.max(before)),
                None => positions.push(self.begin(&view, one).await?),
            }
        }
        let until = self.follow(&wanted, positions, schemas).await?;
        match missing.into_iter().next() {
            Some(missing) => Err(missing),
            None => {
                shared.unembedded.done(self.tenant.number, until);
                Ok(())
            }
        }
    }

    /// What the tables ask for, and which models are not there.
    async fn wanted(&self, view: &View) -> Result<(Vec<Wanted>, Vec<Error>)> {
        let (mut wanted, mut missing) = (Vec::new(), Vec::new());
        for table in view.all_tables().await? {
            if table.number < number::FIRST {
                continue;
            }
            let (specs, not_there) = Spec::of(&table.schema, self.finders);
            missing.extend(not_there);
            for spec in specs {
                let Some(embedder) = spec.embedder(self.finders).transpose()? else { continue };
                let Spec::Embedded { paths, .. } = &spec else { continue };
                let paths = paths.clone();
                wanted.push(Wanted { table: table.number, spec, paths, embedder });
            }
        }
        Ok((wanted, missing))
    }

    /// Removes what is stored of tables and models that nobody asks for any more.
    async fn forget(&self, view: &View, wanted: &[Wanted]) -> Result<()> {
        let mut batch = Batch::new();
        for row in view.rows(Range::prefix(keys::watermarks(self.tenant.number))).await? {
            let (_, name) = keys::watermark_split(&row.key)?;
            let is_wanted = wanted.iter().any(|one| one.spec.watermark(one.table) == name);
            if name.starts_with(WATERMARK) && !is_wanted {
                batch.delete(&row.key);
            }
        }
        if batch.is_empty() { Ok(()) } else { self.write(batch).await }
    }

    /// Computes the texts of every record of a table; up to which version.
    async fn begin(&self, view: &View, wanted: &Wanted) -> Result<Version> {
        let tenant = self.tenant.number;
        let mut next = Some(collect::records(tenant, wanted.table).rows(STEP_ROWS));
        while next.is_some() {
            let records = collect::page(&*view.source, &mut next).await?;
            let mut batch = Batch::new();
            self.embed(wanted, &records, &mut batch).await?;
            if !batch.is_empty() {
                self.write(batch).await?;
            }
        }
        let mut batch = Batch::new();
        self.mark(wanted, view.version, &mut batch);
        self.write(batch).await?;
        // Now there is something to make the index of.
        self.ring_sealer();
        Ok(view.version)
    }

    /// Computes the texts of what changed since; up to which version.
    async fn follow(
        &self,
        wanted: &[Wanted],
        mut positions: Vec<Version>,
        schemas: u64,
    ) -> Result<Version> {
        let shared = self.handle.shared();
        loop {
            let view = View::now(self.handle, self.tenant)?;
            self.pass_over(wanted, &mut positions, view.version).await?;
            let behind = positions.iter().copied().filter(|position| *position < view.version);
            let Some(from) = behind.min() else { return Ok(view.version) };
            if shared.schemas() != schemas {
                // Tables changed: what is wanted has to be looked at first.
                shared.unembedded.note(self.tenant.number);
                shared.embed.ring();
                return Ok(from);
            }
            let changes = read(&view, from, STEP_ROWS).await?;
            let mut batch = Batch::new();
            for (one, position) in wanted.iter().zip(&mut positions) {
                if *position >= changes.until {
                    continue;
                }
                if changes.is_cut {
                    *position = self.begin(&view, one).await?;
                    continue;
                }
                let new = new(&changes, one.table, *position);
                self.embed(one, &new, &mut batch).await?;
                let is_far = *position / VERSIONS_MAX < changes.until / VERSIONS_MAX;
                *position = changes.until;
                if !new.is_empty() || is_far {
                    self.mark(one, *position, &mut batch);
                }
            }
            if !batch.is_empty() {
                self.write(batch).await?;
                self.ring_sealer();
            }
        }
    }

    /// Passes over the log where it is about other tables.
    async fn pass_over(
        &self,
        wanted: &[Wanted],
        positions: &mut [Version],
        until: Version,
    ) -> Result<()> {
        let touched = &self.handle.shared().touched;
        let mut batch = Batch::new();
        for (one, position) in wanted.iter().zip(positions) {
            if *position < until && touched.last(self.tenant.number, one.table) <= *position {
                if *position / VERSIONS_MAX < until / VERSIONS_MAX {
                    self.mark(one, until, &mut batch);
                }
                *position = until;
            }
        }
        if batch.is_empty() { Ok(()) } else { self.write(batch).await }
    }

    fn ring_sealer(&self) {
        let shared = self.handle.shared();
        shared.unsealed.ask(self.tenant.number);
        shared.seal.ring();
    }

    fn mark(&self, wanted: &Wanted, position: Version, batch: &mut Batch) {
        let key = keys::watermark(self.tenant.number, &wanted.spec.watermark(wanted.table));
        batch.put(&key, &frame(position, &[]));
    }

    /// Computes what is not known of the texts of these records.
    async fn embed(&self, wanted: &Wanted, records: &[Changed], batch: &mut Batch) -> Result<()> {
        let (tenant, model) = (self.tenant.number, wanted.embedder.model_id());
        let mut by_key: BTreeMap<Vec<u8>, String> = BTreeMap::new();
        for record in records {
            for text in texts(record, &wanted.paths, &*wanted.embedder)? {
                by_key.insert(keys::vector(tenant, model, &text), text);
            }
        }
        let view = View::now(self.handle, self.tenant)?;
        let asked: Vec<&[u8]> = by_key.keys().map(Vec::as_slice).collect();
        let found = view.source.get_many(&asked).await?;
        let is_known =
            |bytes: &Option<Bytes>| bytes.as_ref().is_some_and(|b| entry::check(b).is_ok());
        let known = by_key.iter().zip(found);
        let missing: Vec<(&Vec<u8>, &String)> =
            known.filter(|(_, known)| !is_known(known)).map(|(it, _)| it).collect();
        for some in missing.chunks(TEXTS_MAX) {
            // The database may be closed meanwhile: then the step is done again later.
            self.handle.shared().head()?;
            let texts: Vec<&str> = some.iter().map(|(_, text)| text.as_str()).collect();
            let vectors = ask(&*wanted.embedder, &texts)?;
            let dimensions = wanted.embedder.dimensions();
            for ((key, _), vector) in some.iter().zip(vectors.chunks_exact(dimensions)) {
                put_vector(batch, key, vector);
            }
            self.handle.shared().unembedded.state().texts += some.len() as u64;
        }
        Ok(())
    }

    async fn write(&self, batch: Batch) -> Result<()> {
        let view = View::now(self.handle, self.tenant)?;
        write_beside(&view, Beside { batch, ..Beside::default() }).await
    }
}

/// The changes of a table behind a version.
fn new(changes: &Changes, table: TableNo, after: Version) -> Vec<Changed> {
    let changed = changes.by_table.get(&table).into_iter().flatten();
    changed.filter(|it| it.change.version > after).map(Changed::copy).collect()
}

/// Questions that were asked of models.
#[derive(Default)]
pub(crate) struct Asked {
    /// By model and text; the last one at the end.
    known: Mutex<Vec<Question>>,
}

struct Question {
    model: String,
    text: String,
    vector: Arc<Vec<f32>>,
}

/// Questions that are remembered, and how long one may be.
const ASKED_MAX: usize = 128;
const ASKED_BYTES_MAX: usize = 4 << 10;

impl Asked {
    pub(crate) fn get(&self, model: &str, text: &str) -> Option<Arc<Vec<f32>>> {
        let mut known = self.known.lock().expect("no holder of this lock panics");
        let idx = known.iter().position(|it| it.model == model && it.text == text)?;
        let question = known.remove(idx);
        let vector = Arc::clone(&question.vector);
        known.push(question);
        Some(vector)
    }

    pub(crate) fn insert(&self, model: &str, text: &str, vector: &Arc<Vec<f32>>) {
        if text.len() > ASKED_BYTES_MAX {
            return;
        }
        let mut known = self.known.lock().expect("no holder of this lock panics");
        if known.len() >= ASKED_MAX {
            known.remove(0);
        }
        let (model, text, vector) = (model.to_owned(), text.to_owned(), Arc::clone(vector));
        known.push(Question { model, text, vector });
    }
}

/// Asks a model, and checks that it answers as it promised.
pub(crate) fn ask(embedder: &dyn Embedder, texts: &[&str]) -> Result<Vec<f32>> {
    let vectors = embedder.embed(texts)?;
    let wrong = |what: &str| {
        let message = format!("model '{}' gave {what}", embedder.model_id());
        Error::new(ErrorKind::Unavailable, "MODEL_FAILED", message)
    };
    if vectors.len() != texts.len() * embedder.dimensions() {
        return Err(wrong("vectors of another number or dimension"));
    }
    if !vectors.iter().all(|number| number.is_finite()) {
        return Err(wrong("a vector that is not a number"));
    }
    Ok(vectors)
}
