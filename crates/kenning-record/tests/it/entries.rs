use kenning_record::{Id, LogBody, LogEntry, LogHead, entry};
use kenning_store::ErrorKind;
use proptest::prelude::*;

use crate::{each_flipped_bit, hex, refused};

fn framed(from: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    entry::write(from, payload, &mut bytes);
    bytes
}

fn head(version: u64) -> LogHead {
    LogHead {
        version,
        transaction: [0xaa; 16],
        origin: [0xbb; 16],
        instant: 1_795_000_000_000,
        previous: 6,
        schema: 3,
    }
}

fn logged(version: u64) -> Vec<u8> {
    let mut body = LogBody::new();
    body.push(2, Id([0x11; 16]), Some(b"payload"));
    body.push(2, Id([0x22; 16]), None);
    let mut bytes = Vec::new();
    body.finish(head(version), &mut bytes);
    assert!(bytes.len() <= body.size_bytes());
    bytes
}

/// Changing these means changing the format.
#[test]
fn the_bytes_of_frames_are_pinned() {
    assert_eq!(hex(&framed(7, b"payload")), "07000000000000007061796c6f6164f0342726");
    assert_eq!(hex(&framed(0, b"")), "0000000000000000".to_owned() + "69df2265");
    let log = hex(&logged(7));
    let expected = [
        "0000",
        &"aa".repeat(16),
        &"bb".repeat(16),
        "005e56eea1010000",
        "0600000000000000",
        "0300000000000000",
        "02",
        "02000000",
        &"11".repeat(16),
        "01",
        "07",
        "7061796c6f6164",
        "02000000",
        &"22".repeat(16),
        "00",
    ];
    assert_eq!(log[..log.len() - 8], expected.concat());
    assert_eq!(log[log.len() - 8..], *"5317c14d");
}

#[test]
fn the_sum_of_an_entry_is_over_payload_then_version() {
    let bytes = framed(0x0102_0304_0506_0708, b"payload");
    let mut covered = b"payload".to_vec();
    covered.extend_from_slice(&bytes[..8]);
    assert_eq!(bytes[15..], crc32fast::hash(&covered).to_le_bytes());
}

#[test]
fn every_flipped_bit_of_an_entry_is_noticed() {
    for payload in [&b""[..], b"x", b"a payload of some length"] {
        let bytes = framed(1 << 40, payload);
        assert_eq!(entry::check(&bytes).unwrap(), (1 << 40, payload));
        each_flipped_bit(&bytes, |bit, bad| {
            assert!(entry::check(bad).is_err(), "bit {bit} was not noticed");
        });
        for end in 0..bytes.len() {
            assert!(entry::check(&bytes[..end]).is_err(), "a cut at {end} was not noticed");
        }
    }
}

#[test]
fn a_short_entry_is_damaged_and_a_wrong_sum_is_told_apart() {
    refused(entry::split(&[0; 11]), ErrorKind::Corrupt, "ENTRY_DAMAGED");
    refused(entry::check(&[0; 11]), ErrorKind::Corrupt, "ENTRY_DAMAGED");
    refused(entry::from(&[]), ErrorKind::Corrupt, "ENTRY_DAMAGED");
    refused(entry::check(&[0; 12]), ErrorKind::Corrupt, "CHECKSUM");
    assert_eq!(entry::split(&[0; 12]).unwrap(), (0, &b""[..]));
    assert_eq!(entry::from(&framed(9, b"x")).unwrap(), 9);
}

#[test]
fn a_log_entry_reads_back_as_it_was_written() {
    let bytes = logged(7);
    let entry = LogEntry::decode(&bytes, 7).unwrap();
    assert_eq!(entry.head, head(7));
    assert_eq!(entry.len(), 2);
    let changes: Vec<_> = entry.changes().map(|change| change.unwrap()).collect();
    assert_eq!((changes[0].table, changes[0].id), (2, Id([0x11; 16])));
    assert_eq!(changes[0].after, Some(&b"payload"[..]));
    assert_eq!((changes[1].id, changes[1].after), (Id([0x22; 16]), None));
    assert_eq!(changes.len(), 2);
}

#[test]
fn every_flipped_bit_of_a_log_entry_is_noticed() {
    let bytes = logged(7);
    each_flipped_bit(&bytes, |bit, bad| {
        assert!(LogEntry::decode(bad, 7).is_err(), "bit {bit} was not noticed");
    });
    for end in 0..bytes.len() {
        assert!(LogEntry::decode(&bytes[..end], 7).is_err(), "a cut at {end} was not noticed");
    }
}

#[test]
fn a_log_entry_under_a_wrong_key_is_noticed() {
    refused(LogEntry::decode(&logged(7), 8), ErrorKind::Corrupt, "CHECKSUM");
}

/// Gives `bytes` the sum that a writer of such bytes would have given.
fn with_right_sum(mut bytes: Vec<u8>, version: u64) -> Vec<u8> {
    const BEFORE_CHANGES: usize = 59;
    let end = bytes.len() - 4;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[BEFORE_CHANGES..end]);
    hasher.update(&bytes[..BEFORE_CHANGES]);
    hasher.update(&version.to_le_bytes());
    bytes.splice(end.., hasher.finalize().to_le_bytes());
    bytes
}

#[test]
fn an_unknown_codec_and_wrong_counts_are_refused() {
    let good = logged(7);
    assert_eq!(with_right_sum(good.clone(), 7), good);
    for at in [0, 1] {
        let mut bad = good.clone();
        bad[at] = 1;
        refused(LogEntry::decode(&with_right_sum(bad, 7), 7), ErrorKind::Corrupt, "LOG_CODEC");
    }
    for n in [1, 3] {
        let mut bad = good.clone();
        bad[58] = n;
        let bad = with_right_sum(bad, 7);
        let last = LogEntry::decode(&bad, 7).unwrap().changes().last().unwrap();
        refused(last, ErrorKind::Corrupt, "LOG_DAMAGED");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200), right in any::<bool>(),
    ) {
        if right && bytes.len() > 63 {
            bytes[0] = 0;
            bytes[1] = 0;
            bytes[58] &= 0x7f;
            bytes = with_right_sum(bytes, 5);
        }
        let _ = entry::check(&bytes);
        if let Ok(entry) = LogEntry::decode(&bytes, 5) {
            prop_assert!(right);
            let _ = entry.changes().count();
        }
    }
}
