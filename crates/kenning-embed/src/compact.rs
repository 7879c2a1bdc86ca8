//! A model in one file of 23 MB: `docs/format/model.md` is its page.
//!
//! Weights are bytes with sign, with a scale for each column of a matrix and each row of the
//! vocabulary. Matrices lie in the file as the kernels want them, so a model is not copied when it
//! is opened: what is small is read, what is large is used where it is.

use kenning_store::{Bytes, Error, Result};

use crate::kernel::{COLUMNS, GROUP, Norm, byte_panels, column_sums};
use crate::safetensors::Tensors;
use crate::shape::{EPSILON, HIDDEN, LAYERS, QKV, VOCABULARY, WIDE, WINDOW};
use crate::tokenizer::Tokenizer;
use crate::weights::{Layer, LayerTensors, Linear, Matrix, Table, Weights};

const MAGIC: &[u8; 8] = b"kennembd";
const VERSION: u32 = 1;

const AT_VERSION: usize = 8;
const AT_VOCABULARY: usize = 12;
const AT_NOTHING: usize = 16;
/// Every section begins at a multiple of it, as lines of the processor's cache do.
pub(crate) const ALIGN: usize = 64;
const SUM: usize = 32;

const FLOAT: usize = size_of::<f32>();
const NORM: usize = 2 * HIDDEN * FLOAT;
const LAYER: usize = linear(QKV, HIDDEN)
    + linear(HIDDEN, HIDDEN)
    + linear(WIDE, HIDDEN)
    + linear(HIDDEN, WIDE)
    + 2 * NORM;
/// Bytes before the vocabulary.
const AT_TOKENS: usize = ALIGN
    + padded(VOCABULARY * HIDDEN)
    + padded(VOCABULARY * FLOAT)
    + WINDOW * HIDDEN * FLOAT
    + NORM
    + LAYERS * LAYER;
const _: () = assert!(AT_TOKENS.is_multiple_of(ALIGN) && NORM.is_multiple_of(2 * ALIGN));
const _: () = assert!(HIDDEN.is_multiple_of(COLUMNS) && HIDDEN.is_multiple_of(GROUP));

const fn linear(columns: usize, depth: usize) -> usize {
    columns * depth + 2 * columns * FLOAT
}

const fn padded(size: usize) -> usize {
    size.next_multiple_of(ALIGN)
}

/// The bytes of the compact form of a model.
pub(crate) fn write(tensors: &Tensors, vocabulary: &[u8]) -> Result<Vec<u8>> {
    // Whoever reads the file would refuse it, too.
    Tokenizer::new(Bytes::copy_from_slice(vocabulary))?;
    let mut file = Vec::with_capacity(AT_TOKENS + padded(vocabulary.len()) + SUM);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&VERSION.to_le_bytes());
    let size = u32::try_from(vocabulary.len()).expect("a vocabulary that could be read is small");
    file.extend_from_slice(&size.to_le_bytes());
    pad(&mut file);
    let (bytes, scales) = quantize(&tensors.words()?, HIDDEN);
    file.extend(bytes.iter().map(|byte| *byte as u8));
    pad(&mut file);
    write_floats(&mut file, &scales);
    write_floats(&mut file, &tensors.positions()?);
    write_norm(&mut file, &tensors.norm("embeddings.LayerNorm")?);
    for layer in 0..LAYERS {
        let layer = LayerTensors::read(tensors, layer)?;
        write_linear(&mut file, &layer.qkv);
        write_linear(&mut file, &layer.context);
        write_norm(&mut file, &layer.context_norm);
        write_linear(&mut file, &layer.widen);
        write_linear(&mut file, &layer.narrow);
        write_norm(&mut file, &layer.narrow_norm);
    }
    assert_eq!(file.len(), AT_TOKENS, "the sections add up");
    file.extend_from_slice(vocabulary);
    pad(&mut file);
    let sum = blake3::hash(&file);
    file.extend_from_slice(sum.as_bytes());
    Ok(file)
}

