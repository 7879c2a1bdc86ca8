//! A follower that reads the log and keeps a tally elsewhere, counting each change exactly once,
//! also when it is cut off between its work and its word that the work is done.
//!
//! A follower has a name and a watermark, which the database keeps. What was not acknowledged is
//! handed out again, so the log arrives *at least* once. What makes it *exactly* once is that the
//! reader stores how far it is together with what it did, in one transaction.
//!
//! Run it with `cargo run --example follow`.

use kenning::blocking::{Database, open};
use kenning::{LogRow, Result, json};

fn main() -> Result<()> {
    let db = open("memory:")?;
    // Where the tally is kept: another database here, but any place with transactions will do.
    let tally = open("memory:")?;
    tally.put("entities", json!({"name": "tally", "changes": 0, "until": db.version()}))?;

    write(&db, 25)?;
    // The first reader counts ten transactions, and dies before it can say so for the last one.
    let mut follower = db.follow("tally")?;
    while let Some(row) = follower.try_next()? {
        if count(&tally, &row)? == 10 {
            break;
        }
        follower.ack(row.version)?;
    }
    drop(follower);
    println!("the first reader has counted {}", counted(&tally)?);

    // Meanwhile others write on. A prune spares what a follower has still to read.
    write(&db, 25)?;

    // The next one has the same name, so it goes on behind the watermark. It is handed the tenth
    // transaction once more, and `count` knows it.
    let mut follower = db.follow("tally")?;
    let mut again = 0;
    while let Some(row) = follower.try_next()? {
        let before = counted(&tally)?;
        again += u64::from(count(&tally, &row)? == before);
        // Only what is acknowledged is not handed out again. Once in a while would do as well.
        follower.ack(row.version)?;
    }
    println!("{again} came twice, and was counted once");
    println!("in all {}, up to version {}", counted(&tally)?, follower.watermark());
    assert_eq!((again, counted(&tally)?), (1, 50));
    assert_eq!(follower.watermark(), db.version());
    Ok(())
}

/// Counts the changes of a transaction, unless they are counted already. Returns the sum.
fn count(tally: &Database, row: &LogRow) -> Result<u64> {
    // The count and how far it is land together or not at all.
    tally.transact(|t| {
        let record = t.get("entities", "tally")?.expect("it was put at the start");
        let number = |name: &str| record.properties[name].as_u64().unwrap_or(0);
        if row.version <= number("until") {
            return Ok(number("changes"));
        }
        let changes = number("changes") + row.changes.len() as u64;
        t.update("entities", "tally", json!({"changes": changes, "until": row.version}))?;
        Ok(changes)
    })
}

fn counted(tally: &Database) -> Result<u64> {
    let record = tally.get("entities", "tally")?.expect("it was put at the start");
    Ok(record.properties["changes"].as_u64().unwrap_or(0))
}

fn write(db: &Database, times: u64) -> Result<()> {
    for n in 0..times {
        db.put("resources", json!({"n": n}))?;
    }
    Ok(())
}
