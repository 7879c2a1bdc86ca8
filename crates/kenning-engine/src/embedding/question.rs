//! Asking models: questions, on threads that may wait, and what they answered.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use futures_channel::oneshot;
use kenning_index::Embedder;
use kenning_store::{Error, ErrorKind, Result};

use crate::sealed::Finders;
use crate::shared::{Shared, Waiting};
use crate::view::View;

/// Questions that are on their way to models at a time; more wait.
const ASKING_MAX: usize = 16;

/// Runs `work`, which may wait for a network, on a thread of its own: who searches may be one of
/// many on few threads.
async fn elsewhere<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let waiting = Waiting::new(shared);
    loop {
        let seen = shared.published();
        shared.head()?;
        let one_more = |asking| (asking < ASKING_MAX).then_some(asking + 1);
        if shared.asking.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok() {
            break;
        }
        waiting.moved(seen).await;
    }
    let asking = Asking(Arc::clone(shared));
    let (tell, told) = oneshot::channel();
    let ask = move || {
        let answer = work();
        drop(asking);
        // Who asked may have gone.
        let _ = tell.send(answer);
    };
    shared.world.spawn("kenning-question", Box::new(ask));
    let failed = |_| Error::new(ErrorKind::Unavailable, "MODEL_FAILED", "a model did not answer");
    told.await.map_err(failed)
}

/// A question that is on its way, also if it never comes back.
struct Asking(Arc<Shared>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.asking.fetch_sub(1, Ordering::AcqRel);
        self.0.nudge();
    }
}

/// The vector of a question.
pub(crate) async fn question(
    shared: &Arc<Shared>,
    embedder: Arc<dyn Embedder>,
    text: &str,
) -> Result<Arc<Vec<f32>>> {
    if let Some(vector) = shared.asked.get(embedder.model_id(), text) {
        return Ok(vector);
    }
    let (model, owned) = (Arc::clone(&embedder), text.to_owned());
    let vector = Arc::new(elsewhere(shared, move || ask(&*model, &[&owned])).await??);
    shared.asked.insert(embedder.model_id(), text, &vector);
    Ok(vector)
}

/// Opens the models that tables ask for, where that was not done yet: that may wait, too.
pub(crate) async fn open_models(view: &View, finders: &Finders) -> Result<()> {
    let shared = view.handle.shared();
    let mut names: Vec<Option<String>> = Vec::new();
    for table in view.all_tables().await? {
        let asked = table.schema.embed.iter().chain(&table.schema.embed_alt);
        names.extend(asked.map(|it| it.model.clone()));
    }
    names.retain(|name| !shared.asked.is_open(name));
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Ok(());
    }
    let embedders = Arc::clone(&finders.embedders);
    let open = move || {
        let is_open = |name: &Option<String>| {
            // It is asked for by its name first, and by its id from then on.
            let opened = embedders.embedder(name.as_deref());
            opened.is_ok_and(|it| embedders.embedder(Some(it.model_id())).is_ok())
        };
        names.retain(is_open);
        names
    };
    for name in elsewhere(shared, open).await? {
        shared.asked.note_open(name);
    }
    Ok(())
}

/// Questions that were asked of models.
#[derive(Default)]
pub(crate) struct Asked {
    /// The names of models that are open.
    open: Mutex<HashSet<Option<String>>>,
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
    fn get(&self, model: &str, text: &str) -> Option<Arc<Vec<f32>>> {
        let mut known = self.known.lock().expect("no holder of this lock panics");
        let idx = known.iter().position(|it| it.model == model && it.text == text)?;
        let question = known.remove(idx);
        let vector = Arc::clone(&question.vector);
        known.push(question);
        Some(vector)
    }

    fn is_open(&self, model: &Option<String>) -> bool {
        self.open.lock().expect("no holder of this lock panics").contains(model)
    }

    fn note_open(&self, model: Option<String>) {
        self.open.lock().expect("no holder of this lock panics").insert(model);
    }

    fn insert(&self, model: &str, text: &str, vector: &Arc<Vec<f32>>) {
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

/// Asks a model, and checks that it answers as it promised.
pub(super) fn ask(embedder: &dyn Embedder, texts: &[&str]) -> Result<Vec<f32>> {
    let vectors = embedder.embed(texts)?;
    let wrong = |what: &str| {
        let message = format!("model '{}' gave {what}", embedder.model_id());
        Error::new(ErrorKind::Unavailable, "MODEL_FAILED", message)
    };
    if vectors.len() != texts.len() * embedder.dimensions() {
        return Err(wrong("vectors of another number or dimension"));
    }
    if !vectors.iter().all(|number| number.is_finite()) {
        return Err(wrong("a vector that is not a number"));
    }
    Ok(vectors)
}
