//! What the encoder writes, read by zlib, libdeflate and miniz.

// Random bits are cut to the width that is needed.
#![allow(clippy::cast_possible_truncation)]

use std::io::Read as _;

use proptest::prelude::*;
use selvedge_deflate::{Encoder, Strides, max_encoded_len};

use common::random;

mod common;

/// HDF5's shuffle filter.
fn shuffled(elements: &[u16]) -> Vec<u8> {
    let low = elements.iter().map(|element| element.to_le_bytes()[0]);
    let high = elements.iter().map(|element| element.to_le_bytes()[1]);
    low.chain(high).collect()
}

/// Panics unless all decoders make `expected` from `stream`.
fn judge(stream: &[u8], expected: &[u8]) {
    let mut zlib = Vec::new();
    let mut decoder = flate2::read::ZlibDecoder::new(stream);
    decoder.read_to_end(&mut zlib).expect("zlib reads it");
    assert!(zlib == expected, "zlib reads something else");
    assert_eq!(decoder.total_in(), stream.len() as u64);

    let mut bytes = vec![0xA5; expected.len()];
    let mut decoder = libdeflater::Decompressor::new();
    let length = decoder
        .zlib_decompress(stream, &mut bytes)
        .expect("libdeflate reads it");
    assert!(
        length == expected.len() && bytes == expected,
        "libdeflate reads something else"
    );

    let bytes = miniz_oxide::inflate::decompress_to_vec_zlib(stream).expect("miniz reads it");
    assert!(bytes == expected, "miniz reads something else");
}

/// Encodes on every path that this machine has, and panics unless all write the same, which every
/// decoder reads. Returns the bytes written.
fn check_with(elements: &[u16], encode: impl Fn(&mut Encoder, &mut Vec<u8>) -> usize) -> usize {
    let expected = shuffled(elements);
    let mut first: Option<Vec<u8>> = None;
    for mut encoder in Encoder::on_every_path() {
        let mut out = vec![7];
        let written = encode(&mut encoder, &mut out);
        assert_eq!(out.len(), 1 + written);
        assert_eq!(out[0], 7, "what was there is kept");
        let bound = max_encoded_len(elements.len());
        assert!(written <= bound, "{written} bytes, bound {bound}");
        match &first {
            None => {
                judge(&out[1..], &expected);
                first = Some(out);
            }
            Some(first) => assert!(*first == out, "{encoder:?} writes another stream"),
        }
    }
    first.map_or(0, |out| out.len() - 1)
}

fn check(elements: &[u16]) -> usize {
    let stored = check_with(elements, |encoder, out| encoder.store(elements, out));
    assert!(stored >= 2 * elements.len());
    check_with(elements, |encoder, out| encoder.encode(elements, out))
}

/// With several rows in a step, among them some that are no rows. Returns the bytes written without rows.
fn check_temporal(elements: &[u16], step: usize) -> usize {
    for row in [3, step / 2, step / 3, step.saturating_sub(1), usize::MAX] {
        check_strides(elements, Strides { step, row });
    }
    check_strides(elements, Strides { step, row: 0 })
}

fn check_strides(elements: &[u16], strides: Strides) -> usize {
    check_with(elements, |encoder, out| {
        encoder.encode_temporal(elements, strides, out)
    })
}

/// Bits of a bf16, roughly normal.
fn gaussian(next: &mut impl FnMut() -> u64) -> u16 {
    let sum: i64 = (0..12).map(|_| (next() >> 40) as i64).sum();
    let value = (sum - 6 * (1 << 24)) as f32 / (1 << 24) as f32;
    (value.to_bits() >> 16) as u16
}

#[test]
fn every_pattern() {
    let all: Vec<u16> = (0..=u16::MAX).collect();
    check(&all);
    let mut next = random(1);
    let mut mixed = all.clone();
    for i in (1..mixed.len()).rev() {
        mixed.swap(i, (next() % (i as u64 + 1)) as usize);
    }
    check(&mixed);
    for step in [3, 256, 32_767, 32_768] {
        check_temporal(&all, step);
        check_temporal(&mixed, step);
    }
}

/// Lengths and CRCs of streams as version 0.1.0 wrote them: archives are compared by their bytes, so another choice of
/// blocks or codes is a change that is told in the CHANGELOG, and not a side effect.
#[test]
fn streams_are_what_they_were() {
    let mut next = random(5);
    let normal: Vec<u16> = (0..100_000).map(|_| gaussian(&mut next)).collect();
    let noise: Vec<u16> = (0..70_000).map(|_| next() as u16).collect();
    let mut steps = normal[..4_096].to_vec();
    while steps.len() < 16 * 4_096 {
        let before = steps[steps.len() - 4_096];
        steps.push(if next().is_multiple_of(4) {
            gaussian(&mut next)
        } else {
            before
        });
    }
    let strides = Strides {
        step: 4_096,
        row: 64,
    };
    let told = |encode: &dyn Fn(&mut Encoder, &mut Vec<u8>) -> usize| {
        let told = Encoder::on_every_path().into_iter().map(|mut encoder| {
            let mut stream = Vec::new();
            encode(&mut encoder, &mut stream);
            (stream.len(), libdeflater::crc32(&stream))
        });
        let mut told: Vec<(usize, u32)> = told.collect();
        told.dedup();
        told
    };
    let found = [
        told(&|encoder, out| encoder.encode(&normal, out)),
        told(&|encoder, out| encoder.encode(&noise, out)),
        told(&|encoder, out| encoder.store(&normal, out)),
        told(&|encoder, out| encoder.encode_temporal(&steps, strides, out)),
    ];
    let expected = [
        [(133_566, 2_651_239_912)],
        [(140_021, 565_668_362)],
        [(200_026, 3_698_020_759)],
        [(59_786, 1_567_336_148)],
    ];
    assert_eq!(found, expected);
}

