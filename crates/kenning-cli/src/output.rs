//! Tables, JSON, lines of JSON, and CSV.
//!
//! A result is a row, an ordered list of named values, or many of them. Rows are written a page at
//! a time, so memory does not grow with their number; a table keeps the widths of its first page
//! where they suffice. Only on a terminal are cells cut to fit.

use std::io::{self, Write};

use kenning::{Error, Json, Result};

use crate::args::Format;

/// Names and values, in the order in which they are shown.
pub(crate) type Row = Vec<(&'static str, Json)>;

/// The code of the error that says that nobody reads any more.
pub(crate) const PIPE_CLOSED: &str = "PIPE_CLOSED";

const PAGE_ROWS: usize = 1000;
const GAP: &str = "  ";
const CUT: &str = "...";
/// No column is made narrower than this to fit a terminal.
const CELL_CHARS_MIN: usize = 8;

/// Where results go, and how they look.
pub(crate) struct Output<'a> {
    format: Format,
    columns_max: Option<usize>,
    sink: &'a mut dyn Write,
}

/// The columns of a list, by format.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'c> {
    /// What people want to see.
    pub(crate) table: &'c [&'static str],
    /// Everything.
    pub(crate) csv: &'c [&'static str],
}

impl<'c> Columns<'c> {
    /// The same columns for both.
    pub(crate) const fn all(names: &'c [&'static str]) -> Self {
        Columns { table: names, csv: names }
    }
}

impl<'a> Output<'a> {
    /// Writes to `sink`; tables at most `columns_max` characters wide.
    pub(crate) fn new(format: Format, columns_max: Option<usize>, sink: &'a mut dyn Write) -> Self {
        Output { format, columns_max, sink }
    }

    /// The same look into another sink, `indent` characters narrower than here, or than
    /// `columns_max` if there is no limit here.
    pub(crate) fn within<'b>(
        &self,
        indent: usize,
        columns_max: usize,
        sink: &'b mut dyn Write,
    ) -> Output<'b> {
        let columns_max = self.columns_max.unwrap_or(columns_max).saturating_sub(indent);
        Output::new(self.format, Some(columns_max), sink)
    }

    /// How results look.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Writes one result: as a sheet of names and values, an object, or a line under a head.
    pub(crate) fn one(&mut self, row: &Row, csv: &'static [&'static str]) -> Result<()> {
        match self.format {
            Format::Table => self.text(&sheet(row)),
            Format::Json | Format::Jsonl => self.text(&(json_line(row) + "\n")),
            Format::Csv => {
                let line = csv_line(csv.iter().map(|name| value(row, name)));
                self.text(&(csv.join(",") + "\n" + &line))
            }
        }
    }

    /// Writes many results; `List::end` must follow.
    pub(crate) fn list<'o>(&'o mut self, columns: Columns<'o>) -> List<'o, 'a> {
        let widths = columns.table.iter().map(|name| name.chars().count()).collect();
        List { output: self, columns, widths, page: Vec::new(), n_written: 0 }
    }

    /// Writes `text` as it is.
    pub(crate) fn text(&mut self, text: &str) -> Result<()> {
        self.sink.write_all(text.as_bytes()).map_err(refused)
    }

    /// Hands over what is written.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.sink.flush().map_err(refused)
    }
}

/// A list that is being written.
pub(crate) struct List<'o, 'a> {
    output: &'o mut Output<'a>,
    columns: Columns<'o>,
    widths: Vec<usize>,
    page: Vec<Row>,
    n_written: usize,
}

impl List<'_, '_> {
    /// Appends a row.
    pub(crate) fn row(&mut self, row: Row) -> Result<()> {
        self.page.push(row);
        if self.page.len() < PAGE_ROWS { Ok(()) } else { self.flush() }
    }

