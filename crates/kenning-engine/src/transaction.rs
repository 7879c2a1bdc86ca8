//! Reads a snapshot, stages changes with their index entries, remembers what it read.

use std::ops::Deref;
use std::sync::Arc;

use futures_channel::oneshot;
use kenning_index::{Claim, Edit, Entry, difference};
use kenning_record::{Id, LogBody, RecordRef, TenantNo, Version, entry, keys};
use kenning_store::{Batch, Bytes, Durability, Error, ErrorKind, Result, Snapshot, limits};

use crate::Isolation;
use crate::committer::{Committed, Given, Refused, Request, unknown};
use crate::database::Handle;
use crate::log::TransactionId;
use crate::shared::Waiting;
use crate::staging::{Staged, Staging};
use crate::table::{Table, number};
use crate::tenant::Tenant;
use crate::view::View;
use crate::window::Reads;

/// Bytes that one transaction may stage, history and log included.
const TRANSACTION_BYTES_MAX: usize = limits::BATCH_BYTES_MAX - (8 << 20);

/// The code of a transaction that has too much.
pub(crate) const TOO_LARGE: &str = "TRANSACTION_TOO_LARGE";

/// Changes that land together or not at all.
///
/// It is a [`View`] of the database as it was when it began, with its own changes on top. Dropping
/// it leaves nothing behind.
pub struct Transaction {
    view: View,
    pub(crate) staging: Arc<Staging>,
    pub(crate) log: LogBody,
    pub(crate) beside: Batch,
    /// The table whose schema the last change stands on.
    schema_of: Option<Id>,
    /// The id that was made last, and its milliseconds.
    pub(crate) made_last: Option<(u64, Id)>,
    /// Whether a table of tables changed.
    pub(crate) schema_changed: bool,
    /// The tenant that it drops.
    pub(crate) drops: Option<TenantNo>,
    /// Whether a change has begun and not come to its end.
    pub(crate) half_done: bool,
    /// Whether what it read is checked whatever the isolation: where a missed write would spoil
    /// the engine's own bookkeeping.
    pub(crate) reads_checked: bool,
    /// Whether changes go into the log; what only clears up does not.
    pub(crate) logged: bool,
    /// Its version and instant, if another log says them already.
    pub(crate) given: Option<Given>,
    id: TransactionId,
    id_given: bool,
    began_ms: u64,
    /// The last instant before it began.
    instant: i64,
    durability: Durability,
    /// What it reads, until it lets go of it.
    snapshot: Version,
}

impl Deref for Transaction {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.view.handle.shared().leave(self.snapshot);
    }
}

impl Transaction {
    pub(crate) fn begin(
        handle: &Handle,
        tenant: &Arc<Tenant>,
        id: Option<TransactionId>,
    ) -> Result<Self> {
        let shared = handle.shared();
        let head = shared.enter()?;
        let staging = Arc::new(Staging::new(Arc::clone(&head.snapshot), shared.hasher.clone()));
        let source: Arc<dyn Snapshot> = Arc::clone(&staging) as Arc<dyn Snapshot>;
        let own = Some(Arc::clone(&staging));
        let view = View { source, staging: own, ..View::at(handle, tenant, &head) };
        let made = || TransactionId::new(&*shared.world);
        let transaction = Transaction {
            view,
            staging,
            log: LogBody::new(),
            beside: Batch::new(),
            schema_of: None,
            made_last: None,
            schema_changed: false,
            drops: None,
            half_done: false,
            reads_checked: false,
            logged: true,
            given: None,
            id: id.unwrap_or_else(made),
            id_given: id.is_some(),
            began_ms: shared.world.now_ms(),
            instant: head.instant,
            durability: shared.settings.durability,
            snapshot: head.version,
        };
        // After the head, as in a view.
        tenant.check()?;
        Ok(transaction)
    }

    /// Its id, under which its outcome can be asked for later.
    pub fn id(&self) -> TransactionId {
        self.id
    }

    /// Commits with another durability than the database's own.
    pub fn set_durability(&mut self, durability: Durability) {
        self.durability = durability;
    }

    /// Commits. After `Conflict` nothing has landed: begin again. After `Closed` with the code
    /// `OUTCOME_UNKNOWN` it may have: reopen the database and ask for the outcome of its id.
    pub async fn commit(mut self) -> Result<Committed> {
        let submitted = self.submit();
        self.answered(submitted).await
    }

