//! A file as bytes, so that memory is measured as it is used.

#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;

/// A file that is mapped as long as this lives.
pub(crate) struct Mapped {
    at: *mut libc::c_void,
    size: usize,
}

// SAFETY: nobody writes to what is mapped.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Maps all of `file`, which is not empty and which nobody changes.
    pub(crate) fn new(file: &File) -> Self {
        let size = usize::try_from(file.metadata().expect("it is open").len()).expect("it fits");
        let (protection, flags) = (libc::PROT_READ, libc::MAP_SHARED);
        // SAFETY: a new mapping, wherever the system likes.
        let at = unsafe {
            libc::mmap(std::ptr::null_mut(), size, protection, flags, file.as_raw_fd(), 0)
        };
        assert_ne!(at, libc::MAP_FAILED, "the file can be mapped");
        Mapped { at, size }
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: so many bytes are mapped, and nobody writes to them.
        unsafe { std::slice::from_raw_parts(self.at.cast(), self.size) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: what was mapped, once.
        unsafe { libc::munmap(self.at, self.size) };
    }
}
