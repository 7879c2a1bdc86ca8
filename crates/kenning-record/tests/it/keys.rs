use kenning_record::keys::{self, FieldKey, IN, LinkKey, NameKey, OUT};
use kenning_record::{End, Id, Json, order_json};
use kenning_store::{ErrorKind, Range, Result};
use proptest::prelude::*;
use serde_json::json;

use crate::{hex, refused, scalars};

const ID: Id = Id([0x11; 16]);
const NEAR: End = End { table: 3, id: ID };
const FAR: End = End { table: 4, id: Id([0x22; 16]) };

fn values(values: &[Json]) -> Vec<u8> {
    let mut bytes = Vec::new();
    values.iter().for_each(|value| order_json(value, &mut bytes).unwrap());
    bytes
}

/// Changing a line means changing the format of keys.
#[test]
fn the_bytes_of_keys_are_pinned() {
    let check = |key: Vec<u8>, expected: &[&str]| assert_eq!(hex(&key), expected.concat());
    let (id, other) = ("11".repeat(16), "22".repeat(16));
    check(keys::meta("head"), &["01", "68656164", "0001"]);
    check(keys::sweep(2, 3, None), &["01", "7377656570", "0001", "00000002", "00000003"]);
    let sweep = ["01", "7377656570", "0001", "00000002", "00000003", &id];
    check(keys::sweep(2, 3, Some(&ID)), &sweep);
    let purge = ["01", "7075726765", "0001", "00000002", "00000003", &id];
    check(keys::purge(2, 3, &ID), &purge);
    check(keys::identity(), &["01", "6964656e74697479", "0001"]);
    let backup = ["01", "6261636b7570", "0001", "2f6162", "0001", "0000000000000102"];
    check(keys::backup("/ab", 258), &backup);
    check(keys::tenant_sweep(2), &["01", "74656e616e74", "0001", "00000002"]);
    check(keys::clock(258), &["02", "0000000000000102"]);
    check(keys::outcome(7, &ID.0), &["03", "00000007", &id]);
    check(keys::watermark(2, "sync"), &["04", "00000002", "73796e63", "0001"]);
    check(keys::mark(2, 3, &ID), &["05", "00000002", "00000003", &id]);
    check(keys::record(2, 3, &ID).to_vec(), &["10", "00000002", "00000003", &id]);
    check(keys::birth(2, 3, &ID), &["11", "00000002", "00000003", &id]);
    check(keys::name_key(2, "ada", 3), &["12", "00000002", "616461", "0001", "00000003", "00"]);
    let alias = ["12", "00000002", "616461", "0001", "00000003", "01", &id];
    check(keys::name_alias(2, "ada", 3, &ID), &alias);
    let field = ["13", "00000002", "00000003", "00000001", "21", "40", "78", "0001", &id];
    check(keys::field(2, 3, 1, &values(&[json!(true), json!("x")]), Some(&ID)), &field);
    let link = ["14", "00000002", "01", "00000003", &id, "6b", "0001", "00000004", &other];
    check(keys::link(2, IN, NEAR, "k", FAR), &link);
    check(keys::history(&[0x10, 0xaa], 258), &["20", "10aa", "0000000000000102"]);
    check(keys::log(2, 258), &["30", "00000002", "0000000000000102"]);
}

#[test]
fn the_ranges_of_a_tenant_have_all_of_its_keys_and_no_other() {
    let all = |tenant| {
        let exact = [
            keys::record(tenant, 3, &ID).to_vec(),
            keys::birth(tenant, 3, &ID),
            keys::name_key(tenant, "ada", 3),
            keys::field(tenant, 3, 1, &[], Some(&ID)),
            keys::link(tenant, OUT, NEAR, "k", FAR),
        ];
        let mut keys: Vec<_> = exact.iter().map(|key| keys::history(key, 9)).collect();
        keys.extend(exact);
        keys.push(keys::outcome(tenant, &ID.0));
        keys.push(keys::watermark(tenant, "sync"));
        keys.push(keys::mark(tenant, 3, &ID));
        keys.push(keys::log(tenant, 9));
        keys
    };
    for tenant in [0, 1, 2, 255, 256, u32::MAX] {
        let ranges = keys::ranges_of(tenant);
        for key in all(tenant) {
            let of = ranges.iter().filter(|(_, range)| range.contains(&key));
            let spaces: Vec<u8> = of.map(|(space, _)| space.byte()).collect();
            assert_eq!(spaces, [key[0]], "{}", hex(&key));
        }
        for other in [tenant.wrapping_sub(1), tenant.wrapping_add(1)] {
            let strays = all(other);
            let stray = strays.iter().find(|key| ranges.iter().any(|(_, r)| r.contains(key)));
            assert_eq!(stray, None);
        }
    }
}