#[test]
fn every_small_length() {
    let mut next = random(2);
    for length in 0..600 {
        let noise: Vec<u16> = (0..length).map(|_| next() as u16).collect();
        check(&noise);
        check(&vec![0; length]);
        check(&vec![0x3F80; length]);
        let normal: Vec<u16> = (0..length).map(|_| gaussian(&mut next)).collect();
        check(&normal);
        check_temporal(&normal, 3);
    }
}

#[test]
fn lengths_around_the_limits_of_blocks() {
    let mut next = random(3);
    for limit in [4096, 8192, 16_384, 32_768, 65_535, 65_536, 131_070, 640_000] {
        for length in limit - 2..=limit + 2 {
            let noise: Vec<u16> = (0..length).map(|_| next() as u16).collect();
            check(&noise);
            let normal: Vec<u16> = (0..length).map(|_| gaussian(&mut next)).collect();
            assert!(check(&normal) * 13 < length * 20);
            let constant = check(&vec![0xBF00; length]);
            assert!(
                constant < 100 + length / 100,
                "{constant} bytes for {length}"
            );
        }
    }
}

#[test]
fn one_and_two_symbols() {
    let mut next = random(4);
    for length in [1, 2, 3, 17, 4095, 4096, 8191, 8192, 32_769, 100_001] {
        let two: Vec<u16> = (0..length)
            .map(|_| if next() & 1 == 0 { 0 } else { 0xFFFF })
            .collect();
        check(&two);
        let rare: Vec<u16> = (0..length)
            .map(|_| {
                if next().is_multiple_of(5000) {
                    0x8001
                } else {
                    0x3F80
                }
            })
            .collect();
        check(&rare);
        check_temporal(&rare, 64);
    }
}

/// Counts that grow like Fibonacci's numbers make the longest codes there are.
#[test]
fn fibonacci() {
    let mut next = random(5);
    let mut elements = Vec::new();
    let (mut a, mut b) = (1_usize, 1);
    for symbol in 0..24_u16 {
        elements.extend(std::iter::repeat_n(symbol << 8 | symbol, a));
        (a, b) = (b, a + b);
    }
    check(&elements);
    for i in (1..elements.len()).rev() {
        elements.swap(i, (next() % (i as u64 + 1)) as usize);
    }
    check(&elements);
    check_temporal(&elements, 1000);
}

/// What the sample sees is nothing like the rest.
#[test]
fn what_is_sampled_misleads() {
    let mut next = random(6);
    let length = 200_000;
    // One piece of 16 elements of every 4, 8, 16 and 32, another in each turn.
    for bits in 2..=5 {
        let sampled = |i: usize| (i >> 4 ^ i >> (4 + bits)) & ((1 << bits) - 1) == 0;
        let elements: Vec<u16> = (0..length)
            .map(|i| if sampled(i) { 0 } else { next() as u16 })
            .collect();
        check(&elements);
        let elements: Vec<u16> = (0..length)
            .map(|i| if sampled(i) { next() as u16 } else { 0x3F80 })
            .collect();
        check(&elements);
        // Two bytes that the sample sees, and others as near by that it does not see.
        let elements: Vec<u16> = (0..length)
            .map(|i| {
                let bits = next() as u16;
                let high = if sampled(i) {
                    bits & 0x0100
                } else {
                    bits & 0x1F00
                };
                0x3000 | high | bits >> 8
            })
            .collect();
        check(&elements);
    }
}

/// The stream of the high bytes begins with a byte, whatever the low bytes end with, and also where it
/// begins with a block that is stored.
#[test]
fn low_bytes_that_are_coded() {
    let mut next = random(11);
    for length in [1, 5, 100, 16_384, 32_768, 32_769, 50_000, 100_000] {
        for coded_high in [0xFF00_u16, 0x0F00, 0x3000, 0] {
            for coded_low in [0x00FF, 0x000F, 0x0003] {
                for halves in [false, true] {
                    let elements: Vec<u16> = (0..length)
                        .map(|i| {
                            let mask = coded_high | coded_low;
                            next() as u16
                                & if halves && i > length / 2 {
                                    !mask
                                } else {
                                    mask
                                }
                        })
                        .collect();
                    check(&elements);
                }
            }
        }
    }
}

