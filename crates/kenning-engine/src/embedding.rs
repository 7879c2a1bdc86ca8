//! What models say of texts, computed in the background.
//!
//! The embedder follows the log of each tenant from how far the texts of each table were computed.
//! A step takes some changes, cuts their texts as the model reads them, computes what is not known
//! of any of them, and commits the vectors together with how far it has come: a crash repeats at
//! most one step, and what was committed is not computed again. Equal texts have one vector. A
//! table that asks for a model for the first time, or whose log is gone, begins with its records.
//!
//! Nothing waits for it but who asks to. A model that can't be asked is asked again later, by a
//! thread that has nothing else to do: each table that asks for a model goes its own way.
//!
//! What a model is asked may be purged before it answers. A purge says so when log and records tell
//! nothing of it any more; what was read before is not written, and is begun with anew.

mod progress; // what waits, and what became of it
mod question; // asking models

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use kenning_index::Embedder;
use kenning_record::{Path, TableNo, TenantNo, Version, entry, keys};
use kenning_store::{Batch, Bytes, Error, ErrorKind, Range, Result, block_on};

pub(crate) use progress::Unembedded;
pub(crate) use question::{Asked, open_models, question};

use crate::committer::frame;
use crate::database::Handle;
use crate::log::{Beside, write_beside};
use crate::planted::Bug;
use crate::sealed::Finders;
use crate::sealed::collect::{self, Changed, put_vector, texts};
use crate::sealed::follow::{Changes, embedded, read};
use crate::sealed::spec::{Slot, Spec, WATERMARK};
use crate::shared::{Shared, Waiting};
use crate::sweep::{living, unless_dropped};
use crate::table::number;
use crate::tenant::Tenant;
use crate::view::View;
use progress::{Failed, Wish};
use question::ask;

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

/// Waits until every text that there is now was computed: of a table, or of a tenant. A model that
/// fails holds up nobody who waits for another one.
pub(crate) async fn wait(
    shared: &Arc<Shared>,
    tenant: TenantNo,
    table: Option<TableNo>,
) -> Result<()> {
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
            return shared.unembedded.failure(tenant, table).map_or(Ok(()), Err);
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
    while shared.embed.wait() {
        if !shared.embed.wait_at_most(GATHER_MS) {
            return;
        }
        round(&handle, &finders, shared.unembedded.take(), Turn::First);
        if !shared.unembedded.troubled().is_empty() {
            shared.embed_again.ring();
        }
        shared.nudge();
    }
}

/// Asks models again that failed, until the database is closed. On a thread of its own: a model
/// that takes its time to fail keeps nobody from the others.
pub(crate) fn run_again(shared: &Arc<Shared>) {
    let Some(finders) = shared.settings.finders.clone() else { return };
    let handle = Handle::background(Arc::clone(shared));
    let mut retry_ms = RETRY_MS;
    while shared.embed_again.wait() {
        // Waiting otherwise would keep the database from closing.
        if !shared.embed_again.wait_at_most(retry_ms) {
            return;
        }
        round(&handle, &finders, shared.unembedded.troubled(), Turn::Again);
        shared.embed.ring();
        shared.nudge();
        if shared.unembedded.troubled().is_empty() {
            retry_ms = RETRY_MS;
        } else {
            retry_ms = (retry_ms * 2).min(RETRY_MS_MAX);
            shared.embed_again.ring();
        }
    }
}

/// Which of the two threads is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The one that asks models that have not failed.
    First,
    /// The one that asks those that have.
    Again,
}

/// Looks at tenants that changed.
fn round(handle: &Handle, finders: &Finders, due: impl IntoIterator<Item = TenantNo>, turn: Turn) {
    let shared = handle.shared();
    let root = || View::now(handle, shared.tenants.root());
    let tenants = block_on(async { crate::tenants::all(&root()?).await });
    for number in due {
        let looked = match &tenants {
            Ok(tenants) => block_on(look(handle, finders, tenants, number, turn)),
            Err(error) => Err(error.again()),
        };
        if let Err(error) = looked {
            shared.unembedded.break_off(number, error);
        }
        if turn == Turn::Again {
            shared.unembedded.note(number);
        }
    }
}