/// Opens the compact form of a model. Every byte is checked.
pub(crate) fn read(file: Bytes) -> Result<Weights> {
    let vocabulary_size = check(&file)?;
    let mut sections = Sections { file, at: ALIGN };
    let words = sections.take(VOCABULARY * HIDDEN);
    let words = Table::Compact { bytes: words, scales: sections.floats(VOCABULARY)? };
    let positions = sections.floats(WINDOW * HIDDEN)?;
    let norm = sections.norm()?;
    let mut layers = Vec::new();
    for _ in 0..LAYERS {
        layers.push(Layer {
            qkv: sections.linear(QKV, HIDDEN)?,
            context: sections.linear(HIDDEN, HIDDEN)?,
            context_norm: sections.norm()?,
            widen: sections.linear(WIDE, HIDDEN)?,
            narrow: sections.linear(HIDDEN, WIDE)?,
            narrow_norm: sections.norm()?,
        });
    }
    assert_eq!(sections.at, AT_TOKENS, "the sections add up");
    let tokenizer = Tokenizer::new(sections.take(vocabulary_size))?;
    Ok(Weights { tokenizer, words, positions, norm, layers })
}

/// Checks what surrounds the sections: the size of the vocabulary is the answer.
fn check(file: &[u8]) -> Result<usize> {
    let head = file.get(..ALIGN).filter(|head| head.starts_with(MAGIC));
    let head = head.ok_or_else(|| damaged("it does not begin as a model does"))?;
    let number = |at: usize| {
        let bytes = head[at..].first_chunk().expect("the head has four bytes there");
        u32::from_le_bytes(*bytes)
    };
    let version = number(AT_VERSION);
    if VERSION < version {
        let message = format!("the model has format {version}, the newest known is {VERSION}");
        return Err(Error::invalid("MODEL_NEWER", message));
    }
    let vocabulary_size = number(AT_VOCABULARY) as usize;
    if version != VERSION || head[AT_NOTHING..].iter().any(|byte| *byte != 0) {
        return Err(damaged("its head is not that of a model"));
    }
    let size = AT_TOKENS + padded(vocabulary_size) + SUM;
    if file.len() != size {
        return Err(damaged(&format!("it has {} bytes of {size}", file.len())));
    }
    let (body, sum) = file.split_at(size - SUM);
    if blake3::hash(body) != *sum {
        return Err(damaged("its bytes are not those that were written"));
    }
    Ok(vocabulary_size)
}

/// Sections of a file of which the size is known to be right, in order.
struct Sections {
    file: Bytes,
    at: usize,
}

impl Sections {
    fn take(&mut self, size: usize) -> Bytes {
        let section = self.file.slice(self.at..self.at + size);
        self.at += padded(size);
        section
    }

    fn floats(&mut self, count: usize) -> Result<Vec<f32>> {
        let section = self.take(count * FLOAT);
        let (numbers, _) = section.as_chunks();
        let numbers: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        match numbers.iter().all(|number| number.is_finite()) {
            true => Ok(numbers),
            false => Err(damaged("one of its numbers is none")),
        }
    }

    fn norm(&mut self) -> Result<Norm> {
        Ok(Norm { weight: self.floats(HIDDEN)?, bias: self.floats(HIDDEN)?, epsilon: EPSILON })
    }

    fn linear(&mut self, columns: usize, depth: usize) -> Result<Linear> {
        let panels = self.take(columns * depth);
        let (scales, bias) = (self.floats(columns)?, self.floats(columns)?);
        let sums = column_sums(&panels, depth);
        Ok(Linear::Compact { panels, depth, scales, sums, bias })
    }
}

/// Rows of numbers as bytes, each with its scale.
fn quantize(rows: &[f32], columns: usize) -> (Vec<i8>, Vec<f32>) {
    let mut bytes = Vec::with_capacity(rows.len());
    let mut scales = Vec::with_capacity(rows.len() / columns);
    for row in rows.chunks_exact(columns) {
        let most = row.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
        let scale = if most > 0.0 { most / 127.0 } else { 1.0 };
        bytes.extend(row.iter().map(|number| (number / scale).round() as i8));
        scales.push(scale);
    }
    (bytes, scales)
}

fn write_linear(file: &mut Vec<u8>, matrix: &Matrix) {
    let (bytes, scales) = quantize(&matrix.columns, matrix.depth);
    file.extend(byte_panels(&bytes, matrix.depth));
    pad(file);
    write_floats(file, &scales);
    write_floats(file, &matrix.bias);
}

fn write_norm(file: &mut Vec<u8>, norm: &Norm) {
    write_floats(file, &norm.weight);
    write_floats(file, &norm.bias);
}

fn write_floats(file: &mut Vec<u8>, numbers: &[f32]) {
    file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    pad(file);
}

fn pad(file: &mut Vec<u8>) {
    file.resize(padded(file.len()), 0);
}

fn damaged(why: &str) -> Error {
    Error::corrupt("MODEL_DAMAGED", format!("the file is not a sound model: {why}"))
}
