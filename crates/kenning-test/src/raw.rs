//! System calls: the interposed functions, and what the safe modules need of the kernel.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use libc::c_long;

use crate::syscalls::{Call, Target, decide};

/// Defines the calls that [`syscalls`](crate::syscalls) plans for. For a test's `main.rs`.
#[macro_export]
macro_rules! interpose {
    () => {
        #[allow(unsafe_code, unreachable_pub, missing_docs, clippy::missing_safety_doc)]
        mod interposed {
            use core::ffi::{c_char, c_int, c_uint, c_void};
            use $crate::raw;

            #[unsafe(no_mangle)]
            pub extern "C" fn fsync(fd: c_int) -> c_int {
                raw::fsync(fd)
            }
            #[unsafe(no_mangle)]
            pub extern "C" fn fdatasync(fd: c_int) -> c_int {
                raw::fdatasync(fd)
            }
            #[unsafe(no_mangle)]
            pub extern "C" fn sync_file_range(fd: c_int, at: i64, n: i64, how: c_uint) -> c_int {
                raw::sync_file_range(fd, at, n, how)
            }
            // SAFETY, of these: the callers' arguments go to the kernel as they came.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, n: usize) -> isize {
                unsafe { raw::write(fd, bytes, n) }
            }
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn writev(fd: c_int, pieces: *const c_void, n: c_int) -> isize {
                unsafe { raw::writev(fd, pieces, n) }
            }
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn pwrite(
                fd: c_int,
                bytes: *const c_void,
                n: usize,
                at: i64,
            ) -> isize {
                unsafe { raw::pwrite(fd, bytes, n, at) }
            }
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn pwrite64(
                fd: c_int,
                bytes: *const c_void,
                n: usize,
                at: i64,
            ) -> isize {
                unsafe { raw::pwrite(fd, bytes, n, at) }
            }
            #[unsafe(no_mangle)]
            pub extern "C" fn ftruncate(fd: c_int, n: i64) -> c_int {
                raw::ftruncate(fd, n)
            }
            #[unsafe(no_mangle)]
            pub extern "C" fn ftruncate64(fd: c_int, n: i64) -> c_int {
                raw::ftruncate(fd, n)
            }
            #[unsafe(no_mangle)]
            pub extern "C" fn fallocate(fd: c_int, mode: c_int, at: i64, n: i64) -> c_int {
                raw::fallocate(fd, mode, at, n)
            }
            #[unsafe(no_mangle)]
            pub extern "C" fn fallocate64(fd: c_int, mode: c_int, at: i64, n: i64) -> c_int {
                raw::fallocate(fd, mode, at, n)
            }
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn rename(old: *const c_char, new: *const c_char) -> c_int {
                unsafe { raw::rename(old, new) }
            }
        }
    };
}

fn fail(errno: c_int) -> c_long {
    // SAFETY: the address of this thread's errno is valid as long as the thread lives.
    unsafe { *libc::__errno_location() = errno };
    -1
}

fn result(returned: c_long) -> c_int {
    c_int::try_from(returned).expect("such a call returns an int")
}

fn on(call: Call, descriptor: c_int, forward: impl FnOnce() -> c_long) -> c_long {
    match decide(call, &[Target::Descriptor(descriptor)]) {
        Some(errno) => fail(errno),
        None => forward(),
    }
}

/// Forwards, or fails as planned.
pub fn fsync(fd: c_int) -> c_int {
    // SAFETY: a number goes to the kernel.
    result(on(Call::Sync, fd, || unsafe { libc::syscall(libc::SYS_fsync, fd) }))
}

/// Forwards, or fails as planned.
pub fn fdatasync(fd: c_int) -> c_int {
    // SAFETY: a number goes to the kernel.
    result(on(Call::Sync, fd, || unsafe { libc::syscall(libc::SYS_fdatasync, fd) }))
}

/// Forwards, or fails as planned.
pub fn sync_file_range(fd: c_int, at: i64, n: i64, how: u32) -> c_int {
    // SAFETY: numbers go to the kernel.
    let forward = || unsafe { libc::syscall(libc::SYS_sync_file_range, fd, at, n, how) };
    result(on(Call::Sync, fd, forward))
}

