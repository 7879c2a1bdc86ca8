//! What the models say, against a reference that has none of our code.
#![allow(clippy::unwrap_used, reason = "tests, and what they call")]
#![allow(clippy::disallowed_methods, reason = "a server of its own needs a thread")]

mod http;
mod model;
mod reference;

use std::path::{Path, PathBuf};

/// The folder that `make model` fills, if it is there.
pub(crate) fn model_folder() -> Option<PathBuf> {
    let folder = option_env!("KENNING_MODEL_FOLDER").map(Path::new);
    let folder = folder.filter(|folder| folder.join("model.safetensors").exists());
    if folder.is_none() {
        eprintln!("skipped: the model is not here; `make model` brings it");
    }
    folder.map(Path::to_owned)
}
