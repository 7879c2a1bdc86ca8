use kenning_record::{Id, KEY_BYTES_MAX, check_table_name, check_tenant_name, normalize, suggest};
use kenning_store::ErrorKind;
use proptest::prelude::*;

use crate::refused;

#[test]
fn a_key_is_found_however_it_is_typed() {
    let check = |key: &str, normal: &str| assert_eq!(normalize(key).unwrap(), normal, "{key:?}");
    check("Ada Lovelace", "ada lovelace");
    check("  ada\t\n LOVELACE ", "ada lovelace");
    check("Ada\u{a0}\u{2003}Lovelace", "ada lovelace");
    check("\u{ff21}da", "ada");
    check("Cafe\u{301}", "caf\u{e9}");
    check("CAF\u{c9}", "caf\u{e9}");
    check("\u{fb01}le", "file");
    check("STRASSE", "strasse");
    check("\u{1e9e}", "\u{df}");
    check("\u{130}stanbul", "i\u{307}stanbul");
    check("\u{39f}\u{394}\u{39f}\u{3a3}", "\u{3bf}\u{3b4}\u{3bf}\u{3c2}");
    check("\u{65e5}\u{672c}", "\u{65e5}\u{672c}");
    check("people/ada", "people/ada");
}

#[test]
fn a_key_that_is_none_is_refused() {
    for key in ["", " ", "\t\n", "\u{a0}\u{3000}"] {
        refused(normalize(key), ErrorKind::Invalid, "KEY_EMPTY");
    }
    for key in ["a\0b", "\u{1}", "a\u{7f}", "\u{9b}x"] {
        refused(normalize(key), ErrorKind::Invalid, "KEY_MALFORMED");
    }
    assert_eq!(normalize(&"x".repeat(KEY_BYTES_MAX)).unwrap().len(), KEY_BYTES_MAX);
    let message = refused(normalize(&"x".repeat(4097)), ErrorKind::Exhausted, "KEY_TOO_LARGE");
    assert!(message.contains("4097") && message.contains("4096"), "{message}");
    // One character of three bytes becomes 33 bytes.
    let grows = "\u{fdfa}".repeat(200);
    refused(normalize(&grows), ErrorKind::Exhausted, "KEY_TOO_LARGE");
}

#[test]
fn tables_and_tenants_have_plain_names() {
    for name in ["a", "_", "people", "People_2-b", &"x".repeat(63)] {
        check_table_name(name).unwrap();
        check_tenant_name(name).unwrap();
    }
    let long = "x".repeat(64);
    for name in ["", "/", "..", "a/b", "a.b", "-a", "1a", "a b", "a\0", "\u{e9}t\u{e9}", &long] {
        refused(check_table_name(name), ErrorKind::Invalid, "TABLE_NAME");
        refused(check_tenant_name(name), ErrorKind::Invalid, "TENANT_NAME");
    }
}

#[test]
fn a_slip_is_recognized() {
    let tables = ["people", "projects", "links"];
    assert_eq!(suggest("peple", tables), Some("people"));
    assert_eq!(suggest("PROJECT", tables), Some("projects"));
    assert_eq!(suggest("lnk", tables), Some("links"));
    assert_eq!(suggest("invoices", tables), None);
    assert_eq!(suggest(&"x".repeat(1 << 20), tables), None);
}

#[test]
fn ids_are_read_and_written_in_the_usual_form() {
    let id = Id([
        0x01, 0x90, 0x16, 0x3d, 0x86, 0x94, 0x73, 0x9b, 0xae, 0xa5, 0x96, 0x6c, 0x26, 0xf8, 0xad,
        0x91,
    ]);
    assert_eq!(id.to_string(), "0190163d-8694-739b-aea5-966c26f8ad91");
    for text in ["0190163d-8694-739b-aea5-966c26f8ad91", "0190163D8694739BAEA5966C26F8AD91"] {
        assert_eq!(text.parse::<Id>().unwrap(), id);
    }
    let wrong = [
        "",
        "0190163d",
        "0190163d-8694-739b-aea5-966c26f8ad9",
        "0190163d-8694-739b-aea5-966c26f8ad911",
        "0190163d86-94-739b-aea5-966c26f8ad91",
        "{0190163d-8694-739b-aea5-966c26f8ad91}",
        "0190163d-8694-739b-aea5-966c26f8ad9g",
        "+190163d8694739baea5966c26f8ad91",
        "0190163d_8694_739b_aea5_966c26f8ad91",
        "\u{660}90163d8694739baea5966c26f8ad9",
    ];
    for text in wrong {
        refused(text.parse::<Id>(), ErrorKind::Invalid, "ID_MALFORMED");
    }
}

