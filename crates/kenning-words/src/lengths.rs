//! How long a row is, in one byte.
//!
//! Lengths below 64 are themselves; from there on there are eight steps to every doubling, so a
//! length is off by one part in sixteen at most. All that is said of lengths is said of what the
//! bytes say, in every part alike.

/// The byte of a length.
pub(crate) fn to_byte(places: u32) -> u8 {
    if places < 64 {
        return places as u8;
    }
    let doubling = places.ilog2();
    let eighth = (places >> (doubling - 3)) & 7;
    let below = 64 + (doubling - 6) * 8 + eighth;
    // The nearer of the two steps it lies between.
    let is_nearer_above = below < 255
        && of_byte(below as u8 + 1).abs_diff(places) < places.abs_diff(of_byte(below as u8));
    (below + u32::from(is_nearer_above)).min(255) as u8
}

/// The length of a byte.
pub(crate) const fn of_byte(byte: u8) -> u32 {
    if byte < 64 {
        return byte as u32;
    }
    let step = byte as u32 - 64;
    (8 + step % 8) << (step / 8 + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_near_its_length_and_grows_with_it() {
        for byte in 0..=255 {
            assert_eq!(to_byte(of_byte(byte)), byte);
        }
        let mut before = 0;
        for places in (0..5_000).chain((5_000..900_000_000).step_by(1_000_003)) {
            let byte = to_byte(places);
            assert!(before <= byte, "{places}");
            before = byte;
            let off = f64::from(of_byte(byte).abs_diff(places));
            assert!(off <= f64::from(places) * 0.0625, "{places} is {}", of_byte(byte));
        }
        assert_eq!(to_byte(u32::MAX), 255);
    }
}
