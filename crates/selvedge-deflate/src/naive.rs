//! The slow and obvious way to do what the encoder does fast, and tests that hold one against the other.

use proptest::prelude::*;

use crate::bits::Position;
use crate::header::LITERALS;
use crate::huffman::{self, CODED_LIMIT, LITERAL_LIMIT};
use crate::kernel::{Kernel, Portable};
use crate::matches::{self, Found, Repeats, Repetition};
use crate::sample::{Range, Sample};
use crate::tokens::{Codes, MOST_DISTANCES, Tokens};
#[cfg(target_arch = "x86_64")]
use crate::x86::{Avx2, Avx512};

/// Codes bit by bit: each from its most significant bit, as RFC 1951 has it.
fn packed(bytes: &[u8], lengths: &[u8]) -> (Vec<u8>, usize) {
    // RFC 1951, 3.2.2: codes of a length follow one another, and those of the next length follow them.
    let mut canonical = vec![0_u32; lengths.len()];
    let mut code = 0;
    for length in 1..=15 {
        code <<= 1;
        for symbol in (0..lengths.len()).filter(|&symbol| lengths[symbol] == length) {
            canonical[symbol] = code;
            code += 1;
        }
    }
    let mut bits = Vec::new();
    for &byte in bytes {
        let symbol = usize::from(byte);
        bits.extend(
            (0..lengths[symbol])
                .rev()
                .map(|bit| canonical[symbol] >> bit & 1),
        );
    }
    let byte = |bits: &[u32]| {
        bits.iter()
            .rev()
            .fold(0, |byte, &bit| byte << 1 | bit as u8)
    };
    (bits.chunks(8).map(byte).collect(), bits.len())
}

/// For each byte the distance at which a repetition is named, or 0: at each byte that of those not too short
/// that saves the most bits, 3 for a byte less those after the distance's symbol, and of equals the first.
fn repeated(data: &[u8], (floor, start): (usize, usize), repeats: &[Repeats]) -> Vec<usize> {
    let mut found = Vec::new();
    while start + found.len() < data.len() {
        let begin = start + found.len();
        let length = |repeats: &Repeats| {
            let equal = |&at: &usize| {
                at >= floor + repeats.distance && data[at] == data[at - repeats.distance]
            };
            (begin..data.len()).take_while(equal).count()
        };
        let lengths = repeats.iter().map(|repeats| (length(repeats), repeats));
        let usable = lengths.filter(|(length, repeats)| *length >= repeats.least);
        let saved = |(length, repeats): &(usize, &Repeats)| {
            3 * *length as i64 - i64::from(matches::distance_symbol(repeats.distance).2)
        };
        match usable.rev().max_by_key(saved) {
            Some((length, repeats)) => found.extend(std::iter::repeat_n(repeats.distance, length)),
            None => found.push(0),
        }
    }
    found
}

/// Bits of all symbols by Huffman's own way: the two rarest are joined until one is left.
fn least_cost(counts: &[u32]) -> u64 {
    let mut weights: Vec<u64> = counts.iter().map(|&count| count.into()).collect();
    weights.retain(|&count| count > 0);
    let mut cost = 0;
    while weights.len() > 1 {
        weights.sort_unstable_by(|a, b| b.cmp(a));
        let two = weights.pop().unwrap_or(0) + weights.pop().unwrap_or(0);
        cost += two;
        weights.push(two);
    }
    cost
}

fn check_kernel<K: Kernel>(kernel: K, bytes: &[u8]) {
    let range = Range::of(bytes);
    let mut counts = [0; LITERALS];
    counts[..256].copy_from_slice(&Sample::of(bytes, range).counts);
    counts[256] = 1;
    let mut lengths = [0; LITERALS];
    huffman::lengths(&counts, CODED_LIMIT, &mut lengths);
    let mut codes = [0; LITERALS];
    huffman::codes(&lengths, &mut codes);
    let (expected, bits) = packed(bytes, &lengths);
    let mut out = vec![0xA5; bytes.len() * 2 + 32];
    let mut at = Position::new();
    kernel.write_codes(&mut out, &mut at, bytes, &codes, range, &[]);
    assert_eq!(at.bits(), bits);
    at.align(&mut out);
    assert!(at.take(&out) == expected);
}

