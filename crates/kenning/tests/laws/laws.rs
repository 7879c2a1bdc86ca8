//! The laws themselves: each takes a place and options, and says how it was broken.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use kenning::{At, Database, Draft, Encoded, ErrorKind, Filter, Id, Link, Options, Transaction};
use kenning::{TransactionId, Walk};
use kenning_test::ManualWorld;
use serde_json::json;

use crate::chance::{Chance, Check, ensure};
use crate::place::Place;

const HOUR_MS: u64 = 3_600_000;

fn with_world(options: &Options, world: &Arc<ManualWorld>) -> Options {
    let world: Arc<dyn kenning::World> = Arc::<ManualWorld>::clone(world);
    Options { world: Some(world), ..options.clone() }
}

fn named(name: &str) -> Draft {
    Draft::from(json!({"name": name}))
}

fn keyed(key: &str, properties: kenning::Json) -> Draft {
    Draft { key: Some(key.into()), properties, ..Draft::default() }
}

fn names(found: &[Encoded]) -> Check<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for encoded in found {
        names.extend(encoded.record()?.key);
    }
    Ok(names)
}

/// Closed and opened again, where that keeps anything.
async fn reopen(place: &Place, options: &Options, db: Database) -> Check<Database> {
    if !place.keeps() {
        return Ok(db);
    }
    db.close().await?;
    Ok(place.open(options).await?)
}

