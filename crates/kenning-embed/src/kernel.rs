//! Arithmetic over rows of numbers, as fast as this processor can.
//!
//! A matrix of weights is stored in panels of 32 columns. A panel holds, one behind the other, what
//! each input is multiplied with: 32 numbers for the first input, 32 for the second, and so on. So
//! a product reads its weights once, from front to back, while the sums of a few rows and 32
//! columns stay in registers. In int8 four inputs go together, because the processor multiplies
//! them at once: 32 times four bytes for the first four inputs, and so on. One layout serves every
//! kernel, and is that of the file.
//!
//! What is not a product is a pass over rows: plain loops that the compiler turns into vectors,
//! compiled once for each kernel.
//!
//! Whole numbers are summed exactly by every kernel. Sums of floating-point numbers differ in the
//! last bits between kernels, as their order does.

mod pass; // loops over rows
mod portable; // products without instructions of their own
mod raw; // products with AVX-512 and AVX2; the only unsafe

pub(crate) use pass::{Norm, Pass};

/// Columns of a panel.
pub(crate) const COLUMNS: usize = 32;
/// Inputs that go together in int8.
pub(crate) const GROUP: usize = 4;

/// Which instructions are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// AVX-512 with its instructions for int8.
    Avx512Vnni,
    /// AVX-512; int8 as with AVX2.
    Avx512,
    /// AVX2 and FMA.
    Avx2,
    /// What every processor of this architecture has: on ARM that is NEON.
    Portable,
}

impl Kernel {
    /// The kernels that this processor has, fastest first.
    pub fn all() -> Vec<Kernel> {
        let kernels = [Kernel::Avx512Vnni, Kernel::Avx512, Kernel::Avx2, Kernel::Portable];
        kernels.into_iter().filter(|kernel| raw::has(*kernel)).collect()
    }

    /// The fastest kernel that this processor has.
    pub fn best() -> Kernel {
        Kernel::all()[0]
    }

    /// Each row of `input` times `weights`, plus `bias`, into `output`.
    pub(crate) fn multiply(self, input: Rows<'_>, weights: Panels<'_>, output: RowsMut<'_>) {
        let Panels { data, depth, bias } = weights;
        let panels = bias.len() / COLUMNS;
        assert_eq!(bias.len(), panels * COLUMNS, "columns come in panels");
        assert_eq!(data.len(), panels * COLUMNS * depth, "a panel has a row for each input");
        input.check(depth);
        output.check(bias.len());
        assert_eq!(input.rows, output.rows, "a row in, a row out");
        raw::multiply(self, input, weights, output);
    }

    /// The same in int8: whole numbers are multiplied, and scaled back afterwards.
    pub(crate) fn multiply_bytes(
        self,
        input: Quantized<'_>,
        weights: BytePanels<'_>,
        output: RowsMut<'_>,
    ) {
        let BytePanels { data, depth, scales, sums, bias } = weights;
        let panels = bias.len() / COLUMNS;
        assert_eq!(bias.len(), panels * COLUMNS, "columns come in panels");
        assert_eq!(scales.len(), bias.len(), "a column has a scale");
        assert_eq!(sums.len(), bias.len(), "a column has a sum");
        assert_eq!(depth % GROUP, 0, "inputs come in groups");
        assert_eq!(data.len(), panels * COLUMNS * depth, "a panel has a row for each input");
        assert_eq!(input.data.len(), output.rows * depth, "a row in, a row out");
        assert_eq!(input.scales.len(), output.rows, "a row has a scale");
        assert_eq!(input.zeros.len(), output.rows, "a row has a zero");
        output.check(bias.len());
        raw::multiply_bytes(self, input, weights, output);
    }

    /// A pass over rows.
    pub(crate) fn run(self, pass: Pass<'_>) {
        raw::run(self, pass);
    }
}

/// Rows to read, `stride` apart.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) stride: usize,
    pub(crate) rows: usize,
}

impl Rows<'_> {
    fn check(&self, columns: usize) {
        check(self.data.len(), self.stride, self.rows, columns);
    }
}

/// Rows to write, `stride` apart.
pub(crate) struct RowsMut<'a> {
    pub(crate) data: &'a mut [f32],
    pub(crate) stride: usize,
    pub(crate) rows: usize,
}

impl RowsMut<'_> {
    fn check(&self, columns: usize) {
        check(self.data.len(), self.stride, self.rows, columns);
    }
}

fn check(size: usize, stride: usize, rows: usize, columns: usize) {
    assert!(columns <= stride, "rows do not overlap");
    let last = rows.checked_sub(1).map_or(0, |last| last * stride + columns);
    assert!(last <= size, "{rows} rows of {columns} are more than {size}");
}

/// A matrix of weights, and what is added to each column.
#[derive(Clone, Copy)]
pub(crate) struct Panels<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) depth: usize,
    pub(crate) bias: &'a [f32],
}

/// A matrix of weights in int8. A column's weights are its bytes, with sign, times its scale.
#[derive(Clone, Copy)]
pub(crate) struct BytePanels<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) depth: usize,
    pub(crate) scales: &'a [f32],
    /// The sum of each column's bytes.
    pub(crate) sums: &'a [i32],
    pub(crate) bias: &'a [f32],
}

/// Rows of bytes without sign. A row's numbers are its bytes, less its zero, times its scale.
#[derive(Clone, Copy)]
pub(crate) struct Quantized<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) scales: &'a [f32],
    pub(crate) zeros: &'a [i32],
}

/// From columns, one behind the other, to panels.
pub(crate) fn panels(columns: &[f32], depth: usize) -> Vec<f32> {
    let mut panels = Vec::with_capacity(columns.len());
    for panel in columns.chunks_exact(COLUMNS * depth) {
        for input in 0..depth {
            panels.extend(panel.chunks_exact(depth).map(|column| column[input]));
        }
    }
    panels
}

/// The same in int8.
pub(crate) fn byte_panels(columns: &[i8], depth: usize) -> Vec<u8> {
    let mut panels = Vec::with_capacity(columns.len());
    for panel in columns.chunks_exact(COLUMNS * depth) {
        for input in (0..depth).step_by(GROUP) {
            for column in panel.chunks_exact(depth) {
                panels.extend(column[input..input + GROUP].iter().map(|weight| *weight as u8));
            }
        }
    }
    panels
}

/// The sum of each column's bytes.
pub(crate) fn column_sums(panels: &[u8], depth: usize) -> Vec<i32> {
    let mut sums = Vec::with_capacity(panels.len() / depth);
    for panel in panels.chunks_exact(COLUMNS * depth) {
        let mut panel_sums = [0_i32; COLUMNS];
        for inputs in panel.chunks_exact(COLUMNS * GROUP) {
            for (sum, weights) in panel_sums.iter_mut().zip(inputs.chunks_exact(GROUP)) {
                *sum += weights.iter().map(|weight| i32::from(*weight as i8)).sum::<i32>();
            }
        }
        sums.extend(panel_sums);
    }
    sums
}
