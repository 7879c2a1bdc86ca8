//! Bytes that nobody wrote, or that were written otherwise, are refused and never a panic.

use std::sync::Arc;

use kenning_index::{Bitmap, Mask, WordArm, WordIndex, WordPart, WordRow};
use kenning_store::{Error, ErrorKind, Result};
use kenning_words::Words;

fn body() -> Vec<u8> {
    let row = |number: usize| {
        let body = format!("row {number} runs with {} others", number % 3);
        Ok(WordRow { title: format!("title {}", number % 7), body })
    };
    Words.build("en", &mut (0..300).map(row)).unwrap()
}

fn used(part: &Arc<dyn WordPart>) -> Result<()> {
    let pieces = [(part.clone(), Mask::ALL)];
    let question = Words.question("en", "runs \"runs with\" titl* otter~2").unwrap();
    Words.best(&pieces, &*question, WordArm::Unit, 10)?;
    let all = Bitmap::all(part.rows());
    Words.merge(&[(part.clone(), &all)])?;
    Ok(())
}

fn is_damage(error: Error) -> bool {
    error.kind() == ErrorKind::Corrupt && error.code() == "WORDS_DAMAGED"
}

#[test]
fn a_flipped_bit_is_noticed_before_its_bytes_are_used() {
    let body = body();
    for byte in 0..body.len() {
        let mut bad = body.clone();
        bad[byte] ^= 1 << (byte % 8);
        match Words.open(bad.into()) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {byte}"),
            Ok(part) => {
                assert!(byte >= 104, "byte {byte} of the header was not noticed");
                assert!(part.verify().is_err_and(is_damage), "byte {byte}");
                assert!(used(&part).is_err_and(is_damage), "byte {byte}");
                // It stays damaged.
                assert!(used(&part).is_err_and(is_damage), "byte {byte}");
            }
        }
    }
}

#[test]
fn a_body_that_was_cut_or_has_more_is_refused() {
    let body = body();
    for bytes in (0..body.len()).step_by(7) {
        assert!(Words.open(body[..bytes].to_vec().into()).is_err(), "{bytes} bytes are enough");
    }
    let more = [&body[..], b"\0"].concat();
    assert!(Words.open(more.into()).is_err());
    let part = Words.open(body.into()).unwrap();
    assert!(part.verify().is_ok() && used(&part).is_ok());
}

#[test]
fn a_row_that_cannot_be_read_ends_the_build() {
    let rows = [Ok(WordRow::default()), Err(Error::unavailable("SLOW", "no answer"))];
    let error = Words.build("en", &mut rows.into_iter()).unwrap_err();
    assert_eq!(error.code(), "SLOW");
}