    /// Writes what waits.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let page = std::mem::take(&mut self.page);
        let text = match self.output.format {
            Format::Table => self.table(&page),
            Format::Json => self.array(&page),
            Format::Jsonl => page.iter().map(|row| json_line(row) + "\n").collect(),
            Format::Csv => self.csv(&page),
        };
        self.n_written += page.len();
        self.output.text(&text)?;
        self.output.flush()
    }

    /// Ends the list and returns how many rows it has.
    pub(crate) fn end(mut self) -> Result<usize> {
        self.flush()?;
        if self.output.format == Format::Json {
            let end = if self.n_written == 0 { "[]\n" } else { "\n]\n" };
            self.output.text(end)?;
        }
        Ok(self.n_written)
    }

    fn array(&self, page: &[Row]) -> String {
        let open = |idx: usize| if self.n_written + idx == 0 { "[\n" } else { ",\n" };
        page.iter().enumerate().map(|(idx, row)| open(idx).to_owned() + &json_line(row)).collect()
    }

    fn csv(&self, page: &[Row]) -> String {
        let names = self.columns.csv;
        let mut text = String::new();
        if self.n_written == 0 && !page.is_empty() {
            text = names.join(",") + "\n";
        }
        text.extend(page.iter().map(|row| csv_line(names.iter().map(|name| value(row, name)))));
        text
    }

    fn table(&mut self, page: &[Row]) -> String {
        let names = self.columns.table;
        let cells: Vec<Vec<String>> = page
            .iter()
            .map(|row| names.iter().map(|name| printable(&plain(value(row, name)))).collect())
            .collect();
        for line in &cells {
            for (width, cell) in self.widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        if let Some(columns_max) = self.output.columns_max {
            fit(&mut self.widths, names, columns_max);
        }
        let mut text = String::new();
        if self.n_written == 0 && !page.is_empty() {
            let head: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let line: Vec<String> = self.widths.iter().map(|width| "-".repeat(*width)).collect();
            text += &aligned(&head, &self.widths, self.output.columns_max.is_some());
            text += &aligned(&line, &self.widths, false);
        }
        let cut = self.output.columns_max.is_some();
        text.extend(cells.iter().map(|line| aligned(line, &self.widths, cut)));
        text
    }
}

/// A row as one line of JSON, in its own order.
pub(crate) fn json_line(row: &[(&'static str, Json)]) -> String {
    json_text(row.iter().map(|(name, value)| (*name, value.to_string())))
}

/// An object of members that are JSON already, in their own order.
pub(crate) fn json_text<'t>(members: impl IntoIterator<Item = (&'t str, String)>) -> String {
    let members = members.into_iter();
    let fields: Vec<String> =
        members.map(|(name, value)| format!("{}:{value}", Json::from(name))).collect();
    format!("{{{}}}", fields.join(","))
}

/// A number with its thousands apart.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many bytes, for a person, as wide as any other number of them.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    const STEP: f64 = 1024.0;
    if bytes < STEP as u64 {
        return format!("{:>10}", format!("{bytes} B"));
    }
    let mut size = bytes as f64 / STEP;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    // What would be shown as 1024.0 is 1.0 of the next.
    while size >= STEP - 0.05 && units.len() > 0 {
        size /= STEP;
        unit = units.next();
    }
    format!("{:>10}", format!("{size:.1} {}", unit.unwrap_or(&"PiB")))
}

/// Names and values, one a line; what is inside an object is indented.
fn sheet(row: &Row) -> String {
    let mut text = String::new();
    for (name, value) in row {
        entry(name, value, 0, &mut text);
    }
    text
}

fn entry(name: &str, value: &Json, depth: usize, text: &mut String) {
    let indent = GAP.repeat(depth);
    let name = printable(name);
    let members = value.as_object().filter(|members| !members.is_empty());
    if let Some(members) = members {
        *text += &format!("{indent}{name}:\n");
        for (name, value) in members {
            entry(name, value, depth + 1, text);
        }
    } else if depth > 0 {
        // Inside a document a text keeps its quotes, so that "7" is not taken for 7.
        *text += &format!("{indent}{name}: {value}\n");
    } else {
        *text += &format!("{indent}{name}: {}\n", printable(&plain(value)));
    }
}

fn value<'r>(row: &'r Row, name: &str) -> &'r Json {
    row.iter().find(|(known, _)| *known == name).map_or(&Json::Null, |(_, value)| value)
}

/// A text without quotes, nothing for null, JSON for the rest.
fn plain(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => value.to_string(),
    }
}

/// The text on one line, without anything that a terminal would obey.
fn printable(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    text.chars().map(escape).collect()
}

fn csv_line<'r>(values: impl Iterator<Item = &'r Json>) -> String {
    let cells: Vec<String> = values.map(|value| csv_cell(&plain(value))).collect();
    cells.join(",") + "\n"
}

/// A cell of CSV (RFC 4180): quoted where it must be, quotes doubled.
fn csv_cell(text: &str) -> String {
    let blank_end = text.starts_with(' ') || text.ends_with(' ');
    if blank_end || text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

/// One line of a table; the last column is not filled up.
fn aligned(cells: &[String], widths: &[usize], cut: bool) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        let n_chars = cell.chars().count();
        if cut && n_chars > *width {
            line.extend(cell.chars().take(width.saturating_sub(CUT.len())));
            line += CUT;
        } else {
            line += cell;
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(n_chars)));
        }
        line += GAP;
    }
    line.truncate(line.trim_end().len());
    line + "\n"
}

