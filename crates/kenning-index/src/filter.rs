//! Which records are asked for, how many, and from which end.

use std::sync::Arc;

use kenning_record::Json;
use kenning_store::{Error, Result};

use crate::Predicate;

/// What is asked of the records of a table. What is wrong with it is said when it is used.
#[derive(Clone, Debug)]
pub struct Filter {
    predicate: Result<Predicate, Arc<Error>>,
    /// At most so many records.
    pub limit: Option<usize>,
    /// Largest value first.
    pub reverse: bool,
}

impl Filter {
    /// Records whose property at `path` equals `value`; null also means absent.
    pub fn equal(path: &str, value: impl Into<Json>) -> Self {
        Predicate::equal(path, value).into()
    }

    /// Records whose properties equal these values.
    pub fn equals(values: &[(&str, Json)]) -> Self {
        let mut parts = values.iter().map(|(path, value)| Predicate::equal(path, value.clone()));
        parts.try_fold(Predicate::default(), |all, part| all.and(part?)).into()
    }

    /// Records whose property at `path` is at least `from` and less than `until`.
    pub fn range(path: &str, from: Option<Json>, until: Option<Json>) -> Self {
        Predicate::range(path, from, until).into()
    }

    /// Records whose property at `path` is text that begins with `prefix`.
    pub fn prefix(path: &str, prefix: &str) -> Self {
        Predicate::prefix(path, prefix).into()
    }

    /// The same, and `predicate` holds.
    #[must_use]
    pub fn and(mut self, predicate: Predicate) -> Self {
        self.predicate = self.predicate.and_then(|before| before.and(predicate).map_err(Arc::new));
        self
    }

    /// The same, at most `limit` records.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The same, largest first.
    #[must_use]
    pub fn reverse(mut self) -> Self {
        self.reverse = true;
        self
    }

    /// Which records.
    pub fn predicate(&self) -> Result<&Predicate> {
        self.predicate.as_ref().map_err(|error| error.again())
    }
}

impl Default for Filter {
    /// Every record.
    fn default() -> Self {
        Predicate::default().into()
    }
}

impl From<Predicate> for Filter {
    fn from(predicate: Predicate) -> Self {
        Ok(predicate).into()
    }
}

impl From<Result<Predicate>> for Filter {
    fn from(predicate: Result<Predicate>) -> Self {
        Filter { predicate: predicate.map_err(Arc::new), limit: None, reverse: false }
    }
}
