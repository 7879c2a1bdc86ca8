//! Which states of the past somebody still looks at.
//!
//! What is removed stays in the store for whoever has a snapshot from before. A purge has to know
//! of them: it waits for those of the threads of the engine, which are short, and tells of others.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};

use kenning_store::Snapshot;

/// The snapshots that were published and that somebody may still hold.
#[derive(Default)]
pub(crate) struct Shown {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How many were published.
    count: u64,
    /// By their number, in order.
    held: VecDeque<(u64, Weak<dyn Snapshot>)>,
    /// How many there may be before those that nobody holds any more are forgotten.
    held_max: usize,
}

impl Shown {
    /// Notes a snapshot that is published next.
    pub(crate) fn note(&self, snapshot: &Arc<dyn Snapshot>) {
        let mut state = self.state();
        state.count += 1;
        let number = state.count;
        if state.held.len() >= state.held_max {
            state.held.retain(|(_, snapshot)| snapshot.strong_count() > 0);
            state.held_max = 2 * state.held.len() + 64;
        }
        state.held.push_back((number, Arc::downgrade(snapshot)));
    }

    /// The number of the last one.
    pub(crate) fn last(&self) -> u64 {
        self.state().count
    }

    /// Whether somebody holds one from before this number.
    pub(crate) fn is_held_before(&self, number: u64) -> bool {
        let state = self.state();
        let before = state.held.iter().take_while(|(known, _)| *known < number);
        before.into_iter().any(|(_, snapshot)| snapshot.strong_count() > 0)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}
