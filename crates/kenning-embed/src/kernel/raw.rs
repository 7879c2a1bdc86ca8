//! Products and passes in the instructions of one kernel.
//!
//! Two things make a call here sound. A kernel's functions run only where `has` said so:
//! `multiply`, `multiply_bytes` and `run` ask it each time, which is a read of memory. And no
//! pointer leaves its slice: `Kernel` has asserted the sizes of every slice, and a tile is given
//! rows and panels within them.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::portable;
use super::{BytePanels, Kernel, Panels, Pass, Quantized, Rows, RowsMut};
#[cfg(target_arch = "x86_64")]
use super::{COLUMNS, GROUP};

/// Whether this processor has the instructions of `kernel`.
#[cfg(target_arch = "x86_64")]
pub(super) fn has(kernel: Kernel) -> bool {
    let avx2 = || is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = || {
        avx2()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
    };
    match kernel {
        Kernel::Avx512Vnni => avx512() && is_x86_feature_detected!("avx512vnni"),
        Kernel::Avx512 => avx512(),
        Kernel::Avx2 => avx2(),
        Kernel::Portable => true,
    }
}

/// Whether this processor has the instructions of `kernel`.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn has(kernel: Kernel) -> bool {
    match kernel {
        Kernel::Avx512Vnni | Kernel::Avx512 | Kernel::Avx2 => false,
        Kernel::Portable => true,
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) fn multiply(kernel: Kernel, input: Rows<'_>, weights: Panels<'_>, output: RowsMut<'_>) {
    assert!(has(kernel), "{kernel:?} is a kernel of another processor");
    match kernel {
        // SAFETY: the processor has AVX-512, as `has` says.
        Kernel::Avx512Vnni | Kernel::Avx512 => unsafe { multiply_avx512(input, weights, output) },
        // SAFETY: the processor has AVX2 and FMA, as `has` says.
        Kernel::Avx2 => unsafe { multiply_avx2(input, weights, output) },
        Kernel::Portable => portable::multiply(input, weights, output),
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn multiply(_: Kernel, input: Rows<'_>, weights: Panels<'_>, output: RowsMut<'_>) {
    portable::multiply(input, weights, output);
}

#[cfg(target_arch = "x86_64")]
pub(super) fn multiply_bytes(
    kernel: Kernel,
    input: Quantized<'_>,
    weights: BytePanels<'_>,
    output: RowsMut<'_>,
) {
    assert!(has(kernel), "{kernel:?} is a kernel of another processor");
    match kernel {
        // SAFETY: the processor has AVX-512 with VNNI, as `has` says.
        Kernel::Avx512Vnni => unsafe { multiply_bytes_vnni(input, weights, output) },
        // SAFETY: the processor has AVX2, as `has` says; one with AVX-512 has it, too.
        Kernel::Avx512 | Kernel::Avx2 => unsafe { multiply_bytes_avx2(input, weights, output) },
        Kernel::Portable => portable::multiply_bytes(input, weights, output),
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn multiply_bytes(
    _: Kernel,
    input: Quantized<'_>,
    weights: BytePanels<'_>,
    output: RowsMut<'_>,
) {
    portable::multiply_bytes(input, weights, output);
}

#[cfg(target_arch = "x86_64")]
pub(super) fn run(kernel: Kernel, pass: Pass<'_>) {
    assert!(has(kernel), "{kernel:?} is a kernel of another processor");
    match kernel {
        // SAFETY: the processor has AVX-512, as `has` says.
        Kernel::Avx512Vnni | Kernel::Avx512 => unsafe { run_avx512(pass) },
        // SAFETY: the processor has AVX2 and FMA, as `has` says.
        Kernel::Avx2 => unsafe { run_avx2(pass) },
        Kernel::Portable => pass.run(),
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn run(_: Kernel, pass: Pass<'_>) {
    pass.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn run_avx512(pass: Pass<'_>) {
    pass.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2(pass: Pass<'_>) {
    pass.run();
}

/// A tile: some rows of the input times one panel.
#[cfg(target_arch = "x86_64")]
struct Tile {
    input: *const f32,
    stride: usize,
    depth: usize,
    panel: *const f32,
    bias: *const f32,
    output: *mut f32,
    output_stride: usize,
}

/// Every tile of a product. `tile` is called with at most `rows_max` rows.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn tiles(
    input: Rows<'_>,
    weights: Panels<'_>,
    output: RowsMut<'_>,
    rows_max: usize,
    mut tile: impl FnMut(usize, &Tile),
) {
    let Panels { data, depth, bias } = weights;
    for panel_idx in 0..bias.len() / COLUMNS {
        let panel = &data[panel_idx * COLUMNS * depth..][..COLUMNS * depth];
        let bias = &bias[panel_idx * COLUMNS..][..COLUMNS];
        for row in (0..input.rows).step_by(rows_max) {
            let rows = rows_max.min(input.rows - row);
            tile(
                rows,
                &Tile {
                    input: input.data[row * input.stride..].as_ptr(),
                    stride: input.stride,
                    depth,
                    panel: panel.as_ptr(),
                    bias: bias.as_ptr(),
                    output: output.data[row * output.stride + panel_idx * COLUMNS..].as_mut_ptr(),
                    output_stride: output.stride,
                },
            );
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn multiply_avx512(input: Rows<'_>, weights: Panels<'_>, output: RowsMut<'_>) {
    // SAFETY: a tile has as many rows as it is told, and lies within slices whose sizes were
    // asserted by `Kernel::multiply`.
    tiles(input, weights, output, 12, |rows, tile| unsafe {
        match rows {
            1 => tile_avx512::<1>(tile),
            2 => tile_avx512::<2>(tile),
            3 => tile_avx512::<3>(tile),
            4 => tile_avx512::<4>(tile),
            5 => tile_avx512::<5>(tile),
            6 => tile_avx512::<6>(tile),
            7 => tile_avx512::<7>(tile),
            8 => tile_avx512::<8>(tile),
            9 => tile_avx512::<9>(tile),
            10 => tile_avx512::<10>(tile),
            11 => tile_avx512::<11>(tile),
            _ => tile_avx512::<12>(tile),
        }
    });
}

/// # Safety
///
/// The tile has `ROWS` rows: each has `depth` numbers in `input` and 32 in `output`, `panel` has 32
/// times `depth`, and `bias` 32.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn tile_avx512<const ROWS: usize>(tile: &Tile) {
    // SAFETY: every offset is within what the caller promises.
    unsafe {
        let bias = [_mm512_loadu_ps(tile.bias), _mm512_loadu_ps(tile.bias.add(16))];
        let mut sums = [bias; ROWS];
        let (mut panel, mut input) = (tile.panel, tile.input);
        for _ in 0..tile.depth {
            let weights = [_mm512_loadu_ps(panel), _mm512_loadu_ps(panel.add(16))];
            for (row, sums) in sums.iter_mut().enumerate() {
                let x = _mm512_set1_ps(*input.add(row.wrapping_mul(tile.stride)));
                sums[0] = _mm512_fmadd_ps(x, weights[0], sums[0]);
                sums[1] = _mm512_fmadd_ps(x, weights[1], sums[1]);
            }
            panel = panel.add(COLUMNS);
            input = input.add(1);
        }
        for (row, sums) in sums.into_iter().enumerate() {
            let output = tile.output.add(row.wrapping_mul(tile.output_stride));
            _mm512_storeu_ps(output, sums[0]);
            _mm512_storeu_ps(output.add(16), sums[1]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn multiply_avx2(input: Rows<'_>, weights: Panels<'_>, output: RowsMut<'_>) {
    // SAFETY: a tile has as many rows as it is told, and lies within slices whose sizes were
    // asserted by `Kernel::multiply`.
    tiles(input, weights, output, 6, |rows, tile| unsafe {
        match rows {
            1 => tile_avx2::<1>(tile),
            2 => tile_avx2::<2>(tile),
            3 => tile_avx2::<3>(tile),
            4 => tile_avx2::<4>(tile),
            5 => tile_avx2::<5>(tile),
            _ => tile_avx2::<6>(tile),
        }
    });
}

/// # Safety
///
/// As for `tile_avx512`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_avx2<const ROWS: usize>(tile: &Tile) {
    for half in [0, 16] {
        // SAFETY: every offset is within what the caller promises; a half begins at 0 or 16 of 32.
        unsafe {
            let bias = tile.bias.add(half);
            let bias = [_mm256_loadu_ps(bias), _mm256_loadu_ps(bias.add(8))];
            let mut sums = [bias; ROWS];
            let (mut panel, mut input) = (tile.panel.add(half), tile.input);
            for _ in 0..tile.depth {
                let weights = [_mm256_loadu_ps(panel), _mm256_loadu_ps(panel.add(8))];
                for (row, sums) in sums.iter_mut().enumerate() {
                    let x = _mm256_set1_ps(*input.add(row.wrapping_mul(tile.stride)));
                    sums[0] = _mm256_fmadd_ps(x, weights[0], sums[0]);
                    sums[1] = _mm256_fmadd_ps(x, weights[1], sums[1]);
                }
                // Behind the last input it points past the panel, and is not read.
                panel = panel.wrapping_add(COLUMNS);
                input = input.add(1);
            }
            for (row, sums) in sums.into_iter().enumerate() {
                let output = tile.output.add(row.wrapping_mul(tile.output_stride) + half);
                _mm256_storeu_ps(output, sums[0]);
                _mm256_storeu_ps(output.add(8), sums[1]);
            }
        }
    }
}

/// Every tile of a product in int8: `tile` sums the products of some rows, at most `ROWS`, with one
/// panel; the sums are scaled back here.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn byte_tiles<const ROWS: usize>(
    input: Quantized<'_>,
    weights: BytePanels<'_>,
    output: RowsMut<'_>,
    mut tile: impl FnMut(&[u8], &[u8], &mut [[i32; COLUMNS]; ROWS]),
) {
    let depth = weights.depth;
    let mut sums = [[0; COLUMNS]; ROWS];
    for column in (0..weights.bias.len()).step_by(COLUMNS) {
        let panel = &weights.data[column * depth..][..COLUMNS * depth];
        for row in (0..output.rows).step_by(ROWS) {
            let rows = ROWS.min(output.rows - row);
            tile(&input.data[row * depth..][..rows * depth], panel, &mut sums);
            for (row, sums) in (row..row + rows).zip(&sums) {
                let scale = (input.scales[row], input.zeros[row]);
                let output = &mut output.data[row * output.stride + column..][..COLUMNS];
                portable::scale_back(sums, scale, &weights, column, output);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
fn multiply_bytes_vnni(input: Quantized<'_>, weights: BytePanels<'_>, output: RowsMut<'_>) {
    let depth = weights.depth;
    byte_tiles::<12>(input, weights, output, |rows, panel, sums| {
        // SAFETY: `rows` has as many rows of `depth` bytes as the tile is told, and `panel` 32
        // times as many bytes as a row.
        unsafe {
            match rows.len() / depth {
                1 => tile_vnni::<1>(rows, panel, sums),
                2 => tile_vnni::<2>(rows, panel, sums),
                3 => tile_vnni::<3>(rows, panel, sums),
                4 => tile_vnni::<4>(rows, panel, sums),
                5 => tile_vnni::<5>(rows, panel, sums),
                6 => tile_vnni::<6>(rows, panel, sums),
                7 => tile_vnni::<7>(rows, panel, sums),
                8 => tile_vnni::<8>(rows, panel, sums),
                9 => tile_vnni::<9>(rows, panel, sums),
                10 => tile_vnni::<10>(rows, panel, sums),
                11 => tile_vnni::<11>(rows, panel, sums),
                _ => tile_vnni::<12>(rows, panel, sums),
            }
        }
    });
}

/// # Safety
///
/// `rows` has `ROWS` rows of equal size, a multiple of 4; `panel` has 32 times the size of a row.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
unsafe fn tile_vnni<const ROWS: usize>(rows: &[u8], panel: &[u8], out: &mut [[i32; COLUMNS]; 12]) {
    let depth = rows.len() / ROWS;
    let mut sums = [[_mm512_setzero_si512(); 2]; ROWS];
    let (mut input, mut weights) = (rows.as_ptr(), panel.as_ptr());
    for _ in 0..depth / GROUP {
        // SAFETY: every offset is within what the caller promises.
        unsafe {
            let groups =
                [_mm512_loadu_si512(weights.cast()), _mm512_loadu_si512(weights.add(64).cast())];
            for (row, sums) in sums.iter_mut().enumerate() {
                let x = input.add(row.wrapping_mul(depth)).cast::<i32>().read_unaligned();
                let x = _mm512_set1_epi32(x);
                sums[0] = _mm512_dpbusd_epi32(sums[0], x, groups[0]);
                sums[1] = _mm512_dpbusd_epi32(sums[1], x, groups[1]);
            }
            weights = weights.add(COLUMNS * GROUP);
            input = input.add(GROUP);
        }
    }
    for (out, sums) in out.iter_mut().zip(sums) {
        // SAFETY: a row of sums has 32 numbers of 4 bytes.
        unsafe {
            _mm512_storeu_si512(out.as_mut_ptr().cast(), sums[0]);
            _mm512_storeu_si512(out.as_mut_ptr().add(16).cast(), sums[1]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn multiply_bytes_avx2(input: Quantized<'_>, weights: BytePanels<'_>, output: RowsMut<'_>) {
    let depth = weights.depth;
    byte_tiles::<3>(input, weights, output, |rows, panel, sums| {
        // SAFETY: `rows` has as many rows of `depth` bytes as the tile is told, and `panel` 32
        // times as many bytes as a row.
        unsafe {
            match rows.len() / depth {
                1 => tile_bytes_avx2::<1>(rows, panel, sums),
                2 => tile_bytes_avx2::<2>(rows, panel, sums),
                _ => tile_bytes_avx2::<3>(rows, panel, sums),
            }
        }
    });
}

/// # Safety
///
/// `rows` has `ROWS` rows of equal size, a multiple of 4; `panel` has 32 times the size of a row.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_bytes_avx2<const ROWS: usize>(
    rows: &[u8],
    panel: &[u8],
    out: &mut [[i32; COLUMNS]; 3],
) {
    /// Columns that are worked at together: four registers of four columns with two sums each.
    const PART: usize = 16;
    let depth = rows.len() / ROWS;
    for part in [0, PART] {
        let mut sums = [[_mm256_setzero_si256(); 4]; ROWS];
        // SAFETY: a part begins at column 0 or 16 of the first 32.
        let (mut input, mut weights) = unsafe { (rows.as_ptr(), panel.as_ptr().add(part * GROUP)) };
        for _ in 0..depth / GROUP {
            // SAFETY: every offset is within what the caller promises.
            unsafe {
                let wide = |at| _mm256_cvtepi8_epi16(_mm_loadu_si128(weights.add(at).cast()));
                let groups = [wide(0), wide(16), wide(32), wide(48)];
                for (row, sums) in sums.iter_mut().enumerate() {
                    let x = input.add(row.wrapping_mul(depth)).cast::<i32>().read_unaligned();
                    // The bytes are widened, as the sum of two products does not fit into 16 bits.
                    let x = _mm256_broadcastq_epi64(_mm_cvtepu8_epi16(_mm_cvtsi32_si128(x)));
                    for (sum, group) in sums.iter_mut().zip(groups) {
                        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(x, group));
                    }
                }
                // Behind the last group it points past the panel, and is not read.
                weights = weights.wrapping_add(COLUMNS * GROUP);
                input = input.add(GROUP);
            }
        }
        for (out, sums) in out.iter_mut().zip(sums) {
            for (eight, pair) in out[part..].chunks_exact_mut(8).zip(sums.chunks_exact(2)) {
                let both = _mm256_hadd_epi32(pair[0], pair[1]);
                let ordered = _mm256_permute4x64_epi64::<0b11_01_10_00>(both);
                // SAFETY: the chunk has eight numbers of 4 bytes.
                unsafe { _mm256_storeu_si256(eight.as_mut_ptr().cast(), ordered) };
            }
        }
    }
}
