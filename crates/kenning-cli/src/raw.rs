//! How wide the terminal is. The standard library does not say.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_ulong};
use std::io::{IsTerminal, Stdout};
use std::os::fd::AsRawFd;

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
