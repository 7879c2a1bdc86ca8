//! Where in a document: the names of properties, from the outside in.
//!
//! Written with dots, `address.city`; a dot inside a name is `\.` and a backslash `\\`. Arrays on
//! the way are not named: whoever follows a path meets every element, so that `people.name` is
//! each name of a list of people.

use std::fmt;
use std::str::FromStr;

use kenning_store::{Error, Result};

use crate::{DEPTH_MAX, Json};

/// The names of properties that lead to a place in a document.
///
/// ```
/// use kenning_record::Path;
/// let path: Path = r"address.zip\.code".parse()?;
/// assert_eq!(path.steps, ["address", "zip.code"]);
/// assert_eq!(path.to_string(), r"address.zip\.code");
/// # Ok::<(), kenning_store::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// The names; at least one.
    pub steps: Vec<String>,
}

impl Path {
    /// Shows every value at this path to `visit`, in order. Arrays, also the last one and those
    /// within arrays, are expanded: `visit` never sees one.
    pub fn visit<'a>(
        &self,
        json: &'a Json,
        visit: &mut dyn FnMut(&'a Json) -> Result<()>,
    ) -> Result<()> {
        walk(json, &self.steps, visit, 0)
    }

    /// The one value at this path, where no array is on the way.
    pub fn get<'a>(&self, json: &'a Json) -> Option<&'a Json> {
        self.steps.iter().try_fold(json, |json, step| json.as_object()?.get(step))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, step) in self.steps.iter().enumerate() {
            if idx > 0 {
                f.write_str(".")?;
            }
            f.write_str(&step.replace('\\', r"\\").replace('.', r"\."))?;
        }
        Ok(())
    }
}

impl FromStr for Path {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let steps = split(text).ok_or_else(|| malformed(text, "is not a dotted path"))?;
        if steps.len() > DEPTH_MAX {
            return Err(malformed(text, &format!("has more than {DEPTH_MAX} steps")));
        }
        Ok(Path { steps })
    }
}

fn malformed(text: &str, why: &str) -> Error {
    let shown: String = text.chars().take(80).collect();
    Error::invalid("PATH_MALFORMED", format!("'{shown}' {why}"))
}

/// The steps of `text`; `None` where one is empty or a backslash escapes something else.
fn split(text: &str) -> Option<Vec<String>> {
    let mut steps = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let step = steps.last_mut().expect("there is always a step");
        match character {
            '.' => steps.push(String::new()),
            '\\' => step.push(characters.next().filter(|c| matches!(c, '.' | '\\'))?),
            character => step.push(character),
        }
    }
    steps.iter().all(|step| !step.is_empty()).then_some(steps)
}

fn walk<'a>(
    json: &'a Json,
    steps: &[String],
    visit: &mut dyn FnMut(&'a Json) -> Result<()>,
    depth: usize,
) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(crate::value::too_deep());
    }
    if let Json::Array(items) = json {
        return items.iter().try_for_each(|item| walk(item, steps, visit, depth + 1));
    }
    match steps.split_first() {
        None => visit(json),
        Some((step, rest)) => match json.as_object().and_then(|object| object.get(step)) {
            Some(inner) => walk(inner, rest, visit, depth + 1),
            None => Ok(()),
        },
    }
}
