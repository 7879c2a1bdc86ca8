//! Looking at the past, by version and by instant, and at the log that led to the present.
//!
//! Run it with `cargo run --example time`.

use kenning::blocking::open;
use kenning::{At, Result, format_instant, json};

fn main() -> Result<()> {
    let db = open("memory:")?;
    let idea = db.put("entities", json!({"name": "Heron", "status": "idea"}))?;
    let running = db.update("entities", "Heron", json!({"status": "running"}))?;
    db.delete("entities", "Heron")?;

    println!("now: {:?}", db.get("entities", "Heron")?.map(|record| record.properties));
    for at in [At::Version(idea.version), At::Version(running.version), At::Instant(i64::MAX)] {
        let view = db.as_of(at)?;
        let record = view.get("entities", "Heron")?;
        println!("{at:?}: {:?}", record.map(|record| record.properties["status"].clone()));
    }
    for past in db.history("entities", "Heron")? {
        let ended = if past.deleted { "deleted" } else { "replaced" };
        let status = &past.record.properties["status"];
        println!("version {}: {status}, {ended} in {:?}", past.record.version, past.until);
    }
    for row in db.log(idea.version - 1, 10)? {
        println!(
            "{} {} changed {} record",
            row.version,
            format_instant(row.instant),
            row.changes.len()
        );
    }
    Ok(())
}
