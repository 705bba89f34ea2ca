//! Canonical Huffman codes of limited length, and how deflate writes them down.

use crate::bits::{BitWriter, Full};

/// Most bits of a code of a literal or a length: two literals fit an entry of 32 bits with their
/// length, and four of them a word.
pub(crate) const MOST_LENGTH: usize = 12;
/// Most bits of a code of a code length: three bits say how many they are.
const MOST_META_LENGTH: usize = 7;
/// Literals, the end of a block and the lengths of matches.
pub(crate) const SYMBOLS: usize = 286;
/// The symbol that ends a block.
pub(crate) const END: usize = 256;
/// The order in which the lengths of the codes of code lengths are written: RFC 1951, 3.2.7.
const META_ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/// Codes: `bits << 6 | length`, where the bits are in the order in which they are written. 0 for a
/// symbol without a code.
pub(crate) type Codes = [u32];

/// Finds the lengths of an optimal code for symbols that occur so many times, where no code is
/// longer than `most` bits. Symbols that do not occur have none: length 0. One symbol alone has a
/// code of one bit.
///
/// An unlimited code first, by the two queues of van Leeuwen (1976); then codes that are too long
/// are cut to `most`, and the shortest room that this takes is given back by making others longer,
/// until Kraft's sum is 1. Near the optimum of package-merge, and much less work.
pub(crate) fn lengths(counts: &[u32], most: usize, lengths: &mut [u8]) {
    lengths.fill(0);
    let mut leaves: Vec<(u32, u16)> = (0..)
        .zip(counts)
        .filter(|(_, count)| **count > 0)
        .map(|(symbol, &count)| (count, symbol))
        .collect();
    // By count, and equal ones by symbol: the result depends on the counts alone.
    leaves.sort_unstable();
    if let [(_, symbol)] = leaves[..] {
        lengths[usize::from(symbol)] = 1;
    }
    if leaves.len() < 2 {
        return;
    }
    let depths = depths(&leaves);
    let mut of_length = [0_usize; 64];
    for depth in depths {
        of_length[depth.min(most)] += 1;
    }
    // Kraft's sum in units of the longest code.
    let room = 1_usize << most;
    let mut taken: usize = (1..=most)
        .map(|length| of_length[length] << (most - length))
        .sum();
    while taken > room {
        // One of the longest codes goes next to another one, which is made longer for that.
        let shorter = (1..most).rev().find(|&length| of_length[length] > 0);
        let Some(shorter) = shorter else { break };
        of_length[most] -= 1;
        of_length[shorter] -= 1;
        of_length[shorter + 1] += 2;
        taken -= 1;
    }
    // The rarest have the longest.
    let mut leaves = leaves.iter();
    for length in (1..=most).rev() {
        for (_, symbol) in leaves.by_ref().take(of_length[length]) {
            lengths[usize::from(*symbol)] = u8::try_from(length).unwrap_or(0);
        }
    }
}

/// The depths of the leaves of a Huffman tree. The leaves are sorted by their counts.
fn depths(leaves: &[(u32, u16)]) -> Vec<usize> {
    let count = leaves.len();
    // The parent of each leaf, and then of each inner node: those come in the order of their weights.
    let mut parents = vec![0_usize; 2 * count - 1];
    let mut inner: Vec<u64> = Vec::with_capacity(count - 1);
    let (mut next_leaf, mut next_inner) = (0, 0);
    while inner.len() < count - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            let leaf = leaves.get(next_leaf).map(|(count, _)| u64::from(*count));
            let node = inner.get(next_inner).copied();
            let parent = count + inner.len();
            match (leaf, node) {
                (Some(leaf), node) if node.is_none_or(|node| leaf <= node) => {
                    weight += leaf;
                    parents[next_leaf] = parent;
                    next_leaf += 1;
                }
                (_, node) => {
                    weight += node.unwrap_or(0);
                    parents[count + next_inner] = parent;
                    next_inner += 1;
                }
            }
        }
        inner.push(weight);
    }
    let mut depths = vec![0; 2 * count - 1];
    for node in (0..2 * count - 2).rev() {
        depths[node] = depths[parents[node]] + 1;
    }
    depths.truncate(count);
    depths
}

/// The canonical codes of these lengths: RFC 1951, 3.2.2.
pub(crate) fn codes(lengths: &[u8], codes: &mut Codes) {
    let mut of_length = [0_u32; 16];
    for &length in lengths {
        of_length[usize::from(length)] += 1;
    }
    of_length[0] = 0;
    let mut next = [0_u32; 16];
    for length in 1..16 {
        next[length] = (next[length - 1] + of_length[length - 1]) << 1;
    }
    for (code, &length) in codes.iter_mut().zip(lengths) {
        let next = &mut next[usize::from(length)];
        *code = if length == 0 {
            0
        } else {
            // Codes are written from their highest bit down.
            let reversed = next.reverse_bits() >> (32 - u32::from(length));
            reversed << 6 | u32::from(length)
        };
        *next += 1;
    }
}

