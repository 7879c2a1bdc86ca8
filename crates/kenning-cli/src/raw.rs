//! How wide the terminal is, and whether somebody pressed Ctrl-C. The standard library does not
//! say.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_ulong};
use std::io::{IsTerminal, Stdout};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

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

unsafe extern "C" {
    fn ioctl(file: c_int, request: c_ulong, ...) -> c_int;
    fn signal(number: c_int, action: usize) -> usize;
}

const SIGINT: c_int = 2;
/// What a signal does when nobody asked for anything else.
const SIG_DFL: usize = 0;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn interrupt(_: c_int) {
    INTERRUPTED.store(true, Relaxed);
    // SAFETY: `signal` may be called in a handler, and changes nothing but what the next SIGINT
    // does: it ends the process.
    unsafe { signal(SIGINT, SIG_DFL) };
}

/// From now on the first Ctrl-C is noted, and the second ends the process.
pub(crate) fn note_interrupts() {
    // SAFETY: the handler stores to an atomic and calls `signal`; both are allowed in a handler,
    // and it lives as long as the program.
    unsafe { signal(SIGINT, interrupt as *const () as usize) };
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
