//! Products in plain Rust. Sums of a few rows and columns are arrays of fixed size, which the
//! compiler keeps in registers.

use super::{BytePanels, COLUMNS, GROUP, Panels, Quantized, Rows, RowsMut};

/// Rows that are worked at together.
const ROWS: usize = 4;
/// Columns that are worked at together.
const PART: usize = 8;

pub(super) fn multiply(input: Rows<'_>, weights: Panels<'_>, output: RowsMut<'_>) {
    let Panels { data, depth, bias } = weights;
    for (panel_idx, panel_bias) in bias.chunks_exact(COLUMNS).enumerate() {
        let panel = &data[panel_idx * COLUMNS * depth..][..COLUMNS * depth];
        for row in (0..input.rows).step_by(ROWS) {
            // The last rows are worked at twice rather than fewer at a time.
            let rows: [usize; ROWS] = std::array::from_fn(|idx| (row + idx).min(input.rows - 1));
            let inputs = rows.map(|row| &input.data[row * input.stride..][..depth]);
            for part in (0..COLUMNS).step_by(PART) {
                let sums = tile(inputs, &panel[part..], &panel_bias[part..part + PART]);
                for (row, sums) in rows.into_iter().zip(sums) {
                    let at = row * output.stride + panel_idx * COLUMNS + part;
                    output.data[at..at + PART].copy_from_slice(&sums);
                }
            }
        }
    }
}

#[inline(always)]
fn tile(inputs: [&[f32]; ROWS], panel: &[f32], bias: &[f32]) -> [[f32; PART]; ROWS] {
    let bias = bias.first_chunk().expect("a part of the bias has as many columns");
    let mut sums = [*bias; ROWS];
    for (input, weights) in panel.chunks(COLUMNS).enumerate() {
        let weights: &[f32; PART] = weights.first_chunk().expect("a part fits into a panel");
        for (sums, inputs) in sums.iter_mut().zip(inputs) {
            let input = inputs[input];
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum = fused(input, *weight, *sum);
            }
        }
    }
    sums
}

/// One instruction where each processor has it, two where it would be a call.
#[inline(always)]
fn fused(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(target_arch = "aarch64") { a.mul_add(b, c) } else { a * b + c }
}

pub(super) fn multiply_bytes(input: Quantized<'_>, weights: BytePanels<'_>, output: RowsMut<'_>) {
    let depth = weights.depth;
    for panel_idx in 0..weights.bias.len() / COLUMNS {
        let panel = &weights.data[panel_idx * COLUMNS * depth..][..COLUMNS * depth];
        for (row, bytes) in input.data.chunks_exact(depth).enumerate() {
            let sums = byte_tile(bytes, panel);
            let at = row * output.stride + panel_idx * COLUMNS;
            let output = &mut output.data[at..at + COLUMNS];
            let scale = (input.scales[row], input.zeros[row]);
            scale_back(&sums, scale, &weights, panel_idx * COLUMNS, output);
        }
    }
}

#[inline(always)]
fn byte_tile(bytes: &[u8], panel: &[u8]) -> [i32; COLUMNS] {
    let mut sums = [0_i32; COLUMNS];
    for (inputs, weights) in bytes.chunks_exact(GROUP).zip(panel.chunks_exact(COLUMNS * GROUP)) {
        for (sum, weights) in sums.iter_mut().zip(weights.chunks_exact(GROUP)) {
            let products = inputs.iter().zip(weights);
            let product =
                |(input, weight): (&u8, &u8)| i32::from(*input) * i32::from(*weight as i8);
            *sum = sum.wrapping_add(products.map(product).fold(0, i32::wrapping_add));
        }
    }
    sums
}

/// From sums of products of bytes to numbers, for the columns of a panel from `column` on. The
/// input has a scale and a zero.
#[inline(always)]
pub(super) fn scale_back(
    sums: &[i32; COLUMNS],
    (scale, zero): (f32, i32),
    weights: &BytePanels<'_>,
    column: usize,
    output: &mut [f32],
) {
    let columns = column..column + COLUMNS;
    let scales = weights.scales[columns.clone()].iter().zip(&weights.bias[columns.clone()]);
    let sums = sums.iter().zip(&weights.sums[columns]);
    for ((output, (sum, weights_sum)), (column_scale, bias)) in
        output.iter_mut().zip(sums).zip(scales)
    {
        // Neither overflows: 1,536 products of at most 255 * 127 are less than 2^26.
        let sum = sum.wrapping_sub(zero.wrapping_mul(*weights_sum));
        *output = sum as f32 * (scale * column_scale) + bias;
    }
}
