//! What the handles and threads of one open database share.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::task::{Poll, Waker};
use std::time::Duration;

use kenning_record::{Version, entry};
use kenning_store::{BoxFuture, Bytes, Error, ErrorKind, Found, Page, Result, Scan, Snapshot};
use kenning_store::{Space, Store, World};

use crate::cache::{Cache, CacheKey, cache_key};
use crate::committer::Queue;
use crate::embedding::{Asked, Unembedded};
use crate::purge::IsTrimming;
use crate::sealed::damage::Damaged;
use crate::sealed::seal::Unsealed;
use crate::settings::Settings;
use crate::shown::Shown;
use crate::tenant::Tenants;
use crate::touched::{Change, Touched};
use crate::window::Hasher;

/// Databases that were opened in this process.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// Everything of one open database.
pub(crate) struct Shared {
    pub(crate) world: Arc<dyn World>,
    pub(crate) settings: Settings,
    pub(crate) queue: Queue,
    /// Makes the hashes of keys that transactions remember.
    pub(crate) hasher: Hasher,
    pub(crate) cache: Arc<Cache>,
    pub(crate) tenants: Tenants,
    pub(crate) counters: Counters,
    /// What is committed and visible; `None` once the database is closed.
    open: RwLock<Option<Open>>,
    /// The version of the head, for readers that need nothing else.
    version: AtomicU64,
    /// How often there was something to look at: a commit, with a version or without.
    published: AtomicU64,
    /// Which open database of this process it is.
    pub(crate) identity: u64,
    /// How often a table was made, altered or dropped since it was opened.
    schemas: AtomicU64,
    /// Whether the database is closed, for readers that need nothing else.
    ended: AtomicBool,
    /// Why the database closed itself.
    closed: Mutex<Option<Error>>,
    /// Snapshots of open transactions, and how many use each.
    active: Mutex<BTreeMap<Version, usize>>,
    /// Who waits for the next commit.
    wakers: Mutex<HashMap<u64, Waker>>,
    pub(crate) sweep: Signal,
    pub(crate) build: Signal,
    pub(crate) seal: Signal,
    pub(crate) unsealed: Unsealed,
    pub(crate) embed: Signal,
    pub(crate) embed_again: Signal,
    pub(crate) unembedded: Unembedded,
    pub(crate) touched: Touched,
    pub(crate) shown: Shown,
    pub(crate) damaged: Damaged,
    pub(crate) asked: Asked,
    /// Threads on which somebody asks a model.
    pub(crate) asking: AtomicUsize,
    /// Whether the sealer and the embedder are there.
    pub(crate) is_followed: AtomicBool,
    /// The keys of the marks that somebody moves.
    pub(crate) marks: Mutex<BTreeSet<Vec<u8>>>,
    /// How often something was purged, and who may say so or write what depends on it.
    erasures: AtomicU64,
    pub(crate) erasing: Arc<Gate>,
    /// Whether somebody removes the past.
    pub(crate) trimming: IsTrimming,
}

/// How often each thing happened.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) groups: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) conflicts: AtomicU64,
}

#[derive(Clone)]
struct Open {
    store: Arc<dyn Store>,
    head: Arc<Head>,
}

/// The last published version.
pub(crate) struct Head {
    pub(crate) version: Version,
    pub(crate) instant: i64,
    /// Views of the past reach back to this version.
    pub(crate) history_from: Version,
    pub(crate) snapshot: Arc<dyn Snapshot>,
}

impl Head {
    /// The entry under `keys::meta("head")`.
    pub(crate) fn encode(version: Version, instant: i64, history_from: Version) -> Vec<u8> {
        let payload = [instant.to_le_bytes(), history_from.to_le_bytes()].concat();
        let mut bytes = Vec::with_capacity(payload.len() + entry::OVERHEAD);
        entry::write(version, &payload, &mut bytes);
        bytes
    }

    /// Reads what `encode` wrote: version, instant, and where history begins.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Version, i64, Version)> {
        let (version, payload) = entry::check(bytes)?;
        let number = |at: usize| payload.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        match (payload.len(), number(0), number(8)) {
            (16, Some(instant), Some(from)) => {
                Ok((version, i64::from_le_bytes(instant), u64::from_le_bytes(from)))
            }
            _ => Err(Error::corrupt("HEAD_DAMAGED", "the head of the database is damaged")),
        }
    }
}

