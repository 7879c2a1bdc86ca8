//! The allocator that refuses what only a damaged length asks for.
//!
//! A reader may take as much memory as there are bytes in front of it, and a buffer. Inputs have
//! some kilobytes, so one allocation of many megabytes follows a length that nobody checked.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};

/// The most bytes of one allocation. The largest honest one is a buffer of the reader of rows.
const ALLOCATION_BYTES_MAX: usize = 16 << 20;

struct Bounded;

#[global_allocator]
static BOUNDED: Bounded = Bounded;

fn check(size: usize) {
    if size > ALLOCATION_BYTES_MAX {
        // A panic would allocate; the fuzzer and the test runner both see an abort.
        std::process::abort();
    }
}

// SAFETY: every call is handed on to the allocator of the system as it is, or the process ends.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        // SAFETY: the caller keeps the promises of `alloc`, which are the same below.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        // SAFETY: the caller keeps the promises of `alloc_zeroed`, which are the same below.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check(size);
        // SAFETY: `at` came from the allocator below, and the caller promises the rest.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` came from the allocator below with this layout, as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}
