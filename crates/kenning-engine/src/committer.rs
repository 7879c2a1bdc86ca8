//! The one thread that commits.
//!
//! It takes whatever waits as a group, checks each transaction against the recent writes and the
//! earlier members of the group, gives each a version, and makes one batch of entries, history, log
//! and outcomes. One `Store::commit`, one sync; then the new version is published and everybody is
//! answered. If the store fails, nobody can know whether the batch will be there after reopening:
//! the group is told so, and the database closes itself.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use futures_channel::oneshot;
use kenning_record::{LogBody, LogEntry, LogHead, TenantNo, Version, entry, keys};
use kenning_store::{Batch, Bytes, Durability, Error, ErrorKind, Range, Result, Snapshot};
use kenning_store::{Space, Store, Write, block_on};

use crate::Bug;
use crate::cache::CacheKey;
use crate::log::TransactionId;
use crate::shared::{Head, Shared, record_key};
use crate::tenant::Tenant;
use crate::touched::Change;
use crate::window::{Keys, Reads, SCANNED_MAX, Window};

/// Transactions that may wait at once.
const QUEUE_MAX: usize = 10_000;
/// What a transaction has in a batch beyond its writes, its log and its history: outcome, clock, a
/// share of the head.
const OVERHEAD_BYTES: usize = 256;
const OVERHEAD_WRITES: usize = 8;
/// How long the outcome of a transaction can be asked for.
pub(crate) const OUTCOME_MS: i64 = 24 * 3_600_000;
/// Bytes of one group, unless a single transaction has more.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// What a commit answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The version of the transaction.
    pub version: Version,
    /// When it was committed, in milliseconds since the epoch.
    pub instant: i64,
}

/// A transaction on its way.
pub(crate) struct Request {
    pub(crate) id: TransactionId,
    /// Whether the id is the client's, so that it may come again.
    pub(crate) id_given: bool,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) snapshot: Version,
    pub(crate) reads: Reads,
    /// The versioned writes, in the order of their keys; values are prepared, not stamped.
    pub(crate) writes: Batch,
    /// What they overwrite or delete, and by which write.
    pub(crate) befores: Vec<(usize, Bytes)>,
    /// Their keys.
    pub(crate) keys: Keys,
    /// Writes beside the versioned ones: work for the sweeper, watermarks.
    pub(crate) beside: Batch,
    /// From which version on views of the past can be shown; 0 leaves it as it is.
    pub(crate) history_from: Version,
    /// The changes; `None` for writes that make no version.
    pub(crate) log: Option<LogBody>,
    /// Whether it changes a schema.
    pub(crate) schema_changed: bool,
    /// The tenant that it drops.
    pub(crate) drops: Option<TenantNo>,
    /// What the committer would give it, if another log says so already.
    pub(crate) given: Option<Given>,
    pub(crate) bytes: usize,
    pub(crate) durability: Durability,
    pub(crate) reply: oneshot::Sender<Result<Committed>>,
}

/// What another database gave a transaction that is committed here once more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    /// The version that it follows here: exactly this one has to be the last.
    pub(crate) after: Version,
    pub(crate) version: Version,
    pub(crate) instant: i64,
    pub(crate) origin: [u8; 16],
    /// The tenant's version before it.
    pub(crate) previous: Version,
}

impl Given {
    /// Refuses what can't come behind `version` of `instant`, which `previous` is the last of its
    /// tenant before.
    fn check(&self, version: Version, instant: i64, previous: Version) -> Result<()> {
        if self.after != version {
            let message = format!("it follows version {}, the last one is {version}", self.after);
            return Err(Error::conflict("REPLAY_ORDER", message));
        }
        if self.version <= version || self.instant < instant {
            let message = format!("version {} can't come behind version {version}", self.version);
            return Err(Error::invalid("REPLAY_BACKWARDS", message));
        }
        if self.previous != previous {
            let message = format!(
                "version {} follows version {} of its tenant, the last one here is {previous}",
                self.version, self.previous
            );
            return Err(Error::invalid("REPLAY_GAP", message));
        }
        Ok(())
    }
}

impl Request {
    /// Bytes that the committer adds to what the transaction brings.
    fn own_bytes(&self, history: bool) -> usize {
        let state = |(key_idx, before): &(usize, Bytes)| {
            keys::history_bytes(self.keys.get(*key_idx)) + before.len()
        };
        let history: usize = self.befores.iter().filter(|_| history).map(state).sum();
        self.log.as_ref().map_or(0, LogBody::size_bytes) + history + OVERHEAD_BYTES
    }
}

