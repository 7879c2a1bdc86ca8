//! How fast is a table written to a file?
//!
//! What: every record of a table to a file that is synced, as jsonl and as csv (which reads the
//! table twice, because its head line has every property). SQLite steps through its rows and writes
//! the same lines with the same JSON writer, and syncs.
//!
//! Corpus: 1,000,000 people. `--only export`.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;

use kenning::ingest::{ExportOptions, Format, Target};
use kenning::{Json, blocking, json};

use crate::Result;
use crate::measure::{Contender, Goal, KENNING, Measure, Outcome, Scope, race, rate, timed};
use crate::million::Million;
use crate::peers::ours;
use crate::peers::sqlite::SQLITE;
use crate::people::hash_json;

/// Records a second, as asked for.
const RATE_MIN: f64 = 300_000.0;

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let million = scope.million()?;
    let jsonl = race(
        &[rate("export as jsonl", "records/s")],
        scope.rounds(3),
        vec![
            Contender::new(KENNING, |_| kenning(scope, million, Format::Jsonl)),
            Contender::new(SQLITE, |_| sqlite(scope, million)),
        ],
    )?;
    let csv = race(
        &[rate("export as csv", "records/s")],
        scope.rounds(3),
        vec![Contender::new(KENNING, |_| kenning(scope, million, Format::CSV))],
    )?;
    Ok(jsonl.into_iter().chain(csv).map(|measure| measure.goal(Goal::Reach(RATE_MIN))).collect())
}

fn kenning(scope: &Scope, million: &Million, format: Format) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let path = folder.path().join("people");
    let database = ours::open_plain(&million.kenning())?;
    let view = database.view()?;
    let options = ExportOptions::new(format);
    let (seconds, exported) = timed(|| {
        let watch = &mut |_| ControlFlow::Continue(());
        let target = Target::File(path.clone());
        Ok(blocking::export(&view, ours::TABLE, target, &options, watch)?)
    })?;
    let answer = if format == Format::Jsonl { Some(contents(&path)?) } else { None };
    Ok(Outcome::new([exported.records as f64 / seconds], answer))
}

fn sqlite(scope: &Scope, million: &Million) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let path = folder.path().join("people");
    let connection = million.sqlite().connect()?;
    let (seconds, count) = timed(|| {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
        let question = "SELECT name, team, score, city, about FROM people";
        let mut statement = connection.prepare(question)?;
        let mut rows = statement.query([])?;
        let mut count = 0_usize;
        while let Some(row) = rows.next()? {
            let text = |idx| row.get::<_, String>(idx);
            let line = json!({
                "name": text(0)?, "team": text(1)?, "score": row.get::<_, i64>(2)?,
                "city": text(3)?, "about": text(4)?,
            });
            serde_json::to_writer(&mut file, &line)?;
            file.write_all(b"\n")?;
            count += 1;
        }
        file.flush()?;
        file.get_ref().sync_all()?;
        Ok(count)
    })?;
    Ok(Outcome::new([count as f64 / seconds], contents(&path)?))
}

/// Hash of all lines.
fn contents(path: &Path) -> Result<u64> {
    let mut sum = 0_u64;
    for line in BufReader::new(File::open(path)?).lines() {
        sum = sum.wrapping_add(hash_json(&serde_json::from_str::<Json>(&line?)?));
    }
    Ok(sum)
}