impl Shared {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        world: Arc<dyn World>,
        settings: Settings,
        head: Head,
    ) -> Self {
        let cache = Arc::new(Cache::new(settings.record_cache_bytes, head.version));
        let version = AtomicU64::new(head.version);
        let head = Arc::new(head.with_cache(&cache));
        let hasher = Hasher::new(world.random());
        let shown = Shown::default();
        shown.note(&head.snapshot);
        let touched = Touched::new(head.version);
        let changes_min = settings.sealing.changes_min;
        Shared {
            hasher,
            world,
            settings,
            queue: Queue::default(),
            cache,
            tenants: Tenants::new(),
            counters: Counters::default(),
            open: RwLock::new(Some(Open { store, head })),
            version,
            published: AtomicU64::new(0),
            identity: OPENED.fetch_add(1, Ordering::Relaxed),
            schemas: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            closed: Mutex::new(None),
            active: Mutex::default(),
            wakers: Mutex::default(),
            sweep: Signal::default(),
            build: Signal::default(),
            seal: Signal::default(),
            unsealed: Unsealed::new(changes_min),
            embed: Signal::default(),
            embed_again: Signal::default(),
            unembedded: Unembedded::default(),
            touched,
            shown,
            damaged: Damaged::default(),
            asked: Asked::default(),
            asking: AtomicUsize::new(0),
            is_followed: AtomicBool::new(false),
            marks: Mutex::default(),
            erasures: AtomicU64::new(0),
            erasing: Arc::default(),
            trimming: IsTrimming::default(),
        }
    }

    /// The last published version. Cheap.
    pub(crate) fn version(&self) -> Version {
        self.version.load(Ordering::Acquire)
    }

    /// A number that changes whenever something was committed, with a version or without.
    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// A number that changes, before the version does, when any table does.
    pub(crate) fn schemas(&self) -> u64 {
        self.schemas.load(Ordering::Acquire)
    }

    /// A table changes in the version that is published next.
    pub(crate) fn change_schemas(&self) {
        self.schemas.fetch_add(1, Ordering::Release);
    }

    /// The last published state.
    pub(crate) fn head(&self) -> Result<Arc<Head>> {
        let open = self.open.read().expect("no holder of this lock panics");
        open.as_ref().map(|open| Arc::clone(&open.head)).ok_or_else(|| self.why_closed())
    }

    /// The store.
    pub(crate) fn store(&self) -> Result<Arc<dyn Store>> {
        let open = self.open.read().expect("no holder of this lock panics");
        open.as_ref().map(|open| Arc::clone(&open.store)).ok_or_else(|| self.why_closed())
    }

    /// Makes `head` what readers see, and wakes who waits for it.
    pub(crate) fn publish(&self, head: Head) {
        let version = head.version;
        let head = Arc::new(head.with_cache(&self.cache));
        self.shown.note(&head.snapshot);
        if let Some(open) = &mut *self.open.write().expect("no holder of this lock panics") {
            open.head = head;
        }
        self.version.store(version, Ordering::Release);
        self.nudge();
    }

    /// A number that changes with every purge, when log and records tell nothing more of what is
    /// purged: what was read before must not be written any more.
    pub(crate) fn erasures(&self) -> u64 {
        self.erasures.load(Ordering::Acquire)
    }

    /// Makes that number change. Only who passes `erasing` may.
    pub(crate) fn change_erasures(&self) {
        self.erasures.fetch_add(1, Ordering::Release);
    }

    /// Leaves it to the sealer and the embedder to follow what changed of these tenants.
    pub(crate) fn find_later(&self, changed: &[Change]) {
        if changed.is_empty() || !self.is_followed.load(Ordering::Acquire) {
            return;
        }
        let mut is_due = false;
        for Change { tenant, records, .. } in changed {
            is_due |= self.unsealed.note(*tenant, *records);
            self.unembedded.note(*tenant);
        }
        if is_due {
            self.seal.ring();
        }
        self.embed.ring();
    }

    /// Makes everybody who waits look again.
    pub(crate) fn nudge(&self) {
        self.published.fetch_add(1, Ordering::Release);
        for (_, waker) in std::mem::take(&mut *self.wakers()) {
            waker.wake();
        }
    }

    /// Registers a transaction and returns what it reads.
    pub(crate) fn enter(&self) -> Result<Arc<Head>> {
        let mut active = self.active.lock().expect("no holder of this lock panics");
        let head = self.head()?;
        *active.entry(head.version).or_default() += 1;
        Ok(head)
    }

    /// Undoes `enter`.
    pub(crate) fn leave(&self, version: Version) {
        let mut active = self.active.lock().expect("no holder of this lock panics");
        let count = active.get_mut(&version).expect("who leaves has entered");
        *count -= 1;
        if *count == 0 {
            active.remove(&version);
        }
    }

    /// The oldest snapshot that a transaction uses. `head` if there is none.
    pub(crate) fn oldest(&self, head: Version) -> Version {
        let active = self.active.lock().expect("no holder of this lock panics");
        active.keys().next().copied().unwrap_or(head)
    }

    fn wakers(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Waker>> {
        self.wakers.lock().expect("no holder of this lock panics")
    }

    /// Closes: nothing new can be begun, read or written. The store is let go when the last view
    /// and transaction that still holds a snapshot of it is dropped.
    pub(crate) fn close(&self, why: Option<Error>) {
        if let Some(why) = why {
            *self.closed.lock().expect("no holder of this lock panics") = Some(why);
        }
        self.ended.store(true, Ordering::Release);
        let open = self.open.write().expect("no holder of this lock panics").take();
        self.queue.close();
        self.sweep.close();
        self.build.close();
        self.seal.close();
        self.embed.close();
        self.embed_again.close();
        self.nudge();
        drop(open);
    }

    /// Whether it is open still.
    pub(crate) fn is_open(&self) -> bool {
        !self.ended.load(Ordering::Acquire)
    }

    /// The error that closed the database, if one did.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.closed.lock().expect("no holder of this lock panics").as_ref().map(Error::again)
    }

    pub(crate) fn why_closed(&self) -> Error {
        match &*self.closed.lock().expect("no holder of this lock panics") {
            Some(error) => {
                Error::new(ErrorKind::Closed, "CLOSED", "the database closed itself; reopen it")
                    .because(error.to_string())
            }
            None => Error::new(ErrorKind::Closed, "CLOSED", "the database is closed"),
        }
    }
}