/// Where transactions wait for the committer.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    bell: Condvar,
}

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    closed: bool,
}

impl Queue {
    /// Hands `request` over; gives it back when the database is closed or too much waits.
    pub(crate) fn push(&self, request: Request) -> Result<(), Refused> {
        let mut waiting = self.waiting.lock().expect("no holder of this lock panics");
        if waiting.closed {
            return Err(Refused::Closed);
        }
        if waiting.requests.len() >= QUEUE_MAX {
            return Err(Refused::Full);
        }
        waiting.requests.push_back(request);
        if waiting.requests.len() == 1 {
            self.bell.notify_one();
        }
        Ok(())
    }

    pub(crate) fn close(&self) {
        self.waiting.lock().expect("no holder of this lock panics").closed = true;
        self.bell.notify_one();
    }

    /// The next group. `Idle` when `idle` is over, `Closed` when nothing will come any more.
    fn take(&self, idle: Option<Duration>) -> Next {
        let mut waiting = self.waiting.lock().expect("no holder of this lock panics");
        if idle == Some(Duration::ZERO) {
            return Next::Idle;
        }
        while waiting.requests.is_empty() {
            if waiting.closed {
                return Next::Closed;
            }
            match idle {
                None => waiting = self.bell.wait(waiting).expect("no holder of this lock panics"),
                Some(idle) => {
                    let woken = self.bell.wait_timeout(waiting, idle);
                    let (guard, time) = woken.expect("no holder of this lock panics");
                    waiting = guard;
                    if time.timed_out() && waiting.requests.is_empty() {
                        return Next::Idle;
                    }
                }
            }
        }
        let mut group = Vec::with_capacity(waiting.requests.len());
        let mut bytes = 0;
        while let Some(request) = waiting.requests.front() {
            bytes += request.bytes;
            if bytes > GROUP_BYTES_MAX && !group.is_empty() {
                break;
            }
            group.extend(waiting.requests.pop_front());
        }
        Next::Group(group)
    }
}

/// Why a request was not taken.
pub(crate) enum Refused {
    Closed,
    Full,
}

enum Next {
    Group(Vec<Request>),
    Idle,
    Closed,
}

/// The state of the committing thread.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
    window: Window,
    /// What each tenant's next log entry refers to.
    previous: HashMap<TenantNo, Previous>,
    /// Since when the disk lacks commits that were answered.
    behind_since: Option<u64>,
}

/// The last version of a tenant, and the last one that changed a schema.
#[derive(Clone, Copy, Default)]
struct Previous {
    version: Version,
    schema: Version,
}

/// Who waits for an answer, and which.
struct Reply {
    tenant: TenantNo,
    id: TransactionId,
    answer: Committed,
    sender: oneshot::Sender<Result<Committed>>,
}

impl Reply {
    fn new(request: Request, answer: Committed) -> Self {
        let tenant = request.tenant.number;
        Reply { tenant, id: request.id, answer, sender: request.reply }
    }

    fn is(&self, request: &Request) -> bool {
        self.tenant == request.tenant.number && self.id == request.id
    }
}

/// A group in the making.
struct Group {
    /// What the transactions write, as they brought it.
    batch: Batch,
    /// What the committer adds: history, log, outcomes.
    own: Batch,
    replies: Vec<Reply>,
    /// Records that the batch writes, for the cache.
    marks: Vec<(CacheKey, Version)>,
    /// What landed, in case the window may not know yet.
    late: Vec<(Version, Keys)>,
    /// From which version on views of the past can be shown.
    history_from: Version,
    /// Whether it leaves work for the sweeper.
    swept: bool,
    /// Whether it changes a table.
    schema_changed: bool,
    /// Tenants that it drops.
    dropped: Vec<TenantNo>,
    /// How much it changes of each tenant.
    changed: Vec<Change>,
    version: Version,
    instant: i64,
    durability: Durability,
}

type Sender = oneshot::Sender<Result<Committed>>;

impl Committer {
    pub(crate) fn new(shared: Arc<Shared>, store: Arc<dyn Store>) -> Self {
        let keys_max = shared.settings.window_keys_max;
        let window = Window::new(shared.version(), keys_max, SCANNED_MAX);
        Committer { shared, store, window, previous: HashMap::new(), behind_since: None }
    }

