use kenning_record::{INSTANT_MAX, INSTANT_MIN, format_instant, parse_instant};
use kenning_store::ErrorKind;
use proptest::prelude::*;

use crate::refused;

#[test]
fn instants_are_written_with_milliseconds() {
    let check = |ms: i64, text: &str| {
        assert_eq!(format_instant(ms), text);
        assert_eq!(parse_instant(text).unwrap(), ms);
    };
    check(0, "1970-01-01T00:00:00.000Z");
    check(-1, "1969-12-31T23:59:59.999Z");
    check(951_782_399_999, "2000-02-28T23:59:59.999Z");
    check(951_782_400_000, "2000-02-29T00:00:00.000Z");
    check(4_107_542_400_000, "2100-03-01T00:00:00.000Z");
    check(1_795_163_400_250, "2026-11-20T08:30:00.250Z");
    check(INSTANT_MIN, "0000-01-01T00:00:00.000Z");
    check(INSTANT_MAX, "9999-12-31T23:59:59.999Z");
}

#[test]
fn what_nobody_can_write_is_still_shown() {
    assert_eq!(format_instant(INSTANT_MIN - 1), "-0001-12-31T23:59:59.999Z");
    assert_eq!(format_instant(INSTANT_MAX + 1), "+10000-01-01T00:00:00.000Z");
    assert_eq!(format_instant(i64::MAX), "+292278994-08-17T07:12:55.807Z");
    assert_eq!(format_instant(i64::MIN), "-292275055-05-16T16:47:04.192Z");
}

#[test]
fn instants_are_read_in_every_form_of_the_standard() {
    let same = |text: &str, other: &str| {
        assert_eq!(parse_instant(text).unwrap(), parse_instant(other).unwrap(), "{text}");
    };
    same("2026-11-20", "2026-11-20T00:00:00.000Z");
    same("2026-11-20t08:30:00z", "2026-11-20T08:30:00.000Z");
    same("2026-11-20 08:30:00Z", "2026-11-20T08:30:00.000Z");
    same("2026-11-20T08:30:00+02:00", "2026-11-20T06:30:00.000Z");
    same("2026-11-20T08:30:00-05:30", "2026-11-20T14:00:00.000Z");
    same("2026-11-20T08:30:00.1Z", "2026-11-20T08:30:00.100Z");
    same("2026-11-20T08:30:00.123999999Z", "2026-11-20T08:30:00.123Z");
    same("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z");
    same("2024-02-29", "2024-02-29T00:00:00.000Z");
}

#[test]
fn anything_else_is_refused() {
    let texts = [
        "",
        "2026",
        "2026-11",
        "2026-13-01",
        "2026-00-01",
        "2026-02-30",
        "2025-02-29",
        "1900-02-29",
        "2026-11-00",
        "2026-11-20T",
        "2026-11-20T08:30Z",
        "2026-11-20T08:30:00",
        "2026-11-20T24:00:00Z",
        "2026-11-20T08:60:00Z",
        "2026-11-20T08:30:60Z",
        "2026-11-20T08:30:61Z",
        "2026-11-20T08:30:00.Z",
        "2026-11-20T08:30:00+24:00",
        "2026-11-20T08:30:00+0200",
        "2026-11-20T08:30:00ZZ",
        " 2026-11-20",
        "2026-11-20 ",
        "+2026-11-20",
        "20261120",
        "0000-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "2026-1a-20",
        "yesterday",
        "\u{ff12}026-11-20",
    ];
    for text in texts {
        refused(parse_instant(text), ErrorKind::Invalid, "INSTANT_MALFORMED");
    }
}

proptest! {
    #[test]
    fn an_instant_reads_back_as_it_was_written(ms in INSTANT_MIN..=INSTANT_MAX) {
        prop_assert_eq!(parse_instant(&format_instant(ms)).unwrap(), ms);
    }

    #[test]
    fn no_number_and_no_text_panics(ms in any::<i64>(), text in "[0-9TZ:+.\\- ]{0,30}") {
        let _ = format_instant(ms);
        let _ = parse_instant(&text);
    }

    #[test]
    fn later_is_greater_as_text_too(
        a in INSTANT_MIN..=INSTANT_MAX, b in INSTANT_MIN..=INSTANT_MAX,
    ) {
        prop_assert_eq!(a.cmp(&b), format_instant(a).cmp(&format_instant(b)));
    }
}
