//! link, unlink, neighbors, traverse.

use kenning::blocking::Database;
use kenning::{Json, Result, Step, WalkDirection};

use super::{instant, rows, view};
use crate::args::{Direction, Ends, Link, Traverse, Walk};
use crate::exit::Outcome;
use crate::input;
use crate::output::{Output, Row};

const LINK: &[&str] = &["id", "source", "type", "target"];

pub(super) fn link(database: &Database, link: &Link, output: &mut Output<'_>) -> Result<Outcome> {
    let mut settings = kenning::Link {
        weight: link.weight,
        valid_from: instant(link.validity.valid_from.as_deref())?,
        valid_until: instant(link.validity.valid_until.as_deref())?,
        ..kenning::Link::default()
    };
    if let Some(json) = &link.properties {
        settings.properties = input::argument(json, "--properties")?;
    }
    let Ends { source, kind, target } = &link.ends;
    let id = database.link(source, kind, target, settings)?;
    let mut row = vec![("id", Json::from(id.to_string()))];
    row.extend(ends(&link.ends));
    output.one(&row, LINK)?;
    Ok(Outcome::Done)
}

pub(super) fn unlink(database: &Database, link: &Ends, output: &mut Output<'_>) -> Result<Outcome> {
    let there = database.unlink(&link.source, &link.kind, &link.target)?;
    if there {
        let mut row = ends(link);
        row.push(("deleted", true.into()));
        output.one(&row, &["source", "type", "target", "deleted"])?;
    }
    Ok(Outcome::found(there))
}

pub(super) fn neighbors(
    database: &Database,
    walk: &Walk,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let view = view(database, walk.when.as_of.as_deref())?;
    steps(&view.neighbors(&walk.reference, settings(walk, 1)?)?, output)
}

pub(super) fn traverse(
    database: &Database,
    traverse: &Traverse,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let walk = &traverse.walk;
    let view = view(database, walk.when.as_of.as_deref())?;
    steps(&view.traverse(&walk.reference, settings(walk, traverse.depth)?)?, output)
}

fn settings(walk: &Walk, depth: u32) -> Result<kenning::Walk> {
    Ok(kenning::Walk {
        direction: match walk.direction {
            Direction::Out => WalkDirection::Out,
            Direction::In => WalkDirection::In,
            Direction::Both => WalkDirection::Both,
        },
        kinds: walk.kinds.clone(),
        depth,
        limit: walk.limit,
        valid_at: instant(walk.when.valid_at.as_deref())?,
    })
}

fn steps(steps: &[Step], output: &mut Output<'_>) -> Result<Outcome> {
    let mut list = output.list(rows::STEPS);
    for step in steps {
        list.row(rows::step(step))?;
    }
    Ok(Outcome::found(list.end()? > 0))
}

fn ends(link: &Ends) -> Row {
    vec![
        ("source", link.source.as_str().into()),
        ("type", link.kind.as_str().into()),
        ("target", link.target.as_str().into()),
    ]
}