#[test]
fn a_key_begins_with_its_prefixes() {
    let check = |key: Vec<u8>, prefixes: &[Vec<u8>]| {
        for prefix in prefixes {
            assert!(key.starts_with(prefix) && key.len() > prefix.len(), "{}", hex(prefix));
        }
    };
    check(keys::watermark(2, "x"), &[keys::watermarks(2)]);
    check(keys::sweep(2, 3, None), &[keys::sweeps(), keys::sweeps_of(2)]);
    check(keys::tenant_sweep(2), &[keys::tenant_sweeps()]);
    check(keys::purge(2, 3, &ID), &[keys::purges(), keys::purges_of(2)]);
    check(keys::backup("x", 1), &[keys::backups()]);
    check(keys::mark(2, 3, &ID), &[keys::marks(2, 3)]);
    check(keys::record(2, 3, &ID).to_vec(), &[keys::records(2, 3)]);
    check(keys::birth(2, 3, &ID), &[keys::births(2, 3)]);
    let names = [
        keys::names_prefix(2, ""),
        keys::names_prefix(2, "ad"),
        keys::names_prefix(2, "ada"),
        keys::names_of(2, "ada"),
        keys::names_of_table(2, "ada", 3),
    ];
    check(keys::name_key(2, "ada", 3), &names);
    check(keys::name_alias(2, "ada", 3, &ID), &names);
    let (first, both) = (values(&[json!(1)]), values(&[json!(1), json!("x")]));
    let fields = [keys::fields(2, 3, 1), keys::fields_of(2, 3, 1, &first)];
    check(keys::field(2, 3, 1, &both, None), &fields);
    check(keys::field(2, 3, 1, &both, Some(&ID)), &[keys::fields_of(2, 3, 1, &both)]);
    let links =
        [keys::links(2, OUT), keys::links_of(2, OUT, NEAR), keys::links_of_kind(2, OUT, NEAR, "k")];
    check(keys::link(2, OUT, NEAR, "k", FAR), &links);
    check(keys::log(2, 3), &[keys::logs(2)]);
    assert!(!keys::name_key(2, "adam", 3).starts_with(&keys::names_of(2, "ada")));
    let other_kind = keys::link(2, OUT, NEAR, "knows", FAR);
    assert!(!other_kind.starts_with(&keys::links_of_kind(2, OUT, NEAR, "know")));
}

