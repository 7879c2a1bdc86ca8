//! eval: how well questions are answered, on a set of them whose answers are known.
//!
//! The set goes into a database of its own, in memory, by the verbs that anybody uses; what the
//! measures are is defined in [`kenning::ingest::evaluation`]. A question is asked once by each
//! arm, one after the other, and the time of it is that of the whole search, its embedding
//! included: each arm asks it with another number of blanks behind it, so that none finds the
//! vector of another. The first search, which opens model and indexes, is not one of them.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use kenning::blocking::{Database, open_with};
use kenning::ingest::evaluation::{Measures, QuestionSet, SetQuestion, TABLE, percentile};
use kenning::{Ask, Id, Json, Mode, Options, Predicate, Result};

use super::bulk::Teller;
use super::waiting;
use crate::args::{Eval, Format};
use crate::exit::{Outcome, say};
use crate::output::{Columns, Output, Row, json_text, thousands};

/// How deep a ranking goes.
const DEPTH: usize = 200;
const TRANSACTION_RECORDS_MAX: usize = 1000;
const MS: f64 = 1_000.0;
const PERCENTILES: [usize; 2] = [50, 95];
/// More than there are arms.
const ARMS_MAX: usize = 8;
const MEASURE: &str = "measure";

/// What one way to search scored.
struct Arm {
    mode: Mode,
    /// The sums over all questions, in the order of the measures.
    sums: Vec<f64>,
    /// How long each question took.
    times_ms: Vec<f64>,
}

/// A set in its database.
struct Stored {
    set: QuestionSet,
    database: Database,
    row_idx: HashMap<Id, usize>,
    chars: Vec<usize>,
}

pub(super) fn eval(eval: &Eval, options: Options, output: &mut Output<'_>) -> Result<Outcome> {
    let measures = Measures {
        places: eval.places.iter().map(|places| usize::from(*places)).collect(),
        budgets: eval.budgets.iter().map(|budget| *budget as usize).collect(),
    };
    let mut arms: Vec<Arm> = Vec::new();
    for name in &eval.arms {
        let mode: Mode = name.parse()?;
        if arms.iter().all(|arm| arm.mode != mode) {
            let sums = vec![0.0; measures.names().len()];
            arms.push(Arm { mode, sums, times_ms: Vec::new() });
        }
    }
    let set = QuestionSet::read(Path::new(&eval.folder))?;
    let stored = Stored::new(set, eval, options, output)?;
    stored.ask_all(&measures, &mut arms, output)?;
    stored.write(&measures, &mut arms, output)?;
    stored.database.close()?;
    Ok(Outcome::Done)
}

impl Stored {
    fn new(
        set: QuestionSet,
        eval: &Eval,
        options: Options,
        output: &mut Output<'_>,
    ) -> Result<Self> {
        let database = open_with("memory:", options)?;
        let there = database.table(TABLE)?.schema;
        database.alter_table(TABLE, set.schema(there, eval.model.as_deref()))?;
        let mut teller = Teller::of(database.world(), output.format());
        let mut row_idx = HashMap::new();
        for rows in set.rows.chunks(TRANSACTION_RECORDS_MAX) {
            let mut transaction = database.begin()?;
            for row in rows {
                let record = transaction.put(TABLE, row.draft())?;
                row_idx.insert(record.id, row_idx.len());
            }
            transaction.commit()?;
            teller.progress(&format!("{} documents", thousands(row_idx.len() as u64)));
        }
        teller.wipe();
        let theirs = database.clone();
        waiting::wait(&database, output, move || theirs.wait_indexed())?;
        let chars = set.rows.iter().map(kenning::ingest::evaluation::SetRow::chars).collect();
        Ok(Stored { set, database, row_idx, chars })
    }

