//! A file in memory. The only unsafe of this crate.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps the whole of a file. Nobody may change or cut the file from then on; removing it is well.
pub(crate) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: what is mapped must not change. Only parts are mapped: a part is written under
    // another name, renamed when it is whole, and never written to again, in a folder that one
    // process holds. Who changes files of a folder that is held breaks it in other ways, too.
    unsafe { Mmap::map(file) }
}
