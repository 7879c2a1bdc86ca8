//! The world as it is.
#![allow(clippy::disallowed_methods)]

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kenning_store::{BoxFuture, World};

/// The system's clock, its randomness, and its threads.
pub struct SystemWorld {
    seed: RandomState,
    drawn: AtomicU64,
}

impl SystemWorld {
    /// A world with a seed of its own, from the system.
    pub fn new() -> Self {
        SystemWorld { seed: RandomState::new(), drawn: AtomicU64::new(0) }
    }
}

impl Default for SystemWorld {
    fn default() -> Self {
        SystemWorld::new()
    }
}

impl World for SystemWorld {
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn random(&self) -> u64 {
        // A keyed hash of a counter: the key is the system's randomness, and no number comes twice
        // for the same input. Not for secrets.
        let mut hasher = self.seed.build_hasher();
        hasher.write_u64(self.drawn.fetch_add(1, Ordering::Relaxed));
        hasher.finish()
    }

    fn sleep(&self, ms: u64) -> BoxFuture<'static, ()> {
        let (wake, woken) = futures_channel::oneshot::channel();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(ms));
            // Who stopped waiting needs no waking.
            let _ = wake.send(());
        });
        Box::pin(async move { woken.await.unwrap_or(()) })
    }

    fn spawn(&self, name: &'static str, work: Box<dyn FnOnce() + Send>) {
        std::thread::Builder::new()
            .name(name.into())
            .spawn(work)
            .expect("the system has a thread left for the database");
    }
}