    /// Commits until the database is closed.
    pub(crate) fn run(mut self) {
        loop {
            let step = match self.shared.queue.take(self.sync_due()) {
                Next::Group(requests) => self.commit(requests),
                Next::Idle => self.sync(),
                Next::Closed => {
                    if self.behind_since.is_some()
                        && let Err(error) = self.sync()
                    {
                        self.shared.close(Some(error));
                    }
                    return;
                }
            };
            if let Err(error) = step {
                // A failing group has closed the database already; a failing sync has not.
                return self.shared.close(Some(error));
            }
        }
    }

    /// How long the disk may stay behind; `None` if it is not.
    fn sync_due(&self) -> Option<Duration> {
        let since = self.behind_since?;
        // A clock that jumped back tells nothing: then it is due now.
        let late = self.shared.world.now_ms().checked_sub(since).unwrap_or(u64::MAX);
        Some(Duration::from_millis(self.shared.settings.sync_ms.saturating_sub(late)))
    }

    fn refuse_waiting(&self) {
        while let Next::Group(requests) = self.shared.queue.take(None) {
            for request in requests {
                answer(request.reply, Err(self.shared.why_closed()));
            }
        }
    }

    fn sync(&mut self) -> Result<()> {
        self.behind_since = None;
        block_on(self.store.commit(Batch::new(), Durability::Strict))
    }

    /// Commits one group. An error closes the database.
    fn commit(&mut self, requests: Vec<Request>) -> Result<()> {
        let head = self.shared.head()?;
        let now = self.shared.world.now_ms().min(i64::MAX as u64) as i64;
        let history = self.shared.settings.history_keep;
        let replayed = requests.iter().any(|request| request.given.is_some());
        let mut group = Group {
            batch: Batch::new(),
            own: Batch::with_capacity(
                requests.iter().map(|request| request.own_bytes(history)).sum(),
                requests.iter().map(|request| request.befores.len() + OVERHEAD_WRITES).sum(),
            ),
            replies: Vec::with_capacity(requests.len()),
            marks: Vec::new(),
            late: Vec::new(),
            history_from: head.history_from,
            swept: false,
            schema_changed: false,
            dropped: Vec::new(),
            changed: Vec::new(),
            version: head.version,
            // A clock that jumps back does not take the instants with it; what is committed once
            // more brings its own.
            instant: if replayed { head.instant } else { now.max(head.instant) },
            durability: Durability::Relaxed,
        };
        for request in requests {
            if let Err((error, sender)) = self.admit(&head, &mut group, request) {
                self.shared.counters.conflicts.fetch_add(1, Relaxed);
                answer(sender, Err(error));
            }
        }
        for (version, keys) in std::mem::take(&mut group.late) {
            self.window.push(version, keys);
        }
        if group.replies.is_empty() { Ok(()) } else { self.land(&head, group) }
    }

    /// Lets a transaction into the group, or gives the reason back.
    fn admit(
        &mut self,
        head: &Head,
        group: &mut Group,
        request: Request,
    ) -> Result<(), (Error, Sender)> {
        // Also for one that landed before: then it may not have been durable.
        if request.durability == Durability::Strict {
            group.durability = Durability::Strict;
        }
        let judged = self.judge(head, group, &request);
        let judged = judged.and_then(|known| {
            let previous = self.previous_of(&request)?;
            if let Some(given) = &request.given {
                given.check(group.version, group.instant, previous.version)?;
            }
            Ok((known, previous))
        });
        let previous = match judged {
            Ok((None, previous)) => previous,
            Ok((Some(answer), _)) => {
                group.replies.push(Reply::new(request, answer));
                return Ok(());
            }
            Err(error) => return Err((error, request.reply)),
        };
        let reply = self.append(group, request, previous);
        group.replies.push(reply);
        Ok(())
    }

    /// Whether the transaction may land; its answer, if it landed before.
    fn judge(
        &mut self,
        head: &Head,
        group: &Group,
        request: &Request,
    ) -> Result<Option<Committed>> {
        let tenant = &request.tenant;
        // Behind what drops a tenant nothing of it may land: the sweeper would not find it.
        if tenant.is_dropped() || group.dropped.contains(&tenant.number) {
            return Err(tenant.gone());
        }
        if request.id_given && !self.has(Bug::ReplayTwice) {
            if let Some(reply) = group.replies.iter().find(|reply| reply.is(request)) {
                return Ok(Some(reply.answer));
            }
            if let Some(answer) = block_on(outcome(&*head.snapshot, tenant.number, request.id))? {
                return Ok(Some(answer));
            }
        }
        self.window.check(request.snapshot, &request.reads)?;
        Ok(None)
    }