impl Head {
    fn with_cache(self, cache: &Arc<Cache>) -> Self {
        let snapshot: Arc<dyn Snapshot> = Arc::new(Cached {
            below: self.snapshot,
            version: self.version,
            cache: Arc::clone(cache),
        });
        Head { snapshot, ..self }
    }
}

/// Someone who waits for the next commit.
pub(crate) struct Waiting {
    shared: Arc<Shared>,
    who: u64,
}

impl Waiting {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Waiting { shared: Arc::clone(shared), who: shared.world.random() }
    }

    /// Returns when something was committed since `published` said `seen`, or the database closed.
    pub(crate) async fn moved(&self, seen: u64) {
        let shared = &self.shared;
        let moved = || shared.published() != seen || !shared.is_open();
        poll_fn(|context| {
            if !moved() {
                shared.wakers().insert(self.who, context.waker().clone());
            }
            // Again: it may have happened before the waker was there.
            if moved() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.shared.wakers().remove(&self.who);
    }
}

/// Lets one pass at a time. Who waits holds up no thread.
#[derive(Default)]
pub(crate) struct Gate {
    taken: AtomicBool,
}

/// Held by who passes a gate.
pub(crate) struct Passing {
    gate: Arc<Gate>,
    shared: Arc<Shared>,
}

impl Gate {
    /// Waits until nobody else passes.
    pub(crate) async fn pass(self: &Arc<Self>, shared: &Arc<Shared>) -> Passing {
        let waiting = Waiting::new(shared);
        loop {
            let seen = shared.published();
            if !self.taken.swap(true, Ordering::AcqRel) {
                return Passing { gate: Arc::clone(self), shared: Arc::clone(shared) };
            }
            waiting.moved(seen).await;
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.gate.taken.store(false, Ordering::Release);
        self.shared.nudge();
    }
}

/// A snapshot whose records come from the cache where they can.
pub(crate) struct Cached {
    below: Arc<dyn Snapshot>,
    version: Version,
    cache: Arc<Cache>,
}

impl Cached {
    pub(crate) fn new(below: Arc<dyn Snapshot>, version: Version, cache: Arc<Cache>) -> Self {
        Cached { below, version, cache }
    }

    fn keep(&self, key: &[u8], value: &Bytes) -> Result<()> {
        let (from, _) = entry::check(value)?;
        self.cache.insert(cache_key(key), value, from, self.version);
        Ok(())
    }
}

fn is_record(key: &[u8]) -> bool {
    key.first() == Some(&Space::Records.byte()) && key.len() == 25
}

impl Snapshot for Cached {
    fn try_get(&self, key: &[u8]) -> Result<Found> {
        if !is_record(key) {
            return self.below.try_get(key);
        }
        if let Some(value) = self.cache.get(&cache_key(key), self.version) {
            return Ok(Found::Here(value));
        }
        let found = self.below.try_get(key)?;
        if let Found::Here(value) = &found {
            self.keep(key, value)?;
        }
        Ok(found)
    }

    fn get_many<'a>(&'a self, keys: &'a [&'a [u8]]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>> {
        Box::pin(async move {
            let mut values: Vec<Option<Bytes>> = keys
                .iter()
                .map(|key| is_record(key).then(|| self.cache.get(&cache_key(key), self.version))?)
                .collect();
            let missing: Vec<usize> = (0..keys.len()).filter(|at| values[*at].is_none()).collect();
            if missing.is_empty() {
                return Ok(values);
            }
            let asked: Vec<&[u8]> = missing.iter().map(|at| keys[*at]).collect();
            for (at, value) in missing.into_iter().zip(self.below.get_many(&asked).await?) {
                if let Some(value) = &value
                    && is_record(keys[at])
                {
                    self.keep(keys[at], value)?;
                }
                values[at] = value;
            }
            Ok(values)
        })
    }

    fn page<'a>(&'a self, scan: &'a Scan) -> BoxFuture<'a, Result<Page>> {
        self.below.page(scan)
    }
}

/// A bell that a background thread waits for.
#[derive(Default)]
pub(crate) struct Signal {
    state: Mutex<Ringing>,
    bell: Condvar,
    hour: AtomicU64,
    hourly: AtomicBool,
}

#[derive(Default)]
struct Ringing {
    rung: bool,
    closed: bool,
    /// Why the last round of work did not come to its end.
    failed: Option<Error>,
}

impl Signal {
    pub(crate) fn ring(&self) {
        self.state().rung = true;
        self.bell.notify_all();
    }

    fn close(&self) {
        self.state().closed = true;
        self.bell.notify_all();
    }

    /// Waits for the next ring; `false` when the database is closed.
    pub(crate) fn wait(&self) -> bool {
        let mut state = self.state();
        while !state.rung && !state.closed {
            state = self.bell.wait(state).expect("no holder of this lock panics");
        }
        state.rung = false;
        state.failed = None;
        !state.closed
    }

    /// Waits so long, or until the database is closed, which is `false`. Rings are left for `wait`.
    pub(crate) fn wait_at_most(&self, ms: u64) -> bool {
        let time = Duration::from_millis(ms);
        let waited = self.bell.wait_timeout_while(self.state(), time, |state| !state.closed);
        !waited.expect("no holder of this lock panics").0.closed
    }

    /// Notes why a round of work did not come to its end.
    pub(crate) fn fail(&self, why: Error) {
        self.state().failed = Some(why);
    }

    /// Why the last round of work did not come to its end, unless another one is on its way.
    pub(crate) fn failure(&self) -> Option<Error> {
        let state = self.state();
        state.failed.as_ref().filter(|_| !state.rung).map(Error::again)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Ringing> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// Rings once an hour of the database's own time.
    pub(crate) fn tick(&self, instant: i64) {
        const HOUR_MS: u64 = 3_600_000;
        let hour = instant.max(0) as u64 / HOUR_MS;
        if self.hour.swap(hour, Ordering::Relaxed) != hour {
            self.hourly.store(true, Ordering::Relaxed);
            self.ring();
        }
    }

    /// Whether the hour changed since this was asked last.
    pub(crate) fn is_hourly(&self) -> bool {
        self.hourly.swap(false, Ordering::Relaxed)
    }
}

/// The cache key of `key`, if it is the key of a record.
pub(crate) fn record_key(key: &[u8]) -> Option<CacheKey> {
    is_record(key).then(|| cache_key(key))
}