    fn ask_all(
        &self,
        measures: &Measures,
        arms: &mut [Arm],
        output: &mut Output<'_>,
    ) -> Result<()> {
        let mut teller = Teller::of(self.database.world(), output.format());
        let n_questions = self.set.questions.len();
        let mut left_out: Vec<String> = Vec::new();
        for (arm_idx, arm) in arms.iter_mut().enumerate() {
            let first = &self.set.questions[0];
            self.database.search(&ask(first, arm.mode, " ".repeat(ARMS_MAX + arm_idx))?)?;
            for (idx, question) in self.set.questions.iter().enumerate() {
                teller.progress(&format!("{}: question {idx} of {n_questions}", arm.mode.name()));
                let ask = ask(question, arm.mode, " ".repeat(arm_idx))?;
                let began = now();
                let answer = self.database.search(&ask)?;
                arm.times_ms.push(began.elapsed().as_secs_f64() * MS);
                let ranking: Vec<usize> =
                    answer.hits.iter().map(|hit| self.row_idx[&hit.id]).collect();
                let scores = measures.of(&question.gold, &ranking, |row| self.chars[row]);
                arm.sums.iter_mut().zip(scores).for_each(|(sum, score)| *sum += score);
                let new = answer.explain.missing.into_iter();
                left_out.extend(new.filter(|why| !left_out.contains(why)).collect::<Vec<_>>());
            }
            arm.times_ms.sort_by(f64::total_cmp);
        }
        teller.wipe();
        left_out.iter().for_each(|why| say(&format!("left out: {why}")));
        Ok(())
    }

    fn write(&self, measures: &Measures, arms: &mut [Arm], output: &mut Output<'_>) -> Result<()> {
        let n_questions = self.set.questions.len();
        let mut names = measures.names();
        names.extend(PERCENTILES.map(|percent| format!("p{percent}_ms")));
        let of_arm = |arm: &Arm| -> Vec<f64> {
            let means = arm.sums.iter().map(|sum| rounded(sum / n_questions as f64, 4));
            let times = PERCENTILES.map(|percent| rounded(percentile(&arm.times_ms, percent), 3));
            means.chain(times).collect()
        };
        let scores: Vec<(Mode, Vec<f64>)> =
            arms.iter().map(|arm| (arm.mode, of_arm(arm))).collect();
        match output.format() {
            Format::Json | Format::Jsonl => output.text(&(self.document(&names, &scores) + "\n")),
            Format::Table => {
                output.text(&format!(
                    "{}: documents {}, questions {}\n\n",
                    self.set.name,
                    thousands(self.set.rows.len() as u64),
                    thousands(n_questions as u64),
                ))?;
                table(&names, &scores, output)
            }
            Format::Csv => table(&names, &scores, output),
        }
    }

    fn document(&self, names: &[String], scores: &[(Mode, Vec<f64>)]) -> String {
        let arm = |(mode, values): &(Mode, Vec<f64>)| {
            let members = names
                .iter()
                .zip(values)
                .map(|(name, value)| (name.as_str(), Json::from(*value).to_string()));
            (mode.name(), json_text(members))
        };
        json_text([
            ("set", Json::from(self.set.name.as_str()).to_string()),
            ("documents", self.set.rows.len().to_string()),
            ("queries", self.set.questions.len().to_string()),
            ("arms", json_text(scores.iter().map(arm))),
        ])
    }
}

fn ask(question: &SetQuestion, mode: Mode, behind: String) -> Result<Ask> {
    let equal = |(path, value): &(String, Json)| Predicate::equal(path, value.clone());
    let mut filter = None;
    for predicate in question.filter.iter().map(equal) {
        filter = Some(match filter {
            None => predicate?,
            Some(before) => Predicate::and(before, predicate?)?,
        });
    }
    let ask = Ask::text(question.text.clone() + &behind).table(TABLE).mode(mode).limit(DEPTH);
    Ok(Ask { filter, ..ask })
}

/// The clock of how long something takes: a millisecond, which a database knows, is too long.
#[expect(clippy::disallowed_methods, reason = "the time is shown, and decides nothing")]
fn now() -> Instant {
    Instant::now()
}

fn rounded(number: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (number * scale).round() / scale
}

/// A line for each measure, a column for each arm.
fn table(names: &[String], scores: &[(Mode, Vec<f64>)], output: &mut Output<'_>) -> Result<()> {
    let mut columns = vec![MEASURE];
    columns.extend(scores.iter().map(|(mode, _)| mode.name()));
    let is_csv = output.format() == Format::Csv;
    let mut list = output.list(Columns { table: &columns, csv: &columns });
    for (idx, name) in names.iter().enumerate() {
        let mut row: Row = vec![(MEASURE, name.as_str().into())];
        for (mode, values) in scores {
            let value = match is_csv {
                true => values[idx].into(),
                false => format!("{:>7.3}", values[idx]).into(),
            };
            row.push((mode.name(), value));
        }
        list.row(row)?;
    }
    list.end().map(drop)
}
