//! What is written, and what it means.

use kenning_index::{PREDICATE_BYTES_MAX, PREDICATE_DEPTH_MAX, Predicate};
use kenning_record::{Json, RecordRef, Schema};
use kenning_store::ErrorKind;
use serde_json::json;

use crate::{ID, encoded};

fn holds(text: &str, properties: &Json) -> bool {
    let predicate = Predicate::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let bytes = encoded(Some("Ada Lovelace"), Some(1_000), properties);
    let record = RecordRef::new(&bytes).expect("it was encoded");
    predicate.holds(ID, 7, record).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Each line is what holds, `true`, or what does not, and its text.
#[track_caller]
fn check(properties: &Json, lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (expected, text) = line.split_once(' ').expect("two words");
        assert_eq!(holds(text, properties).to_string(), expected, "{text}");
    }
}

fn ada() -> Json {
    json!({
        "name": "Ada", "born": 1815, "score": 0.5, "big": 9_007_199_254_740_993_i64, "vip": true,
        "dead": false, "nothing": null, "tags": ["math", "code"], "none": [], "nulls": [null],
        "mixed": ["a", 5, null], "home": {"city": "London", "zip.code": "W1", "rooms": [{"m2": 9}]},
        "not": 1, "in": 2, "quoted \"name\"": 3, "_key": "property", "stra\u{df}e": "K\u{d6}LN",
        "path": "C:\\x_y", "rate": "100%",
    })
}

#[test]
fn values_compare_as_their_types_do() {
    check(
        &ada(),
        "
        true name = 'Ada'
        false name = 'ada'
        true 'Ada' = name
        true name <> 'Bob'
        true name != 'Bob'
        true name > 'Ac'
        true 'Ac' < name
        false name < 'Ada'
        true name <= 'Ada'
        true born = 1815
        true born = 1815.0
        true born = +1.815e3
        true born >= 1815 and born < 1816
        true 1815 <= born
        true score = .5
        true score > -1
        false big = 9007199254740992
        true big > 9007199254740992
        true vip = TRUE
        true dead < true
        false dead
        true vip
        true born BETWEEN 1815 AND 1815
        false born BETWEEN 1816 AND 1814
        true born NOT BETWEEN 1816 AND 1817
        true name IN ('Bob', 'Ada')
        true name NOT IN ('Bob')
        true name in ('Ada', null)
        false name not in ('Bob', null)
        ",
    );
}

#[test]
fn what_is_unknown_does_not_hold_and_neither_does_its_contrary() {
    check(
        &ada(),
        "
        false absent = 1
        false absent <> 1
        false NOT absent = 1
        false absent = NULL
        false nothing = NULL
        false NOT nothing = NULL
        false born = '1815'
        false born <> '1815'
        false NOT born = '1815'
        false name > 5
        false vip = 1
        false home = 'London'
        false absent LIKE '%'
        false NOT absent LIKE '%'
        false born LIKE '1%'
        false absent
        false NOT absent
        true absent IS NULL
        true nothing IS NULL
        true none IS NULL
        true nulls IS NULL
        false mixed IS NULL
        true home IS NOT NULL
        false name IS NULL
        true absent IS NOT TRUE
        true absent IS NOT FALSE
        false absent IS FALSE
        true dead IS FALSE
        true dead IS NOT TRUE
        true vip IS TRUE
        true (absent = 1) IS NOT TRUE
        true (absent = 1 OR vip) IS TRUE
        false absent = 1 AND vip
        true absent = 1 OR vip
        true NOT (absent = 1 AND dead)
        false NOT (absent = 1 OR dead)
        true TRUE
        false FALSE
        true NOT FALSE
        true TRUE IS NOT FALSE
        ",
    );
}

#[test]
fn a_comparison_asks_for_an_element() {
    check(
        &ada(),
        "
        true tags = 'math'
        true tags = 'math' AND tags = 'code'
        true tags <> 'math'
        false NOT tags = 'math'
        true NOT tags = 'art'
        true tags LIKE 'c%'
        true tags > 'l' AND tags < 'n'
        false tags > 'd' AND tags < 'l'
        false tags < 'l' AND vip AND tags > 'd'
        false tags BETWEEN 'd' AND 'l'
        true mixed = 5
        true mixed = 'a'
        false mixed = 'b'
        false NOT mixed = 'b'
        false none = 1
        false NOT none = 1
        true home.rooms.m2 = 9
        ",
    );
}

