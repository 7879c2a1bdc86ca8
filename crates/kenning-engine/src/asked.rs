//! Questions that models were asked, with what they said, for who asks again.

use std::sync::{Arc, Mutex};

/// Questions that were asked of models.
#[derive(Default)]
pub(crate) struct Asked {
    /// By model and text; the last one at the end.
    known: Mutex<Vec<Question>>,
}

struct Question {
    model: String,
    text: String,
    vector: Arc<Vec<f32>>,
}

/// Questions that are remembered, and how long one may be.
const ASKED_MAX: usize = 128;
const ASKED_BYTES_MAX: usize = 4 << 10;

impl Asked {
    pub(crate) fn get(&self, model: &str, text: &str) -> Option<Arc<Vec<f32>>> {
        let mut known = self.known.lock().expect("no holder of this lock panics");
        let idx = known.iter().position(|it| it.model == model && it.text == text)?;
        let question = known.remove(idx);
        let vector = Arc::clone(&question.vector);
        known.push(question);
        Some(vector)
    }

    pub(crate) fn insert(&self, model: &str, text: &str, vector: &Arc<Vec<f32>>) {
        if text.len() > ASKED_BYTES_MAX {
            return;
        }
        let mut known = self.known.lock().expect("no holder of this lock panics");
        if known.len() >= ASKED_MAX {
            known.remove(0);
        }
        let (model, text, vector) = (model.to_owned(), text.to_owned(), Arc::clone(vector));
        known.push(Question { model, text, vector });
    }
}
