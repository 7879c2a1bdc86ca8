//! search.

use std::ops::Range;

use kenning::blocking::Database;
use kenning::{Answer, Ask, Error, Hit, Json, Mode, Predicate, Result, SearchExplain, Why, json};

use super::{instant, view};
use crate::args::{Format, Search};
use crate::exit::{Outcome, say};
use crate::input;
use crate::output::{Columns, Output, Row, json_line, thousands};

const HIT: &[&str] = &["id", "table", "key", "score", "distance", "text", "why"];
const HITS: Columns<'_> = Columns { table: &["score", "table", "record", "text"], csv: HIT };
const EXPLAINED: Columns<'_> =
    Columns { table: &["score", "table", "record", "why", "text"], csv: HIT };

/// Characters of a text that people are shown.
const EXCERPT_CHARS: usize = 120;
/// Of these, how many before the first word of the question.
const BEFORE_CHARS: usize = 30;
/// Stands around a word of the question.
const MARK: char = '*';
const CUT: &str = "...";

pub(super) fn search(
    database: &Database,
    search: &Search,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let view = view(database, search.when.as_of.as_deref())?;
    let format = output.format();
    let Answer { hits, explain } = view.search(&ask(search, format == Format::Table)?)?;
    let mut list = output.list(if search.explain { EXPLAINED } else { HITS });
    hits.iter().try_for_each(|hit| list.row(row(hit, format)))?;
    let n_hits = list.end()?;
    tell(&explain, search.explain, output)?;
    Ok(Outcome::found(n_hits > 0))
}

fn ask(search: &Search, highlights: bool) -> Result<Ask> {
    let unsaid = if search.text.is_some() { Mode::Hybrid } else { Mode::Vectors };
    Ok(Ask {
        highlights,
        text: search.text.clone(),
        vector: search.vector.as_deref().map(vector).transpose()?,
        mode: search.mode.as_deref().map_or(Ok(unsaid), str::parse)?,
        tables: search.tables.clone(),
        filter: search.filter.as_deref().map(Predicate::parse).transpose()?,
        valid_at: instant(search.when.valid_at.as_deref())?,
        vectors: search.vectors.clone(),
        limit: search.limit,
        offset: search.offset,
        score_min: search.min_score,
        exact: search.exact,
    })
}

fn vector(text: &str) -> Result<Vec<f32>> {
    let json = input::argument(text, "the vector")?;
    let numbers = json.as_array().and_then(|items| items.iter().map(Json::as_f64).collect());
    let numbers: Vec<f64> = numbers.ok_or_else(|| {
        Error::invalid("VECTOR_MALFORMED", "the vector is not a JSON array of numbers")
    })?;
    Ok(numbers.into_iter().map(|number| number as f32).collect())
}

fn row(hit: &Hit, format: Format) -> Row {
    match format {
        Format::Table => vec![
            ("score", format!("{:.3}", hit.score).into()),
            ("table", hit.table.as_str().into()),
            ("record", hit.key.clone().unwrap_or_else(|| hit.id.to_string()).into()),
            ("why", reasons(&hit.why).into()),
            ("text", excerpt(&hit.text, &hit.highlights).into()),
        ],
        Format::Json | Format::Jsonl | Format::Csv => vec![
            ("id", hit.id.to_string().into()),
            ("table", hit.table.as_str().into()),
            ("key", hit.key.as_deref().into()),
            ("score", number(hit.score)),
            ("distance", hit.distance.map_or(Json::Null, number)),
            ("text", hit.text.as_str().into()),
            ("why", hit.why.iter().map(why).collect()),
        ],
    }
}

/// With the digits that a number of this size has, and no more.
fn number(number: f32) -> Json {
    number.to_string().parse::<f64>().map_or(Json::Null, Json::from)
}

fn why(why: &Why) -> Json {
    json!({
        "arm": why.arm.name(),
        "rank": why.rank,
        "score": number(why.score),
        "part": number(why.part),
    })
}

/// Who found it, and at which place there.
fn reasons(why: &[Why]) -> String {
    let reasons = why.iter().map(|why| format!("{} {}", why.arm.name(), why.rank));
    reasons.collect::<Vec<_>>().join(", ")
}

