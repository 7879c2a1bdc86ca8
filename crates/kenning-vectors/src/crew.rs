//! Threads that work in step: each piece of work is shared out, and is done when all of it is.
//!
//! What a piece says depends on its number and on nothing that happens at the same time, so the
//! result is the same for any number of threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use kenning_store::World;

type Work = Arc<dyn Fn() + Send + Sync>;

/// Some threads and the one that asks them.
pub(crate) struct Crew {
    others: Vec<(Sender<Work>, Receiver<()>)>,
}

/// Threads of one crew. More than this many would only wait for each other.
const THREADS_MAX: usize = 64;

impl Crew {
    /// `threads` in all, the one that asks included.
    pub(crate) fn new(world: &Arc<dyn World>, threads: usize) -> Self {
        let others = (1..threads.min(THREADS_MAX)).map(|_| {
            let (sender, works) = channel::<Work>();
            let (done, receiver) = channel();
            let work = move || {
                for work in works {
                    work();
                    // Whoever asked may know something before it is asked for again.
                    drop(work);
                    if done.send(()).is_err() {
                        return;
                    }
                }
            };
            world.spawn("kenning-graph-builder", Box::new(work));
            (sender, receiver)
        });
        Crew { others: others.collect() }
    }

    /// What `work` says of each number below `count`, in their order. It is shared out in pieces of
    /// `piece` numbers.
    pub(crate) fn map<T: Send + 'static>(
        &self,
        count: usize,
        piece: usize,
        work: impl Fn(usize) -> T + Send + Sync + 'static,
    ) -> Vec<T> {
        if self.others.is_empty() || count <= piece {
            return (0..count).map(work).collect();
        }
        let next = AtomicUsize::new(0);
        let pieces = Arc::new(Mutex::new(Vec::new()));
        let said = Arc::clone(&pieces);
        let work = Arc::new(move || {
            loop {
                let from = next.fetch_add(piece, Ordering::Relaxed);
                if from >= count {
                    return;
                }
                let part: Vec<T> = (from..count.min(from + piece)).map(&work).collect();
                said.lock().unwrap_or_else(PoisonError::into_inner).push((from, part));
            }
        });
        self.run(work);
        let mut pieces =
            std::mem::take(&mut *pieces.lock().unwrap_or_else(PoisonError::into_inner));
        pieces.sort_by_key(|(from, _)| *from);
        pieces.into_iter().flat_map(|(_, part)| part).collect()
    }

    fn run(&self, work: Work) {
        for (sender, _) in &self.others {
            sender.send(Arc::clone(&work)).expect("a thread of the crew ends after its crew");
        }
        work();
        for (_, done) in &self.others {
            done.recv().expect("a thread of the crew ends after its crew");
        }
    }
}