/// Repetitions and tokens, beside what is said of each byte.
fn check_find<K: Kernel>(kernel: K, data: &[u8], from: (usize, usize), repeats: &[Repeats]) {
    let mut found = Found::default();
    let count = match repeats {
        [a] => matches::find(kernel, data, from, &[*a], &mut found),
        [a, b] => matches::find(kernel, data, from, &[*a, *b], &mut found),
        _ => {
            let eight = std::array::from_fn::<_, MOST_DISTANCES, _>(|i| repeats[i % repeats.len()]);
            matches::find(kernel, data, from, &eight, &mut found)
        }
    };
    let expected = repeated(data, from, repeats);
    let mut told = vec![0; expected.len()];
    for &Repetition { at, length, which } in &found.repetitions {
        let repeats = repeats[usize::from(which) % repeats.len()];
        assert!(length as usize >= repeats.least);
        told[at as usize..][..length as usize].fill(repeats.distance);
    }
    assert_eq!(told, expected);
    let repeated = expected.iter().filter(|distance| **distance > 0).count();
    assert_eq!(count, repeated);

    let bytes = &data[from.1..];
    let mut tokens = Tokens::default();
    // Twice, because it is used for one block after the other.
    tokens.set(kernel, &[7; 100], &[]);
    tokens.set(kernel, bytes, &found.repetitions);
    let mut all = tokens.all().iter();
    let mut at = 0;
    while let Some(&token) = all.next() {
        if token < 256 {
            assert_eq!((token, told[at]), (bytes[at].into(), 0));
            at += 1;
            continue;
        }
        let length = usize::from(token) - 253;
        assert!((3..=258).contains(&length), "{length}");
        let which = usize::from(*all.next().expect("a distance")) - 512;
        let distance = repeats[which % repeats.len()].distance;
        assert!(told[at..at + length].iter().all(|&told| told == distance));
        at += length;
    }
    assert_eq!(at, bytes.len());
    check_codes(&tokens);
}

/// The counts, and the codes that are written, beside those of each token by itself.
fn check_codes(tokens: &Tokens) {
    let mut counts = tokens.counts();
    counts.literals[256] = 1;
    let mut lengths = [0; LITERALS];
    huffman::lengths(&counts.literals, LITERAL_LIMIT, &mut lengths);
    let mut codes = [0; LITERALS];
    huffman::codes(&lengths, &mut codes);
    // The longest that there are.
    let distances = [(0x2A55 << 8 | 14, 0x1555, 13); MOST_DISTANCES];
    let mut expected = Vec::new();
    let mut put = |value: u64, count: u32| expected.extend((0..count).map(|i| value >> i & 1));
    let (mut literals, mut extra, mut named) = ([0_u32; LITERALS], 0, 0);
    literals[256] = 1;
    for &token in tokens.all() {
        if token >= 512 {
            put(0x2A55, 14);
            put(0x1555, 13);
            named += 1;
            continue;
        }
        let (symbol, value, bits) = match usize::from(token) {
            byte @ ..256 => (byte, 0, 0),
            length => matches::length_symbol(length - 253),
        };
        literals[symbol] += 1;
        extra += bits as usize;
        put(u64::from(codes[symbol] >> 8), codes[symbol] & 0xFF);
        put(value, bits);
    }
    assert_eq!(counts.literals, literals);
    assert_eq!(counts.extra, extra);
    assert_eq!(counts.distances.iter().sum::<u32>(), named);
    let mut out = vec![0xA5; expected.len() / 8 + 16];
    let mut at = Codes::new(&codes, &distances).write(&mut out, Position::new(), tokens.all());
    assert_eq!(at.bits(), expected.len());
    at.align(&mut out);
    let byte = |bits: &[u64]| {
        bits.iter()
            .rev()
            .fold(0, |byte, &bit| byte << 1 | bit as u8)
    };
    assert!(
        at.take(&out)
            .iter()
            .copied()
            .eq(expected.chunks(8).map(byte))
    );
}

fn check_split<K: Kernel>(kernel: K, elements: &[u16]) {
    let (mut low, mut high) = (vec![1; elements.len()], vec![2; elements.len()]);
    let range = kernel.split(elements, &mut low, &mut high);
    let bytes = |i: usize| elements.iter().map(move |element| element.to_le_bytes()[i]);
    assert!(low.iter().copied().eq(bytes(0)) && high.iter().copied().eq(bytes(1)));
    assert_eq!(range.least, bytes(1).min().unwrap_or(255));
    assert_eq!(range.greatest, bytes(1).max().unwrap_or(0));
    let exponents = || bytes(1).map(|byte| byte & 0x7F);
    assert_eq!(range.least_low, exponents().min().unwrap_or(127));
    assert_eq!(range.greatest_low, exponents().max().unwrap_or(0));
}

/// Calls it with each kernel that the CPU has.
macro_rules! with_every_kernel {
    ($check:ident, $($argument:expr),*) => {
        $check(Portable, $($argument),*);
        #[cfg(target_arch = "x86_64")]
        {
            Avx2::detect().map(|kernel| $check(kernel, $($argument),*));
            Avx512::detect().map(|kernel| $check(kernel, $($argument),*));
        }
    };
}

