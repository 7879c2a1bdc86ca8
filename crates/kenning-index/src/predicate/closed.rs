//! Names that a closed table does not have.
//!
//! A table is open unless its schema closes it: then a name that is not in the schema is a slip.
//! What is inside a property is not looked at.

use kenning_record::{Json, Path, Schema, suggest};
use kenning_store::{Error, Result};

use super::{Own, Predicate};

/// Characters of a name that an error shows.
const SHOWN_CHARACTERS_MAX: usize = 80;

impl Predicate {
    /// Refuses a property that no record of a table with this schema can have, and says which one
    /// may be meant.
    pub fn check_against(&self, schema: &Schema) -> Result<()> {
        let Some(mut known) = listed(schema) else { return Ok(()) };
        let is_known = |path: &Path| known.contains(&path.steps[0].as_str());
        let Some(path) = self.names().into_iter().find(|path| !is_known(path)) else {
            return Ok(());
        };
        known.extend(Own::ALL.map(Own::name));
        let shown: String = path.steps[0].chars().take(SHOWN_CHARACTERS_MAX).collect();
        let hint = match suggest(&path.steps[0], known) {
            Some(near) => format!("; did you mean '{near}'?"),
            None => String::new(),
        };
        Err(Error::invalid("FIELD_UNKNOWN", format!("the table has no property '{shown}'{hint}")))
    }
}

/// Every property that a record can have; `None` where it can have others.
fn listed(schema: &Schema) -> Option<Vec<&str>> {
    let rule = |name: &str| schema.json.get(name);
    // A pattern says what names look like and does not list them.
    if rule("additionalProperties") != Some(&Json::Bool(false))
        || rule("patternProperties").is_some()
    {
        return None;
    }
    let properties = rule("properties").and_then(Json::as_object);
    Some(properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect())
}
