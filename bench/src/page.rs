//! `bench/README.md`, made from the result files, so that no figure is ever typed.

use std::fmt::Write;
use std::fs;

use kenning::Json;

use crate::Result;
use crate::measure::KENNING;
use crate::report::{number, path};

const HEAD: &str = "\
# Kenning beside other engines

This page is made by a command from the files in `results/`; nobody types a figure:

    make bench ARGS=--save
    source scripts/env; cargo run -p kenning-bench -- --markdown > bench/README.md

Figures are medians of the rounds, with the least and the most behind them. Engines answer in turns
in the same run, and where the question is the same their answers are compared. A ratio is Kenning
over the peer, round by round, and above 1 where Kenning is the better one. What each question is,
and on which records, is at the head of `src/NAME.rs`. `make test` runs all of it with little data.
The load is what the machine was doing when a bench began, its own benches included; above the
number of cores, somebody else was at work.

SQLite keeps rows and two indexes, in WAL mode with `synchronous=FULL` and a cache of 256 MB. The
raw engine is RocksDB under the options that Kenning gives it. Kenning keeps history and log, too.

Indexes of others over vectors are processes that sit the same exam, each with the least effort
that reaches a recall of .95. `make bench-peers` brings them, in pinned versions, and measures; who
is not there is shown as not measured.
";

/// Prints the page.
pub(crate) fn print(benches: &[&str]) -> Result<()> {
    let mut results = Vec::new();
    for bench in benches {
        let result: Option<Json> = match fs::read_to_string(path(bench)) {
            Ok(text) => Some(serde_json::from_str(&text)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        results.push((*bench, result));
    }
    print!("{}", page(&results)?);
    Ok(())
}

fn page(results: &[(&str, Option<Json>)]) -> Result<String> {
    let mut text = HEAD.to_owned();
    write_machines(&mut text, results)?;
    writeln!(text, "\n## Figures\n")?;
    writeln!(text, "| bench | what | Kenning | beside it | ratio | wanted | result |")?;
    writeln!(text, "|---|---|---|---|---|---|---|")?;
    for (bench, result) in results {
        match result {
            Some(result) => write_rows(&mut text, bench, result)?,
            None => writeln!(text, "| {bench} | not measured yet | | | | | |")?,
        }
    }
    write_losses(&mut text, results)?;
    write_notes(&mut text, results)?;
    Ok(text)
}

/// One line for each machine and commit that the results are from.
fn write_machines(text: &mut String, results: &[(&str, Option<Json>)]) -> Result<()> {
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for (bench, result) in results {
        let Some(machine) = result.as_ref().map(|result| &result["machine"]) else { continue };
        let say = |name: &str| machine[name].as_str().unwrap_or("unknown").to_owned();
        let figure = |name: &str| number(machine[name].as_f64().unwrap_or(0.0));
        let date = say("date").split('T').next().unwrap_or_default().to_owned();
        let line = format!(
            "{}, {} cores, {} GiB; commit `{}`, {date}",
            say("cpu"),
            machine["cores"],
            figure("memory_gib"),
            say("commit"),
        );
        let load = machine["load"].as_f64().unwrap_or(0.0);
        let busy = format!("{bench} (load {load:.1})");
        match lines.iter_mut().find(|(known, _)| *known == line) {
            Some((_, benches)) => benches.push(busy),
            None => lines.push((line, vec![busy])),
        }
    }
    writeln!(text, "\n## Machine\n")?;
    if lines.is_empty() {
        writeln!(text, "Nothing has been measured yet.")?;
    }
    for (line, benches) in lines {
        writeln!(text, "- {line}: {}", benches.join(", "))?;
    }
    Ok(())
}

fn write_rows(text: &mut String, bench: &str, result: &Json) -> Result<()> {
    for measure in list(&result["measures"]) {
        let (ours, peers): (Vec<&Json>, Vec<&Json>) =
            list(&measure["series"]).iter().partition(|series| series["engine"] == KENNING);
        let ours: Vec<String> = ours.iter().map(|series| spread(series)).collect();
        let beside: Vec<String> = peers
            .iter()
            .map(|series| format!("{}: {}", say(&series["engine"]), spread(series)))
            .collect();
        let ratios: Vec<String> = peers.iter().filter_map(|series| ratio(series)).collect();
        let goals = list(&measure["goals"]).iter();
        let (wanted, met): (Vec<&str>, Vec<&str>) =
            goals.map(|goal| (say(&goal["wanted"]), say(&goal["result"]))).unzip();
        writeln!(
            text,
            "| {bench} | {}, {} | {} | {} | {} | {} | {} |",
            say(&measure["what"]),
            say(&measure["unit"]),
            ours.join("<br>"),
            beside.join("<br>"),
            ratios.join("<br>"),
            wanted.join("<br>"),
            met.join("<br>"),
        )?;
    }
    Ok(())
}

/// Every goal that is missed, and every peer that is better.
fn write_losses(text: &mut String, results: &[(&str, Option<Json>)]) -> Result<()> {
    writeln!(text, "\n## What is lost\n")?;
    let mut lost = 0;
    for measure in measures(results) {
        let (what, unit) = (say(&measure["what"]), say(&measure["unit"]));
        for goal in list(&measure["goals"]).iter().filter(|goal| goal["result"] == "MISSED") {
            writeln!(text, "- Missed: {what}: wanted {}.", say(&goal["wanted"]))?;
            lost += 1;
        }
        for series in list(&measure["series"]) {
            let ratio = series["kenning_ratio"]["median"].as_f64();
            if let Some(ratio) = ratio.filter(|ratio| *ratio < 1.0) {
                let engine = say(&series["engine"]);
                let figure = number(series["median"].as_f64().unwrap_or(0.0));
                let ours = format!("Kenning is {ratio:.2} x as good");
                writeln!(text, "- {engine} is better: {what}: {figure} {unit}; {ours}.")?;
                lost += 1;
            }
        }
    }
    if measures(results).next().is_none() {
        writeln!(text, "Nothing has been measured yet.")?;
    } else if lost == 0 {
        writeln!(text, "Nothing, which means that a bench is missing.")?;
    }
    Ok(())
}

fn write_notes(text: &mut String, results: &[(&str, Option<Json>)]) -> Result<()> {
    let mut lines = Vec::new();
    for measure in measures(results) {
        for note in list(&measure["notes"]) {
            lines.push(format!("- {}: {}.", say(&measure["what"]), say(note)));
        }
    }
    if !lines.is_empty() {
        writeln!(text, "\n## Notes\n\n{}", lines.join("\n"))?;
    }
    Ok(())
}

fn measures<'a>(results: &'a [(&str, Option<Json>)]) -> impl Iterator<Item = &'a Json> {
    results
        .iter()
        .filter_map(|(_, result)| result.as_ref())
        .flat_map(|result| list(&result["measures"]))
}

fn list(json: &Json) -> &[Json] {
    json.as_array().map_or(&[], Vec::as_slice)
}

fn say(json: &Json) -> &str {
    json.as_str().unwrap_or("?")
}

fn spread(series: &Json) -> String {
    let figure = |name: &str| number(series[name].as_f64().unwrap_or(0.0));
    format!("{} ({}-{})", figure("median"), figure("min"), figure("max"))
}

fn ratio(series: &Json) -> Option<String> {
    let figure = |name: &str| series["kenning_ratio"][name].as_f64();
    let (median, min, max) = (figure("median")?, figure("min")?, figure("max")?);
    Some(format!("{} x {median:.2} ({min:.2}-{max:.2})", say(&series["engine"])))
}
