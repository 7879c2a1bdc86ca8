//! What is in folders beside records: markers, lists of backups, exports, fjall's journal.

use kenning_ingest::probe;
use kenning_store::backup::probe as backup;
use kenning_store::{ErrorKind, Folder, Result};
use xxhash_rust::xxh3::xxh3_64;

use crate::bytes::{choice, part};
use crate::{given_as, told};

/// A folder may be damaged, or made by a newer program.
const KINDS: &[ErrorKind] = &[ErrorKind::Corrupt, ErrorKind::Invalid];

/// The first byte chooses what the others are.
pub fn folders(mut data: &[u8]) {
    match choice(&mut data) % 8 {
        0 => {
            told(Folder::engine_said(data), KINDS);
        }
        1 => same(data, backup::remark),
        2 => same(data, backup::relist),
        3 => same(data, |bytes| probe::remark(text(bytes)).map(String::into_bytes)),
        4 => same(data, |bytes| probe::retable(text(bytes).trim_end_matches('\n'))),
        5 => {
            given_as(probe::said(text(data), false));
            given_as(probe::said(text(data), true));
        }
        6 => journal(data),
        _ => journal(&sealed_journal(data)),
    }
}

/// What was read and written again reads the same.
fn same(data: &[u8], again: fn(&[u8]) -> Result<Vec<u8>>) {
    told(again(data), KINDS);
    for bytes in [data.to_vec(), sealed_text(data)] {
        if let Some(written) = told(again(&bytes), KINDS) {
            assert_eq!(told(again(&written), KINDS), Some(written.clone()), "a text changed");
        }
    }
}

/// The valid beginning.
fn text(bytes: &[u8]) -> &str {
    match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            str::from_utf8(&bytes[..error.valid_up_to()]).expect("it is valid up to there")
        }
    }
}

/// Lines with their sum as the last one.
pub(crate) fn sealed_text(lines: &[u8]) -> Vec<u8> {
    let sum = blake3::hash(lines).to_hex();
    [lines, format!("sum {sum}\n").as_bytes()].concat()
}

/// Batches of a journal: for each a sequence number and its writes, with their sum.
pub(crate) fn sealed_journal(mut data: &[u8]) -> Vec<u8> {
    let mut journal = Vec::new();
    let mut sequence: u64 = 0;
    while !data.is_empty() {
        let (count, step) = (choice(&mut data), choice(&mut data));
        let writes = part(&mut data);
        sequence = sequence.wrapping_add(step.into());
        journal.push(1);
        journal.extend_from_slice(&u32::from(count).to_le_bytes());
        journal.extend_from_slice(&sequence.to_le_bytes());
        journal.extend_from_slice(writes);
        journal.push(3);
        journal.extend_from_slice(&xxh3_64(writes).to_le_bytes());
        journal.extend_from_slice(b"FJL\x03");
    }
    journal
}

/// What is whole stays so when it is cut behind it, and when zeros follow.
fn journal(data: &[u8]) {
    let read = |bytes: &[u8]| kenning_fjall::batches(bytes).expect("bytes can always be read");
    let (until, last, is_whole) = read(data);
    let size = usize::try_from(until).expect("it is within the bytes");
    assert!(size <= data.len());
    assert_eq!(last.is_some(), size > 0, "a batch has a number");
    assert_eq!(read(&data[..size]), (until, last, true), "the whole batches alone");
    let zeros = [&data[..size], &[0; 40]].concat();
    assert_eq!(read(&zeros), (until, last, true), "the whole batches and room");
    assert_eq!(is_whole, data[size..].iter().all(|byte| *byte == 0), "what follows is told");
}