/// Looks at a tenant that changed, if it is still there.
async fn look(
    handle: &Handle,
    finders: &Finders,
    tenants: &[(String, TenantNo)],
    number: TenantNo,
    turn: Turn,
) -> Result<()> {
    let shared = handle.shared();
    match living(handle, tenants, number).await? {
        Some(tenant) => {
            let embedding = Embedding { handle, tenant: &tenant, finders, turn };
            unless_dropped(embedding.work().await)
        }
        None => {
            shared.unembedded.drop_tenant(number);
            Ok(())
        }
    }
}

/// Embedding the texts of one tenant.
struct Embedding<'a> {
    handle: &'a Handle,
    tenant: &'a Arc<Tenant>,
    finders: &'a Finders,
    turn: Turn,
}

/// Texts of one table that one model reads.
struct Wanted {
    table: TableNo,
    name: String,
    slot: Slot,
    asked: String,
    spec: Spec,
    paths: Vec<Path>,
    embedder: Arc<dyn Embedder>,
}

/// What the tables of a tenant ask for.
#[derive(Default)]
struct Wishes {
    wanted: Vec<Wanted>,
    asked: HashMap<Wish, String>,
    /// Those whose model is not there.
    missing: Vec<(Wish, Failed)>,
}

/// How far a step came.
enum Step {
    Until(Version),
    /// The model could not be asked.
    Failed(Error),
    /// Something was purged, or a table changed, so that it has to be begun anew.
    Over,
}