/// Bytes as a high plane has them: few, near each other, some much more frequent.
fn high_plane() -> impl Strategy<Value = Vec<u8>> {
    let byte = (0_u32..1 << 24, 90_u8..128).prop_map(|(weight, top)| {
        let exponent = top.saturating_sub(weight.leading_zeros() as u8 - 8);
        exponent | (weight as u8 & 1) << 7
    });
    prop::collection::vec(byte, 0..3000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 200 }))]

    #[test]
    fn codes_are_packed_as_bit_by_bit(bytes in high_plane()) {
        with_every_kernel!(check_kernel, &bytes);
    }

    /// What a vector's tables reach over is not all that there is.
    #[test]
    fn codes_of_bytes_that_are_rare_and_far(
        mut bytes in high_plane(),
        rare in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for (at, byte) in rare {
            if !bytes.is_empty() {
                *at.get_mut(&mut bytes) = byte;
            }
        }
        with_every_kernel!(check_kernel, &bytes);
    }

    #[test]
    fn elements_are_split_as_one_by_one(elements in prop::collection::vec(any::<u16>(), 0..200)) {
        with_every_kernel!(check_split, &elements);
    }

    #[test]
    fn codes_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        with_every_kernel!(check_kernel, &bytes);
    }

    #[test]
    fn repetitions_are_found_as_byte_by_byte(
        data in prop::collection::vec(0_u8..3, 1..2000),
        (start, floor) in (0_usize..300, 0_usize..100),
        repeats in prop::collection::vec((1_usize..300, 3_usize..=12), 1..=MOST_DISTANCES),
    ) {
        let start = start.min(data.len());
        let repeats = repeats.into_iter().map(|(distance, least)| Repeats { distance, least });
        let repeats = repeats.collect::<Vec<_>>();
        with_every_kernel!(check_find, &data, (floor.min(start), start), &repeats);
    }

    #[test]
    fn codes_cost_no_more_than_huffmans(counts in prop::collection::vec(0_u32..3000, 286)) {
        let mut lengths = [0; LITERALS];
        huffman::lengths(&counts, LITERAL_LIMIT, &mut lengths);
        let cost = counts.iter().zip(lengths).map(|(&c, l)| u64::from(c) * u64::from(l)).sum::<u64>();
        prop_assert!(cost >= least_cost(&counts));
        // Only codes that are cut to the limit cost more.
        if lengths.iter().all(|&length| length < LITERAL_LIMIT) {
            prop_assert_eq!(cost, least_cost(&counts));
        }
    }
}

/// A code that is not complete, or has two codes that begin alike, is refused by decoders.
#[test]
fn codes_are_complete_and_within_their_limit() {
    let fibonacci = |n: usize| {
        let mut counts = [0_u32; LITERALS];
        let (mut a, mut b) = (1, 1);
        for count in &mut counts[..n] {
            *count = a;
            (a, b) = (b, a + b);
        }
        counts
    };
    for limit in [9, 10, LITERAL_LIMIT, 15] {
        // Counts are to be below 2^22.
        for n in 0..=33 {
            let mut lengths = [0; LITERALS];
            huffman::lengths(&fibonacci(n), limit, &mut lengths);
            let used = lengths.iter().filter(|&&length| length > 0);
            assert_eq!(
                used.clone()
                    .map(|length| 1_u32 << (15 - length))
                    .sum::<u32>(),
                1 << 15
            );
            assert_eq!(used.clone().count(), n.max(2));
            assert!(used.max().unwrap() <= &limit);
        }
        let mut lengths = [0; LITERALS];
        huffman::lengths(&[1; LITERALS], limit, &mut lengths);
        assert!(lengths.iter().all(|length| [8, 9].contains(length)));
    }
}

/// The tables of RFC 1951, 3.2.5: the first length or distance of each symbol, and its extra bits.
#[test]
fn symbols_of_lengths_and_distances() {
    let mut next = 3;
    for (index, extra) in [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]
        .into_iter()
        .chain([4, 4, 4, 4, 5, 5, 5, 5])
        .enumerate()
    {
        for value in 0..1_u64 << extra {
            if next < 258 {
                assert_eq!(matches::length_symbol(next), (257 + index, value, extra));
            }
            next += 1;
        }
    }
    assert_eq!(matches::length_symbol(258), (285, 0, 0));
    let mut next = 1;
    for symbol in 0..30 {
        let extra = (symbol as u32 / 2).saturating_sub(1);
        for value in 0..1_u64 << extra {
            assert_eq!(matches::distance_symbol(next), (symbol, value, extra));
            next += 1;
        }
    }
    assert_eq!(next, 32_769);
}
