//! Repetitions at fixed distances, found by comparison.

use crate::kernel::Kernel;

/// Bytes that repeat those before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repetition {
    /// Where, from the first byte that was searched.
    pub(crate) at: u32,
    /// How many, at least 3.
    pub(crate) length: u32,
    /// At which of the [`Repeats`].
    pub(crate) which: u16,
}

/// What a search finds, and room for finding it.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// For each 64 bytes a mask of each distance, with a bit for each byte; and zeros for 64 more.
    masks: Vec<u64>,
    pub(crate) repetitions: Vec<Repetition>,
}

impl Found {
    /// With room for a block of that many bytes, and a search at so many distances.
    pub(crate) fn with_room_for(block: usize, distances: usize) -> Self {
        Self {
            masks: Vec::with_capacity((block.div_ceil(MASKED) + 1) * distances),
            // One has three bytes or more.
            repetitions: Vec::with_capacity(block / 3),
        }
    }
}

/// Farthest that deflate can look back.
pub(crate) const FARTHEST: usize = 32 << 10;

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

/// Finds repetitions in `data[start..]` of what lies at one of the distances before, but not before `floor`.
/// Returns how many bytes they have.
///
/// First each byte is compared with that at a distance before it, which gives a bit; then the bits are
/// searched for as many ones in a row. So bytes that are equal by chance, one here and one there, cost
/// nothing. Where several distances have a repetition, that of the most worth is taken.
#[inline(always)]
pub(crate) fn find<K: Kernel, const N: usize>(
    kernel: K,
    data: &[u8],
    (floor, start): (usize, usize),
    repeats: &[Repeats; N],
    found: &mut Found,
) -> usize {
    let Found { masks, repetitions } = found;
    repetitions.clear();
    let masks = compare(kernel, data, (floor, start), repeats, masks);
    let rows = InARow::new(repeats);
    // What a repetition is worth beside others, in bits: a byte that is not named takes about 3, and a
    // distance the up to 13 that follow its symbol.
    let fewer = repeats.map(|repeats| 13 - distance_symbol(repeats.distance).2 as usize);
    let worth = |which: usize, length: usize| 3 * length + fewer[which];
    let count = data.len() - start;
    let (mut at, mut repeated) = (0, 0);
    while at < count {
        let word = at / MASKED;
        let end = (word + 1) * MASKED;
        // Where repetitions can start among the bytes of the word.
        let starts = rows.starts(&masks[word], &masks[word + 1]);
        let any = starts.iter().fold(0, |any, starts| any | starts);
        while at < end {
            let ahead = any >> (at % MASKED);
            if ahead == 0 {
                at = end;
                break;
            }
            at += ahead.trailing_zeros() as usize;
            let (mut length, mut which, mut most) = (0, 0, 0);
            // The repetitions that start here are few of many.
            let bit = at % MASKED;
            let starts = starts.iter().rev();
            let mut here = starts.fold(0_u64, |here, starts| here << 1 | starts >> bit & 1);
            while here != 0 {
                let index = here.trailing_zeros() as usize % N;
                here &= here - 1;
                let ones = ones(masks, index, at);
                let worth = worth(index, ones);
                if worth > most {
                    (length, which, most) = (ones, index, worth);
                }
            }
            repetitions.push(Repetition {
                at: small(at),
                length: small(length),
                which: u16::try_from(which).expect("few distances"),
            });
            repeated += length;
            at += length;
        }
    }
    repeated
}

/// A bit for each byte from `start` on, for each distance: whether it is that at the distance before it.
#[inline(always)]
fn compare<'a, K: Kernel, const N: usize>(
    kernel: K,
    data: &[u8],
    (floor, start): (usize, usize),
    repeats: &[Repeats; N],
    masks: &'a mut Vec<u64>,
) -> &'a [[u64; N]] {
    let bytes = &data[start..];
    let words = bytes.len().div_ceil(MASKED);
    // What is there is written over.
    masks.resize(masks.len().max((words + 1) * N), 0);
    let masks = masks.as_chunks_mut::<N>().0;
    masks[words] = [0; N];
    for ((index, bytes), masks) in bytes.chunks(MASKED).enumerate().zip(&mut *masks) {
        let at = start + index * MASKED;
        for (mask, repeats) in masks.iter_mut().zip(repeats) {
            let first = floor + repeats.distance;
            *mask = match bytes.as_array() {
                Some(now) if at >= first => {
                    let before = &data[at - repeats.distance..];
                    kernel.equal(now, before.first_chunk().expect("as many before"))
                }
                _ => (first.max(at)..at + bytes.len()).fold(0, |mask, i| {
                    mask | u64::from(data[i] == data[i - repeats.distance]) << (i - at)
                }),
            }
        }
    }
    masks
}

/// Finds where as many ones begin as each of the [`Repeats`] wants.
struct InARow<const N: usize> {
    /// How far to shift in each round, for each.
    shifts: [[u32; N]; 6],
    rounds: usize,
}

impl<const N: usize> InARow<N> {
    fn new(repeats: &[Repeats; N]) -> Self {
        let mut shifts = [[0; N]; 6];
        let mut rounds = 0;
        for (index, repeats) in repeats.iter().enumerate() {
            // Each round makes a bit stand for twice as many ones, or for as many as are wanted.
            let (mut known, mut round) = (1, 0);
            while known < repeats.least {
                let more = known.min(repeats.least - known);
                shifts[round][index] = u32::try_from(more).expect("at most 32");
                known += more;
                round += 1;
            }
            rounds = round.max(rounds);
        }
        Self { shifts, rounds }
    }

    /// The bits of `masks` that are the first of so many ones, some of which may be in `next`.
    #[inline(always)]
    fn starts(&self, masks: &[u64; N], next: &[u64; N]) -> [u64; N] {
        let (mut masks, mut next) = (*masks, *next);
        for shifts in &self.shifts[..self.rounds] {
            for ((mask, next), &shift) in masks.iter_mut().zip(&mut next).zip(shifts) {
                // In two steps, because the shift may be nothing.
                *mask &= *mask >> shift | *next << 1 << (63 - shift);
                *next &= *next >> shift;
            }
        }
        masks
    }
}

/// How many bits from `at` on are ones.
#[inline(always)]
fn ones<const N: usize>(masks: &[[u64; N]], index: usize, at: usize) -> usize {
    let (mut word, bit) = (at / MASKED, at % MASKED);
    let mut count = (masks[word][index] >> bit).trailing_ones() as usize;
    if count == MASKED - bit {
        loop {
            word += 1;
            let more = masks[word][index].trailing_ones() as usize;
            count += more;
            if more < MASKED {
                break;
            }
        }
    }
    count
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
