//! How wide the terminal is, whether somebody pressed Ctrl-C, and whether anybody still reads. The
//! standard library does not say.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_short, c_ulong, c_void};
use std::io::{self, IsTerminal, Stdout};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

#[cfg(target_os = "linux")]
const TIOCGWINSZ: c_ulong = 0x5413;
#[cfg(not(target_os = "linux"))]
const TIOCGWINSZ: c_ulong = 0x4008_7468;

/// `struct winsize` of the terminal interface.
#[repr(C)]
#[derive(Default)]
struct Winsize {
    rows: u16,
    columns: u16,
    x_pixels: u16,
    y_pixels: u16,
}

/// `struct pollfd` of the system.
#[repr(C)]
struct Poll {
    file: c_int,
    events: c_short,
    happened: c_short,
}

/// How `poll` counts files.
#[cfg(target_os = "linux")]
type Count = c_ulong;
#[cfg(not(target_os = "linux"))]
type Count = std::ffi::c_uint;

unsafe extern "C" {
    fn ioctl(file: c_int, request: c_ulong, ...) -> c_int;
    fn signal(number: c_int, action: usize) -> usize;
    fn pipe(files: *mut c_int) -> c_int;
    fn write(file: c_int, bytes: *const c_void, count: usize) -> isize;
    fn poll(files: *mut Poll, count: Count, timeout_ms: c_int) -> c_int;
}

const SIGINT: c_int = 2;
/// What a signal does when nobody asked for anything else.
const SIG_DFL: usize = 0;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The ends of the pipe that wakes `wait_for_end`; there is none while they are negative.
static WAKES: AtomicI32 = AtomicI32::new(-1);
static WOKEN: AtomicI32 = AtomicI32::new(-1);

/// There is something to read.
const POLLIN: c_short = 1;

extern "C" fn interrupt(_: c_int) {
    INTERRUPTED.store(true, Relaxed);
    // SAFETY: `signal` may be called in a handler, and changes nothing but what the next SIGINT
    // does: it ends the process.
    unsafe { signal(SIGINT, SIG_DFL) };
    let wakes = WAKES.load(Relaxed);
    if wakes >= 0 {
        // SAFETY: `write` may be called in a handler, and reads one byte of a constant. The pipe is
        // never closed, and this is all that is ever written into it, so there is room.
        unsafe { write(wakes, b"!".as_ptr().cast(), 1) };
    }
}

/// From now on the first Ctrl-C is noted, and the second ends the process.
pub(crate) fn note_interrupts() {
    // SAFETY: the handler stores to an atomic and calls `signal`; both are allowed in a handler,
    // and it lives as long as the program.
    unsafe { signal(SIGINT, interrupt as *const () as usize) };
}

/// From now on the first Ctrl-C is noted and ends `wait_for_end`, and the second ends the process.
pub(crate) fn wake_on_interrupts() -> kenning::Result<()> {
    let mut ends: [c_int; 2] = [-1; 2];
    // SAFETY: the call writes the two numbers that `ends` has room for.
    if unsafe { pipe(ends.as_mut_ptr()) } != 0 {
        let error = io::Error::last_os_error();
        return Err(kenning::Error::unavailable("IO", "making a pipe").because(error));
    }
    WOKEN.store(ends[0], Relaxed);
    WAKES.store(ends[1], Relaxed);
    note_interrupts();
    Ok(())
}

/// Returns when there was a Ctrl-C since `wake_on_interrupts`, or when nobody reads `stdout` any
/// more.
pub(crate) fn wait_for_end(stdout: &Stdout) {
    let woken = Poll { file: WOKEN.load(Relaxed), events: POLLIN, happened: 0 };
    // Asked for nothing: what is told without asking is that the other end of a pipe is closed.
    let reader = Poll { file: stdout.as_raw_fd(), events: 0, happened: 0 };
    let mut files = [woken, reader];
    while files.iter().all(|file| file.happened == 0) && !interrupted() {
        // SAFETY: the call reads and writes as many of `struct pollfd` as `files` has, which have
        // its layout. It waits without a limit; a signal ends it early.
        unsafe { poll(files.as_mut_ptr(), files.len() as Count, -1) };
    }
}

/// Whether there was a Ctrl-C since `note_interrupts`.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Relaxed)
}

/// The columns of the terminal behind `stdout`; `None` if there is no terminal.
pub(crate) fn terminal_columns(stdout: &Stdout) -> Option<usize> {
    if !stdout.is_terminal() {
        return None;
    }
    let mut size = Winsize::default();
    // SAFETY: the file is open as long as `stdout` is borrowed, and the request writes one
    // `struct winsize`, which `size` has the layout of, and nothing else.
    let result = unsafe { ioctl(stdout.as_raw_fd(), TIOCGWINSZ, &raw mut size) };
    (result == 0 && size.columns > 0).then_some(usize::from(size.columns))
}
