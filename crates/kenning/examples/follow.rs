//! A transaction that several writers contend for, and a follower that sees each change once.
//!
//! Run it with `cargo run --example follow`.

use kenning::blocking::open;
use kenning::{Result, json};

fn main() -> Result<()> {
    let db = open("memory:")?;
    db.put("entities", json!({"name": "counter", "value": 0}))?;
    let start = db.version();

    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let added = db.transact(|t| {
                        let counter = t.get("entities", "counter")?.expect("it was put above");
                        let value = counter.properties["value"].as_i64().unwrap_or(0) + 1;
                        t.update("entities", "counter", json!({"value": value}))
                    });
                    added.expect("a conflict is tried again");
                }
            });
        }
    });
    let counter = db.get("entities", "counter")?.expect("it is there");
    println!("after 100 increments by four threads: {}", counter.properties["value"]);
    assert_eq!(counter.properties["value"], 100);

    let mut follower = db.follow("example")?;
    let mut seen = 0;
    while let Some(row) = follower.try_next()? {
        seen += u64::from(row.version > start);
        follower.ack(row.version)?;
    }
    println!("the follower saw {seen} changes, and stands at {}", follower.watermark());
    assert_eq!(seen, 100);
    Ok(())
}
