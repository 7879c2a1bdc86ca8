//! Tables on the terminal, and result files.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use kenning::{Json, json};

use crate::Result;
use crate::measure::{Better, Goal, KENNING, Measure, Spread};

/// One line for each measure: with little data a figure says nothing, and only the answer counts.
pub(crate) fn answers(bench: &str, measures: &[Measure]) -> String {
    let mut text = String::new();
    for Measure { what, series, answer, .. } in measures {
        let answered = series.iter().filter(|series| series.answered);
        let engines: Vec<_> = answered.map(|series| series.engine.as_str()).collect();
        let answer = answer.map_or("no answer to compare".into(), |hash| format!("{hash:016x}"));
        writeln!(text, "{bench:<9} {what:<58} {answer:<20}  {}", engines.join(", "))
            .expect("a string takes everything");
    }
    text
}

/// One line for each engine, one for each goal, aligned.
pub(crate) fn table(bench: &str, measures: &[Measure]) -> String {
    let mut text = String::new();
    for measure in measures {
        write_measure(&mut text, bench, measure).expect("a string takes everything");
    }
    text
}

fn write_measure(text: &mut String, bench: &str, measure: &Measure) -> std::fmt::Result {
    let better = match measure.better {
        Better::Higher => "more is better",
        Better::Lower => "less is better",
    };
    writeln!(text, "\n{bench}: {} [{}, {better}]", measure.what, measure.unit)?;
    for series in &measure.series {
        let spread = Spread::of(&series.rounds);
        let (median, range) = (number(spread.median), between(spread));
        write!(text, "  {:<30} {median:>12}  ({range})", series.engine)?;
        if let Some(ratio) = measure.ratio(&series.engine) {
            let range = format!("{:.2}-{:.2}", ratio.min, ratio.max);
            write!(text, "  {KENNING} is {:.2} x ({range}) as good", ratio.median)?;
        }
        writeln!(text)?;
    }
    for goal in &measure.goals {
        writeln!(text, "  goal: {}: {}", wanted(measure, *goal), result(measure, *goal))?;
    }
    for note in &measure.notes {
        writeln!(text, "  {note}")?;
    }
    if let Some(answer) = measure.answer {
        writeln!(text, "  answer {answer:016x}")?;
    }
    Ok(())
}

/// What a goal asks for.
fn wanted(measure: &Measure, goal: Goal) -> String {
    let sign = match measure.better {
        Better::Higher => ">=",
        Better::Lower => "<=",
    };
    match goal {
        Goal::Ratio(peer, at_least) => format!(">= {at_least} x {peer}"),
        Goal::Reach(bound) => format!("{sign} {} {}", number(bound), measure.unit),
        Goal::Orientation(about) => format!("about {} {}", number(about), measure.unit),
    }
}

/// Whether it is met, in a word.
fn result(measure: &Measure, goal: Goal) -> &'static str {
    match (measure.met(goal), goal) {
        (Some(true), _) => "met",
        (Some(false), _) => "MISSED",
        (None, Goal::Orientation(_)) => "orientation",
        (None, Goal::Ratio(..) | Goal::Reach(_)) => "not measured",
    }
}

fn between(spread: Spread) -> String {
    format!("{}-{}", number(spread.min), number(spread.max))
}

/// Three digits that count, and thousands apart.
pub(crate) fn number(figure: f64) -> String {
    let digits = match figure.abs() {
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{figure:.digits$}");
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text.as_str(), None), |(whole, fraction)| (whole, Some(fraction)));
    let mut grouped = String::new();
    for (idx, digit) in whole.chars().enumerate() {
        if idx > 0 && (whole.len() - idx) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    fraction.map_or(grouped.clone(), |fraction| format!("{grouped}.{fraction}"))
}

/// Where the result of a bench is kept.
pub(crate) fn path(bench: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("results").join(format!("{bench}.json"))
}

/// Writes a result file.
pub(crate) fn save(bench: &str, machine: Json, measures: &[Measure]) -> Result<()> {
    let result = json!({
        "bench": bench,
        "machine": machine,
        "measures": measures.iter().map(measure_json).collect::<Vec<_>>(),
    });
    let path = path(bench);
    fs::create_dir_all(path.parent().expect("a result has a folder"))?;
    Ok(fs::write(path, format!("{}\n", serde_json::to_string_pretty(&result)?))?)
}

fn measure_json(measure: &Measure) -> Json {
    let series = measure.series.iter().map(|series| {
        let Spread { median, min, max } = Spread::of(&series.rounds);
        let ratio = measure.ratio(&series.engine);
        json!({
            "engine": series.engine,
            "median": median,
            "min": min,
            "max": max,
            "rounds": series.rounds,
            "kenning_ratio": ratio.map(|Spread { median, min, max }| {
                json!({"median": median, "min": min, "max": max})
            }),
        })
    });
    let goals = measure
        .goals
        .iter()
        .map(|goal| json!({"wanted": wanted(measure, *goal), "result": result(measure, *goal)}));
    json!({
        "what": measure.what,
        "unit": measure.unit,
        "better": match measure.better { Better::Higher => "higher", Better::Lower => "lower" },
        "series": series.collect::<Vec<_>>(),
        "goals": goals.collect::<Vec<_>>(),
        "answer": measure.answer.map(|answer| format!("{answer:016x}")),
        "notes": measure.notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let shown = [1.234, 12.34, 123.4, 1_234.0, 1_234_567.0].map(number);
        assert_eq!(shown, ["1.23", "12.3", "123", "1,234", "1,234,567"]);
    }
}