    /// Writes the transaction into the batch of the group.
    fn append(&mut self, group: &mut Group, request: Request, previous: Previous) -> Reply {
        let tenant = request.tenant.number;
        group.schema_changed |= request.schema_changed;
        group.dropped.extend(request.drops);
        group.swept |= request.log.is_some() && !request.beside.is_empty();
        group.batch.append(request.beside);
        group.history_from = group.history_from.max(request.history_from);
        let Some(log) = request.log else {
            let answer = Committed { version: group.version, instant: group.instant };
            return Reply { tenant, id: request.id, answer, sender: request.reply };
        };
        let reuse = self.has(Bug::ReuseVersion) && group.version > self.shared.version();
        let mut version = group.version + u64::from(!reuse);
        if let Some(given) = &request.given {
            (version, group.instant) = (given.version, given.instant);
            // The group writes the last of its instants only.
            group.own.put(&keys::clock(given.instant.max(0) as u64), &frame(version, &[]));
        }
        let mut writes = request.writes;
        writes.change_values(|value| entry::stamp(version, value));
        let forget = self.has(Bug::DropIndexWrite) && version.is_multiple_of(7);
        if forget {
            writes = without_fields(&writes);
        }
        group.batch.append(writes);
        let batch = &mut group.own;
        if self.shared.settings.history_keep && !self.has(Bug::DropHistory) {
            for (key_idx, before) in &request.befores {
                let key = request.keys.get(*key_idx);
                if !(forget && is_field(key)) {
                    batch.put(&keys::history(key, version), before);
                }
            }
        }
        let marks = request.keys.iter().filter_map(record_key);
        group.marks.extend(marks.map(|key| (key, version)));
        let answer = Committed { version, instant: group.instant };
        let head = LogHead {
            version,
            transaction: request.id.0,
            origin: request.given.map_or([0; 16], |given| given.origin),
            instant: group.instant,
            previous: previous.version,
            schema: if request.schema_changed { version } else { previous.schema },
        };
        let latest = Previous { version, schema: head.schema };
        let (records, tables) = (log.len() as u64, log.tables().to_vec());
        group.changed.push(Change { tenant, version, records, tables });
        batch.put_with(&keys::log(tenant, version), |bytes| log.finish(head, bytes));
        let now = self.shared.world.now_ms().min(i64::MAX as u64) as i64;
        // Nobody asks for that of what happened elsewhere long ago.
        if request.given.is_none() || answer.instant >= now.saturating_sub(OUTCOME_MS) {
            batch.put(&keys::outcome(tenant, &request.id.0), &encode_outcome(answer));
        }
        self.previous.insert(tenant, latest);
        group.version = version;
        if self.has(Bug::ForgetGroupConflicts) {
            group.late.push((version, request.keys));
        } else {
            self.window.push(version, request.keys);
        }
        Reply { tenant, id: request.id, answer, sender: request.reply }
    }

    /// Behind the head: who holds a tenant and then sees it there in the head, is told here.
    fn drop_tenants(&mut self, dropped: &[TenantNo]) {
        for tenant in dropped {
            self.shared.tenants.drop(*tenant);
            self.shared.touched.forget(*tenant);
            self.previous.remove(tenant);
        }
    }

    /// What the log entry of this transaction refers to.
    fn previous_of(&self, request: &Request) -> Result<Previous> {
        let tenant = request.tenant.number;
        if let Some(previous) = self.previous.get(&tenant) {
            return Ok(*previous);
        }
        let head = self.shared.head()?;
        let scan = Range::prefix(keys::logs(tenant)).backward().rows(1);
        let page = block_on(head.snapshot.page(&scan))?;
        let Some(row) = page.rows.first() else { return Ok(Previous::default()) };
        let (_, version) = keys::log_split(&row.key)?;
        let entry = LogEntry::decode(&row.value, version)?;
        Ok(Previous { version, schema: entry.head.schema })
    }