#[test]
fn every_edge_of_the_distance() {
    let mut next = random(7);
    for step in [
        1, 2, 3, 4, 5, 64, 257, 258, 259, 1000, 16_384, 32_767, 32_768, 32_769,
    ] {
        let mut values: Vec<u16> = (0..step).map(|_| gaussian(&mut next)).collect();
        let mut elements = values.clone();
        for _ in 0..(70_000 / step).clamp(3, 300) {
            for value in &mut values {
                if next().is_multiple_of(20) {
                    *value = value.wrapping_add(1);
                }
            }
            elements.extend(&values);
        }
        let written = check_temporal(&elements, step);
        if (64..=32_768).contains(&step) {
            assert!(
                written < elements.len(),
                "{written} bytes for {}",
                elements.len()
            );
        }
        elements.pop();
        check_temporal(&elements, step);
    }
}

#[test]
fn an_encoder_is_used_again() {
    let mut encoder = Encoder::new();
    let mut next = random(8);
    for length in [1000, 10, 100_000, 0, 5000] {
        let normal: Vec<u16> = (0..length).map(|_| gaussian(&mut next)).collect();
        let mut out = Vec::new();
        encoder.encode(&normal, &mut out);
        let mut fresh = Vec::new();
        Encoder::with_capacity(length).encode(&normal, &mut fresh);
        assert!(out == fresh);
    }
}

/// Like a training: values of each row have a scale of their own, and from step to step some move by
/// the last bits. The shares are those of the demo: 45 % of the weights stay as they are, 97 % of
/// their high bytes; of a gradient 0.4 % and half.
#[test]
fn steps_of_a_training() {
    let (rows, width, steps) = (40, 64, 16);
    let mut next = random(9);
    for (stays, high_stays, least) in [(45, 97, 1.9), (0, 50, 1.3)] {
        let mut values: Vec<u16> = (0..rows * width)
            .map(|i| gaussian(&mut next).wrapping_sub(((i / width) as u16 % 6) << 8))
            .collect();
        let mut elements = Vec::new();
        for _ in 0..steps {
            for value in &mut values {
                if next() % 100 >= stays {
                    let noise = next() as u16;
                    let high = if next() % 100 < high_stays {
                        0
                    } else {
                        noise & 0x0100
                    };
                    *value = (*value ^ high) & 0xFF00 | noise >> 8;
                }
            }
            elements.extend(&values);
        }
        let fast = check(&elements);
        let temporal = check_temporal(&elements, rows * width);
        assert!(
            temporal < fast,
            "{temporal} bytes, {fast} without the step before"
        );
        let ratio = 2.0 * elements.len() as f64 / temporal as f64;
        assert!(ratio > least, "{ratio}");
    }
}

/// No input is longer by more than the bound says: stored and coded blocks take turns, coded ones
/// that just pay, and blocks that the sample says are worth coding and are not.
#[test]
fn the_bound_holds_where_blocks_take_turns() {
    let mut next = random(10);
    for share in [1_u64, 3, 4, 5, 6, 8, 16, 64, 256] {
        for period in [700, 16_384, 20_000, 32_768, 65_535] {
            let elements: Vec<u16> = (0..150_000)
                .map(|i| {
                    let noise = next() as u16;
                    let coded = i / period % 2 == 0;
                    if coded && next() % 256 < share {
                        noise & 0x0F0F
                    } else {
                        noise
                    }
                })
                .collect();
            check(&elements);
            check_temporal(&elements, period.min(32_768));
        }
    }
    assert_eq!(check(&[]), 11);
    assert_eq!(check(&[0x1234]), 13);
}

/// Gradients of rows are multiples of one another: their exponents repeat, and nothing from step to step.
#[test]
fn rows_that_are_multiples() {
    let (rows, width, steps) = (16, 64, 16);
    let mut next = random(12);
    let mut elements: Vec<u16> = Vec::new();
    for _ in 0..steps {
        let row: Vec<u16> = (0..width).map(|_| gaussian(&mut next)).collect();
        for _ in 0..rows {
            let multiple = row.iter().map(|value| value & 0xFF00 | next() as u16 >> 8);
            elements.extend(multiple);
        }
    }
    let step = rows * width;
    let without = check_strides(&elements, Strides { step, row: 0 });
    let with = check_strides(&elements, Strides { step, row: width });
    assert!(
        with * 5 < without * 4,
        "{with} bytes, {without} without rows"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_elements(elements in prop::collection::vec(any::<u16>(), 0..5000), step in 0_usize..6000) {
        check(&elements);
        check_temporal(&elements, step);
    }

    #[test]
    fn few_values(
        values in prop::collection::vec(any::<u16>(), 1..8),
        picks in prop::collection::vec((any::<prop::sample::Index>(), 1_usize..400), 0..200),
        step in 1_usize..2000,
    ) {
        let runs = picks.iter().map(|(pick, count)| std::iter::repeat_n(*pick.get(&values), *count));
        let elements: Vec<u16> = runs.flatten().collect();
        check(&elements);
        check_temporal(&elements, step);
    }
}