    /// Hands it over to the committer. It must be kept until the answer is there: as long as it
    /// is, what it read can be judged.
    pub(crate) fn submit(&mut self) -> Result<Submitted> {
        self.now()?;
        if self.half_done {
            let message = "a change of this transaction failed half way; begin another one";
            return Err(Error::invalid("TRANSACTION_FAILED", message));
        }
        let Staged { writes, befores, keys, mut reads, bases, bytes } = self.staging.take();
        let bytes = bytes + self.log.size_bytes() + self.beside.size_bytes();
        if bytes > TRANSACTION_BYTES_MAX {
            return Err(too_large(bytes));
        }
        // Changes that undo each other leave nothing to write, and still are in the log.
        let named = self.id_given || self.given.is_some();
        let versioned = !writes.is_empty() || !self.log.is_empty() || named;
        if !versioned && self.beside.is_empty() {
            let head = self.handle.shared().head()?;
            let nothing = Committed { version: self.version, instant: head.instant };
            return Ok(Submitted::Nothing(nothing));
        }
        match self.handle.shared().settings.isolation {
            Isolation::Snapshot if !self.reads_checked && !self.schema_changed => {
                reads = Reads { points: bases, ranges: Vec::new() };
            }
            Isolation::Serializable | Isolation::Snapshot => reads.points.extend(bases),
        }
        let (reply, answer) = oneshot::channel();
        let request = Request {
            id: self.id,
            id_given: self.id_given,
            tenant: Arc::clone(&self.tenant),
            snapshot: self.snapshot,
            reads,
            log: versioned.then(|| std::mem::take(&mut self.log)),
            writes,
            befores,
            keys,
            beside: std::mem::take(&mut self.beside),
            history_from: 0,
            schema_changed: self.schema_changed,
            drops: self.drops,
            given: self.given,
            bytes,
            durability: self.durability,
            reply,
        };
        hand_over(&self.handle, request).map(|()| Submitted::Waiting(answer))
    }

    /// Waits for the answer of the committer.
    pub(crate) async fn answered(&self, submitted: Result<Submitted>) -> Result<Committed> {
        match submitted? {
            Submitted::Nothing(committed) => Ok(committed),
            Submitted::Waiting(answer) => {
                let committed = answered(&self.handle, self.id, answer).await?;
                self.make_way().await;
                Ok(committed)
            }
        }
    }

    /// Waits as long as the sealer does not keep up with what its tenant writes.
    async fn make_way(&self) {
        let shared = self.handle.shared();
        if !shared.unsealed.is_full(self.tenant.number) {
            return;
        }
        let waiting = Waiting::new(shared);
        loop {
            let seen = shared.published();
            if !shared.unsealed.is_full(self.tenant.number) || !shared.is_open() {
                return;
            }
            waiting.moved(seen).await;
        }
    }

    /// Now, and never before what was committed when it began. Refuses a transaction that was left
    /// open too long, which would only be refused later.
    pub(crate) fn now(&self) -> Result<i64> {
        let shared = self.handle.shared();
        let now = shared.world.now_ms();
        let (age, max) = (now.saturating_sub(self.began_ms), shared.settings.transaction_ms_max);
        if age > max {
            let message = format!(
                "the transaction has been open for {} s, the most is {} s",
                age / 1_000,
                max / 1_000
            );
            return Err(Error::conflict("TOO_OLD", message));
        }
        Ok(i64::try_from(now).unwrap_or(i64::MAX).max(self.instant))
    }

    /// Refuses to stage without end.
    pub(crate) fn check_size(&self) -> Result<()> {
        let log = self.log.size_bytes();
        let bytes = self.staging.bytes() + log;
        // The log entry is one value, and has the limit of a value.
        if bytes > TRANSACTION_BYTES_MAX || log > limits::VALUE_BYTES_MAX - 1_024 {
            return Err(too_large(bytes));
        }
        Ok(())
    }

    /// Stages a record as it will be, with the difference of its index entries.
    ///
    /// `before` is the entry that a reader of this transaction sees; `after` the new payload. The
    /// caller stands on the key of the record, unless its id is new: then nobody else has it.
    pub(crate) async fn stage(
        &mut self,
        table: &Table,
        id: Id,
        before: Option<&Bytes>,
        after: Option<&[u8]>,
    ) -> Result<()> {
        let key = keys::record(self.tenant.number, table.number, &id);
        let old = before.map(|bytes| entry::split(bytes)).transpose()?;
        let mut old_entries = Vec::new();
        if let Some((_, payload)) = old {
            old_entries = table.entries(id, RecordRef::new(payload)?)?;
        }
        let new_entries = match after {
            Some(payload) => table.entries(id, RecordRef::new(payload)?)?,
            None => Vec::new(),
        };
        if table.number >= number::FIRST && self.schema_of != Some(table.id) {
            self.schema_of = Some(table.id);
            self.staging.stand_on(&keys::record(self.tenant.number, number::TABLES, &table.id));
        }
        self.stage_entries(table, difference(old_entries, new_entries)).await?;
        if self.logged {
            self.log.push(table.number, id, after);
        }
        self.schema_changed |= table.number == number::TABLES;
        match after {
            Some(payload) => self.staging.put(&key, payload, self.stored(before)),
            None => self.staging.delete(&key, self.stored(before)),
        }
        self.check_size()
    }

