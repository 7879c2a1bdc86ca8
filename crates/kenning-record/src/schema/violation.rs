//! What a broken rule looks like: the field, the rule, and hardly any of the content.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::{Location, LocationSegment};
use kenning_store::Error;

const SHOWN_CHARACTERS_MAX: usize = 80;

/// The error for a document that breaks a rule.
pub(super) fn of(error: &ValidationError<'_>) -> Error {
    let mut field = place(error.instance_path());
    if let Some(name) = named(error.kind()) {
        field = if field.is_empty() { step(name) } else { format!("{field}.{}", step(name)) };
    }
    let field = match field.as_str() {
        "" => "the document".to_owned(),
        field => format!("field '{}'", cut(field)),
    };
    let rule = error.kind().keyword();
    Error::invalid(
        "SCHEMA_VIOLATION",
        format!("{field} breaks the rule '{rule}': {}", detail(error)),
    )
}

/// A place in a document as a dotted path; positions in arrays are numbers.
pub(super) fn place(location: &Location) -> String {
    let steps = location.segments().map(|segment| match segment {
        LocationSegment::Property(name) => step(&name),
        LocationSegment::Index(idx) => idx.to_string(),
    });
    steps.collect::<Vec<_>>().join(".")
}

/// What the rule says, without the value that breaks it.
pub(super) fn detail(error: &ValidationError<'_>) -> String {
    cut(&error.masked().to_string())
}

/// The property that the rule is about, where it is one inside the value that breaks it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is not ours, and 31 others do not")]
fn named(kind: &ValidationErrorKind) -> Option<&str> {
    match kind {
        ValidationErrorKind::Required { property } => property.as_str(),
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            unexpected.first().map(String::as_str)
        }
        _ => None,
    }
}

fn step(name: &str) -> String {
    name.replace('\\', r"\\").replace('.', r"\.")
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