/// Commits two transactions at once, so that one group takes both.
async fn commit_both(
    a: Transaction,
    b: Transaction,
) -> (kenning::Result<kenning::Committed>, kenning::Result<kenning::Committed>) {
    let (mut a, mut b) = (pin!(a.commit()), pin!(b.commit()));
    let (mut a_done, mut b_done) = (None, None);
    poll_fn(|context| {
        if a_done.is_none()
            && let Poll::Ready(answer) = a.as_mut().poll(context)
        {
            a_done = Some(answer);
        }
        if b_done.is_none()
            && let Poll::Ready(answer) = b.as_mut().poll(context)
        {
            b_done = Some(answer);
        }
        if a_done.is_some() && b_done.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    (a_done.expect("it was waited for"), b_done.expect("it was waited for"))
}

/// Whatever the clock does, instants never go back, also when opened again.
pub(crate) async fn instants_never_go_back(place: &Place, options: &Options) -> Check {
    let world = ManualWorld::new(1);
    let options = with_world(options, &world);
    let mut db = place.open(&options).await?;
    let mut chance = Chance::new(7);
    let start = 1_700_000_000_000;
    let mut last = 0;
    for n in 0..40 {
        world.set(start + chance.below(1_000_000));
        if n % 10 == 9 {
            db = reopen(place, &options, db).await?;
        }
        let mut transaction = db.begin()?;
        let record = transaction.put("entities", named("clock")).await?;
        let committed = transaction.commit().await?;
        ensure!(committed.instant >= last, "{} came after {last}", committed.instant);
        ensure!(record.modified_at >= last, "a record of {} after {last}", record.modified_at);
        last = committed.instant;
    }
    let instants: Vec<i64> = db.log(0, 1_000).await?.iter().map(|row| row.instant).collect();
    ensure!(instants.is_sorted(), "the log goes back: {instants:?}");
    let modified: Vec<i64> =
        db.history("entities", "clock").await?.iter().map(|s| s.record.modified_at).collect();
    ensure!(modified.is_sorted(), "history goes back: {modified:?}");
    Ok(())
}

/// `as_of(instant)` is the last version at or before it, also where versions share one.
pub(crate) async fn an_instant_is_its_last_version(place: &Place, options: &Options) -> Check {
    let world = ManualWorld::new(2);
    let options = with_world(options, &world);
    let db = place.open(&options).await?;
    let mut chance = Chance::new(3);
    let mut committed = Vec::new();
    for n in 0..50 {
        if chance.percent(60) {
            world.advance(chance.below(5));
        }
        let mut transaction = db.begin()?;
        transaction.put("entities", named(&format!("e{n}"))).await?;
        committed.push(transaction.commit().await?);
    }
    let db = reopen(place, &options, db).await?;
    let first = committed.first().map_or(0, |one| one.instant);
    let last = committed.last().map_or(0, |one| one.instant);
    for instant in first..=last + 2 {
        let expected = committed.iter().rev().find(|one| one.instant <= instant);
        let expected = expected.expect("the first is not later").version;
        let view = db.as_of(At::Instant(instant)).await?;
        let version = view.version();
        ensure!(version == expected, "as of {instant} is {version}, expected {expected}");
    }
    Ok(())
}

/// A transaction that was left open for an hour is refused, and nothing of it is there.
pub(crate) async fn an_hour_is_too_long(place: &Place, options: &Options) -> Check {
    let world = ManualWorld::new(3);
    let options = with_world(options, &world);
    let db = place.open(&options).await?;
    let mut transaction = db.begin()?;
    transaction.put("entities", named("early")).await?;
    let mut idle = db.begin()?;
    world.advance(HOUR_MS);
    let late = idle.put("entities", named("late")).await;
    let code = late.as_ref().map_err(|error| (error.kind(), error.code())).err();
    ensure!(code == Some((ErrorKind::Conflict, "TOO_OLD")), "an old write answered {late:?}");
    let answer = transaction.commit().await;
    let code = answer.as_ref().map_err(|error| (error.kind(), error.code())).err();
    ensure!(code == Some((ErrorKind::Conflict, "TOO_OLD")), "an old commit answered {answer:?}");
    ensure!(db.get("entities", "early").await?.is_none(), "what was refused is there");
    db.put("entities", named("later")).await?;
    Ok(())
}

/// An index that was kept up and one that was built afterwards answer the same.
pub(crate) async fn a_rebuilt_index_is_the_kept_one(place: &Place, options: &Options) -> Check {
    let db = place.open(options).await?;
    let indexed = json!({"x-kenning": {
        "indexed": ["city", ["city", "age"], "tags"],
        "unique": ["email"],
    }});
    db.create_table("kept", indexed.clone()).await?;
    db.create_table("built", json!({})).await?;
    let mut chance = Chance::new(11);
    for n in 0..300 {
        let key = format!("k{}", chance.below(60));
        if chance.percent(20) {
            let kept = db.delete("kept", &key).await?;
            let built = db.delete("built", &key).await?;
            ensure!(kept == built, "deleting {key} differs");
            continue;
        }
        let said = json!({
            "city": format!("c{}", chance.below(5)),
            "age": chance.below(9),
            "tags": [chance.below(4), chance.below(4)],
            "email": format!("{n}@example.org"),
        });
        db.put("kept", keyed(&key, said.clone())).await?;
        db.put("built", keyed(&key, said)).await?;
    }
    db.alter_table("built", indexed).await?;
    db.wait_indexed().await?;
    for city in 0..5 {
        for age in 0..9 {
            let both = [("city", json!(format!("c{city}"))), ("age", json!(age))];
            same_answers(&db, Filter::equals(&both)).await?;
        }
        same_answers(&db, Filter::equal("city", format!("c{city}"))).await?;
        same_answers(&db, Filter::equal("tags", city)).await?;
    }
    for n in 0..300 {
        same_answers(&db, Filter::equal("email", format!("{n}@example.org"))).await?;
    }
    let findings = db.verify().await?;
    ensure!(findings.is_empty(), "verify found {findings:?}");
    Ok(())
}

async fn same_answers(db: &Database, filter: Filter) -> Check {
    let (kept, by) = db.find_explained("kept", filter.clone()).await?;
    ensure!(by.index.is_some(), "the kept index is not used for {filter:?}");
    let (built, by) = db.find_explained("built", filter.clone()).await?;
    ensure!(by.index.is_some(), "the built index is not used for {filter:?}");
    let (kept, built) = (names(&kept)?, names(&built)?);
    ensure!(kept == built, "{filter:?} kept {kept:?}, built {built:?}");
    Ok(())
}

/// Deleting a hub takes every link with it at once; the past keeps them.
pub(crate) async fn a_deleted_hub_leaves_no_link(place: &Place, options: &Options) -> Check {
    const SPOKES: usize = 600;
    let db = place.open(options).await?;
    let mut transaction = db.begin()?;
    transaction.put("entities", named("hub")).await?;
    for n in 0..SPOKES {
        let spoke = format!("spoke {n}");
        transaction.put("entities", named(&spoke)).await?;
        let (source, target) = if n % 2 == 0 { ("hub", &*spoke) } else { (&*spoke, "hub") };
        transaction.link(source, "holds", target, Link::default()).await?;
    }
    let before = transaction.commit().await?.version;
    let all = db.neighbors("hub", Walk::default()).await?.len();
    ensure!(all == SPOKES, "the hub has {all} neighbors of {SPOKES}");
    ensure!(db.delete("entities", "hub").await?, "the hub was not there");
    // At once, and still when the sweeper has been at work.
    for round in 0..3 {
        for n in (0..SPOKES).step_by(41) {
            let spoke = format!("spoke {n}");
            let steps = db.neighbors(&spoke, Walk::default()).await?;
            ensure!(steps.is_empty(), "round {round}: {spoke} still has {steps:?}");
        }
        db.sync().await?;
    }
    let past = db.as_of(At::Version(before)).await?;
    let then = past.neighbors("hub", Walk::default()).await?.len();
    ensure!(then == SPOKES, "the hub had {then} neighbors of {SPOKES}");
    let findings = db.verify().await?;
    ensure!(findings.is_empty(), "verify found {findings:?}");
    Ok(())
}

/// Who is born again does not inherit links.
pub(crate) async fn a_new_birth_has_no_old_links(place: &Place, options: &Options) -> Check {
    let mut db = place.open(options).await?;
    db.put("entities", named("b")).await?;
    for birth in 1..=4_u32 {
        let born = db.put("entities", named("a")).await?;
        ensure!(born.birth == birth, "birth {} is not {birth}", born.birth);
        let steps = db.neighbors("b", Walk::default()).await?;
        ensure!(steps.is_empty(), "birth {birth} inherited {steps:?}");
        let (source, target) = if birth % 2 == 0 { ("a", "b") } else { ("b", "a") };
        db.link(source, "knows", target, Link::default()).await?;
        let steps = db.neighbors("b", Walk::default()).await?;
        ensure!(steps.len() == 1, "birth {birth} has the links {steps:?}");
        db = reopen(place, options, db).await?;
        ensure!(db.delete("entities", "a").await?, "it was not there");
        // A link to who is not there belongs to the birth to come.
        if birth == 2 {
            db.link("b", "awaits", "a", Link::default()).await?;
            let steps = db.neighbors("b", Walk::default()).await?;
            ensure!(steps.is_empty(), "a link to nobody is seen: {steps:?}");
            db.put("entities", named("a")).await?;
            let steps = db.neighbors("b", Walk::default()).await?;
            let kinds: Vec<&str> = steps.iter().map(|step| step.kind.as_str()).collect();
            ensure!(kinds == ["awaits"], "the awaited birth has {kinds:?}");
            db.unlink("b", "awaits", "a").await?;
            // This one is birth 3; the next round makes it anew and must not count twice.
            db.delete("entities", "a").await?;
            return next_birth(&db).await;
        }
    }
    Ok(())
}

async fn next_birth(db: &Database) -> Check {
    let born = db.put("entities", named("a")).await?;
    ensure!(born.birth == 4, "birth {} is not 4", born.birth);
    let steps = db.neighbors("b", Walk::default()).await?;
    ensure!(steps.is_empty(), "birth 4 inherited {steps:?}");
    Ok(())
}

/// Of two that claim one value in one group, exactly one gets it.
pub(crate) async fn one_claimant_wins(place: &Place, options: &Options) -> Check {
    let db = place.open(options).await?;
    db.create_table("seats", json!({"x-kenning": {"unique": ["value"]}})).await?;
    for value in 0..50 {
        let (mut a, mut b) = (db.begin()?, db.begin()?);
        a.put("seats", Draft::from(json!({"value": value, "by": "a"}))).await?;
        b.put("seats", Draft::from(json!({"value": value, "by": "b"}))).await?;
        let (a, b) = commit_both(a, b).await;
        let won = usize::from(a.is_ok()) + usize::from(b.is_ok());
        ensure!(won == 1, "{won} of two claimants of {value} won: {a:?} {b:?}");
        let lost = a.err().or(b.err()).map(|error| error.kind());
        ensure!(lost == Some(ErrorKind::Conflict), "the loser was told {lost:?}");
        let again = db.put("seats", Draft::from(json!({"value": value}))).await;
        let code = again.as_ref().err().map(kenning::Error::code);
        ensure!(code == Some("UNIQUE_TAKEN"), "a third claimant was told {again:?}");
        let owners = db.find("seats", Filter::equal("value", value)).await?.len();
        ensure!(owners == 1, "{value} has {owners} owners");
    }
    Ok(())
}

/// Nothing crosses tenants.
pub(crate) async fn tenants_do_not_see_each_other(place: &Place, options: &Options) -> Check {
    let db = place.open(options).await?;
    db.create_tenant("other").await?;
    let other = db.tenant("other").await?;
    let schema = json!({"x-kenning": {"unique": ["email"], "indexed": ["city"]}});
    for (tenant, word) in [(&db, "mine"), (&other, "theirs")] {
        tenant.create_table("people", schema.clone()).await?;
        let said = json!({"email": "a@example.org", "city": "Bern", "word": word});
        tenant.put("people", keyed("ada", said)).await?;
        tenant.put("entities", named(word)).await?;
        tenant.link("people/ada", "knows", &format!("entities/{word}"), Link::default()).await?;
    }
    for (tenant, word, not) in [(&db, "mine", "theirs"), (&other, "theirs", "mine")] {
        let found = tenant.find("people", Filter::equal("city", "Bern")).await?;
        let words: Vec<_> = found.iter().map(|record| &record.properties["word"]).collect();
        ensure!(words == [word], "{word} finds {words:?}");
        ensure!(tenant.lookup(not).await?.is_empty(), "{word} looks up {not}");
        ensure!(tenant.get("entities", not).await?.is_none(), "{word} gets {not}");
        let steps = tenant.neighbors("people/ada", Walk::default()).await?;
        let keys: Vec<_> = steps.iter().filter_map(|step| step.key.as_deref()).collect();
        ensure!(keys == [word], "{word} walks to {keys:?}");
        ensure!(tenant.records("people", None, 10).await?.len() == 1, "{word} sees more records");
        let log = format!("{:?}", tenant.log(0, 1_000).await?);
        ensure!(log.contains(word) && !log.contains(not), "the log of {word} has {not}");
        let past = tenant.history("people", "ada").await?;
        ensure!(past.len() == 1, "{word} has the history {past:?}");
    }
    let ids: BTreeSet<Id> = [&db, &other].map(|tenant| tenant.clone()).into_iter().fold(
        BTreeSet::new(),
        |mut ids, tenant| {
            let found = kenning_store::block_on(tenant.get("people", "ada"));
            ids.extend(found.ok().flatten().map(|record| record.id));
            ids
        },
    );
    ensure!(ids.len() == 2, "two tenants share the id of a key");
    ensure!(db.delete("people", "ada").await?, "it was there");
    ensure!(other.get("people", "ada").await?.is_some(), "a delete crossed tenants");
    let missing = db.tenant("nobody").await.err().map(|error| error.code());
    ensure!(missing == Some("TENANT_NOT_FOUND"), "a missing tenant is {missing:?}");
    let db = reopen(place, options, db.clone()).await;
    drop(other);
    db.map(|_| ())
}

/// Dropping a tenant changes nothing that another one sees, now or in the past: not at once, not
/// while it is swept, not when it is opened again.
pub(crate) async fn a_dropped_tenant_is_missed_by_nobody(
    place: &Place,
    options: &Options,
) -> Check {
    let names = ["default", "left", "middle", "right"];
    let db = place.open(options).await?;
    let schema = json!({"x-kenning": {"key": "name", "indexed": ["city"], "unique": ["mail"]}});
    let mut chance = Chance::new(5);
    for name in &names[1..] {
        db.create_tenant(name).await?;
    }
    for name in names {
        db.tenant(name).await?.create_table("people", schema.clone()).await?;
    }
    for n in 0..600 {
        let tenant = db.tenant(names[chance.below(4) as usize]).await?;
        let person = format!("p{}", chance.below(40));
        let other = format!("people/p{}", chance.below(40));
        let city = format!("c{}", chance.below(4));
        match chance.below(10) {
            0 => drop(tenant.delete("people", &person).await?),
            1..3 => drop(
                tenant.link(&format!("people/{person}"), "knows", &other, Link::default()).await?,
            ),
            _ => {
                drop(tenant.put("people", json!({"name": person, "city": city, "mail": n})).await?)
            }
        }
    }
    db.wait_swept().await?;
    let half = db.version() / 2;
    let living = ["default", "left", "right"];
    let mut before = Vec::new();
    for name in living {
        before.push(seen(&db.tenant(name).await?, half).await?);
    }
    let middle = db.tenant("middle").await?;
    let held = middle.view()?;
    let was = held.records("people", None, 1_000).await?;
    db.drop_tenant("middle").await?;
    let mut db = db;
    for moment in ["at once", "opened again", "swept", "after it was made again"] {
        match moment {
            "opened again" if place.keeps() => {
                ensure!(held.records("people", None, 1_000).await? == was, "a held view moved");
                return dropped_then_opened(place, options, db, (held, middle), &before, half)
                    .await;
            }
            "swept" => db.wait_swept().await?,
            "after it was made again" => db.create_tenant("middle").await?,
            _ => {}
        }
        same_as_before(&db, &living, &before, half, moment).await?;
    }
    ensure!(held.records("people", None, 1_000).await? == was, "a held view moved");
    db = reopen(place, options, db).await?;
    same_as_before(&db, &living, &before, half, "in the end").await
}

/// What is held would keep the folder from being opened again, so it goes first.
async fn dropped_then_opened(
    place: &Place,
    options: &Options,
    db: Database,
    held: (kenning::View, Database),
    before: &[String],
    half: u64,
) -> Check {
    drop(held);
    let living = ["default", "left", "right"];
    let db = reopen(place, options, db).await?;
    same_as_before(&db, &living, before, half, "opened again").await?;
    db.wait_swept().await?;
    same_as_before(&db, &living, before, half, "swept").await?;
    db.create_tenant("middle").await?;
    let middle = db.tenant("middle").await?;
    ensure!(middle.table("people").await.is_err(), "a new tenant has a table of an old one");
    drop(middle);
    let db = reopen(place, options, db).await?;
    same_as_before(&db, &living, before, half, "in the end").await
}

async fn same_as_before(
    db: &Database,
    names: &[&str],
    before: &[String],
    half: u64,
    moment: &str,
) -> Check {
    for (name, before) in names.iter().zip(before) {
        let now = seen(&db.tenant(name).await?, half).await?;
        ensure!(now == *before, "{moment} {name} sees another world");
    }
    let findings = db.verify().await?;
    ensure!(findings.is_empty(), "{moment} verify found {findings:?}");
    let findings = db.verify_as_of(half).await?;
    ensure!(findings.is_empty(), "{moment} verify found in the past {findings:?}");
    Ok(())
}

/// All that a tenant sees: records, indexes, links, history, log, now and at `past`.
async fn seen(tenant: &Database, past: u64) -> Check<String> {
    let mut seen = format!("{:?} {:?}", tenant.tables().await?, tenant.log(0, 10_000).await?);
    for view in [tenant.view()?, tenant.as_of(At::Version(past)).await?] {
        if view.table("people").await.is_err() {
            continue;
        }
        seen += &format!("{:?}", view.records("people", None, 1_000).await?);
        for city in 0..4 {
            let filter = Filter::equal("city", format!("c{city}"));
            seen += &format!("{:?}", view.find("people", filter).await?);
        }
        for n in 0..40 {
            let person = format!("people/p{n}");
            seen += &format!("{:?}", view.lookup(&format!("p{n}")).await?);
            seen += &format!("{:?}", view.history("people", &format!("p{n}")).await?);
            if view.resolve(&person).await?.is_some() {
                seen += &format!("{:?}", view.neighbors(&person, Walk::default()).await?);
            }
        }
    }
    Ok(seen)
}

/// What a view shows does not move, whatever is committed.
pub(crate) async fn a_held_view_does_not_move(place: &Place, options: &Options) -> Check {
    let db = place.open(options).await?;
    db.create_table("people", json!({"x-kenning": {"indexed": ["city"]}})).await?;
    for n in 0..20 {
        db.put("people", keyed(&format!("p{n}"), json!({"city": "Bern", "n": n}))).await?;
    }
    let held = db.view()?;
    let open = db.begin()?;
    let before = (held.records("people", None, 100).await?, held.version());
    for n in 0..200 {
        let key = format!("p{}", n % 25);
        match n % 3 {
            0 => drop(db.delete("people", &key).await?),
            _ => drop(db.put("people", keyed(&key, json!({"city": "Chur", "n": -n}))).await?),
        }
        if n % 20 == 0 {
            let (records, version) = (held.records("people", None, 100).await?, held.version());
            ensure!((&records, version) == (&before.0, before.1), "a held view moved at {n}");
            let found = held.find("people", Filter::equal("city", "Bern")).await?.len();
            ensure!(found == 20, "a held view finds {found} of 20");
            let got = held.get("people", "p3").await?.map(|record| record.properties["n"].clone());
            ensure!(got == Some(json!(3)), "a held view gets {got:?}");
            let got = open.get("people", "p3").await?.map(|record| record.properties["n"].clone());
            ensure!(got == Some(json!(3)), "an open transaction gets {got:?}");
        }
    }
    let past = db.as_of(At::Version(before.1)).await?;
    let records = past.records("people", None, 100).await?;
    ensure!(records == before.0, "the past is not what was held");
    Ok(())
}

/// A follower that acknowledges what it has done sees everything once, however often it is opened.
pub(crate) async fn a_follower_sees_each_change_once(place: &Place, options: &Options) -> Check {
    let mut db = place.open(options).await?;
    let mut chance = Chance::new(5);
    let (mut seen, mut written) = (Vec::new(), Vec::new());
    for round in 0..12 {
        for n in 0..chance.below(6) {
            let record = db.put("entities", named(&format!("{round} {n}"))).await?;
            written.push(record.version);
        }
        let mut follower = db.follow("reader").await?;
        for _ in 0..chance.below(8) {
            let Some(row) = follower.try_next().await? else { break };
            seen.push(row.version);
            follower.ack(row.version).await?;
        }
        // What is read and not acknowledged comes again.
        let _ = follower.try_next().await?;
        drop(follower);
        db = reopen(place, options, db).await?;
    }
    let mut follower = db.follow("reader").await?;
    while let Some(row) = follower.try_next().await? {
        seen.push(row.version);
        follower.ack(row.version).await?;
    }
    let log: Vec<u64> = db.log(0, 10_000).await?.iter().map(|row| row.version).collect();
    ensure!(seen == log, "the follower saw {seen:?}, the log is {log:?}");
    let all = written.iter().all(|version| log.contains(version));
    ensure!(all, "the log {log:?} does not have all of {written:?}");
    let mut other = db.follow("other").await?;
    let first = other.next().await?.version;
    ensure!(Some(&first) == log.first(), "another follower begins at {first}");
    Ok(())
}

/// Committed under one id twice, it lands once and answers the same.
pub(crate) async fn one_id_lands_once(place: &Place, options: &Options) -> Check {
    let mut db = place.open(options).await?;
    let mut chance = Chance::new(9);
    for round in 0..8 {
        let id = TransactionId(chance.bytes());
        let name = format!("once {round}");
        ensure!(db.outcome(id).await?.is_none(), "it has an outcome before it began");
        let mut a = db.begin_with(id)?;
        a.put("entities", Draft::from(json!({"name": name, "by": "a"}))).await?;
        let first = a.commit().await?;
        // Somebody else in between: the answer must still be the first one.
        db.put("entities", named("between")).await?;
        db = reopen(place, options, db).await?;
        let mut b = db.begin_with(id)?;
        b.put("entities", Draft::from(json!({"name": name, "by": "a"}))).await?;
        let second = b.commit().await?;
        ensure!(first == second, "{id} landed as {first:?} and again as {second:?}");
        ensure!(db.outcome(id).await? == Some(first.version), "the outcome is not the first");
        let rows = db.log(0, 10_000).await?;
        let times = rows.iter().filter(|row| row.transaction == id).count();
        ensure!(times == 1, "{id} is in the log {times} times");
        let past = db.history("entities", &name).await?.len();
        ensure!(past == 1, "{name} has {past} states");
    }
    let id = TransactionId(chance.bytes());
    let (mut a, mut b) = (db.begin_with(id)?, db.begin_with(id)?);
    a.put("entities", named("twin")).await?;
    b.put("entities", named("twin")).await?;
    let (a, b) = commit_both(a, b).await;
    ensure!(a.is_ok() && b.is_ok() && a.as_ref().ok() == b.as_ref().ok(), "twins: {a:?} {b:?}");
    Ok(())
}

/// One process holds a database, and in it one handle.
pub(crate) async fn a_second_open_is_held(place: &Place, options: &Options) -> Check {
    if !place.keeps() {
        return Ok(());
    }
    let db = place.open(options).await?;
    let second = place.open(options).await.err();
    let code = second.as_ref().map(|error| (error.kind(), error.code()));
    ensure!(code == Some((ErrorKind::Unavailable, "HELD")), "a second open answered {second:?}");
    let message = second.map(|error| error.to_string()).unwrap_or_default();
    let pid = std::process::id().to_string();
    ensure!(message.contains(&pid), "'{message}' does not name the holder {pid}");
    db.put("entities", named("still here")).await?;
    let view = db.view()?;
    db.close().await?;
    let closed = view.get("entities", "still here").await;
    let db = place.open(options).await;
    ensure!(db.is_ok() || closed.is_ok(), "closing did not let go: {:?}", db.err());
    Ok(())
}

/// A closed database says so to every other handle.
pub(crate) async fn closed_is_closed(place: &Place, options: &Options) -> Check {
    let db = place.open(options).await?;
    let other = db.clone();
    let mut transaction = db.begin()?;
    transaction.put("entities", named("a")).await?;
    db.close().await?;
    let answers = [
        transaction.commit().await.err(),
        other.put("entities", named("b")).await.err(),
        other.get("entities", "b").await.err(),
        other.begin().err(),
    ];
    for (at, answer) in answers.iter().enumerate() {
        let kind = answer.as_ref().map(kenning::Error::kind);
        ensure!(kind == Some(ErrorKind::Closed), "answer {at} of a closed database is {answer:?}");
    }
    Ok(())
}