/// The part of a text around the first words of the question, these marked.
fn excerpt(text: &str, highlights: &[Range<usize>]) -> String {
    let first = highlights.first().map_or(0, |range| range.start);
    let is_long = text.chars().nth(EXCERPT_CHARS).is_some();
    let from = if is_long { beginning(text, first) } else { 0 };
    let rest = &text[from..];
    let until = from + rest.char_indices().nth(EXCERPT_CHARS).map_or(rest.len(), |(at, _)| at);
    let mut shown = if from > 0 { CUT.to_owned() } else { String::new() };
    let mut at = from;
    for range in highlights {
        if range.start < at || until < range.end {
            continue;
        }
        shown += &text[at..range.start];
        shown.push(MARK);
        shown += &text[range.clone()];
        shown.push(MARK);
        at = range.end;
    }
    shown += &text[at..until];
    if until < text.len() {
        shown += CUT;
    }
    // One line, whatever the text has.
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Where an excerpt begins that has to show what is at `first`: at a word, if one begins there.
fn beginning(text: &str, first: usize) -> usize {
    let before = &text[..first];
    let Some((earliest, _)) = before.char_indices().rev().nth(BEFORE_CHARS) else { return 0 };
    let is_blank = |c: char| c.is_whitespace();
    before[earliest..].find(is_blank).map_or(earliest, |at| earliest + at)
}

/// Says what the search took, if that is asked for, and what could not be asked in any case. People
/// see the first below the hits; for programs these stand alone on standard output.
fn tell(explain: &SearchExplain, is_asked: bool, output: &mut Output<'_>) -> Result<()> {
    let format = output.format();
    let left_out = || {
        explain.missing.iter().for_each(|missing| say(&format!("left out: {missing}")));
    };
    match format {
        Format::Json | Format::Jsonl if is_asked => say(&explain.to_json().to_string()),
        Format::Json | Format::Jsonl if explain.missing.is_empty() => {}
        Format::Json | Format::Jsonl => {
            say(&json_line(&[("missing", explain.missing.as_slice().into())]));
        }
        Format::Csv => {
            left_out();
            if is_asked {
                say(&took(explain));
            }
        }
        Format::Table => {
            left_out();
            if is_asked {
                output.text(&format!("\n{}\n", took(explain)))?;
            }
        }
    }
    Ok(())
}

fn took(explain: &SearchExplain) -> String {
    let SearchExplain { parts, tails, graphs, scans, made, candidates, outdated, .. } = *explain;
    let SearchExplain { named, alike, .. } = *explain;
    let distances = thousands(explain.distances);
    let filter = explain.filter_rows.map_or(String::new(), |rows| {
        let known = if explain.filter_known { ", known from before" } else { "" };
        format!("filter: {} rows{known}\n", thousands(rows))
    });
    format!(
        "{filter}searched: {parts} parts, {tails} pieces in memory, {made} made for this\n\
         vectors: {graphs} graphs, {scans} scans, {distances} distances\n\
         candidates: {candidates}, {outdated} outdated, {named} named, {alike} like the first hit"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_shows_the_words_of_the_question() {
        let heron = 2..7;
        let shown = excerpt("a heron fishes", std::slice::from_ref(&heron));
        assert_eq!(shown, "a *heron* fishes");
        assert_eq!(excerpt("", &[]), "");
        let long = format!("{}the heron\nfishes {}", "boat ".repeat(30), "reed ".repeat(40));
        let at = long.find("heron").unwrap();
        let shown = excerpt(&long, &[at..at + 5, at + 6..at + 12]);
        assert!(shown.starts_with("... boat "), "{shown}");
        assert!(shown.contains("the *heron* *fishes* reed"), "{shown}");
        assert!(shown.ends_with("...") && shown.chars().count() < 140, "{shown}");
    }

    #[test]
    fn an_excerpt_cuts_no_character_and_no_mark() {
        let text = "\u{1f600}\u{fc}".repeat(200);
        for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            let end = at + text[at..].chars().next().map_or(0, char::len_utf8);
            let shown = excerpt(&text, std::slice::from_ref(&(at..end)));
            assert_eq!(shown.matches(MARK).count() % 2, 0, "{shown}");
        }
    }

    #[test]
    fn a_score_has_no_digits_that_it_does_not_have() {
        assert_eq!(number(0.83).to_string(), "0.83");
        assert_eq!(number(f32::NAN), Json::Null);
    }
}
