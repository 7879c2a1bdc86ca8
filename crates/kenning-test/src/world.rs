//! Time and chance, by hand. Threads are real: what is tested is how they meet.
//!
//! The clock may be set to anything, also back. Sleepers do not look at it: they wait until enough
//! has been advanced, so a clock that jumps wakes nobody.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use kenning_store::{BoxFuture, World};

/// A world in which time passes only when told to, and chance is a seed.
pub struct ManualWorld {
    state: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    now_ms: u64,
    /// How much was advanced in all.
    passed_ms: u64,
    random: u64,
    sleepers: Vec<Sleeper>,
    sleepers_next: u64,
    threads: usize,
}

struct Sleeper {
    number: u64,
    until_ms: u64,
    waker: Waker,
}

impl ManualWorld {
    /// A world with chance from `seed`, in the year 2026.
    pub fn new(seed: u64) -> Arc<Self> {
        let shared = Shared::default();
        *shared.lock() = State { now_ms: 1_767_225_600_000, random: seed, ..State::default() };
        Arc::new(ManualWorld { state: Arc::new(shared) })
    }

    /// Sets the clock, forwards or back. Nobody wakes up.
    pub fn set(&self, now_ms: u64) {
        self.state.lock().now_ms = now_ms;
    }

    /// Lets time pass and wakes who has slept enough.
    pub fn advance(&self, ms: u64) {
        let mut state = self.state.lock();
        state.now_ms += ms;
        state.passed_ms += ms;
        let passed_ms = state.passed_ms;
        let (awake, asleep): (Vec<Sleeper>, Vec<Sleeper>) =
            state.sleepers.drain(..).partition(|sleeper| sleeper.until_ms <= passed_ms);
        state.sleepers = asleep;
        drop(state);
        awake.into_iter().for_each(|sleeper| sleeper.waker.wake());
        self.state.changed.notify_all();
    }

    /// How many are asleep.
    pub fn sleepers(&self) -> usize {
        self.state.lock().sleepers.len()
    }

    /// Waits until at least `sleepers` are asleep.
    pub fn wait_for_sleepers(&self, sleepers: usize) {
        let state = self.state.lock();
        drop(self.state.wait(state, |state| state.sleepers.len() < sleepers));
    }

    /// How many threads that were spawned have not ended.
    pub fn threads(&self) -> usize {
        self.state.lock().threads
    }

    /// Waits until every thread that was spawned has ended.
    pub fn wait_for_threads(&self) {
        let state = self.state.lock();
        drop(self.state.wait(state, |state| state.threads > 0));
    }
}

impl World for ManualWorld {
    fn now_ms(&self) -> u64 {
        self.state.lock().now_ms
    }

    fn random(&self) -> u64 {
        let mut state = self.state.lock();
        state.random = state.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(state.random)
    }

    fn sleep(&self, ms: u64) -> BoxFuture<'static, ()> {
        let until_ms = self.state.lock().passed_ms.saturating_add(ms);
        Box::pin(Sleep { shared: Arc::clone(&self.state), until_ms, number: None })
    }

    fn spawn(&self, name: &'static str, work: Box<dyn FnOnce() + Send>) {
        self.state.lock().threads += 1;
        let ended = Ended(Arc::clone(&self.state));
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // Moved in, so that a thread that panics has ended too.
                let _ended = ended;
                work();
            })
            .expect("a test machine has threads left");
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding the world")
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        not_yet: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_while(state, |state| not_yet(state));
        waited.expect("nobody panics while holding the world")
    }
}

/// SplitMix64's output: equal seeds give equal chance, on every machine.
fn mix(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.lock().threads -= 1;
        self.0.changed.notify_all();
    }
}

struct Sleep {
    shared: Arc<Shared>,
    until_ms: u64,
    /// Which sleeper this is, once it sleeps.
    number: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        if self.until_ms <= state.passed_ms {
            return Poll::Ready(());
        }
        let number = *self.number.get_or_insert_with(|| {
            state.sleepers_next += 1;
            state.sleepers_next
        });
        state.sleepers.retain(|sleeper| sleeper.number != number);
        let waker = context.waker().clone();
        state.sleepers.push(Sleeper { number, until_ms: self.until_ms, waker });
        shared.changed.notify_all();
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.shared.lock().sleepers.retain(|sleeper| sleeper.number != number);
        }
    }
}
