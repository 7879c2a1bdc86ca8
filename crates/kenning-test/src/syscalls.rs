//! Failing calls of the operating system, below an engine that does not know.
//!
//! An engine in C++ goes past every simulated file system written in Rust. It does not go past the
//! linker: a test executable that defines `fdatasync` and the others gets every call made by code
//! linked into it. [`interpose!`](crate::interpose) in a test's `main.rs` defines them; they
//! forward to the kernel, and count or fail what a [`Plan`] says. No other build contains them.
//!
//! ```ignore
//! kenning_test::interpose!();
//!
//! let armed = syscalls::arm(Plan::fail(folder, &[Call::Sync], 3, syscalls::EIO));
//! // ... the third sync below `folder` fails
//! assert_eq!(armed.fired(), 1);
//! ```

use std::ffi::c_int;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::raw;

/// The disk does not answer.
pub const EIO: i32 = libc::EIO;
/// The disk is full.
pub const ENOSPC: i32 = libc::ENOSPC;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `fsync`, `fdatasync`, `sync_file_range`.
    Sync,
    /// `write`, `writev`, `pwrite`.
    Write,
    /// `ftruncate`.
    Truncate,
    /// `fallocate`.
    Allocate,
    /// `rename`, by its old or its new name.
    Rename,
}

impl Call {
    /// Every kind.
    pub const ALL: [Call; 5] =
        [Call::Sync, Call::Write, Call::Truncate, Call::Allocate, Call::Rename];
}

/// What a planned call does.
#[derive(Clone)]
pub enum Action {
    /// Nothing but what it always does.
    Count,
    /// It fails once.
    Errno(i32),
    /// It fails, and so does every later call of the planned kinds.
    ErrnoForever(i32),
    /// The process ends with this code, before the call.
    Exit(i32),
    /// Something else happens first; then the call goes on.
    Hook(Arc<dyn Fn() + Send + Sync>),
}

/// Which call, and what it does.
#[derive(Clone)]
pub struct Plan {
    /// Only calls on files in or below this folder are seen.
    pub folder: PathBuf,
    /// Only these are counted.
    pub calls: Vec<Call>,
    /// Which of them, counted from 1.
    pub nth: u64,
    /// What it does.
    pub action: Action,
}

impl Plan {
    /// Counts `calls` in `folder`.
    pub fn count(folder: &Path, calls: &[Call]) -> Self {
        let action = Action::Count;
        Plan { folder: folder.to_owned(), calls: calls.to_vec(), nth: u64::MAX, action }
    }

    /// Fails the `nth` of `calls` in `folder`, once.
    pub fn fail(folder: &Path, calls: &[Call], nth: u64, errno: i32) -> Self {
        let action = Action::Errno(errno);
        Plan { folder: folder.to_owned(), calls: calls.to_vec(), nth, action }
    }
}

/// A plan in force, until it is dropped. There is one at a time: who comes second waits.
#[must_use]
pub struct Armed {
    _alone: MutexGuard<'static, ()>,
}

/// Whether there is a plan: all that a call looks at where there is none.
static ARMED: AtomicBool = AtomicBool::new(false);
static PRESENT: AtomicBool = AtomicBool::new(false);
static ALONE: Mutex<()> = Mutex::new(());
static STATE: Mutex<Option<State>> = Mutex::new(None);

struct State {
    plan: Plan,
    seen: u64,
    fired: u64,
}

/// Puts `plan` in force. Panics where [`interpose!`](crate::interpose) is missing, because nothing
/// would be injected and nothing would say so.
pub fn arm(plan: Plan) -> Armed {
    assert!(is_present(), "interpose!() is missing in the main.rs of this test");
    assert!(plan.nth > 0, "calls are counted from 1");
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = plan.folder.canonicalize().expect("the folder of a plan exists");
    *state() = Some(State { plan: Plan { folder, ..plan }, seen: 0, fired: 0 });
    ARMED.store(true, Ordering::SeqCst);
    Armed { _alone: alone }
}

/// Whether this executable interposes: asked by a call that does nothing.
pub fn is_present() -> bool {
    raw::sync_nothing();
    PRESENT.load(Ordering::SeqCst)
}

impl Armed {
    /// How many planned calls were made.
    pub fn seen(&self) -> u64 {
        state().as_ref().map_or(0, |state| state.seen)
    }

    /// How many of them were acted upon.
    pub fn fired(&self) -> u64 {
        state().as_ref().map_or(0, |state| state.fired)
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        ARMED.store(false, Ordering::SeqCst);
        *state() = None;
    }
}

/// What a call is about.
pub(crate) enum Target<'a> {
    Descriptor(c_int),
    Path(&'a [u8]),
}

/// What a call must do, seen by the interposed functions: `Some(errno)` fails it.
pub(crate) fn decide(call: Call, targets: &[Target<'_>]) -> Option<c_int> {
    PRESENT.store(true, Ordering::Relaxed);
    if !ARMED.load(Ordering::Relaxed) {
        return None;
    }
    match act(call, targets)? {
        Action::Count => None,
        Action::Errno(errno) | Action::ErrnoForever(errno) => Some(errno),
        Action::Exit(code) => raw::exit(code),
        Action::Hook(hook) => {
            // Nothing is locked here: the hook may make calls of its own.
            hook();
            None
        }
    }
}

fn act(call: Call, targets: &[Target<'_>]) -> Option<Action> {
    let mut state = state();
    let state = state.as_mut()?;
    if !state.plan.calls.contains(&call) || !targets.iter().any(|it| state.concerns(it)) {
        return None;
    }
    state.seen += 1;
    let forever = matches!(state.plan.action, Action::ErrnoForever(_));
    if state.seen == state.plan.nth || (forever && state.seen > state.plan.nth) {
        state.fired += 1;
        return Some(state.plan.action.clone());
    }
    None
}

impl State {
    fn concerns(&self, target: &Target<'_>) -> bool {
        let folder = self.plan.folder.as_os_str().as_encoded_bytes();
        let is_below = |path: &[u8]| {
            path.strip_prefix(folder).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
        };
        match target {
            Target::Path(path) => is_below(path),
            Target::Descriptor(descriptor) => {
                let mut path = [0; 4096];
                is_below(raw::path_of(*descriptor, &mut path))
            }
        }
    }
}

fn state() -> MutexGuard<'static, Option<State>> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}
