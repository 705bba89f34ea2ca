//! Every path against `half`, one value at a time.

use half::bf16;
use proptest::collection::vec;
use proptest::prelude::*;

use super::portable;
use crate::test_support::{config, every_pattern};
use crate::{bf16_as_u16, u16_as_bf16};

/// One way of converting, by name.
#[derive(Clone, Copy)]
struct Path {
    name: &'static str,
    round: fn(&[f32], &mut [bf16]),
    widen: fn(&[bf16], &mut [f32]),
}

/// Every code path that this machine can run, and the public functions that choose one.
fn paths() -> Vec<Path> {
    let mut paths = vec![
        Path {
            name: "chosen",
            round: crate::round_f32_to_bf16,
            widen: crate::widen_bf16_to_f32,
        },
        Path {
            name: "portable",
            round: portable::round,
            widen: portable::widen,
        },
    ];
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        use super::x86::{Avx2, Avx512};
        if Avx2::detect().is_some() {
            paths.push(Path {
                name: "avx2",
                round: |src, dst| Avx2::detect().unwrap().round(src, dst),
                widen: |src, dst| Avx2::detect().unwrap().widen(src, dst),
            });
        }
        if Avx512::detect().is_some() {
            paths.push(Path {
                name: "avx512",
                round: |src, dst| Avx512::detect().unwrap().round(src, dst),
                widen: |src, dst| Avx512::detect().unwrap().widen(src, dst),
            });
        }
    }
    paths
}

/// Holds every path's rounding of `patterns` against `half`'s scalar one.
fn check_round(paths: &[Path], patterns: &[u32]) {
    let src: Vec<f32> = patterns.iter().copied().map(f32::from_bits).collect();
    let expected: Vec<u16> = src.iter().map(|&x| bf16::from_f32(x).to_bits()).collect();
    for path in paths {
        // Not a value that rounding of this place could leave there by chance.
        let mut dst: Vec<bf16> = expected.iter().map(|&b| bf16::from_bits(!b)).collect();
        (path.round)(&src, &mut dst);
        if bf16_as_u16(&dst) != expected {
            let found = bf16_as_u16(&dst);
            let i = (0..found.len()).find(|&i| found[i] != expected[i]).unwrap();
            panic!(
                "{}: {:#010x} became {:#06x} in place of {:#06x}",
                path.name, patterns[i], found[i], expected[i]
            );
        }
    }
}

#[test]
fn every_bf16_widens_as_half_widens_it() {
    let bits = every_pattern();
    let src = u16_as_bf16(&bits);
    for path in paths() {
        let mut dst = vec![f32::from_bits(0xDEAD_BEEF); bits.len()];
        (path.widen)(src, &mut dst);
        for (src, dst) in src.iter().zip(&dst) {
            assert_eq!(
                dst.to_bits(),
                src.to_f32().to_bits(),
                "{}: {src:?}",
                path.name
            );
        }
    }
}

#[test]
fn every_bf16_comes_back_with_its_bits_but_signalling_nans_which_become_quiet() {
    let bits = every_pattern();
    for path in paths() {
        let mut wide = vec![0.0; bits.len()];
        let mut back = vec![bf16::ZERO; bits.len()];
        (path.widen)(u16_as_bf16(&bits), &mut wide);
        (path.round)(&wide, &mut back);
        for (&bits, &back) in bits.iter().zip(bf16_as_u16(&back)) {
            let nan = bits & 0x7FFF > 0x7F80;
            let expected = if nan { bits | 0x0040 } else { bits };
            assert_eq!(back, expected, "{}: {bits:#06x}", path.name);
        }
    }
}

/// The answers themselves, so that a fault shared with `half` would show.
#[test]
fn known_values_round_to_nearest_even() {
    let cases: &[(u32, u16)] = &[
        (0x0000_0000, 0x0000), // +0
        (0x8000_0000, 0x8000), // −0
        (0x0000_0001, 0x0000), // smallest f32 subnormal
        (0x0000_8000, 0x0000), // tie at half the smallest bf16, to even
        (0x0000_8001, 0x0001), // just above it
        (0x0001_8000, 0x0002), // tie between 1 and 2, to even
        (0x0001_16C2, 0x0001), // 1e-40, which the AVX-512 BF16 instruction makes 0
        (0x007F_FFFF, 0x0080), // largest f32 subnormal, to the smallest normal
        (0x3F80_8000, 0x3F80), // tie above 1, down to even
        (0x3F81_8000, 0x3F82), // tie, up to even
        (0x3FFF_8000, 0x4000), // tie that carries into the exponent
        (0x7F7F_7FFF, 0x7F7F), // rounds down to bf16::MAX
        (0x7F7F_8000, 0x7F80), // tie that becomes infinity
        (0xFF7F_FFFF, 0xFF80), // f32::MIN
        (0x7F80_0000, 0x7F80), // infinity
        (0x7F80_0001, 0x7FC0), // signalling NaN whose payload lies in the lower half
        (0xFFFF_FFFF, 0xFFFF), // NaN that a carry would make +0
        (0x7FA0_8000, 0x7FE0), // signalling NaN, payload kept and not rounded
    ];
    for path in paths() {
        for &(src, expected) in cases {
            let mut dst = [bf16::from_bits(!expected)];
            (path.round)(&[f32::from_bits(src)], &mut dst);
            assert_eq!(dst[0].to_bits(), expected, "{}: {src:#010x}", path.name);
        }
    }
}