/// Changing these means that every database derives other ids.
#[test]
fn derived_ids_are_pinned() {
    let check = |id: Id, expected: &str| assert_eq!(id.to_string(), expected);
    check(Id::derived("main", "people", "ada lovelace"), "f15eb882-f7dd-8af7-98c9-e046acbaf289");
    let (source, target) = (("people", Id([1; 16])), ("notes", Id([2; 16])));
    check(Id::of_link(source, "knows", target), "821f64e8-70c7-8c50-85a5-d1d299aedaa1");
    check(Id::v7(0x0123_4567_89ab, [u64::MAX, 0]), "01234567-89ab-7fff-8000-000000000000");
}

#[test]
fn a_derived_id_is_a_hash_over_parts_with_their_lengths() {
    let mut covered = Vec::new();
    for part in ["kenning record 1", "main", "people", "ada lovelace"] {
        covered.extend_from_slice(&(part.len() as u64).to_le_bytes());
        covered.extend_from_slice(part.as_bytes());
    }
    let mut expected = *blake3::hash(&covered).as_bytes().first_chunk::<16>().unwrap();
    expected[6] = expected[6] & 0x0f | 0x80;
    expected[8] = expected[8] & 0x3f | 0x80;
    assert_eq!(Id::derived("main", "people", "ada lovelace"), Id(expected));
}

#[test]
fn parts_of_a_derived_id_do_not_run_into_each_other() {
    let ids = [
        Id::derived("a", "bc", "d"),
        Id::derived("ab", "c", "d"),
        Id::derived("a", "b", "cd"),
        Id::derived("a", "bcd", ""),
        Id::derived("", "abc", "d"),
    ];
    for (idx, id) in ids.iter().enumerate() {
        assert!(!ids[..idx].contains(id), "{idx}");
        assert_eq!((id.0[6] >> 4, id.0[8] >> 6), (8, 2), "version and variant");
    }
    let [a, b] = ["a", "b"].map(|table| (table, Id([7; 16])));
    assert_ne!(Id::of_link(a, "knows", b), Id::of_link(b, "knows", a));
    assert_ne!(Id::of_link(a, "knows", b), Id::of_link(a, "know", b));
}

#[test]
fn ids_of_later_records_sort_later() {
    assert!(Id::v7(5, [u64::MAX; 2]) < Id::v7(6, [0; 2]));
    assert!(Id::v7(0xff, [u64::MAX; 2]) < Id::v7(0x100, [0; 2]));
    let first = Id::v7(5, [7, u64::MAX / 8]);
    for random in [0, 1, u32::MAX] {
        let next = first.next_v7(random).unwrap();
        assert!(first < next && next < Id::v7(6, [0; 2]));
        assert_eq!(next.to_string().as_bytes()[14], b'7', "the version stays");
        assert!(matches!(next.0[8] >> 6, 0b10), "the variant stays");
    }
    assert_eq!(Id::v7(5, [0, u64::MAX]).next_v7(0), None, "it does not run over");
}

proptest! {
    #[test]
    fn a_normal_key_is_its_own_normal_form(key in "\\PC{1,12}") {
        if let Ok(normal) = normalize(&key) {
            prop_assert_eq!(normalize(&normal).unwrap(), normal);
        }
    }

    #[test]
    fn an_id_reads_back_as_it_was_written(bytes in any::<[u8; 16]>()) {
        prop_assert_eq!(Id(bytes).to_string().parse::<Id>().unwrap(), Id(bytes));
    }
}
