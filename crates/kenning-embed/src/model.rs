//! all-MiniLM-L6-v2, in full and compact.
//!
//! A model is opened without reading it: only who embeds pays for its weights. They are read once
//! in a process, however many handles there are, and given back with the last of them.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use kenning_index::Embedder;
use kenning_store::{Bytes, Error, Result};

use crate::forward::{Room, forward};
use crate::kernel::Kernel;
use crate::known::{Form, KnownModel};
use crate::safetensors::Tensors;
use crate::shape::{HIDDEN, WINDOW};
use crate::weights::Weights;
use crate::{compact, threads, windows};

/// `[CLS]` and `[SEP]`.
const FRAME: usize = 2;
/// Tokens that are worked at together, more or less: enough to read the weights seldom, few enough
/// to stay near the processor.
const BATCH_TOKENS: Range<usize> = 64..256;
/// Threads of one call.
const THREADS_MAX: usize = 64;

/// A model whose weights are here.
pub struct Model {
    known: &'static KnownModel,
    source: Source,
    threads: usize,
    kernel: Kernel,
    weights: OnceLock<Arc<Weights>>,
}

enum Source {
    BuiltIn(&'static [u8]),
    Folder(PathBuf),
}

/// The weights that are loaded, by the ids of their models. An id says which bytes they are made
/// of: the hashes of its files are known, and compared.
static LOADED: Mutex<Vec<(&str, Weak<Weights>)>> = Mutex::new(Vec::new());

impl Model {
    /// The model that is a part of this program, if one is. It embeds with `threads` threads.
    pub fn built_in(threads: usize) -> Option<Model> {
        let file = crate::built_in::FILE?;
        Some(Model::new(KnownModel::compact(), Source::BuiltIn(file), threads))
    }

    /// The model whose files are in `folder`. That they are there and have the right sizes is
    /// checked at once, every byte of them when they are used first.
    pub fn open(known: &'static KnownModel, folder: &Path, threads: usize) -> Result<Model> {
        known.look(folder)?;
        Ok(Model::new(known, Source::Folder(folder.to_owned()), threads))
    }

    fn new(known: &'static KnownModel, source: Source, threads: usize) -> Model {
        let threads = threads.clamp(1, THREADS_MAX);
        Model { known, source, threads, kernel: Kernel::best(), weights: OnceLock::new() }
    }

    /// The same with a kernel that is not the best one: for tests and measurements. One that this
    /// processor does not have is `Invalid`.
    pub fn with_kernel(self, kernel: Kernel) -> Result<Model> {
        if !Kernel::all().contains(&kernel) {
            let message = format!("this processor has no {kernel:?}");
            return Err(Error::invalid("KERNEL_MISSING", message));
        }
        Ok(Model { kernel, ..self })
    }

    /// Which model it is.
    pub fn known(&self) -> &'static KnownModel {
        self.known
    }

    /// Reads the weights now, so that whoever embeds first does not wait for it.
    pub fn warm(&self) -> Result<()> {
        self.weights().map(|_| ())
    }

    /// The tokens of `text` with `[CLS]` and `[SEP]`, as far as the window goes.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.weights()?.tokenizer.tokens(text, WINDOW))
    }

    fn weights(&self) -> Result<&Arc<Weights>> {
        if let Some(weights) = self.weights.get() {
            return Ok(weights);
        }
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let found = loaded.iter().find(|(id, _)| *id == self.known.id);
        let weights = match found.and_then(|(_, weights)| weights.upgrade()) {
            Some(weights) => weights,
            None => {
                let weights = Arc::new(self.load()?);
                loaded.retain(|(_, weights)| weights.strong_count() > 0);
                loaded.push((self.known.id, Arc::downgrade(&weights)));
                weights
            }
        };
        Ok(self.weights.get_or_init(|| weights))
    }

    fn load(&self) -> Result<Weights> {
        let folder = match &self.source {
            Source::BuiltIn(file) => return compact::read(Bytes::from_static(file)),
            Source::Folder(folder) => folder,
        };
        let mut files = self.known.files.iter().map(|file| file.read(folder));
        let mut next = || files.next().expect("a form has as many files as are asked for");
        match self.known.form {
            Form::Compact => compact::read(next()?),
            Form::Full => {
                let tensors = Tensors::read(next()?)?;
                Weights::full(&tensors, next()?)
            }
        }
    }
}

/// Writes the compact form of the model in full whose files are in `full` to `path`, whole or not
/// at all.
pub fn write_compact(full: &Path, path: &Path) -> Result<()> {
    let known = KnownModel::full();
    let [tensors, vocabulary] = known.files else { panic!("a model in full has two files") };
    let file = compact::write(&Tensors::read(tensors.read(full)?)?, &vocabulary.read(full)?)?;
    let part = path.with_extension("part");
    std::fs::write(&part, &file).and_then(|()| std::fs::rename(&part, path)).map_err(|e| {
        Error::unavailable("MODEL_UNWRITTEN", format!("writing {}", path.display())).because(e)
    })
}

impl Embedder for Model {
    fn model_id(&self) -> &str {
        self.known.id
    }

    fn dimensions(&self) -> usize {
        HIDDEN
    }

    fn windows(&self, text: &str) -> Result<Vec<Range<usize>>> {
        let tokenizer = &self.weights()?.tokenizer;
        let (mut normal, mut tokens) = (String::new(), Vec::new());
        Ok(windows::windows(text, WINDOW - FRAME, |word| {
            tokens.clear();
            tokenizer.push(word, &mut normal, &mut tokens);
            tokens.len()
        }))
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<f32>> {
        let weights = self.weights()?;
        let tokens = |text: &&str| weights.tokenizer.tokens(text, WINDOW);
        let texts: Vec<Vec<u32>> = texts.iter().map(tokens).collect();
        let mut vectors = vec![0.0; texts.len() * HIDDEN];
        let jobs = batches(&texts, self.threads, &mut vectors);
        threads::share(self.threads, jobs, || {
            let mut room = Room::default();
            move |(texts, out)| forward(weights, self.kernel, texts, &mut room, out)
        });
        Ok(vectors)
    }
}

type Batch<'a> = (&'a [Vec<u32>], &'a mut [f32]);

/// Texts that are worked at together, with the room for their vectors.
fn batches<'a>(texts: &'a [Vec<u32>], threads: usize, vectors: &'a mut [f32]) -> Vec<Batch<'a>> {
    let all: usize = texts.iter().map(Vec::len).sum();
    let tokens_max = all.div_ceil(threads).clamp(BATCH_TOKENS.start, BATCH_TOKENS.end);
    let (mut texts, mut vectors) = (texts, vectors);
    let mut batches = Vec::new();
    while !texts.is_empty() {
        let mut tokens = 0;
        let fits = |text: &&Vec<u32>| {
            tokens += text.len();
            tokens <= tokens_max
        };
        let count = texts.iter().take_while(fits).count().max(1);
        let (batch, others) = texts.split_at(count);
        let (out, rest) = vectors.split_at_mut(count * HIDDEN);
        batches.push((batch, out));
        (texts, vectors) = (others, rest);
    }
    batches
}
