//! Work that is done by several threads while the caller waits: it is one of them, and the others
//! end before it goes on.

use std::sync::{Mutex, PoisonError};

/// Does each of `jobs`, on `threads` threads at most. `work` is made once for each thread.
pub(crate) fn share<J: Send, W: FnMut(J)>(
    threads: usize,
    jobs: Vec<J>,
    work: impl Fn() -> W + Sync,
) {
    let others = threads.min(jobs.len()).saturating_sub(1);
    let jobs = Mutex::new(jobs.into_iter());
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || {
        let mut work = work();
        while let Some(job) = next() {
            work(job);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..others {
            scope.spawn(run);
        }
        run();
    });
}
