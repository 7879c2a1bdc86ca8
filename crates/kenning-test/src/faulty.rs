//! A store that fails when told to.
//!
//! It behaves as an engine whose disk fails: after the error the handle shows nothing of the batch,
//! refuses every later commit, and only a new handle on the same store tells whether the batch was
//! applied.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use kenning_store::{Batch, BoxFuture, Bytes, Durability, Error, Finding, PartId, Range, Result};
use kenning_store::{Folder, Snapshot, Store};

/// What happens to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and was not applied.
    Before,
    /// It fails, but was applied: who opens the store again will see it.
    After,
    /// It waits for [`Faulty::release`], then goes on as if nothing had been.
    Hold,
    /// It is applied, and waits for [`Faulty::release`] before it answers.
    HoldAnswer,
}

/// A store around another one.
pub struct Faulty {
    inner: Arc<dyn Store>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    commits: u64,
    plan: Option<(u64, Fault)>,
    /// Somebody waits to be released.
    held: bool,
    /// After a failure: what this handle shows from then on.
    frozen: Option<Arc<dyn Snapshot>>,
}

impl Faulty {
    /// A store that does what `inner` does, until a fault is planned.
    pub fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        let state = Mutex::default();
        Arc::new(Faulty { inner, state, changed: Condvar::new() })
    }

    /// Plans `fault` for the `nth` commit from now; the next one is the first.
    pub fn plan(&self, nth: u64, fault: Fault) {
        assert!(nth > 0, "the next commit is the first");
        let mut state = self.lock();
        state.plan = Some((state.commits + nth, fault));
    }

    /// How many commits were asked for.
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// Waits until a commit is held.
    pub fn wait_until_held(&self) {
        drop(self.changed.wait_while(self.lock(), |state| !state.held).expect(NO_PANIC));
    }

    /// Lets the commit that is held go on.
    pub fn release(&self) {
        self.lock().held = false;
        self.changed.notify_all();
    }

    /// The store behind it, as it is found when it is opened again.
    pub fn inner(&self) -> Arc<dyn Store> {
        Arc::clone(&self.inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(NO_PANIC)
    }

    fn hold(&self) {
        let mut state = self.lock();
        state.held = true;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| state.held).expect(NO_PANIC));
    }

    /// Counts a commit and says what happens to it.
    fn next_fault(&self) -> Result<Option<Fault>> {
        let mut state = self.lock();
        if state.frozen.is_some() {
            return Err(failure("an earlier commit failed"));
        }
        state.commits += 1;
        match state.plan {
            Some((commit, fault)) if commit == state.commits => Ok(Some(fault)),
            _ => Ok(None),
        }
    }

    async fn freeze(&self) -> Result<()> {
        let snapshot = self.inner.snapshot().await?;
        self.lock().frozen = Some(snapshot);
        Ok(())
    }

    async fn commit_or_not(&self, batch: Batch, durability: Durability) -> Result<()> {
        match self.next_fault()? {
            None => self.inner.commit(batch, durability).await,
            Some(Fault::Before) => {
                self.freeze().await?;
                Err(failure("the commit was not applied"))
            }
            Some(Fault::After) => {
                self.freeze().await?;
                self.inner.commit(batch, durability).await?;
                Err(failure("the commit was applied"))
            }
            Some(Fault::Hold) => {
                self.hold();
                self.inner.commit(batch, durability).await
            }
            Some(Fault::HoldAnswer) => {
                let answer = self.inner.commit(batch, durability).await;
                self.hold();
                answer
            }
        }
    }
}

const NO_PANIC: &str = "nobody panics while holding the plan";

fn failure(message: &str) -> Error {
    Error::unavailable("IO", format!("a planned fault: {message}"))
}

impl Store for Faulty {
    fn snapshot(&self) -> BoxFuture<'_, Result<Arc<dyn Snapshot>>> {
        let frozen = self.lock().frozen.clone();
        match frozen {
            Some(snapshot) => Box::pin(async { Ok(snapshot) }),
            None => self.inner.snapshot(),
        }
    }

    fn commit(&self, batch: Batch, durability: Durability) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.commit_or_not(batch, durability))
    }

    fn checkpoint<'a>(&'a self, target: &'a Path) -> BoxFuture<'a, Result<Arc<dyn Snapshot>>> {
        self.inner.checkpoint(target)
    }

    fn folder(&self) -> Option<&Folder> {
        self.inner.folder()
    }

    fn compact(&self) -> BoxFuture<'_, Result<()>> {
        self.inner.compact()
    }

    fn erase(&self) -> BoxFuture<'_, Result<()>> {
        self.inner.erase()
    }

    fn verify(&self) -> BoxFuture<'_, Result<Vec<Finding>>> {
        self.inner.verify()
    }

    fn size_bytes<'a>(&'a self, range: &'a Range) -> BoxFuture<'a, Result<u64>> {
        self.inner.size_bytes(range)
    }

    fn put_part(&self, part: PartId, bytes: Bytes) -> BoxFuture<'_, Result<()>> {
        self.inner.put_part(part, bytes)
    }

    fn read_part(
        &self,
        part: PartId,
        bytes: std::ops::Range<u64>,
    ) -> BoxFuture<'_, Result<Option<Bytes>>> {
        self.inner.read_part(part, bytes)
    }

    fn map_part(&self, part: PartId) -> BoxFuture<'_, Result<Option<Bytes>>> {
        self.inner.map_part(part)
    }

    fn drop_part(&self, part: PartId) -> BoxFuture<'_, Result<()>> {
        self.inner.drop_part(part)
    }

    fn parts(&self) -> BoxFuture<'_, Result<Vec<PartId>>> {
        self.inner.parts()
    }
}