#[test]
fn names_are_paths_and_keywords_where_they_can_be_nothing_else() {
    check(
        &ada(),
        r#"
        true home.city = 'London'
        true home."zip.code" = 'W1'
        true home.zip\.code = 'W1'
        true "quoted ""name""" = 3
        true not = 1
        true NOT not = 2
        true not = 1 AND NOT in = 3
        true in IN (2)
        true "_key" = 'property'
        false Name = 'Ada'
        "#,
    );
}

#[test]
fn patterns_fit_whole_texts() {
    check(
        &ada(),
        r"
        true name LIKE 'Ada'
        false name LIKE 'Ad'
        true name LIKE 'A%'
        true name LIKE '%a'
        true name LIKE '%d%'
        true name LIKE '_d_'
        false name LIKE '__'
        true name LIKE '%_%'
        true name LIKE '%%%'
        false name LIKE ''
        false name LIKE 'Ada_%'
        true name NOT LIKE 'B%'
        false name LIKE 'a%'
        true name ILIKE 'a%A'
        true path LIKE 'C:\\x\_y'
        false path LIKE 'C:\\x\_z'
        true path LIKE 'C:\x!_y' ESCAPE '!'
        true path LIKE 'C:\x%' ESCAPE ''
        true rate LIKE '100\%'
        false rate LIKE '10\%'
        true rate LIKE '%\%'
        ",
    );
}

#[test]
fn letters_of_any_script_are_letters() {
    let lines = "
        true stra\u{df}e = 'K\u{d6}LN'
        true stra\u{df}e ILIKE 'k\u{f6}__'
        false stra\u{df}e LIKE 'k\u{f6}__'
        true stra\u{df}e LIKE '_\u{d6}%_N'
    ";
    check(&ada(), lines);
}

#[test]
fn the_record_itself_is_asked_with_an_underscore() {
    check(
        &ada(),
        "
        true _key = 'Ada Lovelace'
        false _key = 'ada lovelace'
        true _key ILIKE 'ada %'
        true _id = '5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A'
        true _id IN ('5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a')
        true _id LIKE '5a5a%'
        true _version = 7
        true _version BETWEEN 7 AND 8
        true _created_at = '2026-01-01'
        true _created_at < '2026-01-01T00:00:00.001Z'
        true _modified_at = '2026-01-02T01:00:00+01:00'
        true _valid_from = '1970-01-01T00:00:01Z'
        true _valid_until IS NULL
        false _valid_until > '2020-01-01'
        ",
    );
}

/// Each line is what is read, and what it is written as.
#[test]
fn what_is_written_is_plain() {
    let lines = r#"
        a=1 And  b  ->  a = 1 AND b
        a = 1 AND (b = 2 AND c = 3)  ->  a = 1 AND b = 2 AND c = 3
        a = 1 OR (b = 2 AND c = 3)  ->  a = 1 OR b = 2 AND c = 3
        (a OR b) AND c  ->  (a OR b) AND c
        NOT (a AND b)  ->  NOT (a AND b)
        NOT NOT a  ->  a
        not a in (1)  ->  a NOT IN (1)
        not a is true  ->  a IS NOT TRUE
        5 < a  ->  a > 5
        a >= 1 AND a <= 5  ->  a BETWEEN 1 AND 5
        a < 5 AND b AND a > 1  ->  a > 1 AND a < 5 AND b
        NOT (a < 5 AND a > 1)  ->  NOT (a > 1 AND a < 5)
        a < 9 AND (a > 1 AND a <= 5)  ->  a > 1 AND a <= 5 AND a < 9
        a = 'it''s'  ->  a = 'it''s'
        "a" = 1 AND "a b".c = 2  ->  a = 1 AND "a b".c = 2
        "Null" = 1 AND "_id" = 2  ->  "Null" = 1 AND "_id" = 2
        a like 'x!_%' escape '!'  ->  a LIKE 'x\_%'
        _created_at >= '2026-01-01'  ->  _created_at >= '2026-01-01T00:00:00.000Z'
        a = 1e2 AND b = -0.50  ->  a = 100.0 AND b = -0.5
    "#;
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (text, expected) = line.split_once("  ->  ").unwrap();
        let predicate = Predicate::parse(text).unwrap();
        assert_eq!(predicate.to_string(), expected);
        assert_eq!(Predicate::parse(expected).unwrap(), predicate, "{expected}");
    }
}