/// All 512 signs and exponents, with the mantissas at which rounding changes its mind.
#[test]
fn every_exponent_with_every_telling_mantissa() {
    let upper: &[u32] = &[0x00, 0x01, 0x02, 0x03, 0x3F, 0x40, 0x41, 0x7E, 0x7F];
    let lower: &[u32] = &[
        0x0000, 0x0001, 0x0002, 0x4000, 0x7FFF, 0x8000, 0x8001, 0xBFFF, 0xC000, 0xFFFE, 0xFFFF,
    ];
    let mut patterns = Vec::new();
    for sign_and_exponent in (0..512_u32).step_by(if cfg!(miri) { 15 } else { 1 }) {
        for upper in upper {
            for lower in lower {
                patterns.push(sign_and_exponent << 23 | upper << 16 | lower);
            }
        }
    }
    check_round(&paths(), &patterns);
}

/// Every upper half, so every `bf16` and its neighbourhood, with the lower halves around the tie.
#[test]
fn every_bf16_and_the_ties_on_both_sides_of_it() {
    let stride = if cfg!(miri) { 251 } else { 1 };
    let patterns: Vec<u32> = (0..=0xFFFF_u32)
        .step_by(stride)
        .flat_map(|upper| {
            [0x0000, 0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF].map(|lower| upper << 16 | lower)
        })
        .collect();
    check_round(&paths(), &patterns);
}

/// Walks all of `u32` in a stride coprime to 2^32. An optimised build walks it in steps of 1: every
/// pattern there is.
#[test]
fn a_sweep_through_all_f32() {
    let stride: u32 = if cfg!(miri) {
        2_147_483
    } else if cfg!(debug_assertions) {
        251
    } else {
        1
    };
    let steps = (1_u64 << 32).div_ceil(u64::from(stride));
    let paths = paths();
    let mut patterns = Vec::new();
    let mut pattern = 0_u32;
    for step in 0..steps {
        patterns.push(pattern);
        pattern = pattern.wrapping_add(stride);
        if patterns.len() == 1 << 16 || step + 1 == steps {
            check_round(&paths, &patterns);
            patterns.clear();
        }
    }
}

#[test]
#[should_panic(expected = "source and destination differ in length: 3 and 2 values")]
fn rounding_refuses_another_length() {
    crate::round_f32_to_bf16(&[0.0; 3], &mut [bf16::ZERO; 2]);
}

#[test]
#[should_panic(expected = "source and destination differ in length: 2 and 3 values")]
fn widening_refuses_another_length() {
    crate::widen_bf16_to_f32(&[bf16::ZERO; 2], &mut [0.0; 3]);
}

proptest! {
    #![proptest_config(config())]

    /// Any length from any start: the vector body, its remainder, and the memory around that must
    /// stay as it was.
    #[test]
    fn rounding_any_part_of_a_slice_leaves_the_rest(
        patterns in vec(any::<u32>(), 0..300),
        before in 0_usize..70,
        after in 0_usize..70,
        skip in 0_usize..70,
    ) {
        const GUARD: u16 = 0x5A5A;
        let src: Vec<f32> = patterns.iter().copied().map(f32::from_bits).collect();
        let src = &src[skip.min(src.len())..];
        for path in paths() {
            let mut dst = vec![bf16::from_bits(GUARD); before + src.len() + after];
            (path.round)(src, &mut dst[before..before + src.len()]);
            let dst = bf16_as_u16(&dst);
            prop_assert!(dst[..before].iter().all(|&b| b == GUARD), "{}", path.name);
            prop_assert!(dst[before + src.len()..].iter().all(|&b| b == GUARD), "{}", path.name);
            for (dst, src) in dst[before..].iter().zip(src) {
                prop_assert_eq!(*dst, bf16::from_f32(*src).to_bits(), "{}", path.name);
            }
        }
    }

    #[test]
    fn widening_any_part_of_a_slice_leaves_the_rest(
        bits in vec(any::<u16>(), 0..300),
        before in 0_usize..70,
        after in 0_usize..70,
        skip in 0_usize..70,
    ) {
        const GUARD: u32 = 0x5A5A_5A5A;
        let src = &u16_as_bf16(&bits)[skip.min(bits.len())..];
        for path in paths() {
            let mut dst = vec![f32::from_bits(GUARD); before + src.len() + after];
            (path.widen)(src, &mut dst[before..before + src.len()]);
            let dst: Vec<u32> = dst.iter().map(|x| x.to_bits()).collect();
            prop_assert!(dst[..before].iter().all(|&b| b == GUARD), "{}", path.name);
            prop_assert!(dst[before + src.len()..].iter().all(|&b| b == GUARD), "{}", path.name);
            for (dst, src) in dst[before..].iter().zip(src) {
                prop_assert_eq!(*dst, src.to_f32().to_bits(), "{}", path.name);
            }
        }
    }
}
