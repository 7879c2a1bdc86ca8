//! The story for a newcomer.
//!
//! The demo loads a sample and then does what anybody can do: every command that it shows goes
//! through the same parser and the same verbs as one that was typed, and what stands below the
//! command is what it answered. Nothing in it is written beforehand but the words in between.

use kenning::blocking::Database;
use kenning::{Draft, Error, Json, Link, Result};

use crate::args::{Arguments, Globals};
use crate::exit::{self, Outcome};
use crate::output::Output;
use crate::verbs;

const SAMPLE: &str = include_str!("sample.json");
/// Stands for the version before anything is changed.
const BEFORE: &str = "BEFORE";
/// The table and key of the decision that the story adds.
const REPLACED_BY: (&str, &str) = ("decisions", "new-lens");
/// How wide the answers are at most, where no terminal says.
const COLUMNS_MAX: usize = 104;
const INDENT: &str = "    ";

/// A piece of the story.
enum Scene {
    /// Words.
    Say(&'static str),
    /// A command, and what it answers.
    Do(&'static [&'static str]),
    /// A command that has to be refused.
    Refuse(&'static [&'static str]),
}

const STORY: &[Scene] = &[
    Scene::Say("A record lives in a table, under a key, and is a JSON document."),
    Scene::Do(&["get", "people", "noor"]),
    Scene::Say("A name is enough to find it in any table, and further names (aliases) count too."),
    Scene::Do(&["lookup", "the lamp", "Mei Okafor"]),
    Scene::Say("Links connect records. This is everything that Noor is connected to:"),
    Scene::Do(&["neighbors", "people/noor"]),
    Scene::Say("And this is what Tomas is connected to in two steps:"),
    Scene::Do(&["traverse", "people/tomas", "--depth", "2"]),
    Scene::Say(
        "Texts are found by what they mean and by their words, the best one first. These are\n\
         pages of an old log book and minutes of the council, and why each was found:",
    ),
    Scene::Do(&[
        "search",
        "who kept the lamp burning in the storm?",
        "--table",
        "resources",
        "-k",
        "3",
        "--explain",
    ]),
    Scene::Say("The same in every table, by words alone, and only of what fulfils a condition:"),
    Scene::Do(&["search", "lamp", "--mode", "words", "-k", "3"]),
    Scene::Do(&["search", "lamp", "-k", "1", "--where", "status = 'accepted'"]),
    Scene::Say(
        "Now the world changes. A crack is found in the old lens, so Noor's decision is\n\
         overturned, and a new one takes its place:",
    ),
    Scene::Do(&[
        "update",
        "decisions",
        "keep-lens",
        r#"{"status": "overturned", "why": "a crack was found in the glass"}"#,
    ]),
    Scene::Do(&[
        "put",
        "decisions",
        r#"{"name": "new-lens", "summary": "Order a new lens", "status": "accepted"}"#,
    ]),
    Scene::Do(&["link", "decisions/new-lens", "replaces", "decisions/keep-lens"]),
    Scene::Say("This is what is known now. The version is that of the change:"),
    Scene::Do(&["get", "decisions", "keep-lens"]),
    Scene::Say("And this is what was known before. Nothing is lost by a change:"),
    Scene::Do(&["get", "decisions", "keep-lens", "--as-of", BEFORE]),
    Scene::Do(&["history", "decisions", "keep-lens"]),
    Scene::Say("Links have a past as well. The decision is replaced now, and was not then:"),
    Scene::Do(&["neighbors", "decisions/keep-lens"]),
    Scene::Do(&["neighbors", "decisions/keep-lens", "--as-of", BEFORE]),
    Scene::Say("What breaks the rules of a table is refused, and nothing is written:"),
    Scene::Refuse(&["put", "decisions", r#"{"name": "paint", "summary": "?", "status": "maybe"}"#]),
    Scene::Say("And at any time everything can be checked: each checksum, each index."),
    Scene::Do(&["verify"]),
];

/// Loads the sample and tells the story.
pub(crate) fn run(
    database: &Database,
    globals: &Globals,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let sample: Json = serde_json::from_str(SAMPLE).expect("the sample is JSON");
    let (n_tables, n_records, n_links) = load(database, &sample)?;
    // What can't be found by meaning is found by words, and the search says so.
    let _ = database.wait_indexed();
    output.text(&format!(
        "This is Kenning. It keeps what is known, and every moment of its past.\n\n\
         The sample is made up: a harbor town repairs its lighthouse. {n_tables} tables (people,\n\
         projects, decisions, and two that are always there) with {n_records} records, and \
         {n_links} links.\n"
    ))?;
    let before = database.version().to_string();
    for scene in STORY {
        match scene {
            Scene::Say(words) => output.text(&format!("\n{words}\n"))?,
            Scene::Do(words) => act(database, globals, words, &before, output)??,
            Scene::Refuse(words) => {
                let refusal = act(database, globals, words, &before, output)?;
                let error = refusal.expect_err("the schema of the sample forbids it");
                output.text(&format!("{INDENT}{}\n", exit::shown(globals.format, &error)))?;
            }
        }
    }
    output.text(&ending(globals))?;
    Ok(Outcome::Done)
}

fn ending(globals: &Globals) -> String {
    match globals.db.as_deref().filter(|db| *db != "memory:") {
        None => "\nThat was in memory and is gone now. To keep it, and to try the commands:\n\n\
                 \x20   $ kenning --db demo.db demo\n\
                 \n'kenning help' lists all verbs, 'kenning help VERB' has an example for each.\n"
            .to_owned(),
        Some(db) => format!(
            "\nAll of it is in {db} now, and every command above can be typed as it stands.\n\
             'kenning help' lists all verbs, 'kenning help VERB' has an example for each.\n"
        ),
    }
}

/// Shows a command and what it answers. The inner result is the command's own.
fn act(
    database: &Database,
    globals: &Globals,
    words: &[&str],
    before: &str,
    output: &mut Output<'_>,
) -> Result<Result<()>> {
    let words = words.iter().map(|word| if *word == BEFORE { before } else { *word });
    let words: Vec<&str> = std::iter::once("kenning").chain(words).collect();
    output.text(&format!("\n{INDENT}$ {}\n", typed(globals, &words)))?;
    let arguments = Arguments::read(words.iter().map(Into::into));
    let Ok(arguments) = arguments else { panic!("the demo says nothing that is no command") };
    let mut answer = Vec::new();
    let mut inner = output.within(INDENT.len(), COLUMNS_MAX, &mut answer);
    let done = verbs::verb(database, &arguments, &mut inner);
    for line in String::from_utf8_lossy(&answer).lines() {
        output.text(&format!("{INDENT}{line}\n"))?;
    }
    Ok(done.map(|_| ()))
}

/// The command as a shell takes it.
fn typed(globals: &Globals, words: &[&str]) -> String {
    let mut typed = vec![words[0].to_owned()];
    for (flag, value) in [("--db", &globals.db), ("--tenant", &globals.tenant)] {
        typed.extend(value.iter().flat_map(|value| [flag.to_owned(), quoted(value)]));
    }
    typed.extend(words[1..].iter().map(|word| quoted(word)));
    typed.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Loads the sample, and counts tables, records and links.
fn load(database: &Database, sample: &Json) -> Result<(usize, usize, usize)> {
    let tables = array(&sample["tables"]);
    for table in tables {
        // Some are there from the start.
        if !table["schema"].is_null() {
            create(database, text(&table["name"]), &table["schema"])?;
        }
    }
    let mut transaction = database.begin()?;
    // So that the story begins as it did before, if it is told again.
    transaction.delete(REPLACED_BY.0, REPLACED_BY.1)?;
    let mut n_records = 0;
    for table in tables {
        for record in array(&table["records"]) {
            let mut draft = Draft::from(record["properties"].clone());
            draft.key = record["key"].as_str().map(str::to_owned);
            let aliases = record["aliases"].as_array().map_or(&[][..], Vec::as_slice);
            draft.aliases = Some(aliases.iter().map(|alias| text(alias).to_owned()).collect());
            transaction.put(text(&table["name"]), draft)?;
            n_records += 1;
        }
    }
    let links = array(&sample["links"]);
    for link in links {
        let (source, kind, target) = (text(&link[0]), text(&link[1]), text(&link[2]));
        transaction.link(source, kind, target, Link::default())?;
    }
    transaction.commit()?;
    Ok((tables.len(), n_records, links.len()))
}

/// Creates a table, unless it is there from an earlier demo.
fn create(database: &Database, name: &str, schema: &Json) -> Result<()> {
    let known = database.tables()?.into_iter().find(|table| table.name == name);
    match known {
        None => database.create_table(name, schema.clone()),
        Some(table) if table.schema == *schema => Ok(()),
        Some(_) => Err(Error::invalid(
            "TABLE_EXISTS",
            format!("there is another table '{name}' here; give the demo a database of its own"),
        )),
    }
}

fn array(json: &Json) -> &[Json] {
    json.as_array().expect("the sample has an array there")
}

fn text(json: &Json) -> &str {
    json.as_str().expect("the sample has a text there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_survives_a_shell() {
        assert_eq!(quoted("people/noor"), "people/noor");
        assert_eq!(quoted("the lamp"), "'the lamp'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("~"), "'~'");
    }
}
