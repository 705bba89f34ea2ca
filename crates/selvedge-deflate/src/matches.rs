//! Repetitions at one or two fixed distances, found by comparison.

use crate::kernel::Kernel;

/// Literals, and the repetition that follows them. At the end of a block it may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) literals: u32,
    /// 0, or from 3 to 258 bytes.
    pub(crate) length: u16,
    /// Which of the [`Repeats`] it is.
    pub(crate) which: u16,
}

/// What a search finds, and room for finding it.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// A bit for each byte, for each distance.
    masks: [Vec<u64>; 2],
    pub(crate) runs: Vec<Run>,
}

impl Found {
    /// With room for a block of that many bytes.
    pub(crate) fn with_room_for(block: usize) -> Self {
        let masks = || Vec::with_capacity(block / MASKED + 2);
        Self {
            masks: [masks(), masks()],
            // A repetition has three bytes or more.
            runs: Vec::with_capacity(block / 3 + 2),
        }
    }
}

/// Longest repetition that deflate can name.
pub(crate) const LONGEST: usize = 258;

/// Repetitions that are looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeats {
    /// How far before.
    pub(crate) distance: usize,
    /// How many bytes at least, from 3 to 64.
    pub(crate) least: usize,
}

/// Bytes that one mask tells about.
const MASKED: usize = 64;

/// Appends the runs that make up `data[start..]`, with repetitions of what lies at one of the distances
/// before, but not before `floor`. Returns how many bytes are repeated.
///
/// First each byte is compared with that at a distance before it, which gives a bit; then the bits are
/// searched for as many ones in a row. So bytes that are equal by chance, one here and one there, cost
/// nothing. Where both distances have a repetition, the longer one is taken.
#[inline(always)]
pub(crate) fn find<K: Kernel>(
    kernel: K,
    data: &[u8],
    (floor, start): (usize, usize),
    repeats: &[Repeats],
    found: &mut Found,
) -> usize {
    let Found { masks, runs } = found;
    runs.clear();
    for (masks, repeats) in masks.iter_mut().zip(repeats) {
        compare(kernel, data, (floor, start), repeats.distance, masks);
    }
    let count = data.len() - start;
    // Bytes that are in no run yet lie from `open` to `at`.
    let (mut open, mut at) = (0, 0);
    let mut repeated = 0;
    // Where repetitions can start among the bytes of a word.
    let (mut word, mut starts) = (usize::MAX, 0);
    while at < count {
        if word != at / MASKED {
            word = at / MASKED;
            starts = masks
                .iter()
                .zip(repeats)
                .fold(0, |starts, (masks, repeats)| {
                    starts | in_a_row(masks[word], masks[word + 1], repeats.least)
                });
        }
        let ahead = starts >> (at % MASKED);
        if ahead == 0 {
            at = (word + 1) * MASKED;
            continue;
        }
        at += ahead.trailing_zeros() as usize;
        let (mut length, mut which) = (0, 0);
        for (index, repeats) in (0..).zip(repeats) {
            let ones = ones(&masks[usize::from(index)], at);
            if ones >= repeats.least && ones > length {
                (length, which) = (ones, index);
            }
        }
        push(at - open, length, which, runs);
        repeated += length;
        at += length;
        open = at;
    }
    if count > open {
        runs.push(Run {
            literals: small(count - open),
            length: 0,
            which: 0,
        });
    }
    repeated
}

/// Sets `masks` to a bit for each byte from `start` on: whether it is that at the distance before it.
#[inline(always)]
fn compare<K: Kernel>(
    kernel: K,
    data: &[u8],
    (floor, start): (usize, usize),
    distance: usize,
    masks: &mut Vec<u64>,
) {
    masks.clear();
    // The first byte that has one at the distance before it.
    let first = start.max(floor + distance).min(data.len());
    let zeros = (first - start) / MASKED;
    masks.resize(zeros, 0);
    let mut at = start + zeros * MASKED;
    if at < first {
        let end = data.len().min(at + MASKED);
        masks.push((first..end).fold(0, |mask, i| {
            mask | u64::from(data[i] == data[i - distance]) << (i - at)
        }));
        at = end;
    }
    let now = &data[at..];
    let before = &data[at.saturating_sub(distance)..][..now.len()];
    let (whole, rest) = now.as_chunks::<MASKED>();
    let (whole_before, rest_before) = before.as_chunks::<MASKED>();
    let words = whole.iter().zip(whole_before);
    masks.extend(words.map(|(now, before)| kernel.equal(now, before)));
    let bits = rest.iter().zip(rest_before).enumerate();
    masks.push(bits.fold(0, |mask, (i, (a, b))| mask | u64::from(a == b) << i));
    // So that there is one behind each that is looked at.
    masks.push(0);
}

/// The bits of `mask` that are the first of at least `least` ones, some of which may be in `next`.
#[inline(always)]
fn in_a_row(mask: u64, next: u64, least: usize) -> u64 {
    let mut ones = u128::from(mask) | u128::from(next) << 64;
    let mut known = 1;
    while known < least {
        let more = known.min(least - known);
        ones &= ones >> more;
        known += more;
    }
    u64::from_le_bytes(*ones.to_le_bytes().first_chunk().expect("more than 8 bytes"))
}

/// How many bits from `at` on are ones.
#[inline(always)]
fn ones(masks: &[u64], at: usize) -> usize {
    let (mut word, bit) = (at / MASKED, at % MASKED);
    let mut count = (masks[word] >> bit).trailing_ones() as usize;
    if count == MASKED - bit {
        loop {
            word += 1;
            let more = masks[word].trailing_ones() as usize;
            count += more;
            if more < MASKED {
                break;
            }
        }
    }
    count
}

/// A repetition of any length, in pieces that deflate can name.
fn push(literals: usize, mut length: usize, which: u16, runs: &mut Vec<Run>) {
    let mut literals = small(literals);
    while length > 0 {
        // What is left must not be less than 3.
        let piece = if length > LONGEST {
            LONGEST.min(length - 3)
        } else {
            length
        };
        runs.push(Run {
            literals,
            length: u16::try_from(piece).expect("at most 258"),
            which,
        });
        length -= piece;
        literals = 0;
    }
}

fn small(count: usize) -> u32 {
    u32::try_from(count).expect("a block is small")
}

/// The symbol of a length from 3 to 258, and the bits that follow it: value and count.
pub(crate) const fn length_symbol(length: usize) -> (usize, u64, u32) {
    match length {
        LONGEST => (285, 0, 0),
        3..=10 => (254 + length, 0, 0),
        _ => {
            let offset = length - 3;
            let extra = offset.ilog2() - 2;
            let symbol = 257 + 4 * extra as usize + (offset >> extra);
            (symbol, (offset & ((1 << extra) - 1)) as u64, extra)
        }
    }
}

/// The symbol of a distance from 1 to 32,768, and the bits that follow it: value and count.
pub(crate) const fn distance_symbol(distance: usize) -> (usize, u64, u32) {
    let offset = distance - 1;
    if offset < 4 {
        return (offset, 0, 0);
    }
    let extra = offset.ilog2() - 1;
    let symbol = 2 * extra as usize + (offset >> extra);
    (symbol, (offset & ((1 << extra) - 1)) as u64, extra)
}
