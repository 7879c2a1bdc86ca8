//! The instructions of each processor. A kernel is handed out after its instructions were found.

#![allow(unsafe_code)]

use super::{Kernel, LANES};

#[cfg(target_arch = "x86_64")]
pub(super) fn kernels() -> Vec<&'static dyn Kernel> {
    let mut kernels: Vec<&'static dyn Kernel> = Vec::new();
    let wide = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
    if wide && is_x86_feature_detected!("avx512vnni") {
        kernels.push(&x86::Avx512);
    }
    if is_x86_feature_detected!("avx2") {
        kernels.push(&x86::Avx2);
    }
    kernels
}

#[cfg(target_arch = "aarch64")]
pub(super) fn kernels() -> Vec<&'static dyn Kernel> {
    match std::arch::is_aarch64_feature_detected!("neon") {
        true => vec![&arm::Neon],
        false => Vec::new(),
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn kernels() -> Vec<&'static dyn Kernel> {
    Vec::new()
}

/// The blocks of two vectors, the last one filled up with zeros.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
fn blocks(a: &[f32], b: &[f32], mut add: impl FnMut(&[f32; LANES], &[f32; LANES])) {
    assert_eq!(a.len(), b.len(), "vectors of one index have one length");
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        add(a, b);
    }
    if !a_rest.is_empty() {
        let mut filled = [[0.0; LANES]; 2];
        filled[0][..a_rest.len()].copy_from_slice(a_rest);
        filled[1][..b_rest.len()].copy_from_slice(b_rest);
        add(&filled[0], &filled[1]);
    }
}

