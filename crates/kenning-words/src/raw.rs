//! Bytes that stay where they are, for readers that keep them without a lifetime.

#![allow(unsafe_code)]

use std::ops::Deref;

use kenning_store::Bytes;
use stable_deref_trait::StableDeref;

/// Bytes that are shared.
pub(crate) struct Shared(pub(crate) Bytes);

impl Deref for Shared {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

// SAFETY: `Bytes` points to bytes elsewhere, in memory that it shares and that nobody writes:
// moving it moves the pointer and not the bytes, which stay as long as it does. It has no form that
// keeps bytes inside itself. `deref` has no choice but that pointer, and there is no `DerefMut`.
unsafe impl StableDeref for Shared {}
