//! What makes a journal longer.
//!
//! fjall goes on with another journal only when one is long enough, and a journal that is not
//! followed by another keeps what is gone. Removing a key that nobody can have stored, because it
//! is longer than a key may be, changes nothing and takes room.

use kenning_store::limits;

/// Bytes of such a key.
pub(crate) const KEY_BYTES: usize = limits::KEY_BYTES_MAX + 1;

/// Whether an entry is one that somebody stored, or filler.
pub(crate) fn fits(key_bytes: usize, value_bytes: usize) -> bool {
    match key_bytes {
        0..=limits::KEY_BYTES_MAX => value_bytes <= limits::VALUE_BYTES_MAX,
        KEY_BYTES => value_bytes == 0,
        _ => false,
    }
}
