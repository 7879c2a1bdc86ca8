//! Time travel: what was known at a version, at an instant, and everything a record ever was.
//!
//! Run it with `cargo run --example time`.

use kenning::blocking::open;
use kenning::{At, Filter, Link, Result, Walk, format_instant, json};

fn main() -> Result<()> {
    let db = open("memory:")?;
    db.create_table("boats", json!({"x-kenning": {"key": "name", "indexed": ["status"]}}))?;
    let idea = db.put("boats", json!({"name": "Heron", "status": "idea"}))?;
    db.put("entities", json!({"name": "Boathouse"}))?;
    db.link("boats/Heron", "lies in", "Boathouse", Link::default())?;
    let afloat = db.update("boats", "Heron", json!({"status": "afloat"}))?;
    db.delete("boats", "Heron")?;

    // The present knows nothing of it.
    assert_eq!(db.get("boats", "Heron")?, None);
    assert_eq!(db.neighbors("Boathouse", Walk::default())?, []);

    // Each write returns the version that it made. A view of that version has every verb that
    // reads, and its indexes and links answer as they did then.
    let then = db.as_of(At::Version(idea.version))?;
    let heron = then.get("boats", "Heron")?.expect("it was there");
    println!("version {}: {}", heron.version, heron.properties["status"]);
    assert_eq!(then.find("boats", Filter::equal("status", "idea"))?.len(), 1);
    assert_eq!(then.find("boats", Filter::equal("status", "afloat"))?, []);

    let then = db.as_of(At::Version(afloat.version))?;
    assert_eq!(then.find("boats", Filter::equal("status", "afloat"))?.len(), 1);
    assert_eq!(then.neighbors("Boathouse", Walk::default())?.len(), 1);

    // An instant means the last version at or before it. Versions that were committed in the same
    // millisecond share it, so a version is the sharper of the two.
    let instant = afloat.modified_at;
    let then = db.as_of(At::Instant(instant))?;
    println!("{} was version {} or later", format_instant(instant), afloat.version);
    assert!(then.version() >= afloat.version);

    println!("everything that the Heron ever was:");
    for past in db.history("boats", "Heron")? {
        let ended = if past.deleted { "deleted" } else { "replaced" };
        let until = past.until.expect("none of it is so any more");
        let status = &past.record.properties["status"];
        println!("  version {}: {status}, {ended} by version {until}", past.record.version);
    }

    // What is not there yet is refused, not guessed.
    let refused = db.as_of(At::Version(99)).err().expect("there is no such version");
    assert_eq!(refused.code(), "VERSION_UNKNOWN");

    // History is kept until somebody says otherwise.
    db.prune(At::Version(afloat.version), false)?;
    let refused = db.as_of(At::Version(idea.version)).err().expect("it was pruned");
    println!("after a prune: {}", refused.message());
    assert_eq!(refused.code(), "HISTORY_NOT_KEPT");
    Ok(())
}