/// Writes the lengths of the codes of literals and lengths, and of distances, as the head of a
/// dynamic block has them after its three bits: RFC 1951, 3.2.7.
pub(crate) fn write_lengths(
    symbols: &[u8; SYMBOLS],
    distances: &[u8],
    out: &mut BitWriter<'_>,
) -> Result<(), Full> {
    let used = |lengths: &[u8], least: usize| {
        let used = lengths.iter().rposition(|&length| length > 0);
        used.map_or(0, |last| last + 1).max(least)
    };
    let symbols = &symbols[..used(symbols, END + 1)];
    // Where there is no match there is one distance, of no bits.
    let distances = &distances[..used(distances, 1)];
    let all: Vec<u8> = symbols.iter().chain(distances).copied().collect();
    let items = run_lengths(&all);

    let mut counts = [0_u32; 19];
    for &(symbol, ..) in &items {
        counts[symbol] += 1;
    }
    let (mut meta_lengths, mut meta_codes) = ([0_u8; 19], [0_u32; 19]);
    lengths(&counts, MOST_META_LENGTH, &mut meta_lengths);
    codes(&meta_lengths, &mut meta_codes);
    let last = META_ORDER
        .iter()
        .rposition(|&symbol| meta_lengths[symbol] > 0);
    let written = last.map_or(0, |last| last + 1).max(4);

    out.put(symbols.len() as u64 - 257, 5)?;
    out.put(distances.len() as u64 - 1, 5)?;
    out.put(written as u64 - 4, 4)?;
    for &symbol in &META_ORDER[..written] {
        out.put(u64::from(meta_lengths[symbol]), 3)?;
    }
    for (symbol, extra, extra_bits) in items {
        put(meta_codes[symbol], out)?;
        out.put(extra, extra_bits)?;
    }
    Ok(())
}

/// A symbol of a code length or of a repetition, with its extra bits and their number.
type MetaItem = (usize, u64, u32);

/// The lengths with repetitions: 16 repeats the last length 3 to 6 times, 17 and 18 are 3 to 10 and
/// 11 to 138 zeros.
fn run_lengths(lengths: &[u8]) -> Vec<MetaItem> {
    let mut items = Vec::new();
    for run in lengths.chunk_by(|one, next| one == next) {
        let (length, mut left) = (run[0], run.len());
        while length == 0 && left >= 3 {
            let now = left.min(138);
            items.push(match now {
                ..=10 => (17, now as u64 - 3, 3),
                _ => (18, now as u64 - 11, 7),
            });
            left -= now;
        }
        if length > 0 {
            items.push((usize::from(length), 0, 0));
            left -= 1;
            while left >= 3 {
                let now = left.min(6);
                items.push((16, now as u64 - 3, 2));
                left -= now;
            }
        }
        items.extend(std::iter::repeat_n((usize::from(length), 0, 0), left));
    }
    items
}

/// Appends a code.
#[inline(always)]
pub(crate) fn put(code: u32, out: &mut BitWriter<'_>) -> Result<(), Full> {
    out.put(u64::from(code >> 6), code & 63)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Kraft's sum in units of 2^-16.
    fn kraft(lengths: &[u8]) -> u64 {
        let used = lengths.iter().filter(|length| **length > 0);
        used.map(|length| 1 << (16 - length)).sum()
    }

    fn of(counts: &[u32], most: usize) -> Vec<u8> {
        let mut found = vec![0; counts.len()];
        lengths(counts, most, &mut found);
        found
    }

    #[test]
    fn lengths_are_those_of_huffman() {
        assert_eq!(of(&[], 12), [0_u8; 0]);
        assert_eq!(of(&[0, 7, 0], 12), [0, 1, 0]);
        assert_eq!(of(&[1, 1], 12), [1, 1]);
        assert_eq!(of(&[45, 13, 12, 16, 9, 5], 12), [1, 3, 3, 3, 4, 4]);
    }

    #[test]
    fn fibonacci_numbers_are_limited() {
        let mut counts = vec![1_u32, 1];
        for n in 2..40 {
            counts.push(counts[n - 1] + counts[n - 2]);
        }
        for most in [6, 7, 12, 15] {
            let found = of(&counts, most);
            assert_eq!(kraft(&found), 1 << 16, "{most}");
            assert_eq!(found.iter().max(), Some(&u8::try_from(most).unwrap()));
        }
    }

    #[test]
    fn lengths_with_repetitions_are_read_back() {
        let read = |items: Vec<MetaItem>| {
            let mut lengths = Vec::new();
            for (symbol, extra, _) in items {
                let count = usize::try_from(extra).unwrap();
                let (value, times) = match symbol {
                    16 => (*lengths.last().unwrap(), count + 3),
                    17 => (0, count + 3),
                    18 => (0, count + 11),
                    length => (u8::try_from(length).unwrap(), 1),
                };
                lengths.extend(std::iter::repeat_n(value, times));
            }
            lengths
        };
        for (value, other) in [(0, 5), (5, 0)] {
            for times in 0..300 {
                let mut lengths = vec![value; times];
                lengths.push(other);
                assert_eq!(read(run_lengths(&lengths)), lengths);
            }
        }
    }

    proptest! {
        #[test]
        fn codes_are_complete_and_free_of_prefixes(
            counts in prop::collection::vec(0_u32..1000, 2..286),
            most in 9_usize..15,
        ) {
            let found = of(&counts, most);
            let used = counts.iter().filter(|count| **count > 0).count();
            for (length, count) in found.iter().zip(&counts) {
                prop_assert_eq!(*length > 0, *count > 0);
                prop_assert!(usize::from(*length) <= most);
            }
            if used > 1 {
                prop_assert_eq!(kraft(&found), 1 << 16);
            }
            let mut all = vec![0; counts.len()];
            codes(&found, &mut all);
            let mut texts: Vec<String> = all.iter().filter(|code| **code > 0).map(|code| {
                (0..code & 63).map(|bit| if code >> (6 + bit) & 1 == 1 { '1' } else { '0' }).collect()
            }).collect();
            texts.sort();
            for pair in texts.windows(2) {
                prop_assert!(!pair[1].starts_with(&pair[0]));
            }
        }
    }
}