/// Rows in fours, each four with its answers, and then one by one.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
fn fours(
    rows: &[u32],
    dots: &mut [i32],
    mut four: impl FnMut([usize; 4]) -> [i32; 4],
    mut one: impl FnMut(usize) -> i32,
) {
    let (rows, rows_rest) = rows.as_chunks::<4>();
    let (dots, dots_rest) = dots.as_chunks_mut::<4>();
    for (rows, dots) in rows.iter().zip(dots) {
        *dots = four(rows.map(|row| row as usize));
    }
    for (row, dot) in rows_rest.iter().zip(dots_rest) {
        *dot = one(*row as usize);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::super::{CODE_BYTES, Kernel, LANES, check};
    use super::{blocks, fours};

    /// AVX-512 with VNNI.
    pub(super) struct Avx512;

    /// AVX2.
    pub(super) struct Avx2;

    impl Kernel for Avx512 {
        fn name(&self) -> &'static str {
            "avx512"
        }

        fn dot(&self, a: &[f32], b: &[f32]) -> f32 {
            // SAFETY: `kernels` found the instructions.
            unsafe { sum_512::<false>(a, b) }
        }

        fn apart(&self, a: &[f32], b: &[f32]) -> f32 {
            // SAFETY: `kernels` found the instructions.
            unsafe { sum_512::<true>(a, b) }
        }

        fn dots(&self, question: &[u8], codes: &[i8], rows: &[u32], dots: &mut [i32]) {
            check(question, codes, rows, dots);
            // SAFETY: `kernels` found the instructions, and `check` saw that every row is there.
            unsafe { dots_512(question, codes, rows, dots) }
        }
    }

    impl Kernel for Avx2 {
        fn name(&self) -> &'static str {
            "avx2"
        }

        fn dot(&self, a: &[f32], b: &[f32]) -> f32 {
            // SAFETY: `kernels` found the instructions.
            unsafe { sum_256::<false>(a, b) }
        }

        fn apart(&self, a: &[f32], b: &[f32]) -> f32 {
            // SAFETY: `kernels` found the instructions.
            unsafe { sum_256::<true>(a, b) }
        }

        fn dots(&self, question: &[u8], codes: &[i8], rows: &[u32], dots: &mut [i32]) {
            check(question, codes, rows, dots);
            // SAFETY: `kernels` found the instructions, and `check` saw that every row is there.
            unsafe { dots_256(question, codes, rows, dots) }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2")]
    fn sum_512<const APART: bool>(a: &[f32], b: &[f32]) -> f32 {
        let mut lanes = [_mm512_setzero_ps(); LANES / 16];
        blocks(a, b, |a: &[f32; LANES], b: &[f32; LANES]| {
            for (part, lanes) in lanes.iter_mut().enumerate() {
                // SAFETY: a block has 64 floats, of which these are 16 from a multiple of 16.
                let (a, b) =
                    unsafe { (_mm512_loadu_ps(&a[part * 16]), _mm512_loadu_ps(&b[part * 16])) };
                let (a, b) = match APART {
                    true => (_mm512_sub_ps(a, b), _mm512_sub_ps(a, b)),
                    false => (a, b),
                };
                *lanes = _mm512_add_ps(*lanes, _mm512_mul_ps(a, b));
            }
        });
        let [first, second, third, fourth] = lanes;
        let half = _mm512_add_ps(_mm512_add_ps(first, third), _mm512_add_ps(second, fourth));
        let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(half)));
        fold(_mm256_add_ps(_mm512_castps512_ps256(half), high))
    }

    #[target_feature(enable = "avx2")]
    fn sum_256<const APART: bool>(a: &[f32], b: &[f32]) -> f32 {
        let mut lanes = [_mm256_setzero_ps(); LANES / 8];
        blocks(a, b, |a: &[f32; LANES], b: &[f32; LANES]| {
            for (part, lanes) in lanes.iter_mut().enumerate() {
                // SAFETY: a block has 64 floats, of which these are 8 from a multiple of 8.
                let (a, b) =
                    unsafe { (_mm256_loadu_ps(&a[part * 8]), _mm256_loadu_ps(&b[part * 8])) };
                let (a, b) = match APART {
                    true => (_mm256_sub_ps(a, b), _mm256_sub_ps(a, b)),
                    false => (a, b),
                };
                *lanes = _mm256_add_ps(*lanes, _mm256_mul_ps(a, b));
            }
        });
        let half: [__m256; 4] = std::array::from_fn(|at| _mm256_add_ps(lanes[at], lanes[at + 4]));
        let low = _mm256_add_ps(half[0], half[2]);
        fold(_mm256_add_ps(low, _mm256_add_ps(half[1], half[3])))
    }

    /// Eight lanes to one.
    #[target_feature(enable = "avx2")]
    fn fold(lanes: __m256) -> f32 {
        let four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }

    /// # Safety
    ///
    /// Every row is there, and the question's length is a multiple of `CODE_BYTES`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2")]
    unsafe fn dots_512(question: &[u8], codes: &[i8], rows: &[u32], dots: &mut [i32]) {
        let size = question.len();
        let four = |rows: [usize; 4]| {
            let mut sums = [_mm512_setzero_si512(); 4];
            for at in (0..size).step_by(CODE_BYTES) {
                // SAFETY: the caller promises that 64 bytes are there from `at`, in the question
                // and in every row.
                unsafe {
                    let question = _mm512_loadu_si512(question.as_ptr().add(at).cast());
                    for (sum, row) in sums.iter_mut().zip(rows) {
                        let code = _mm512_loadu_si512(codes.as_ptr().add(row * size + at).cast());
                        *sum = _mm512_dpbusd_epi32(*sum, question, code);
                    }
                }
            }
            fold_four(sums.map(|sum| {
                let high = _mm512_extracti64x4_epi64::<1>(sum);
                _mm256_add_epi32(_mm512_castsi512_si256(sum), high)
            }))
        };
        let one = |row: usize| {
            let mut sum = _mm512_setzero_si512();
            for at in (0..size).step_by(CODE_BYTES) {
                // SAFETY: as above.
                unsafe {
                    let question = _mm512_loadu_si512(question.as_ptr().add(at).cast());
                    let code = _mm512_loadu_si512(codes.as_ptr().add(row * size + at).cast());
                    sum = _mm512_dpbusd_epi32(sum, question, code);
                }
            }
            _mm512_reduce_add_epi32(sum)
        };
        fours(rows, dots, four, one);
    }

    /// # Safety
    ///
    /// Every row is there, and the question's length is a multiple of `CODE_BYTES`.
    #[target_feature(enable = "avx2")]
    unsafe fn dots_256(question: &[u8], codes: &[i8], rows: &[u32], dots: &mut [i32]) {
        let size = question.len();
        let four = |rows: [usize; 4]| {
            let mut sums = [_mm256_setzero_si256(); 4];
            for at in (0..size).step_by(16) {
                // SAFETY: the caller promises that 16 bytes are there from `at`, in the question
                // and in every row.
                unsafe {
                    let question = _mm_loadu_si128(question.as_ptr().add(at).cast());
                    let question = _mm256_cvtepu8_epi16(question);
                    for (sum, row) in sums.iter_mut().zip(rows) {
                        let code = _mm_loadu_si128(codes.as_ptr().add(row * size + at).cast());
                        let product = _mm256_madd_epi16(question, _mm256_cvtepi8_epi16(code));
                        *sum = _mm256_add_epi32(*sum, product);
                    }
                }
            }
            fold_four(sums)
        };
        let one = |row: usize| four([row; 4])[0];
        fours(rows, dots, four, one);
    }

    /// The sums of the lanes of each of four registers.
    #[target_feature(enable = "avx2")]
    fn fold_four(sums: [__m256i; 4]) -> [i32; 4] {
        let pairs = [_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3])];
        let fours = _mm256_hadd_epi32(pairs[0], pairs[1]);
        let (low, high) = (_mm256_castsi256_si128(fours), _mm256_extracti128_si256::<1>(fours));
        let mut folded = [0; 4];
        // SAFETY: four numbers of four bytes fit into sixteen.
        unsafe { _mm_storeu_si128(folded.as_mut_ptr().cast(), _mm_add_epi32(low, high)) };
        folded
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::*;

    use super::super::{Kernel, LANES, check};
    use super::{blocks, fours};

    /// NEON.
    pub(super) struct Neon;

    impl Kernel for Neon {
        fn name(&self) -> &'static str {
            "neon"
        }

        fn dot(&self, a: &[f32], b: &[f32]) -> f32 {
            // SAFETY: `kernels` found the instructions.
            unsafe { sum::<false>(a, b) }
        }

        fn apart(&self, a: &[f32], b: &[f32]) -> f32 {
            // SAFETY: `kernels` found the instructions.
            unsafe { sum::<true>(a, b) }
        }

        fn dots(&self, question: &[u8], codes: &[i8], rows: &[u32], dots: &mut [i32]) {
            check(question, codes, rows, dots);
            // SAFETY: `kernels` found the instructions, and `check` saw that every row is there.
            unsafe { dots_128(question, codes, rows, dots) }
        }
    }

    #[target_feature(enable = "neon")]
    fn sum<const APART: bool>(a: &[f32], b: &[f32]) -> f32 {
        let mut lanes = [vdupq_n_f32(0.0); LANES / 4];
        blocks(a, b, |a: &[f32; LANES], b: &[f32; LANES]| {
            for (part, lanes) in lanes.iter_mut().enumerate() {
                // SAFETY: a block has 64 floats, of which these are 4 from a multiple of 4.
                let (a, b) = unsafe { (vld1q_f32(&a[part * 4]), vld1q_f32(&b[part * 4])) };
                let (a, b) = match APART {
                    true => (vsubq_f32(a, b), vsubq_f32(a, b)),
                    false => (a, b),
                };
                *lanes = vaddq_f32(*lanes, vmulq_f32(a, b));
            }
        });
        let mut width = lanes.len();
        while width > 1 {
            width /= 2;
            for at in 0..width {
                lanes[at] = vaddq_f32(lanes[at], lanes[at + width]);
            }
        }
        let two = vadd_f32(vget_low_f32(lanes[0]), vget_high_f32(lanes[0]));
        vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
    }

    /// # Safety
    ///
    /// Every row is there, and the question's length is a multiple of 16.
    #[target_feature(enable = "neon")]
    unsafe fn dots_128(question: &[u8], codes: &[i8], rows: &[u32], dots: &mut [i32]) {
        let size = question.len();
        let four = |rows: [usize; 4]| {
            let mut sums = [vdupq_n_s32(0); 4];
            for at in (0..size).step_by(16) {
                // SAFETY: the caller promises that 16 bytes are there from `at`, in the question
                // and in every row.
                unsafe {
                    let question = vld1q_u8(question.as_ptr().add(at));
                    let low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(question)));
                    let high = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(question)));
                    for (sum, row) in sums.iter_mut().zip(rows) {
                        let code = vld1q_s8(codes.as_ptr().add(row * size + at));
                        let (near, far) =
                            (vmovl_s8(vget_low_s8(code)), vmovl_s8(vget_high_s8(code)));
                        *sum = vmlal_s16(*sum, vget_low_s16(low), vget_low_s16(near));
                        *sum = vmlal_s16(*sum, vget_high_s16(low), vget_high_s16(near));
                        *sum = vmlal_s16(*sum, vget_low_s16(high), vget_low_s16(far));
                        *sum = vmlal_s16(*sum, vget_high_s16(high), vget_high_s16(far));
                    }
                }
            }
            sums.map(|sum| vaddvq_s32(sum))
        };
        let one = |row: usize| four([row; 4])[0];
        fours(rows, dots, four, one);
    }
}
