//! Numbers that are mostly small: seven bits a byte, least significant first, the high bit set on
//! every byte but the last. Each number has one encoding, the shortest.

/// Bytes of the longest encoding.
const BYTES_MAX: usize = 10;

/// Appends `number`.
pub(crate) fn push(mut number: u64, target: &mut Vec<u8>) {
    while number >= 0x80 {
        target.push(number as u8 | 0x80);
        number >>= 7;
    }
    target.push(number as u8);
}

/// Takes a number from the front; `None` where there is no number in its shortest form.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for (idx, byte) in bytes.iter().take(BYTES_MAX).enumerate() {
        let part = u64::from(byte & 0x7f);
        // The tenth byte has room for the one bit that is left of 64.
        if idx == BYTES_MAX - 1 && part > 1 {
            return None;
        }
        number |= part << (7 * idx);
        if byte & 0x80 == 0 {
            if *byte == 0 && idx > 0 {
                return None;
            }
            *bytes = &bytes[idx + 1..];
            return Some(number);
        }
    }
    None
}

/// Takes bytes that are preceded by their length.
pub(crate) fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let size = usize::try_from(take(bytes)?).ok()?;
    let (part, rest) = bytes.split_at_checked(size)?;
    *bytes = rest;
    Some(part)
}

/// Appends `part`, preceded by its length.
pub(crate) fn push_bytes(part: &[u8], target: &mut Vec<u8>) {
    push(part.len() as u64, target);
    target.extend_from_slice(part);
}

/// Makes small negative numbers small: 0, -1, 1, -2 become 0, 1, 2, 3.
pub(crate) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// The inverse of `zigzag`.
pub(crate) fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_reads_back() {
        let edges = (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit]).chain([u64::MAX]);
        for number in edges {
            let mut bytes = Vec::new();
            push(number, &mut bytes);
            let mut rest = bytes.as_slice();
            assert_eq!(take(&mut rest), Some(number));
            assert!(rest.is_empty());
            assert_eq!(take(&mut &bytes[..bytes.len() - 1]), None, "{number} was cut");
            assert_eq!(unzigzag(zigzag(number as i64)), number as i64);
        }
    }

    #[test]
    fn a_number_has_one_encoding() {
        assert_eq!(take(&mut [0x80, 0x00].as_slice()), None);
        assert_eq!(take(&mut [0xff; 10].as_slice()), None);
        assert_eq!(take(&mut [0xff; 11].as_slice()), None);
    }
}
