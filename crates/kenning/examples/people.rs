//! Records with a schema, an index, links, and a walk.
//!
//! Run it with `cargo run --example people`.

use kenning::blocking::open;
use kenning::{Filter, Link, Result, Walk, json};

fn main() -> Result<()> {
    let db = open("memory:")?;
    db.create_table(
        "people",
        json!({
            "properties": {"name": {"type": "string"}, "born": {"type": "integer"}},
            "required": ["born"],
            "x-kenning": {"key": "name", "indexed": ["born"]},
        }),
    )?;
    for (name, born) in [("Ada", 1815), ("Mary", 1780), ("Charles", 1791)] {
        db.put("people", json!({"name": name, "born": born}))?;
    }
    db.link("Mary", "taught", "Ada", Link::default())?;
    db.link("Ada", "wrote to", "Charles", Link { weight: 0.8, ..Link::default() })?;

    println!("born before 1800:");
    for record in db.find("people", Filter::range("born", None, Some(json!(1800))))? {
        println!("  {}", record.properties["name"]);
    }
    println!("two links from Mary:");
    for step in db.traverse("Mary", Walk { depth: 2, ..Walk::default() })? {
        println!("  {} by '{}', {} away", step.key.unwrap_or_default(), step.kind, step.depth);
    }
    let refused = db.put("people", json!({"name": "Nobody"}));
    println!("refused: {}", refused.expect_err("the schema requires a year"));
    Ok(())
}
