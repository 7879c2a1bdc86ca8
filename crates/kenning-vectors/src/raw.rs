//! Bytes that are seen as numbers, and bytes that will be wanted soon.

#![allow(unsafe_code)]

use kenning_store::Bytes;

/// What can be seen in bytes: every pattern of bits is one, and there is nothing between two.
trait Plain: Copy {}
impl Plain for f32 {}
impl Plain for i8 {}
impl Plain for u32 {}
impl Plain for crate::code::Facts {}

const _: () = assert!(cfg!(target_endian = "little"), "numbers in a part are little-endian");

fn seen<T: Plain>(bytes: &[u8]) -> &[T] {
    // SAFETY: every pattern of bits is a `T`.
    let (before, seen, after) = unsafe { bytes.align_to::<T>() };
    assert!(before.is_empty() && after.is_empty(), "sections are aligned and whole");
    seen
}

/// Bytes as floats.
pub(crate) fn floats(bytes: &[u8]) -> &[f32] {
    seen(bytes)
}

/// Bytes as codes.
pub(crate) fn codes(bytes: &[u8]) -> &[i8] {
    seen(bytes)
}

/// Bytes as numbers of rows.
pub(crate) fn numbers(bytes: &[u8]) -> &[u32] {
    seen(bytes)
}

/// Bytes as facts about rows.
pub(crate) fn facts(bytes: &[u8]) -> &[crate::code::Facts] {
    seen(bytes)
}

/// The bytes of floats.
pub(crate) fn bytes_of_floats(floats: &[f32]) -> &[u8] {
    // SAFETY: four bytes are there for each float, and every pattern of bits is a byte.
    unsafe { std::slice::from_raw_parts(floats.as_ptr().cast(), size_of_val(floats)) }
}

/// The bytes of codes.
pub(crate) fn bytes_of_codes(codes: &[i8]) -> &[u8] {
    // SAFETY: one byte is there for each code, and every pattern of bits is a byte.
    unsafe { std::slice::from_raw_parts(codes.as_ptr().cast(), codes.len()) }
}

/// Numbers are seen where their address allows it.
pub(crate) const ALIGNED_BYTES: usize = 64;

/// One line of the cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; ALIGNED_BYTES]);

struct Lines {
    lines: Vec<Line>,
    size: usize,
}

impl AsRef<[u8]> for Lines {
    fn as_ref(&self) -> &[u8] {
        let there = self.lines.len() * ALIGNED_BYTES;
        assert!(self.size <= there, "the copy has room for all");
        // SAFETY: that many bytes are there in the lines, which have no gaps.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.size) }
    }
}

/// The same bytes at an address where numbers can be seen in them: themselves, if they are at one.
pub(crate) fn aligned(bytes: Bytes) -> Bytes {
    if bytes.as_ptr().addr().is_multiple_of(align_of::<u32>()) {
        return bytes;
    }
    let chunks = bytes.chunks(ALIGNED_BYTES).map(|chunk| {
        let mut line = Line([0; ALIGNED_BYTES]);
        line.0[..chunk.len()].copy_from_slice(chunk);
        line
    });
    Bytes::from_owner(Lines { lines: chunks.collect(), size: bytes.len() })
}

/// Says that these will be read soon. What is not there is not said.
#[inline]
pub(crate) fn fetch<T>(all: &[T], from: usize, count: usize) {
    let Some(wanted) = all.get(from..).and_then(|rest| rest.get(..count)) else { return };
    #[cfg(target_arch = "x86_64")]
    for at in (0..size_of_val(wanted)).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the address is within `wanted`, and to prefetch changes nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(wanted.as_ptr().cast::<i8>().add(at)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = wanted;
}
