//! Where the database of a test is.

use std::path::PathBuf;

use kenning::{Database, Options};

/// In memory, or in a folder where it can be opened again.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Memory,
    Folder(PathBuf),
}

impl Place {
    pub(crate) async fn open(&self, options: &Options) -> kenning::Result<Database> {
        let url = match self {
            Place::Memory => "memory:".to_owned(),
            Place::Folder(path) => path.display().to_string(),
        };
        kenning::open_with(&url, options.clone()).await
    }

    /// Whether what was closed can be opened again.
    pub(crate) fn keeps(&self) -> bool {
        matches!(self, Place::Folder(_))
    }
}
