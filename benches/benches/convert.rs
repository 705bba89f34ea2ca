//! `selvedge-bf16`'s conversion of slices, against `half`'s and against copying the same bytes.
//!
//! `cargo bench -p selvedge-benches --bench convert`
//!
//! Before any time is taken, each contender's answers are held against `half`'s conversion of
//! single values. Throughput is in bytes of `f32`, in both directions and for the copy, so the
//! figures compare with one another: the copy moves those bytes from one buffer to another. Values
//! are random, normal and of both signs; no path branches on them.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use half::bf16;
use half::slice::HalfFloatSliceExt;
use selvedge_bf16::{bf16_as_u16, round_f32_to_bf16, u16_as_bf16, widen_bf16_to_f32};

/// Values in a slice, and where a slice of that many lies.
const SIZES: [(&str, usize); 2] = [("cache", 16 << 10), ("memory", 16 << 20)];

type Round = fn(&[f32], &mut [bf16]);
type Widen = fn(&[bf16], &mut [f32]);

const ROUND: [(&str, Round); 2] = [
    ("selvedge", round_f32_to_bf16),
    ("half", |src, dst| dst.convert_from_f32_slice(src)),
];
const WIDEN: [(&str, Widen); 2] = [
    ("selvedge", widen_bf16_to_f32),
    ("half", |src, dst| src.convert_to_f32_slice(dst)),
];

/// Random bits, the same in every run (SplitMix64, by S. Vigna).
fn random_bits(count: usize) -> impl Iterator<Item = u32> {
    let mut state = 0_u64;
    (0..count).map(move |_| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 32) as u32
    })
}

/// Random values from 2^-15 to 2, of both signs.
fn random_values(count: usize) -> Vec<f32> {
    random_bits(count)
        .map(|bits| f32::from_bits((bits & 0x87FF_FFFF) | 0x3800_0000))
        .collect()
}

/// Panics unless every contender rounds each of the patterns as `half` rounds a single value.
fn verify_round(patterns: impl Iterator<Item = u32>) {
    let src: Vec<f32> = patterns.map(f32::from_bits).collect();
    let expected: Vec<u16> = src.iter().map(|&x| bf16::from_f32(x).to_bits()).collect();
    let mut dst = vec![bf16::ZERO; src.len()];
    for (name, round) in ROUND {
        dst.fill(bf16::from_bits(0xDEAD));
        round(&src, &mut dst);
        assert!(
            bf16_as_u16(&dst) == expected,
            "{name} rounds otherwise than half's scalar"
        );
    }
}

/// Random bits, every special value and every subnormal.
fn verify() {
    verify_round(random_bits(16 << 20));
    // All 65,536 upper halves: zeros, infinities, NaNs, the ends of the range and all ties.
    for lower in [0x0000, 0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF] {
        verify_round((0..=0xFFFF).map(|upper| upper << 16 | lower));
    }
    for sign in [0, 0x8000_0000] {
        verify_round((0..=0x007F_FFFF).map(|subnormal| sign | subnormal));
    }

    let bits: Vec<u16> = (0..=u16::MAX).collect();
    for (name, widen) in WIDEN {
        let mut dst = vec![0.0; bits.len()];
        widen(u16_as_bf16(&bits), &mut dst);
        for (dst, &bits) in dst.iter().zip(&bits) {
            let expected = bf16::from_bits(bits).to_f32().to_bits();
            assert_eq!(
                dst.to_bits(),
                expected,
                "{name} widens otherwise than half's scalar"
            );
        }
    }
}

fn convert(c: &mut Criterion) {
    verify();

    for (place, len) in SIZES {
        let wide = random_values(len);
        let mut wide_out = vec![1.0_f32; len];
        let mut narrow = vec![bf16::ONE; len];
        let bytes = Throughput::Bytes(size_of_val(&wide[..]) as u64);

        let mut group = c.benchmark_group("f32_to_bf16");
        group.throughput(bytes.clone());
        for (name, round) in ROUND {
            group.bench_function(BenchmarkId::new(name, place), |b| {
                b.iter(|| round(black_box(&wide), black_box(&mut narrow)));
            });
        }
        group.bench_function(BenchmarkId::new("memcpy", place), |b| {
            b.iter(|| black_box(&mut wide_out[..]).copy_from_slice(black_box(&wide)));
        });
        group.finish();

        let mut group = c.benchmark_group("bf16_to_f32");
        group.throughput(bytes);
        for (name, widen) in WIDEN {
            group.bench_function(BenchmarkId::new(name, place), |b| {
                b.iter(|| widen(black_box(&narrow), black_box(&mut wide_out)));
            });
        }
        group.bench_function(BenchmarkId::new("memcpy", place), |b| {
            b.iter(|| black_box(&mut wide_out[..]).copy_from_slice(black_box(&wide)));
        });
        group.finish();
    }
}

criterion_group!(benches, convert);
criterion_main!(benches);