    /// Stages changes of index entries.
    async fn stage_entries(&mut self, table: &Table, edits: Vec<Edit>) -> Result<()> {
        let taken = self.claim(table, &edits).await?;
        for (edit, now) in edits.into_iter().zip(taken) {
            let was = self.stored(now.as_ref());
            match edit {
                Edit::Put(new) => self.staging.put(&new.key, &new.payload, was),
                // An index that is being built may not have the entry yet, or have it for another
                // record that has the same value.
                Edit::Delete(old) if is_there(&old, now.as_ref())? => {
                    self.staging.delete(&old.key, was);
                }
                Edit::Delete(_) => {}
            }
        }
        Ok(())
    }

    /// What there is under the key of each edit, once every claim is known to be free.
    async fn claim(&self, table: &Table, edits: &[Edit]) -> Result<Vec<Option<Bytes>>> {
        let mut found = Vec::with_capacity(edits.len());
        for edit in edits {
            found.push(match edit {
                // A shared entry has the id in its key: it is there if and only if the record as it
                // was has it, so there is nothing to read.
                Edit::Put(new) if new.claim == Claim::Shared && !edit_replaces(new) => None,
                Edit::Put(new) => {
                    self.staging.stand_on(&new.key);
                    let now = self.source.get(&new.key).await?;
                    if new.claim != Claim::Shared && now.is_some() {
                        return Err(table.taken(new));
                    }
                    now
                }
                Edit::Delete(old) => {
                    if old.claim != Claim::Shared {
                        self.staging.stand_on(&old.key);
                    }
                    self.source.get(&old.key).await?
                }
            });
        }
        Ok(found)
    }

    /// What the snapshot below had, if `seen` is not this transaction's own.
    fn stored(&self, seen: Option<&Bytes>) -> Option<Bytes> {
        let own =
            |bytes: &&Bytes| entry::from(bytes).is_ok_and(|from| from == crate::staging::PENDING);
        seen.filter(|bytes| !own(bytes)).cloned()
    }
}

/// Whether `now` is the entry `old`.
fn is_there(old: &Entry, now: Option<&Bytes>) -> Result<bool> {
    let payload = now.map(|bytes| entry::split(bytes)).transpose()?.map(|(_, payload)| payload);
    Ok(payload == Some(&old.payload))
}

/// Whether an entry with this key may be there with another payload: entries of links.
fn edit_replaces(entry: &Entry) -> bool {
    !entry.payload.is_empty()
}

/// What became of a transaction that was handed over.
pub(crate) enum Submitted {
    /// It changes nothing, so there was nothing to hand over.
    Nothing(Committed),
    Waiting(oneshot::Receiver<Result<Committed>>),
}

/// Hands a request to the committer and waits for the answer.
pub(crate) async fn submit(
    handle: &Handle,
    request: Request,
    answer: oneshot::Receiver<Result<Committed>>,
) -> Result<Committed> {
    let id = request.id;
    hand_over(handle, request)?;
    answered(handle, id, answer).await
}

fn hand_over(handle: &Handle, request: Request) -> Result<()> {
    let shared = handle.shared();
    request.beside.check()?;
    match shared.queue.push(request) {
        Ok(()) => Ok(()),
        Err(Refused::Closed) => Err(shared.why_closed()),
        Err(Refused::Full) => Err(Error::new(
            ErrorKind::Unavailable,
            "BUSY",
            "too many transactions wait to be committed; try again",
        )),
    }
}

async fn answered(
    handle: &Handle,
    id: TransactionId,
    answer: oneshot::Receiver<Result<Committed>>,
) -> Result<Committed> {
    // Nobody answers: the committer is gone, and may have been in the middle of it.
    answer.await.unwrap_or_else(|_| Err(unknown(id, &handle.shared().why_closed())))
}

fn too_large(bytes: usize) -> Error {
    Error::exhausted(
        TOO_LARGE,
        format!("the transaction has {bytes} bytes, the most is {TRANSACTION_BYTES_MAX}"),
    )
}