/// Each line is a text, and what is expected where.
#[test]
fn what_is_malformed_is_told_with_its_place() {
    let name = "expected the name of a property, or a condition, found";
    let literal = "expected a literal: 'a text', a number, TRUE, FALSE or NULL, found";
    let lines = [
        ("", 1, format!("{name} its end")),
        ("a = 1 AND", 10, format!("{name} its end")),
        ("a =", 4, format!("{literal} its end")),
        ("\u{e4} = \u{e4}", 5, format!("{literal} '\u{e4}'")),
        ("a == 1", 4, format!("{literal} '= 1'")),
        ("a = \"x\"", 5, format!("{literal} '\"x\"'")),
        ("a = 'x", 5, "expected a text that ends with a quote, found ''x'".into()),
        ("a = 1 b", 7, "expected AND, OR or the end, found 'b'".into()),
        ("(a = 1", 7, "expected AND, OR or ')', found its end".into()),
        ("a = 1)", 6, "expected AND, OR or the end, found ')'".into()),
        ("a IN ()", 7, format!("{literal} ')'")),
        ("a IN 5", 6, "expected '(', found '5'".into()),
        ("a IN (1 2)", 9, "expected ',' or ')', found '2)'".into()),
        ("a BETWEEN 1 OR 2", 13, "expected AND and the second bound, found 'OR 2'".into()),
        ("a NOT 5", 7, "expected IN, BETWEEN, LIKE or ILIKE, found '5'".into()),
        ("a IS 5", 6, "expected NULL, NOT NULL, [NOT] TRUE or [NOT] FALSE, found '5'".into()),
        ("a LIKE 5", 8, "expected a pattern in single quotes, found '5'".into()),
        ("1 = 1", 5, format!("{name} '1'")),
        ("NULL", 5, "expected one of = <> < <= > >=, found its end".into()),
        ("a = 1.2.3", 5, "expected a number such as -1.5e3, found '1.2.3'".into()),
        ("a = 1e999", 5, "expected a number that 64 bits can hold, found '1e999'".into()),
        ("a = 5x", 5, "expected a number such as -1.5e3, found '5x'".into()),
        ("a..b", 3, "expected the name of a property, found '.b'".into()),
        ("\"\" = 1", 1, "expected the name of a property, found '\"\" = 1'".into()),
        ("_version = 'x'", 12, "expected a number, found ''x''".into()),
        ("_id = 'x'", 7, "expected an id in single quotes, found ''x''".into()),
    ];
    for (text, character, expected) in lines {
        let error = Predicate::parse(text).expect_err(text);
        assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "PREDICATE_MALFORMED"));
        let place = format!("a predicate is malformed at character {character}: ");
        assert_eq!(error.message().strip_prefix(&place), Some(&*expected), "{text}: {error}");
    }
    for text in ["_key", "_version IS TRUE", "_created_at LIKE '2%'", "_valid_from = '2026-13-01'"]
    {
        assert_eq!(Predicate::parse(text).unwrap_err().code(), "PREDICATE_MALFORMED", "{text}");
    }
    for text in ["a LIKE 'x\\'", "a LIKE 'x' ESCAPE 'yz'", "a-b = 1", "a = 1;", "a <! 1", "a\\b"] {
        assert_eq!(Predicate::parse(text).unwrap_err().code(), "PREDICATE_MALFORMED", "{text}");
    }
}

#[test]
fn what_is_too_long_or_too_deep_is_refused() {
    let nested = |depth: usize, open: &str, close: &str| {
        Predicate::parse(&format!("{}a = 1{}", open.repeat(depth), close.repeat(depth)))
    };
    for (open, close) in [("(", ")"), ("NOT ", ""), ("(b OR ", ")"), ("(b OR c AND ", ")")] {
        let deepest = nested(PREDICATE_DEPTH_MAX, open, close).unwrap();
        assert_eq!(Predicate::parse(&deepest.to_string()).unwrap(), deepest);
        let error = nested(PREDICATE_DEPTH_MAX + 1, open, close).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Exhausted, "PREDICATE_TOO_DEEP"));
        assert!(nested(5_000, open, close).is_err());
    }
    let long = |size: usize| Predicate::parse(&format!("a='{}'", "x".repeat(size - 4)));
    long(PREDICATE_BYTES_MAX).unwrap();
    let error = long(PREDICATE_BYTES_MAX + 1).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Exhausted, "PREDICATE_TOO_LONG"));
    let wide = format!("a IN ({}1)", "1,".repeat(30_000));
    assert!(Predicate::parse(&wide).is_ok());
    // Were every bound compared with every other at every depth, this would take a minute.
    let bounds = format!("{}a>1{}", "(b AND ".repeat(60), " AND a>1".repeat(8_000));
    let bounds = Predicate::parse(&format!("{bounds}{}", ")".repeat(60))).unwrap();
    assert!(bounds.and(Predicate::parse("a < 5").unwrap()).is_err(), "it is written longer");
}

