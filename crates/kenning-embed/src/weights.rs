//! The weights of a model, as the forward pass wants them.

use kenning_store::{Bytes, Result};

use crate::kernel::{BytePanels, Kernel, Norm, Panels, Pass, Quantized, Rows, RowsMut, panels};
use crate::safetensors::Tensors;
use crate::shape::{EPSILON, HIDDEN, LAYERS, QKV, WIDE, WINDOW};
use crate::tokenizer::Tokenizer;

/// A model that is loaded.
pub(crate) struct Weights {
    pub(crate) tokenizer: Tokenizer,
    pub(crate) words: Table,
    /// What each position of the window adds to its word.
    pub(crate) positions: Vec<f32>,
    pub(crate) norm: Norm,
    pub(crate) layers: Vec<Layer>,
}

/// One layer.
pub(crate) struct Layer {
    pub(crate) qkv: Linear,
    pub(crate) context: Linear,
    pub(crate) context_norm: Norm,
    pub(crate) widen: Linear,
    pub(crate) narrow: Linear,
    pub(crate) narrow_norm: Norm,
}

/// A row for each token of the vocabulary.
pub(crate) enum Table {
    Full(Vec<f32>),
    Compact { bytes: Bytes, scales: Vec<f32> },
}

/// A matrix and what is added to each of its columns.
pub(crate) enum Linear {
    Full { panels: Vec<f32>, depth: usize, bias: Vec<f32> },
    Compact { panels: Bytes, depth: usize, scales: Vec<f32>, sums: Vec<i32>, bias: Vec<f32> },
}

/// Room for rows of bytes, used again and again.
#[derive(Default)]
pub(crate) struct ByteRows {
    data: Vec<u8>,
    scales: Vec<f32>,
    zeros: Vec<i32>,
}

impl Weights {
    /// The weights as they were trained, in full.
    pub(crate) fn full(tensors: &Tensors, vocabulary: Bytes) -> Result<Self> {
        let full = |matrix: Matrix| {
            let Matrix { columns, depth, bias } = matrix;
            Linear::Full { panels: panels(&columns, depth), depth, bias }
        };
        let layer = |layer| {
            let LayerTensors { qkv, context, context_norm, widen, narrow, narrow_norm } =
                LayerTensors::read(tensors, layer)?;
            let (qkv, context) = (full(qkv), full(context));
            let (widen, narrow) = (full(widen), full(narrow));
            Ok(Layer { qkv, context, context_norm, widen, narrow, narrow_norm })
        };
        Ok(Weights {
            tokenizer: Tokenizer::new(vocabulary)?,
            words: Table::Full(tensors.words()?),
            positions: tensors.positions()?,
            norm: tensors.norm("embeddings.LayerNorm")?,
            layers: (0..LAYERS).map(layer).collect::<Result<_>>()?,
        })
    }
}

impl Table {
    /// The row of `token`, plus `add`.
    pub(crate) fn row(&self, token: u32, add: &[f32], out: &mut [f32]) {
        let range = token as usize * HIDDEN..(token as usize + 1) * HIDDEN;
        match self {
            Table::Full(numbers) => {
                let row = numbers[range].iter().zip(add);
                out.iter_mut().zip(row).for_each(|(out, (number, add))| *out = number + add);
            }
            Table::Compact { bytes, scales } => {
                let scale = scales[token as usize];
                let row = bytes[range].iter().zip(add);
                for (out, (byte, add)) in out.iter_mut().zip(row) {
                    *out = f32::from(*byte as i8) * scale + add;
                }
            }
        }
    }
}

impl Linear {
    /// Each row of `input` times the matrix.
    pub(crate) fn apply(
        &self,
        kernel: Kernel,
        input: &[f32],
        output: &mut [f32],
        room: &mut ByteRows,
    ) {
        match self {
            Linear::Full { panels, depth, bias } => {
                let rows = input.len() / depth;
                let input = Rows { data: input, stride: *depth, rows };
                let output = RowsMut { data: output, stride: bias.len(), rows };
                kernel.multiply(input, Panels { data: panels, depth: *depth, bias }, output);
            }
            Linear::Compact { panels, depth, scales, sums, bias } => {
                let rows = input.len() / depth;
                room.quantize(kernel, input, *depth);
                let input =
                    Quantized { data: &room.data, scales: &room.scales, zeros: &room.zeros };
                let output = RowsMut { data: output, stride: bias.len(), rows };
                let weights = BytePanels { data: panels, depth: *depth, scales, sums, bias };
                kernel.multiply_bytes(input, weights, output);
            }
        }
    }
}