impl Embedding<'_> {
    async fn work(&self) -> Result<()> {
        let shared = self.handle.shared();
        let (number, unembedded) = (self.tenant.number, &shared.unembedded);
        let erased = shared.erasures();
        let schemas = shared.schemas();
        let view = View::now(self.handle, self.tenant)?;
        let Wishes { mut wanted, asked, missing } = self.wishes(&view).await?;
        if self.turn == Turn::First {
            self.forget(&view, &asked, &wanted).await?;
        }
        let failed = unembedded.failed(number, &asked);
        for (wish, why) in missing {
            unembedded.fail(number, wish, why);
        }
        let is_again = self.turn == Turn::Again;
        wanted.retain(|one| failed.contains(&one.wish()) == is_again);
        let before = match self.turn {
            Turn::First => unembedded.until(number).unwrap_or(0).min(view.version),
            // What the others have done says nothing of who failed.
            Turn::Again => 0,
        };
        let mut stored = Vec::with_capacity(wanted.len());
        for one in &wanted {
            stored.push(embedded(&view, one.table, &one.spec).await?);
        }
        // A view that is held keeps what is purged meanwhile.
        drop(view);
        let mut positions = Vec::with_capacity(wanted.len());
        for (one, stored) in wanted.iter().zip(stored) {
            positions.push(match stored {
                // What changed since may have had no text.
                Some(position) => Some(position.max(before)),
                None => match self.begin(one, erased).await? {
                    Step::Until(position) => Some(position),
                    Step::Failed(why) => self.fail(one, why),
                    Step::Over => return self.come_back(),
                },
            });
        }
        let Some(until) = self.follow(&wanted, &mut positions, schemas, erased).await? else {
            return self.come_back();
        };
        // An index that nobody could look at for lack of its model can be now.
        let wishes: HashSet<Wish> = wanted.iter().map(Wanted::wish).collect();
        self.tenant.library.found(shared, &wishes).await;
        match self.turn {
            Turn::First => unembedded.done(number, until, &failed),
            Turn::Again => {
                let mended = wanted.iter().zip(&positions).filter(|(_, it)| it.is_some());
                mended.for_each(|(one, _)| unembedded.mend(number, one.wish(), until));
            }
        }
        Ok(())
    }

    /// Leaves the rest to the next look.
    fn come_back(&self) -> Result<()> {
        let shared = self.handle.shared();
        shared.unembedded.note(self.tenant.number);
        shared.embed.ring();
        Ok(())
    }

    /// Notes that a model failed. It is at no position then.
    fn fail(&self, one: &Wanted, why: Error) -> Option<Version> {
        let failed = Failed { table: one.name.clone(), asked: one.asked.clone(), why };
        self.handle.shared().unembedded.fail(self.tenant.number, one.wish(), failed);
        None
    }

    /// What the tables ask for, and which models are not there.
    async fn wishes(&self, view: &View) -> Result<Wishes> {
        let mut wishes = Wishes::default();
        for table in view.all_tables().await? {
            if table.number < number::FIRST {
                continue;
            }
            let asks = |slot: Slot| match slot {
                Slot::Default => format!("{:?}", table.schema.embed),
                Slot::Alt => format!("{:?}", table.schema.embed_alt),
            };
            let (specs, missing) = Spec::of(&table.schema, self.finders);
            for (slot, why) in missing {
                let (wish, asked) = ((table.number, slot), asks(slot));
                wishes.asked.insert(wish, asked.clone());
                let failed = Failed { table: table.name.clone(), asked, why };
                wishes.missing.push((wish, failed));
            }
            for spec in specs {
                let Spec::Embedded { slot, paths, .. } = &spec else { continue };
                let (wish, asked) = ((table.number, *slot), asks(*slot));
                wishes.asked.insert(wish, asked.clone());
                let (slot, paths) = (*slot, paths.clone());
                match spec.embedder(self.finders).expect("it has a model") {
                    Ok(embedder) => wishes.wanted.push(Wanted {
                        table: table.number,
                        name: table.name.clone(),
                        slot,
                        asked,
                        spec,
                        paths,
                        embedder,
                    }),
                    Err(why) => {
                        let failed = Failed { table: table.name.clone(), asked, why };
                        wishes.missing.push((wish, failed));
                    }
                }
            }
        }
        Ok(wishes)
    }

    /// Removes what is stored of tables and models that nobody asks for any more. What is known of
    /// a table whose model is not there stays.
    async fn forget(
        &self,
        view: &View,
        asked: &HashMap<Wish, String>,
        wanted: &[Wanted],
    ) -> Result<()> {
        let mut batch = Batch::new();
        for row in view.rows(Range::prefix(keys::watermarks(self.tenant.number))).await? {
            let (_, name) = keys::watermark_split(&row.key)?;
            let Some(said) = name.strip_prefix(WATERMARK) else { continue };
            let table: Option<TableNo> = said.split(' ').next().and_then(|it| it.parse().ok());
            let is_wanted = |one: &Wanted| one.spec.watermark(one.table) == name;
            let is_there = |wish: &Wish| wanted.iter().any(|one| one.wish() == *wish);
            let may_be = |wish: &Wish| Some(wish.0) == table && !is_there(wish);
            if !wanted.iter().any(is_wanted) && !asked.keys().any(may_be) {
                batch.delete(&row.key);
            }
        }
        if batch.is_empty() { Ok(()) } else { self.write(batch).await }
    }

    /// Computes the texts of every record of a table. What changes meanwhile comes with the log.
    async fn begin(&self, wanted: &Wanted, erased: u64) -> Result<Step> {
        let tenant = self.tenant.number;
        let until = View::now(self.handle, self.tenant)?.version;
        let mut next = Some(collect::records(tenant, wanted.table).rows(STEP_ROWS));
        while next.is_some() {
            let view = View::now(self.handle, self.tenant)?;
            let records = collect::page(&*view.source, &mut next).await?;
            drop(view);
            let mut batch = Batch::new();
            if let Err(why) = self.embed(wanted, &records, &mut batch).await? {
                return Ok(Step::Failed(why));
            }
            if !batch.is_empty() && !self.write_unless_erased(batch, erased).await? {
                return Ok(Step::Over);
            }
        }
        let mut batch = Batch::new();
        self.mark(wanted, until, &mut batch);
        if !self.write_unless_erased(batch, erased).await? {
            return Ok(Step::Over);
        }
        // Now there is something to make the index of.
        self.ring_sealer();
        Ok(Step::Until(until))
    }

    /// Computes the texts of what changed since; up to which version, unless it has to be begun
    /// anew. Who fails has no position from then on.
    async fn follow(
        &self,
        wanted: &[Wanted],
        positions: &mut [Option<Version>],
        schemas: u64,
        erased: u64,
    ) -> Result<Option<Version>> {
        let shared = self.handle.shared();
        loop {
            let view = View::now(self.handle, self.tenant)?;
            self.pass_over(wanted, positions, view.version).await?;
            let there = positions.iter().flatten().copied();
            let Some(from) = there.filter(|position| *position < view.version).min() else {
                return Ok(Some(view.version));
            };
            if shared.schemas() != schemas {
                // Tables changed: what is wanted has to be looked at first.
                return Ok(None);
            }
            let changes = read(&view, from, STEP_ROWS).await?;
            drop(view);
            let mut batch = Batch::new();
            for (one, known) in wanted.iter().zip(positions.iter_mut()) {
                let Some(position) = known.filter(|position| *position < changes.until) else {
                    continue;
                };
                let step = match changes.is_cut {
                    true => self.begin(one, erased).await?,
                    false => self.step(one, &changes, position, &mut batch).await?,
                };
                *known = match step {
                    Step::Until(position) => Some(position),
                    Step::Failed(why) => self.fail(one, why),
                    Step::Over => return Ok(None),
                };
            }
            if !batch.is_empty() {
                if !self.write_unless_erased(batch, erased).await? {
                    return Ok(None);
                }
                self.ring_sealer();
            }
        }
    }

    /// Passes over the log where it is about other tables.
    async fn pass_over(
        &self,
        wanted: &[Wanted],
        positions: &mut [Option<Version>],
        until: Version,
    ) -> Result<()> {
        let touched = &self.handle.shared().touched;
        let mut batch = Batch::new();
        for (one, known) in wanted.iter().zip(positions) {
            let Some(position) = known.filter(|position| *position < until) else { continue };
            if touched.last(self.tenant.number, one.table) <= position {
                if position / VERSIONS_MAX < until / VERSIONS_MAX {
                    self.mark(one, until, &mut batch);
                }
                *known = Some(until);
            }
        }
        if batch.is_empty() { Ok(()) } else { self.write(batch).await }
    }

    /// Computes the texts of some changes of one table.
    async fn step(
        &self,
        one: &Wanted,
        changes: &Changes,
        position: Version,
        batch: &mut Batch,
    ) -> Result<Step> {
        let new = new(changes, one.table, position);
        if let Err(why) = self.embed(one, &new, batch).await? {
            return Ok(Step::Failed(why));
        }
        let is_far = position / VERSIONS_MAX < changes.until / VERSIONS_MAX;
        if !new.is_empty() || is_far {
            if self.handle.shared().settings.has(Bug::EmbeddedTooFar) {
                let mut ahead = Batch::new();
                self.mark(one, changes.until, &mut ahead);
                self.write(ahead).await?;
            } else {
                self.mark(one, changes.until, batch);
            }
        }
        Ok(Step::Until(changes.until))
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

    /// Computes what is not known of the texts of these records. That a model can't be asked is no
    /// failure of the others.
    async fn embed(
        &self,
        wanted: &Wanted,
        records: &[Changed],
        batch: &mut Batch,
    ) -> Result<std::result::Result<(), Error>> {
        match self.compute(wanted, records, batch).await {
            Err(error) if error.kind() == ErrorKind::Closed => Err(error),
            done => Ok(done),
        }
    }

    async fn compute(&self, wanted: &Wanted, records: &[Changed], batch: &mut Batch) -> Result<()> {
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
        drop(view);
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
            self.handle.shared().unembedded.count(some.len());
        }
        Ok(())
    }

    async fn write(&self, batch: Batch) -> Result<()> {
        let view = View::now(self.handle, self.tenant)?;
        write_beside(&view, Beside { batch, ..Beside::default() }).await
    }

    /// Writes what a model said, unless something was purged since its texts were read: they may
    /// have been among it. `false` if so.
    async fn write_unless_erased(&self, batch: Batch, erased: u64) -> Result<bool> {
        let shared = self.handle.shared();
        let _passing = shared.erasing.pass(shared).await;
        if shared.erasures() != erased {
            return Ok(false);
        }
        self.write(batch).await.map(|()| true)
    }
}

impl Wanted {
    fn wish(&self) -> Wish {
        (self.table, self.slot)
    }
}

/// The changes of a table behind a version.
fn new(changes: &Changes, table: TableNo, after: Version) -> Vec<Changed> {
    let changed = changes.by_table.get(&table).into_iter().flatten();
    changed.filter(|it| it.change.version > after).map(Changed::copy).collect()
}