    /// Commits the batch, publishes the new version and answers everybody.
    fn land(&mut self, head: &Head, group: Group) -> Result<()> {
        let Group { mut batch, own, mut replies, marks, swept, schema_changed, .. } = group;
        let Group { version, instant: now, durability, dropped, changed, .. } = group;
        // What makes no version makes no instant.
        let instant = if version > head.version { now } else { head.instant };
        batch.append(own);
        // Without history no earlier version can be shown.
        let keep = self.shared.settings.history_keep;
        let history_from = if keep { group.history_from } else { version };
        if version > head.version || history_from > head.history_from {
            let bytes = Head::encode(version, instant, history_from);
            batch.put(&keys::meta("head"), &bytes);
        }
        if version > head.version {
            batch.put(&keys::clock(instant.max(0) as u64), &frame(version, &[]));
        }
        if self.has(Bug::AckBeforeCommit) {
            replies.drain(..).for_each(|reply| answer(reply.sender, Ok(reply.answer)));
        }
        let skip = self.has(Bug::SkipSync);
        let asked = if skip { Durability::Relaxed } else { durability };
        let landed = block_on(async {
            self.store.commit(batch, asked).await?;
            self.store.snapshot().await
        });
        let snapshot = match landed {
            Ok(snapshot) => snapshot,
            Err(error) => {
                // Closed before anybody is told, so that nobody who was told can still read.
                self.shared.close(Some(error.again()));
                for reply in replies {
                    answer(reply.sender, Err(unknown(reply.id, &error)));
                }
                return Err(error);
            }
        };
        self.behind_since = match asked {
            Durability::Relaxed if !skip => {
                self.behind_since.or_else(|| Some(self.shared.world.now_ms()))
            }
            Durability::Relaxed | Durability::Strict => None,
        };
        if !self.has(Bug::StaleCache) {
            marks.iter().for_each(|(key, version)| self.shared.cache.mark(key, *version));
        }
        if schema_changed || !dropped.is_empty() {
            self.shared.change_schemas();
        }
        self.shared.touched.note(&changed);
        self.shared.publish(Head { version, instant, history_from, snapshot });
        self.drop_tenants(&dropped);
        self.window.trim(self.shared.oldest(version));
        self.shared.counters.groups.fetch_add(1, Relaxed);
        self.shared.counters.commits.fetch_add(replies.len() as u64, Relaxed);
        self.shared.sweep.tick(now);
        if swept {
            self.shared.sweep.ring();
        }
        if schema_changed {
            self.shared.build.ring();
        }
        self.shared.find_later(&changed);
        for reply in replies {
            answer(reply.sender, Ok(reply.answer));
        }
        Ok(())
    }

    fn has(&self, bug: Bug) -> bool {
        self.shared.settings.has(bug)
    }
}

impl Drop for Committer {
    /// However the thread ends, nobody waits for it any more.
    fn drop(&mut self) {
        self.shared.close(None);
        self.refuse_waiting();
    }
}

/// A caller that went away needs no answer.
fn answer(sender: Sender, answer: Result<Committed>) {
    let _ = sender.send(answer);
}

pub(crate) fn unknown(id: TransactionId, error: &Error) -> Error {
    let message = format!(
        "the commit failed in the store, so it is unknown whether transaction {id} landed; \
         reopen the database and ask for its outcome"
    );
    Error::new(ErrorKind::Closed, "OUTCOME_UNKNOWN", message).because(error.to_string())
}

fn is_field(key: &[u8]) -> bool {
    key[0] == Space::Fields.byte()
}

/// What a planted bug leaves of `writes`.
fn without_fields(writes: &Batch) -> Batch {
    let mut kept = Batch::new();
    for write in writes.writes() {
        match write {
            Write::Put(key, _) | Write::Delete(key) if is_field(key) => {}
            Write::Put(key, value) => kept.put(key, value),
            Write::Delete(key) => kept.delete(key),
        }
    }
    kept
}

/// A framed entry of a space without history.
pub(crate) fn frame(version: Version, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + entry::OVERHEAD);
    entry::write(version, payload, &mut bytes);
    bytes
}

fn encode_outcome(answer: Committed) -> Vec<u8> {
    frame(answer.version, &answer.instant.to_le_bytes())
}

/// Reads what `encode_outcome` wrote.
pub(crate) fn decode_outcome(bytes: &[u8]) -> Result<Committed> {
    let (version, payload) = entry::check(bytes)?;
    match payload.first_chunk::<8>() {
        Some(instant) => Ok(Committed { version, instant: i64::from_le_bytes(*instant) }),
        None => Err(Error::corrupt("OUTCOME_DAMAGED", "a stored outcome is damaged")),
    }
}

/// What became of the transaction `id`, as far as `snapshot` knows.
pub(crate) async fn outcome(
    snapshot: &dyn Snapshot,
    tenant: TenantNo,
    id: TransactionId,
) -> Result<Option<Committed>> {
    snapshot
        .get(&keys::outcome(tenant, &id.0))
        .await?
        .map(|bytes| decode_outcome(&bytes))
        .transpose()
}
