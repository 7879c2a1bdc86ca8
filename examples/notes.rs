//! Notes: a table with a schema and an index, links between notes and people, and a walk.
//!
//! Run it with `cargo run --example notes`.

use kenning::blocking::{Database, open};
use kenning::{Draft, Filter, Link, Result, Walk, WalkDirection, json};

fn main() -> Result<()> {
    // A folder in place of `memory:` keeps it.
    let db = open("memory:")?;
    create(&db)?;
    fill(&db)?;

    println!("written since 2021:");
    // The table has an index on `year`, so this reads an index and not the table.
    let recent = db.find("notes", Filter::range("year", Some(json!(2021)), None))?;
    for note in &recent {
        println!("  {}", note.properties["title"]);
    }
    assert_eq!(recent.len(), 2);

    println!("what the plan stands on, at any distance:");
    let grounds = Walk {
        kinds: vec!["builds on".into()],
        direction: WalkDirection::Out,
        depth: 5,
        ..Walk::default()
    };
    let steps = db.traverse("notes/plan", grounds)?;
    for step in &steps {
        println!("  {} ({} away)", step.key.as_deref().unwrap_or("-"), step.depth);
    }
    assert_eq!(steps.len(), 2);

    // An alias is as good as the key, and upper and lower case do not matter.
    let around = db.neighbors("IDA B.", Walk::default())?;
    println!("Ida is connected to {} notes", around.len());
    assert_eq!(around.len(), 2);

    // What breaks the schema is refused before anything is written.
    let refused = db.put("notes", json!({"title": "no year"})).expect_err("a year is required");
    println!("refused: {}: {}", refused.code(), refused.message());
    assert_eq!(refused.code(), "SCHEMA_VIOLATION");
    Ok(())
}

fn create(db: &Database) -> Result<()> {
    db.create_table(
        "notes",
        json!({
            "properties": {"title": {"type": "string"}, "year": {"type": "integer"}},
            "required": ["year"],
            "x-kenning": {"key": "title", "indexed": ["year"]},
        }),
    )
}

fn fill(db: &Database) -> Result<()> {
    // One transaction: a reader sees all of it or nothing, and it costs one sync.
    db.transact(|t| {
        t.put(
            "entities",
            Draft {
                key: Some("Ida".into()),
                aliases: Some(vec!["Ida B.".into()]),
                properties: json!({"kind": "person"}),
                ..Draft::default()
            },
        )?;
        for (title, year) in [("survey", 2019), ("costs", 2021), ("plan", 2022)] {
            t.put("notes", json!({"title": title, "year": year}))?;
        }
        t.link("notes/plan", "builds on", "notes/costs", Link::default())?;
        t.link("notes/costs", "builds on", "notes/survey", Link::default())?;
        t.link("Ida", "wrote", "notes/survey", Link::default())?;
        // A weight says how strong a link is; what else is known about it are its properties.
        let half = Link { weight: 0.5, properties: json!({"with": "Tomas"}), ..Link::default() };
        t.link("Ida", "wrote", "notes/plan", half)
    })?;
    Ok(())
}