/// Forwards, or fails as planned.
///
/// # Safety
///
/// As `write` of the C library.
pub unsafe fn write(fd: c_int, bytes: *const c_void, n: usize) -> isize {
    // SAFETY: the caller promises what the kernel asks for.
    on(Call::Write, fd, || unsafe { libc::syscall(libc::SYS_write, fd, bytes, n) }) as isize
}

/// Forwards, or fails as planned.
///
/// # Safety
///
/// As `writev` of the C library.
pub unsafe fn writev(fd: c_int, pieces: *const c_void, n: c_int) -> isize {
    // SAFETY: the caller promises what the kernel asks for.
    on(Call::Write, fd, || unsafe { libc::syscall(libc::SYS_writev, fd, pieces, n) }) as isize
}

/// Forwards, or fails as planned.
///
/// # Safety
///
/// As `pwrite` of the C library.
pub unsafe fn pwrite(fd: c_int, bytes: *const c_void, n: usize, at: i64) -> isize {
    // SAFETY: the caller promises what the kernel asks for.
    let forward = || unsafe { libc::syscall(libc::SYS_pwrite64, fd, bytes, n, at) };
    on(Call::Write, fd, forward) as isize
}

/// Forwards, or fails as planned.
pub fn ftruncate(fd: c_int, n: i64) -> c_int {
    // SAFETY: numbers go to the kernel.
    result(on(Call::Truncate, fd, || unsafe { libc::syscall(libc::SYS_ftruncate, fd, n) }))
}

/// Forwards, or fails as planned.
pub fn fallocate(fd: c_int, mode: c_int, at: i64, n: i64) -> c_int {
    // SAFETY: numbers go to the kernel.
    let forward = || unsafe { libc::syscall(libc::SYS_fallocate, fd, mode, at, n) };
    result(on(Call::Allocate, fd, forward))
}

/// Forwards, or fails as planned.
///
/// # Safety
///
/// As `rename` of the C library.
pub unsafe fn rename(old: *const c_char, new: *const c_char) -> c_int {
    // SAFETY: the caller promises two strings that end.
    let targets = unsafe { [CStr::from_ptr(old), CStr::from_ptr(new)] };
    if let Some(errno) = decide(Call::Rename, &targets.map(|path| Target::Path(path.to_bytes()))) {
        return result(fail(errno));
    }
    let here = libc::AT_FDCWD;
    // SAFETY: the same two strings.
    result(unsafe { libc::syscall(libc::SYS_renameat2, here, old, here, new, 0) })
}

/// Asks for a sync of nothing, so that an interposed `fsync` shows itself.
pub(crate) fn sync_nothing() {
    // SAFETY: no descriptor has this number; the kernel says so.
    unsafe { libc::fsync(-1) };
}

/// Ends the process at once: nothing is flushed, no destructor runs.
pub(crate) fn exit(code: c_int) -> ! {
    // SAFETY: it does not return.
    unsafe { libc::_exit(code) }
}

/// The path of an open file, empty if there is none. Calls nothing that is interposed.
pub(crate) fn path_of(descriptor: c_int, path: &mut [u8; 4096]) -> &[u8] {
    let link = format!("/proc/self/fd/{descriptor}\0");
    // SAFETY: the link ends with a zero byte, and the buffer is as long as it says.
    let n = unsafe { libc::readlink(link.as_ptr().cast(), path.as_mut_ptr().cast(), path.len()) };
    &path[..usize::try_from(n).unwrap_or(0)]
}

/// Whether this process may mount.
pub(crate) fn is_root() -> bool {
    // SAFETY: it takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Shuts the ext4 file system of `folder` down without writing its journal.
pub(crate) fn shut_down(folder: &File) -> io::Result<()> {
    // `_IOR('X', 125, u32)`, from the kernel's `fs/ext4/ext4.h`.
    const EXT4_IOC_SHUTDOWN: libc::Ioctl = 0x8004_587d;
    const EXT4_GOING_FLAGS_NOLOGFLUSH: u32 = 2;
    let flags = EXT4_GOING_FLAGS_NOLOGFLUSH;
    // SAFETY: the descriptor is open, and the kernel reads four bytes at the address.
    match unsafe { libc::ioctl(folder.as_raw_fd(), EXT4_IOC_SHUTDOWN, &raw const flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