impl ByteRows {
    fn quantize(&mut self, kernel: Kernel, rows: &[f32], columns: usize) {
        self.data.resize(rows.len(), 0);
        self.scales.resize(rows.len() / columns, 0.0);
        self.zeros.resize(rows.len() / columns, 0);
        kernel.run(Pass::Quantize {
            rows,
            columns,
            bytes: &mut self.data,
            scales: &mut self.scales,
            zeros: &mut self.zeros,
        });
    }
}

/// A matrix as it was trained: its columns one behind the other.
pub(crate) struct Matrix {
    pub(crate) columns: Vec<f32>,
    pub(crate) depth: usize,
    pub(crate) bias: Vec<f32>,
}

/// One layer as it was trained.
pub(crate) struct LayerTensors {
    pub(crate) qkv: Matrix,
    pub(crate) context: Matrix,
    pub(crate) context_norm: Norm,
    pub(crate) widen: Matrix,
    pub(crate) narrow: Matrix,
    pub(crate) narrow_norm: Norm,
}

impl LayerTensors {
    pub(crate) fn read(tensors: &Tensors, layer: usize) -> Result<Self> {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let mut qkv = Matrix { columns: Vec::new(), depth: HIDDEN, bias: Vec::new() };
        for part in ["query", "key", "value"] {
            let part = name(&format!("attention.self.{part}"));
            let mut matrix = tensors.matrix(&part, HIDDEN, HIDDEN)?;
            qkv.columns.append(&mut matrix.columns);
            qkv.bias.append(&mut matrix.bias);
        }
        assert_eq!(qkv.bias.len(), QKV, "query, key and value");
        Ok(LayerTensors {
            qkv,
            context: tensors.matrix(&name("attention.output.dense"), HIDDEN, HIDDEN)?,
            context_norm: tensors.norm(&name("attention.output.LayerNorm"))?,
            widen: tensors.matrix(&name("intermediate.dense"), WIDE, HIDDEN)?,
            narrow: tensors.matrix(&name("output.dense"), HIDDEN, WIDE)?,
            narrow_norm: tensors.norm(&name("output.LayerNorm"))?,
        })
    }
}

impl Tensors {
    /// The rows of the vocabulary.
    pub(crate) fn words(&self) -> Result<Vec<f32>> {
        self.tensor("embeddings.word_embeddings.weight", &[crate::shape::VOCABULARY, HIDDEN])
    }

    /// What each position of the window adds, that of the one type of tokens included.
    pub(crate) fn positions(&self) -> Result<Vec<f32>> {
        const POSITIONS: usize = 512;
        let name = "embeddings.position_embeddings.weight";
        let mut positions = self.tensor(name, &[POSITIONS, HIDDEN])?;
        let kinds = self.tensor("embeddings.token_type_embeddings.weight", &[2, HIDDEN])?;
        positions.truncate(WINDOW * HIDDEN);
        for row in positions.chunks_exact_mut(HIDDEN) {
            row.iter_mut().zip(&kinds).for_each(|(position, kind)| *position += kind);
        }
        Ok(positions)
    }

    pub(crate) fn norm(&self, name: &str) -> Result<Norm> {
        Ok(Norm {
            weight: self.tensor(&format!("{name}.weight"), &[HIDDEN])?,
            bias: self.tensor(&format!("{name}.bias"), &[HIDDEN])?,
            epsilon: EPSILON,
        })
    }

    fn matrix(&self, name: &str, columns: usize, depth: usize) -> Result<Matrix> {
        Ok(Matrix {
            columns: self.tensor(&format!("{name}.weight"), &[columns, depth])?,
            depth,
            bias: self.tensor(&format!("{name}.bias"), &[columns])?,
        })
    }
}