#[test]
fn a_program_is_bounded_as_a_person_is() {
    let equal = |value: usize| Predicate::equal("a", value).unwrap();
    let deep = (0..200).try_fold(equal(0), |all, n| all.and(equal(n))?.or(equal(n)));
    assert_eq!(deep.unwrap_err().code(), "PREDICATE_TOO_DEEP");
    let wide = (0..9_000).map(|n| json!(n + 1_000_000));
    assert_eq!(Predicate::among("a", wide).unwrap_err().code(), "PREDICATE_TOO_LONG");
    assert_eq!(Predicate::equal("a", json!([])).unwrap_err().code(), "NOT_SCALAR");
    assert_eq!(Predicate::equal("", 1).unwrap_err().code(), "PATH_MALFORMED");
    assert_eq!(Predicate::range("a", None, None).unwrap_err().code(), "RANGE_EMPTY");
    for (from, until) in [(json!(1), Some(json!("x"))), (Json::Null, None)] {
        assert_eq!(Predicate::range("a", Some(from), until).unwrap_err().code(), "RANGE_TYPES");
    }
}

#[test]
fn what_a_program_puts_together_is_what_a_person_writes() {
    let a = Predicate::equal("a", "x").unwrap().and(Predicate::prefix("b.c", "50%").unwrap());
    let range = Predicate::range("d", Some(json!(1)), Some(json!(5))).unwrap();
    let none = Predicate::among("e", []).unwrap();
    let some = Predicate::among("e", [json!(1), json!(true)]).unwrap();
    let nothing = Predicate::equal("f", Json::Null).unwrap();
    let all = a.unwrap().or(range.and(none.or(some).unwrap()).unwrap()).unwrap();
    let all = all.and(nothing.negated().unwrap()).unwrap();
    let text = "(a = 'x' AND b.c LIKE '50\\%%' OR d >= 1 AND d < 5 AND e IN (1, TRUE)) \
        AND f IS NOT NULL";
    assert_eq!(all.to_string(), text);
    assert_eq!(Predicate::parse(text).unwrap(), all);
    let names: Vec<String> = all.names().into_iter().map(ToString::to_string).collect();
    assert_eq!(names, ["a", "b.c", "d", "e", "f"]);
}

#[test]
fn only_a_closed_table_refuses_a_name() {
    let check = |schema: Json, text: &str| {
        let schema = Schema::parse(&schema).unwrap();
        let checked = Predicate::parse(text).unwrap().check_against(&schema);
        checked.map_err(|error| format!("{} {}", error.code(), error.message()))
    };
    let properties = json!({"city": {}, "home": {"type": "object"}});
    let closed = json!({"properties": properties, "additionalProperties": false});
    assert_eq!(check(closed.clone(), "city = 'x' AND home.any.thing = 1 AND _key = 'x'"), Ok(()));
    let slip = check(closed.clone(), "home.x = 1 AND (ctiy = 'x' OR NOT vip)");
    let hint = "FIELD_UNKNOWN the table has no property 'ctiy'; did you mean 'city'?";
    assert_eq!(slip, Err(hint.into()));
    let slip = check(closed, "key = 'x'");
    let hint = "FIELD_UNKNOWN the table has no property 'key'; did you mean '_key'?";
    assert_eq!(slip, Err(hint.into()));
    assert_eq!(check(json!({"properties": properties}), "ctiy = 'x'"), Ok(()));
    let bare = check(json!({"additionalProperties": false}), "something_else");
    assert_eq!(bare, Err("FIELD_UNKNOWN the table has no property 'something_else'".into()));
}

#[test]
fn damage_is_told_and_not_taken_for_an_answer() {
    let bytes = encoded(None, None, &json!({"a": "text"}));
    let predicate = Predicate::parse("a = 'text' OR b = 1").unwrap();
    for at in 2..bytes.len() {
        for flip in [0x01, 0x10, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            let record = RecordRef::new(&damaged).unwrap();
            if let Err(error) = predicate.holds(ID, 1, record) {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}");
            }
        }
    }
}
