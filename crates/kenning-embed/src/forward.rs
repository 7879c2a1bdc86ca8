//! From tokens to vectors.
//!
//! The tokens of several texts are rows of one matrix, one text behind the other, without padding:
//! every product but those of attention takes all rows at once, and attention takes the rows of one
//! text. So it does not matter which texts come together, neither for time nor for what comes out.

use crate::kernel::{COLUMNS, Kernel, Panels, Pass, Rows, RowsMut};
use crate::shape::{HEAD, HEADS, HIDDEN, QKV, WIDE, WINDOW};
use crate::weights::{ByteRows, Layer, Weights};

/// Room for what is between two steps, used again for the next texts.
#[derive(Default)]
pub(crate) struct Room {
    /// A row of HIDDEN for each token.
    rows: Vec<f32>,
    /// Its query, key and value.
    qkv: Vec<f32>,
    /// What the tokens around it say.
    context: Vec<f32>,
    wide: Vec<f32>,
    /// What is added to its row.
    add: Vec<f32>,
    bytes: ByteRows,
    head: HeadRoom,
}

/// Room for one head of one text.
#[derive(Default)]
struct HeadRoom {
    keys: Vec<f32>,
    values: Vec<f32>,
    scores: Vec<f32>,
}

/// The vectors of `texts`, each with at least one token and at most `WINDOW`.
pub(crate) fn forward(
    weights: &Weights,
    kernel: Kernel,
    texts: &[Vec<u32>],
    room: &mut Room,
    out: &mut [f32],
) {
    room.fill(weights, kernel, texts);
    for layer in &weights.layers {
        room.attend(kernel, layer, texts);
        room.feed(kernel, layer);
    }
    let mut rows = room.rows.as_slice();
    for (tokens, out) in texts.iter().zip(out.chunks_exact_mut(HIDDEN)) {
        let (text, others) = rows.split_at(tokens.len() * HIDDEN);
        pool(text, out);
        rows = others;
    }
}

impl Room {
    /// The rows of the tokens before the first layer.
    fn fill(&mut self, weights: &Weights, kernel: Kernel, texts: &[Vec<u32>]) {
        let rows: usize = texts.iter().map(Vec::len).sum();
        self.rows.resize(rows * HIDDEN, 0.0);
        self.qkv.resize(rows * QKV, 0.0);
        self.context.resize(rows * HIDDEN, 0.0);
        self.wide.resize(rows * WIDE, 0.0);
        self.add.resize(rows * HIDDEN, 0.0);
        let mut rows = self.rows.chunks_exact_mut(HIDDEN);
        for tokens in texts {
            assert!(tokens.len() <= WINDOW, "a text fits into the window");
            let positions = weights.positions.chunks_exact(HIDDEN);
            for (token, position) in tokens.iter().zip(positions) {
                let row = rows.next().expect("there is a row for each token");
                weights.words.row(*token, position, row);
            }
        }
        kernel.run(Pass::Norm { rows: &mut self.rows, add: None, norm: &weights.norm });
    }

    fn attend(&mut self, kernel: Kernel, layer: &Layer, texts: &[Vec<u32>]) {
        layer.qkv.apply(kernel, &self.rows, &mut self.qkv, &mut self.bytes);
        let mut row = 0;
        for tokens in texts {
            let rows = tokens.len();
            let qkv = &self.qkv[row * QKV..][..rows * QKV];
            let context = &mut self.context[row * HIDDEN..][..rows * HIDDEN];
            for head in 0..HEADS {
                self.head.attend(kernel, &qkv[head * HEAD..], rows, &mut context[head * HEAD..]);
            }
            row += rows;
        }
        layer.context.apply(kernel, &self.context, &mut self.add, &mut self.bytes);
        let norm = &layer.context_norm;
        kernel.run(Pass::Norm { rows: &mut self.rows, add: Some(&self.add), norm });
    }

    fn feed(&mut self, kernel: Kernel, layer: &Layer) {
        layer.widen.apply(kernel, &self.rows, &mut self.wide, &mut self.bytes);
        kernel.run(Pass::Gelu(&mut self.wide));
        layer.narrow.apply(kernel, &self.wide, &mut self.add, &mut self.bytes);
        let norm = &layer.narrow_norm;
        kernel.run(Pass::Norm { rows: &mut self.rows, add: Some(&self.add), norm });
    }
}

impl HeadRoom {
    /// One head of one text: `qkv` begins with its query, `context` where it belongs.
    fn attend(&mut self, kernel: Kernel, qkv: &[f32], rows: usize, context: &mut [f32]) {
        const NOTHING: [f32; WINDOW] = [0.0; WINDOW];
        const _: () = assert!(HEAD == COLUMNS && WINDOW.is_multiple_of(COLUMNS));
        let columns = rows.next_multiple_of(COLUMNS);
        self.lay_out(qkv, rows, columns);
        self.scores.resize(rows * columns, 0.0);
        let bias = &NOTHING[..columns];
        kernel.multiply(
            Rows { data: qkv, stride: QKV, rows },
            Panels { data: &self.keys, depth: HEAD, bias },
            RowsMut { data: &mut self.scores, stride: columns, rows },
        );
        let scale = 1.0 / (HEAD as f32).sqrt();
        kernel.run(Pass::Softmax { rows: &mut self.scores, stride: columns, columns: rows, scale });
        kernel.multiply(
            Rows { data: &self.scores, stride: columns, rows },
            Panels { data: &self.values, depth: rows, bias: &NOTHING[..HEAD] },
            RowsMut { data: context, stride: HIDDEN, rows },
        );
    }

    /// Keys and values as panels: a column for each token, and a column for each number.
    fn lay_out(&mut self, qkv: &[f32], rows: usize, columns: usize) {
        self.keys.clear();
        self.keys.resize(columns * HEAD, 0.0);
        self.values.clear();
        for row in 0..rows {
            let key = &qkv[row * QKV + HIDDEN..][..HEAD];
            let panel = &mut self.keys[row / COLUMNS * COLUMNS * HEAD..];
            for (input, number) in key.iter().enumerate() {
                panel[input * COLUMNS + row % COLUMNS] = *number;
            }
            self.values.extend_from_slice(&qkv[row * QKV + 2 * HIDDEN..][..HEAD]);
        }
    }
}

/// The mean of rows, with length 1.
fn pool(rows: &[f32], out: &mut [f32]) {
    out.fill(0.0);
    for row in rows.chunks_exact(HIDDEN) {
        out.iter_mut().zip(row).for_each(|(out, number)| *out += number);
    }
    crate::unit::scale(out);
}
