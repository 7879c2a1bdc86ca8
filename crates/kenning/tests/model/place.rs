//! Where the database of a test is.

use std::path::PathBuf;

use kenning::{Database, Engine, Options, SealingLimits, Settings};

/// The options of a test, with the engine that the environment names.
#[allow(dead_code, reason = "only the torture asks the environment; the others try every engine")]
pub(crate) fn options() -> Options {
    let engine = match std::env::var_os("KENNING_ENGINE") {
        None => Engine::default(),
        Some(name) if name == Engine::Rocksdb.name() => Engine::Rocksdb,
        Some(name) if name == Engine::Fjall.name() => Engine::Fjall,
        Some(name) => panic!("there is no engine {}", name.display()),
    };
    Options { engine, settings: settings(), ..Options::default() }
}

/// Settings with which a workload of some dozen records seals and merges often.
pub(crate) fn settings() -> Settings {
    let sealing = SealingLimits { rows_min: 6, changes_min: 3, part_rows: 10, parts_max: 3 };
    Settings { sealing, ..Settings::default() }
}

/// In memory, or in a folder where it can be opened again.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Memory,
    Folder(PathBuf),
}

impl Place {
    pub(crate) async fn open(&self, options: &Options) -> kenning::Result<Database> {
        kenning::open_with(&self.url(), options.clone()).await
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Place::Memory => "memory:".to_owned(),
            Place::Folder(path) => path.display().to_string(),
        }
    }

    /// Whether what was closed can be opened again.
    pub(crate) fn keeps(&self) -> bool {
        matches!(self, Place::Folder(_))
    }
}
