//! Tenants that are dropped.

use kenning::blocking::{Database, open};
use kenning::{At, Draft, ErrorKind, Filter, Link, json};

fn code<T>(result: kenning::Result<T>) -> (ErrorKind, &'static str) {
    let error = result.err().unwrap();
    (error.kind(), error.code())
}

const DROPPED: (ErrorKind, &str) = (ErrorKind::Closed, "TENANT_DROPPED");

fn filled(db: &Database, name: &str, records: usize) -> Database {
    db.create_tenant(name).unwrap();
    let tenant = db.tenant(name).unwrap();
    let schema = json!({"x-kenning": {"key": "name", "indexed": ["n"], "unique": ["mail"]}});
    tenant.create_table("people", schema).unwrap();
    let people = (0..records).map(|n| json!({"name": format!("p{n}"), "n": n % 7, "mail": n}));
    tenant.put_many("people", people.map(Draft::from).collect()).unwrap();
    for n in 1..records.min(50) {
        tenant.link("people/p0", "knows", &format!("people/p{n}"), Link::default()).unwrap();
        tenant.update("people", &format!("p{n}"), json!({"n": n + 100})).unwrap();
    }
    tenant
}

#[test]
fn a_dropped_tenant_is_gone_at_once_and_its_name_is_free() {
    let db = open("memory:").unwrap();
    let guests = filled(&db, "guests", 3_000);
    let (view, version) = (guests.view().unwrap(), guests.version());
    let mut open_one = guests.begin().unwrap();
    open_one.put("people", json!({"name": "late"})).unwrap();
    let reading = guests.begin().unwrap();
    let mut follower = guests.follow("f").unwrap();
    follower.next().unwrap();
    let key = guests.get("people", "p1").unwrap().unwrap().id;
    guests.get_encoded("people", key).unwrap().unwrap();

    db.drop_tenant("guests").unwrap();
    assert_eq!(db.tenants().unwrap(), ["default"]);
    assert_eq!(code(db.tenant("guests")), (ErrorKind::Invalid, "TENANT_NOT_FOUND"));
    assert_eq!(code(guests.get("people", "p1")), DROPPED);
    assert_eq!(code(guests.get_encoded("people", key)), DROPPED);
    assert_eq!(code(guests.find("people", Filter::equal("n", 3))), DROPPED);
    assert_eq!(code(guests.put("people", json!({"name": "x"}))), DROPPED);
    assert_eq!(code(guests.begin()), DROPPED);
    assert_eq!(code(guests.as_of(At::Version(version))), DROPPED);
    assert_eq!(code(guests.stats()), DROPPED);
    assert_eq!(code(guests.building()), DROPPED);
    assert_eq!(code(guests.wait_indexed()), DROPPED);
    assert_eq!(code(guests.outcome(open_one.id())), DROPPED);
    assert_eq!(code(guests.drop_tenant("default")), DROPPED);
    assert_eq!(code(follower.next()), DROPPED);
    assert_eq!(code(follower.ack(1)), DROPPED);
    assert_eq!(code(open_one.commit()), DROPPED);
    // What was open before keeps what it saw.
    assert_eq!(view.get("people", "p1").unwrap().unwrap().properties["n"], 101);
    assert_eq!(reading.records("people", None, 10_000).unwrap().len(), 3_000);

    db.create_tenant("guests").unwrap();
    let again = db.tenant("guests").unwrap();
    assert_eq!(code(again.table("people")), (ErrorKind::Invalid, "TABLE_NOT_FOUND"));
    assert_eq!(again.records("entities", None, 10).unwrap(), vec![]);
    assert_eq!(again.log(0, 10).unwrap().len(), 1, "only the tables that it begins with");
    assert_eq!(code(guests.get("people", "p1")), DROPPED, "a name is not a handle");
    db.wait_swept().unwrap();
    again.put("entities", json!({"name": "kept"})).unwrap();
    assert_eq!(view.get("people", "p1").unwrap().unwrap().properties["n"], 101);
    assert_eq!(db.verify().unwrap(), vec![]);
}

#[test]
fn nothing_is_left_of_a_dropped_tenant_but_that_it_was_there() {
    // On disk: memory keeps what was removed as long as any thread has a view.
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path().join("db").to_str().unwrap()).unwrap();
    let before = filled(&db, "a", 20);
    // How far the embedder has come is written once it has.
    for it in [&db, &before] {
        it.wait_indexed().unwrap();
    }
    let sizes = || db.stats().unwrap()["bytes"]["database"].clone();
    let keep = sizes();
    for _ in 0..3 {
        let guests = filled(&db, "guests", 500);
        guests.delete("people", "p0").unwrap();
        guests.follow("f").unwrap().ack(3).unwrap();
        guests.drop_table("people").unwrap();
        guests.create_table("more", json!({})).unwrap();
        guests.put("more", json!({"n": 1})).unwrap();
        guests.alter_table("more", json!({"x-kenning": {"indexed": ["n"]}})).unwrap();
        db.drop_tenant("guests").unwrap();
        db.wait_swept().unwrap();
        for space in ["watermarks", "marks", "births", "names", "fields", "links"] {
            assert_eq!(sizes()[space], keep[space], "{space}");
        }
    }
    assert_eq!(before.find("people", Filter::equal("n", 105)).unwrap().len(), 1);
    assert_eq!(db.verify().unwrap(), vec![]);
}