#[test]
fn a_key_reads_back_as_it_was_written() -> Result<()> {
    assert_eq!(keys::meta_split(&keys::meta("head"))?, "head");
    assert_eq!(keys::mark_split(&keys::mark(2, 3, &ID))?, (2, 3, ID));
    assert_eq!(keys::sweep_split(&keys::sweep(2, 3, Some(&ID)))?, (2, 3, Some(ID)));
    assert_eq!(keys::sweep_split(&keys::sweep(2, 3, None))?, (2, 3, None));
    assert_eq!(keys::purge_split(&keys::purge(2, 3, &ID))?, (2, 3, ID));
    assert_eq!(keys::tenant_sweep_split(&keys::tenant_sweep(2))?, 2);
    assert_eq!(keys::clock_split(&keys::clock(258))?, 258);
    assert_eq!(keys::backup_split(&keys::backup("/a b", 258))?, ("/a b".to_owned(), 258));
    assert_eq!(keys::outcome_split(&keys::outcome(7, &ID.0))?, (7, ID.0));
    assert_eq!(keys::watermark_split(&keys::watermark(2, "x"))?, (2, "x".to_owned()));
    assert_eq!(keys::record_split(&keys::record(2, 3, &ID))?, (2, 3, ID));
    assert_eq!(keys::birth_split(&keys::birth(2, 3, &ID))?, (2, 3, ID));
    let name = NameKey { tenant: 2, normal: "ada".to_owned(), table: 3, alias_of: None };
    assert_eq!(keys::name_split(&keys::name_key(2, "ada", 3))?, name);
    let alias = NameKey { alias_of: Some(ID), ..name };
    assert_eq!(keys::name_split(&keys::name_alias(2, "ada", 3, &ID))?, alias);
    let link = LinkKey { tenant: 2, direction: IN, near: NEAR, kind: "k".to_owned(), far: FAR };
    assert_eq!(keys::link_split(&keys::link(2, IN, NEAR, "k", FAR))?, link);
    assert_eq!(keys::log_split(&keys::log(2, 258))?, (2, 258));
    let old = keys::history(&keys::log(2, 1), 258);
    assert_eq!(keys::history_split(&old)?, (keys::log(2, 1).as_slice(), 258));
    Ok(())
}

#[test]
fn a_cut_or_lengthened_key_is_noticed() {
    type Split = fn(&[u8]) -> bool;
    let splits: [(Vec<u8>, Split); 12] = [
        (keys::meta("head"), |key| keys::meta_split(key).is_err()),
        (keys::clock(258), |key| keys::clock_split(key).is_err()),
        (keys::backup("x", 1), |key| keys::backup_split(key).is_err()),
        (keys::outcome(7, &ID.0), |key| keys::outcome_split(key).is_err()),
        (keys::watermark(2, "x"), |key| keys::watermark_split(key).is_err()),
        (keys::sweep(2, 3, None), |key| keys::sweep_split(key).is_err()),
        (keys::tenant_sweep(2), |key| keys::tenant_sweep_split(key).is_err()),
        (keys::record(2, 3, &ID).to_vec(), |key| keys::record_split(key).is_err()),
        (keys::name_key(2, "ada", 3), |key| keys::name_split(key).is_err()),
        (keys::name_alias(2, "ada", 3, &ID), |key| keys::name_split(key).is_err()),
        (keys::link(2, IN, NEAR, "k", FAR), |key| keys::link_split(key).is_err()),
        (keys::log(2, 258), |key| keys::log_split(key).is_err()),
    ];
    for (key, refuses) in splits {
        assert!(!refuses(&key));
        for end in 0..key.len() {
            assert!(refuses(&key[..end]), "{} cut at {end}", hex(&key));
        }
        assert!(refuses(&[key.as_slice(), &[0]].concat()), "{} lengthened", hex(&key));
    }
    let direction = keys::link(2, 2, NEAR, "k", FAR);
    refused(keys::link_split(&direction), ErrorKind::Corrupt, "KEY_DAMAGED");
    refused(keys::history_split(&[0x20; 9]), ErrorKind::Corrupt, "KEY_DAMAGED");
    refused(keys::record_split(&keys::birth(2, 3, &ID)), ErrorKind::Corrupt, "KEY_DAMAGED");
}

#[test]
fn names_sort_by_name_then_table() {
    let line = [
        keys::name_key(1, "b", 1),
        keys::name_key(2, "ad", 9),
        keys::name_key(2, "ada", 3),
        keys::name_alias(2, "ada", 3, &ID),
        keys::name_key(2, "ada", 4),
        keys::name_key(2, "adam", 1),
    ];
    assert!(line.is_sorted());
}

