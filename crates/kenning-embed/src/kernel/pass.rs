//! Loops over rows. They are branch-free over chunks of fixed size, so that the compiler makes
//! vectors of them, and inlined into each kernel's own copy.

/// Numbers that are worked at together.
const LANES: usize = 16;

/// One loop over rows.
pub(crate) enum Pass<'a> {
    /// x * (1 + erf(x / sqrt 2)) / 2, in place.
    Gelu(&'a mut [f32]),
    /// Rows of `columns`: what is added, then each row with mean 0 and variance 1, scaled.
    Norm { rows: &'a mut [f32], add: Option<&'a [f32]>, norm: &'a Norm },
    /// Rows `stride` apart: `exp(scale * x)` by its sum, for the first `columns` of each; 0 behind.
    Softmax { rows: &'a mut [f32], stride: usize, columns: usize, scale: f32 },
    /// Rows of `columns` to bytes without sign, with a scale and a zero for each.
    Quantize {
        rows: &'a [f32],
        columns: usize,
        bytes: &'a mut [u8],
        scales: &'a mut [f32],
        zeros: &'a mut [i32],
    },
}

/// What a norm multiplies with and adds.
pub(crate) struct Norm {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) epsilon: f32,
}

impl Pass<'_> {
    /// Runs it. Whoever calls this is compiled for a kernel.
    #[inline(always)]
    pub(super) fn run(self) {
        match self {
            Pass::Gelu(numbers) => numbers.iter_mut().for_each(|x| *x = gelu(*x)),
            Pass::Norm { rows, add, norm } => norms(rows, add, norm),
            Pass::Softmax { rows, stride, columns, scale } => {
                rows.chunks_mut(stride).for_each(|row| softmax(row, columns, scale));
            }
            Pass::Quantize { rows, columns, bytes, scales, zeros } => {
                let bytes = bytes.chunks_exact_mut(columns).zip(scales.iter_mut().zip(zeros));
                for (row, (bytes, (scale, zero))) in rows.chunks_exact(columns).zip(bytes) {
                    (*scale, *zero) = quantize(row, bytes);
                }
            }
        }
    }
}

#[inline(always)]
fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// Formula 7.1.26 of Abramowitz and Stegun: wrong by at most 1.5e-7.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let size = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let series = t
        * (0.254_829_6
            + t * (-0.284_496_72 + t * (1.421_413_8 + t * (-1.453_152 + t * 1.061_405_4))));
    (1.0 - series * exp(-size * size)).copysign(x)
}

/// `e` to a number that is not positive; 1.2e-38 for what is less.
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Adding it leaves a whole number in the last bits.
    const WHOLE: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = if x > -87.3 { x } else { -87.3 };
    let whole = x * std::f32::consts::LOG2_E + WHOLE;
    let power = f32::from_bits((whole.to_bits() << 23).wrapping_add(0x3f80_0000));
    let n = whole - WHOLE;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let tail = 0.008_333_452 + r * (0.001_398_2 + r * 1.987_569_2e-4);
    let tail = 0.5 + r * (0.166_666_55 + r * (0.041_665_795 + r * tail));
    (1.0 + r + r * r * tail) * power
}

#[inline(always)]
fn norms(rows: &mut [f32], add: Option<&[f32]>, norm: &Norm) {
    let columns = norm.weight.len();
    if let Some(add) = add {
        rows.iter_mut().zip(add).for_each(|(x, add)| *x += add);
    }
    for row in rows.chunks_exact_mut(columns) {
        let mean = sum(row, |x| x) / columns as f32;
        let variance = sum(row, |x| (x - mean) * (x - mean)) / columns as f32;
        let scale = 1.0 / (variance + norm.epsilon).sqrt();
        for ((x, weight), bias) in row.iter_mut().zip(&norm.weight).zip(&norm.bias) {
            *x = (*x - mean) * scale * weight + bias;
        }
    }
}

#[inline(always)]
fn softmax(row: &mut [f32], columns: usize, scale: f32) {
    row[columns..].fill(f32::MIN);
    let most = most(row, |x| x);
    row.iter_mut().for_each(|x| *x = exp((*x - most) * scale));
    row[columns..].fill(0.0);
    let scale = 1.0 / sum(row, |x| x);
    row.iter_mut().for_each(|x| *x *= scale);
}

#[inline(always)]
fn quantize(row: &[f32], bytes: &mut [u8]) -> (f32, i32) {
    /// Adding it leaves a whole number in the last bits.
    const WHOLE: f32 = 8_388_608.0;
    // 0 is a number of every row, so that the zero is a byte.
    let high = most(row, |x| x).max(0.0);
    let low = -most(row, |x| -x).max(0.0);
    let range = high - low;
    let scale = if range > 0.0 { range / 255.0 } else { 1.0 };
    let (inverse, zero) = (1.0 / scale, (-low / scale).round());
    for (byte, x) in bytes.iter_mut().zip(row) {
        let x = x * inverse + zero;
        let x = if x > 0.0 { x } else { 0.0 };
        let x = if x < 255.0 { x } else { 255.0 };
        *byte = (x + WHOLE).to_bits() as u8;
    }
    (scale, zero as i32)
}

#[inline(always)]
fn most(row: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut lanes = [f32::MIN; LANES];
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            let x = of(*x);
            *lane = if x > *lane { x } else { *lane };
        }
    }
    let rest = rest.iter().map(|x| of(*x));
    lanes.into_iter().chain(rest).fold(f32::MIN, f32::max)
}

#[inline(always)]
fn sum(row: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += of(*x);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|x| of(*x)).sum::<f32>()
}