#[test]
fn the_tenant_in_use_stays_so_one_always_does() {
    let db = open("memory:").unwrap();
    assert_eq!(code(db.drop_tenant("default")), (ErrorKind::Invalid, "TENANT_IN_USE"));
    assert_eq!(code(db.drop_tenant("nobody")), (ErrorKind::Invalid, "TENANT_NOT_FOUND"));
    assert_eq!(code(db.drop_tenant("a/b")), (ErrorKind::Invalid, "TENANT_NAME"));
    db.create_tenant("other").unwrap();
    assert_eq!(code(db.drop_tenant("OTHER")), (ErrorKind::Invalid, "TENANT_NOT_FOUND"));
    let other = db.tenant("other").unwrap();
    let clone = db.clone();
    other.drop_tenant("default").unwrap();
    assert_eq!(code(clone.view()), DROPPED);
    assert_eq!(code(clone.drop_tenant("other")), DROPPED);
    assert_eq!(code(other.drop_tenant("other")), (ErrorKind::Invalid, "TENANT_IN_USE"));
    // A handle on a dropped tenant still leads to the others.
    assert_eq!(clone.tenants().unwrap(), ["other"]);
    clone.tenant("other").unwrap().put("entities", json!({"name": "here"})).unwrap();
    assert_eq!(other.verify().unwrap(), vec![]);
}

#[test]
fn two_that_drop_each_other_do_not_both_succeed() {
    for _ in 0..20 {
        let a = open("memory:").unwrap();
        a.create_tenant("b").unwrap();
        let b = a.tenant("b").unwrap();
        let dropped = std::thread::scope(|threads| {
            let first = threads.spawn(|| a.drop_tenant("b"));
            let second = threads.spawn(|| b.drop_tenant("default"));
            [first.join().unwrap(), second.join().unwrap()]
        });
        let (done, refused): (Vec<_>, Vec<_>) = dropped.into_iter().partition(Result::is_ok);
        assert_eq!((done.len(), refused.len()), (1, 1));
        assert_eq!(code(refused.into_iter().next().unwrap()), DROPPED);
        assert_eq!(a.tenants().unwrap().len(), 1);
    }
}

#[test]
fn what_is_written_while_a_tenant_is_dropped_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path().join("db").to_str().unwrap()).unwrap();
    let sizes = || db.stats().unwrap()["bytes"]["database"].clone();
    db.wait_indexed().unwrap();
    let keep = sizes();
    for round in 0..20 {
        db.create_tenant("busy").unwrap();
        let busy = db.tenant("busy").unwrap();
        std::thread::scope(|threads| {
            let writer = || {
                for n in 0.. {
                    let put = busy.put("entities", json!({"name": format!("{round}-{n}")}));
                    if put.is_err() {
                        return code(put);
                    }
                }
                unreachable!("it writes until it is refused")
            };
            let writers = [threads.spawn(writer), threads.spawn(writer)];
            while busy.view().unwrap().log(0, 50).unwrap().len() < 20 {}
            db.drop_tenant("busy").unwrap();
            for writer in writers {
                assert_eq!(writer.join().unwrap(), DROPPED);
            }
        });
        db.wait_swept().unwrap();
        for space in ["fields", "links", "births", "watermarks"] {
            assert_eq!(sizes()[space], keep[space], "{space} in round {round}");
        }
        // Of root's own: that the tenant was there.
        let names = sizes()["names"].as_u64().unwrap() - keep["names"].as_u64().unwrap();
        assert!(names < 100, "{names} bytes of names are left in round {round}");
    }
    assert_eq!(db.verify().unwrap(), vec![]);
}

#[test]
fn a_number_is_never_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("db").to_str().unwrap().to_owned();
    for round in 0..4 {
        let db = open(&url).unwrap();
        assert_eq!(db.tenants().unwrap(), ["default"], "round {round}");
        db.create_tenant("last").unwrap();
        let last = db.tenant("last").unwrap();
        assert_eq!(last.records("entities", None, 10).unwrap(), vec![], "round {round}");
        last.put("entities", json!({"name": "secret"})).unwrap();
        db.drop_tenant("last").unwrap();
        db.create_tenant("next").unwrap();
        assert!(db.tenant("next").unwrap().lookup("secret").unwrap().is_empty());
        db.drop_tenant("next").unwrap();
        db.close().unwrap();
    }
    let db = open(&url).unwrap();
    db.wait_swept().unwrap();
    assert_eq!(db.verify().unwrap(), vec![]);
}

#[test]
fn many_records_are_estimated_and_few_are_counted() {
    let db = open("memory:").unwrap();
    db.create_table("many", json!({})).unwrap();
    for _ in 0..6 {
        let drafts = (0..30_000).map(|n| Draft::from(json!({"n": n}))).collect();
        db.put_many("many", drafts).unwrap();
    }
    db.put("entities", json!({"name": "one"})).unwrap();
    let stats = db.stats().unwrap();
    let table = |name: &str| stats["tables"][name].clone();
    assert_eq!(
        (&table("entities")["records"], &table("entities")["is_estimate"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(table("many")["is_estimate"], true);
    let records = table("many")["records"].as_u64().unwrap();
    assert!((170_000..190_000).contains(&records), "{records} are told of 180,000");
    let sizes = db.tenant_sizes().unwrap();
    assert_eq!(sizes[0].bytes, stats["bytes"]["tenant"]["total"].as_u64().unwrap());
}
