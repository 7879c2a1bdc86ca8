//! The models that can be used by their names, and their files.
//!
//! An id stands for certain bytes: the hash of every file is written here. The two forms of one
//! model say nearly the same, which is not enough to compare their vectors with each other, so each
//! has an id of its own.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use kenning_store::{Bytes, Error, Result};

use crate::compact::ALIGN;
use crate::shape::{HIDDEN, WINDOW};

/// A model that can be used by its name.
#[derive(Debug)]
pub struct KnownModel {
    /// Its name, which is also that of its vectors.
    pub id: &'static str,
    /// What it is.
    pub about: &'static str,
    /// How its weights are kept.
    pub form: Form,
    /// Numbers in a vector.
    pub dimensions: usize,
    /// Tokens of a text that it reads.
    pub window_tokens: usize,
    /// What it is made of.
    pub files: &'static [KnownFile],
    /// Where its files are published, if they are.
    pub url: Option<&'static str>,
}

/// How weights are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As they were trained: 32 bits each.
    Full,
    /// Eight bits each, in one file.
    Compact,
}

/// A file of a model.
#[derive(Debug)]
pub struct KnownFile {
    /// Its name in the folder.
    pub name: &'static str,
    /// How many bytes it has.
    pub bytes: u64,
    /// The BLAKE3 hash of them, in hexadecimal digits.
    pub hash: &'static str,
}

/// Every model that is known, the one to use first.
pub static KNOWN_MODELS: [KnownModel; 2] = [
    KnownModel {
        id: "all-minilm-l6-v2-int8",
        about: "all-MiniLM-L6-v2 in English, compact",
        form: Form::Compact,
        dimensions: HIDDEN,
        window_tokens: WINDOW,
        files: &[KnownFile {
            name: "all-minilm-l6-v2-int8.1.kenning-model",
            bytes: 23_290_080,
            hash: "6601882bcc225cabc70bb04184114837ab5e3e00f2c700e3f15a9cbee5b36dd9",
        }],
        url: None,
    },
    KnownModel {
        id: "all-minilm-l6-v2",
        about: "all-MiniLM-L6-v2 in English, as it was trained",
        form: Form::Full,
        dimensions: HIDDEN,
        window_tokens: WINDOW,
        files: &[
            KnownFile {
                name: "model.safetensors",
                bytes: 90_868_376,
                hash: "8087e9bf97c265f8435ed268733ecf3791825ad24850fd5d84d89e32ee3a589a",
            },
            KnownFile {
                name: "vocab.txt",
                bytes: 231_508,
                hash: "29a772c92cf4b7bc8f4c52d801f03d36ad8528ef964f856dadc4c4e7cb14e451",
            },
        ],
        url: Some("https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main"),
    },
];

/// The model with this id.
pub fn known_model(id: &str) -> Result<&'static KnownModel> {
    KNOWN_MODELS.iter().find(|known| known.id == id).ok_or_else(|| {
        let ids: Vec<&str> = KNOWN_MODELS.iter().map(|known| known.id).collect();
        let message = format!("no model is named '{id}'; known are {}", ids.join(", "));
        Error::invalid("MODEL_UNKNOWN", message)
    })
}

impl KnownModel {
    /// The one that a program can have inside.
    pub(crate) fn compact() -> &'static KnownModel {
        &KNOWN_MODELS[0]
    }

    /// The one that the compact one is made of.
    pub(crate) fn full() -> &'static KnownModel {
        &KNOWN_MODELS[1]
    }

    /// Bytes of its files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Where its files are in a folder of models.
    pub fn folder(&self, models: &Path) -> PathBuf {
        models.join(self.id)
    }

    /// Checks that its files are in `folder` and have the right sizes.
    pub fn look(&self, folder: &Path) -> Result<()> {
        self.files.iter().try_for_each(|file| file.look(folder))
    }

    /// Checks every byte of its files in `folder`.
    pub fn verify(&self, folder: &Path) -> Result<()> {
        self.files.iter().try_for_each(|file| file.read(folder).map(drop))
    }
}

impl KnownFile {
    fn look(&self, folder: &Path) -> Result<()> {
        let path = folder.join(self.name);
        let metadata = std::fs::metadata(&path).map_err(|e| missing(&path, &e))?;
        if !metadata.is_file() || metadata.len() != self.bytes {
            let has = format!("{} bytes, not {}", metadata.len(), self.bytes);
            return Err(self.altered(&path, &has));
        }
        Ok(())
    }

    /// Its bytes, which are those that are known. They begin where a line of the processor's cache
    /// does.
    pub(crate) fn read(&self, folder: &Path) -> Result<Bytes> {
        let path = folder.join(self.name);
        self.look(folder)?;
        let file = File::open(&path).map_err(|e| missing(&path, &e))?;
        let mut bytes: Vec<u8> = Vec::with_capacity(self.bytes as usize + 2 * ALIGN);
        let from = bytes.as_ptr().align_offset(ALIGN).min(ALIGN);
        bytes.resize(from, 0);
        // One more than it should have, to see that it has not.
        file.take(self.bytes + 1).read_to_end(&mut bytes).map_err(|e| unread(&path, e))?;
        let hash = blake3::hash(&bytes[from..]).to_hex();
        if hash.as_str() != self.hash {
            return Err(self.altered(&path, &format!("the hash {hash}, not {}", self.hash)));
        }
        Ok(Bytes::from(bytes).slice(from..))
    }

    fn altered(&self, path: &Path, has: &str) -> Error {
        let message = format!("{} is not the file that is known: it has {has}", path.display());
        Error::corrupt("MODEL_DAMAGED", message)
    }
}

fn missing(path: &Path, error: &std::io::Error) -> Error {
    let message = format!("the model has no file {}", path.display());
    Error::invalid("MODEL_MISSING", message).because(error.to_string())
}

fn unread(path: &Path, error: std::io::Error) -> Error {
    Error::unavailable("MODEL_UNREAD", format!("reading {}", path.display())).because(error)
}
