//! Repetitions at one fixed distance, found by comparison.

/// Literals, and the repetition that follows them. At the end of a block it may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) literals: u32,
    /// 0, or from 3 to 258 bytes.
    pub(crate) length: u32,
}

/// Longest repetition that deflate can name.
pub(crate) const LONGEST: usize = 258;

/// Where repetitions are looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeats {
    /// How far before.
    pub(crate) distance: usize,
    /// Nothing before this index is repeated.
    pub(crate) floor: usize,
}

/// Appends the runs that make up `data[start..]`, with repetitions of at least `least` bytes, and
/// not less than 3.
#[inline(always)]
pub(crate) fn find(data: &[u8], start: usize, repeats: Repeats, least: usize, runs: &mut Vec<Run>) {
    // The first byte that has one at the distance before it.
    let first = start.max(repeats.floor + repeats.distance).min(data.len());
    let now = &data[first..];
    let before = &data[first.saturating_sub(repeats.distance)..][..now.len()];
    // Bytes that are in no run yet, up to `at`.
    let mut literals = first - start;
    let mut at = 0;
    while let Some(equal) = first_equal(now, before, at) {
        let length = equal_length(now, before, equal);
        literals += equal - at;
        if length >= least {
            push(literals, length, runs);
            literals = 0;
        } else {
            literals += length;
        }
        at = equal + length;
        // The next byte is known to differ.
        if at < now.len() {
            literals += 1;
            at += 1;
        }
    }
    literals += now.len() - at;
    if literals > 0 {
        runs.push(Run {
            literals: small(literals),
            length: 0,
        });
    }
}

/// A repetition of any length, in pieces that deflate can name.
fn push(literals: usize, mut length: usize, runs: &mut Vec<Run>) {
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
            length: small(piece),
        });
        length -= piece;
        literals = 0;
    }
}

fn small(count: usize) -> u32 {
    u32::try_from(count).expect("a block is small")
}

#[inline(always)]
fn eight(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().expect("8 bytes")))
}

/// The first index from `at` on with equal bytes.
#[inline(always)]
fn first_equal(now: &[u8], before: &[u8], mut at: usize) -> Option<usize> {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    while let (Some(a), Some(b)) = (eight(now, at), eight(before, at)) {
        let differ = a ^ b;
        // The highest bit of each byte that is zero, exactly.
        let equal = !(((differ & LOW) + LOW) | differ) & !LOW;
        if equal != 0 {
            return Some(at + (equal.trailing_zeros() >> 3) as usize);
        }
        at += 8;
    }
    (at..now.len()).find(|&at| now[at] == before[at])
}

/// How many bytes from `at` on are equal.
#[inline(always)]
fn equal_length(now: &[u8], before: &[u8], at: usize) -> usize {
    let mut end = at;
    while let (Some(a), Some(b)) = (eight(now, end), eight(before, end)) {
        let differ = a ^ b;
        if differ != 0 {
            return end + (differ.trailing_zeros() >> 3) as usize - at;
        }
        end += 8;
    }
    let rest = now[end..].iter().zip(&before[end..]);
    end + rest.take_while(|(a, b)| a == b).count() - at
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