/// Takes from the widest columns until all fit, or until there is nothing to take.
fn fit(widths: &mut [usize], names: &[&str], columns_max: usize) {
    let gaps = GAP.len() * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > columns_max {
        // Half an id is of no use.
        let cuttable = widths.iter_mut().zip(names).filter(|(_, name)| **name != "id");
        match cuttable.map(|(width, _)| width).max() {
            Some(widest) if *widest > CELL_CHARS_MIN => *widest -= 1,
            _ => return,
        }
    }
}

fn refused(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Error::unavailable(PIPE_CLOSED, "nobody reads the output any more");
    }
    Error::unavailable("OUTPUT", "the output cannot be written").because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COLUMNS: Columns = Columns::all(&["name", "note"]);

    fn list(format: Format, columns_max: Option<usize>, rows: Vec<Row>) -> String {
        let mut sink = Vec::new();
        let mut output = Output::new(format, columns_max, &mut sink);
        let mut list = output.list(COLUMNS);
        for row in rows {
            list.row(row).unwrap();
        }
        list.end().unwrap();
        String::from_utf8(sink).unwrap()
    }

    fn rows() -> Vec<Row> {
        vec![
            vec![("name", json!("a,b")), ("note", json!("say \"hi\"\nthere"))],
            vec![("name", json!(7)), ("note", json!(null))],
            vec![("name", json!(" blank")), ("note", json!({"x": [1]}))],
        ]
    }

    #[test]
    fn csv_is_quoted_where_it_must_be() {
        let expected = "name,note\n\"a,b\",\"say \"\"hi\"\"\nthere\"\n7,\n\
                        \" blank\",\"{\"\"x\"\":[1]}\"\n";
        assert_eq!(list(Format::Csv, None, rows()), expected);
    }

    #[test]
    fn a_table_has_aligned_columns_and_one_line_a_row() {
        let expected = "name    note\n\
                        ------  ---------------\n\
                        a,b     say \"hi\"\\nthere\n\
                        7\n \
                        blank  {\"x\":[1]}\n";
        assert_eq!(list(Format::Table, None, rows()), expected);
    }

    #[test]
    fn on_a_terminal_the_widest_cell_is_cut() {
        let row = vec![("name", json!("short")), ("note", json!("x".repeat(90)))];
        let text = list(Format::Table, Some(30), vec![row.clone()]);
        assert!(text.lines().all(|line| line.chars().count() <= 30), "{text}");
        assert!(text.ends_with("x...\n"), "{text}");
        assert!(list(Format::Table, None, vec![row]).contains(&"x".repeat(90)));
    }

    #[test]
    fn json_keeps_the_order_and_an_empty_list_is_an_empty_array() {
        assert_eq!(list(Format::Json, None, vec![]), "[]\n");
        let text = list(Format::Json, None, rows()[1..].to_vec());
        assert_eq!(
            text,
            "[\n{\"name\":7,\"note\":null},\n{\"name\":\" blank\",\"note\":{\"x\":[1]}}\n]\n"
        );
    }

    #[test]
    fn many_pages_make_one_document() {
        let rows: Vec<Row> =
            (0..2 * PAGE_ROWS + 1).map(|n| vec![("name", json!(n)), ("note", json!(n))]).collect();
        let text = list(Format::Json, None, rows.clone());
        let array: Vec<Json> = serde_json::from_str(&text).unwrap();
        assert_eq!(array.len(), rows.len());
        assert_eq!(list(Format::Csv, None, rows.clone()).lines().count(), rows.len() + 1);
        assert_eq!(list(Format::Table, None, rows.clone()).lines().count(), rows.len() + 2);
    }

    #[test]
    fn sizes_are_for_people() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (1023 << 20, "1023.0 MiB"),
            (u64::MAX, "16384.0 PiB"),
        ] {
            assert_eq!(size(bytes).trim_start(), shown);
        }
        assert_eq!((size(7).len(), size(1 << 20).len()), (10, 10));
        assert_eq!(thousands(1_234_567), "1,234,567");
    }

    #[test]
    fn a_terminal_is_told_nothing_by_the_data() {
        let row = vec![("name", json!("\u{1b}[2J")), ("note", json!("a\tb"))];
        assert!(list(Format::Table, None, vec![row]).ends_with("\\u{1b}[2J  a\\tb\n"));
    }
}