#[test]
fn history_lies_in_the_order_of_the_keys() {
    let [a, b] = [keys::name_key(2, "ada", 3), keys::name_key(2, "adam", 3)];
    let line = [
        keys::history(&a, 1),
        keys::history(&a, 256),
        keys::history(&a, u64::MAX),
        keys::history(&b, 0),
        keys::history(&b, 2),
    ];
    assert!(line.is_sorted());
    let of_a = keys::history_of(&a);
    assert!(line[..3].iter().all(|key| of_a.contains(key)));
    assert!(!line[3..].iter().any(|key| of_a.contains(key)));
    let range = keys::history_range(&Range::prefix(keys::names_of(2, "adam")));
    assert!(!line[..3].iter().any(|key| range.contains(key)));
    assert!(line[3..].iter().all(|key| range.contains(key)));
    let all = keys::history_range(&Range::all());
    assert!(line.iter().all(|key| all.contains(key)));
    assert!(!all.contains(&keys::log(0, 0)) && !all.contains(&a));
}

#[test]
fn the_log_of_one_tenant_is_one_range() {
    let range = keys::log_range(2, 5, 7);
    assert!(range.contains(&keys::log(2, 5)) && range.contains(&keys::log(2, 6)));
    assert!(!range.contains(&keys::log(2, 7)) && !range.contains(&keys::log(2, 4)));
    assert!(!range.contains(&keys::log(1, 6)) && !range.contains(&keys::log(3, 6)));
}

/// Any key of the spaces that have a history.
fn exact_keys() -> impl Strategy<Value = Vec<u8>> {
    let small = || 0u32..3;
    let ids = || prop_oneof![Just(Id([0; 16])), Just(Id([0xff; 16])), Just(ID)];
    let ends = move || (small(), ids()).prop_map(|(table, id)| End { table, id });
    let texts = || "[a\\x00\\x01\u{ff}]{0,3}";
    prop_oneof![
        (small(), small(), ids()).prop_map(|(t, table, id)| keys::record(t, table, &id).to_vec()),
        (small(), small(), ids()).prop_map(|(t, table, id)| keys::birth(t, table, &id)),
        (small(), texts(), small()).prop_map(|(t, name, table)| keys::name_key(t, &name, table)),
        (small(), texts(), small(), ids())
            .prop_map(|(t, name, table, id)| keys::name_alias(t, &name, table, &id)),
        (small(), small(), scalars(), ids()).prop_map(|(t, index, value, id)| keys::field(
            t,
            1,
            index,
            &values(&[value]),
            Some(&id)
        )),
        (small(), 0u8..2, ends(), texts(), ends())
            .prop_map(|(t, direction, near, kind, far)| keys::link(t, direction, near, &kind, far)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_key_is_a_prefix_of_another(left in exact_keys(), right in exact_keys()) {
        prop_assert!(left == right || !right.starts_with(&left));
    }

    #[test]
    fn history_of_a_range_is_a_range(
        key in exact_keys(), from in exact_keys(), until in exact_keys(), version in any::<u64>(),
    ) {
        let range = Range::new(from, until);
        let old = keys::history(&key, version);
        prop_assert_eq!(keys::history_range(&range).contains(&old), range.contains(&key));
        prop_assert_eq!(keys::history_split(&old).unwrap(), (key.as_slice(), version));
    }

    #[test]
    fn a_field_key_reads_back(
        parts in prop::collection::vec(scalars(), 1..4), id in any::<Option<[u8; 16]>>(),
    ) {
        let id = id.map(Id);
        let values = values(&parts);
        let key = keys::field(2, 3, 4, &values, id.as_ref());
        let expected = FieldKey { tenant: 2, table: 3, index: 4, values: &values, id };
        prop_assert_eq!(keys::field_split(&key, parts.len()).unwrap(), expected);
        prop_assert!(keys::field_split(&key[..key.len() - 1], parts.len()).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        space in 0u8..0x40, mut key in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        key.insert(0, space);
        let _ = (keys::meta_split(&key), keys::clock_split(&key), keys::outcome_split(&key));
        let _ = keys::sweep_split(&key);
        let _ = keys::purge_split(&key);
        let _ = keys::tenant_sweep_split(&key);
        let _ = (keys::watermark_split(&key), keys::record_split(&key), keys::birth_split(&key));
        let _ = (keys::name_split(&key), keys::field_split(&key, 2), keys::link_split(&key));
        let _ = (keys::history_split(&key), keys::log_split(&key));
    }
}
