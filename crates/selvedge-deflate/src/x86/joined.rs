//! Codes that are looked up and joined in vector registers, on their way into the stream.

use std::arch::x86_64::_MM_HINT_T1;

use super::prefetch;
use crate::bits::{Position, Words};
use crate::header::LITERALS;
use crate::huffman::CODED_LIMIT;
use crate::kernel;

/// Below this many bytes the tables cost more than they save.
pub(super) const WORTH: usize = 512;

/// Longest code that a table has room for, beside its length.
pub(super) const LIMIT: u8 = 12;
const _: () = assert!(CODED_LIMIT <= LIMIT);

/// Bytes whose codes are looked up before they are put: so many that what is looked up goes through
/// memory, from where it is read in words, and so few that this is the first cache.
const PART: usize = 512;

/// Bytes of a group: a line of memory has as many elements.
pub(super) const GROUP: usize = 32;

/// Words of a group: the codes of 8 bytes in each.
const WORDS: usize = GROUP / 8;

/// Writes the codes of all bytes. `look_up` is given up to [`PART`] of them, which it is to join; what is
/// left over at the end is looked up here. `ahead` will be read next.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
#[inline]
pub(super) fn write_codes<const WIDE: usize>(
    out: &mut [u8],
    at: &mut Position,
    bytes: &[u8],
    codes: &[u32; LITERALS],
    ahead: &[u16],
    look_up: impl Fn(&[[u8; WIDE]], &mut Joined),
) {
    let mut joined = Joined::new();
    let (mut to, words) = at.words(out);
    let (wide, rest) = bytes.as_chunks::<WIDE>();
    // As many elements are fetched as bytes are looked up.
    let mut ahead = ahead.chunks(PART);
    for part in wide.chunks(PART / WIDE) {
        look_up(part, &mut joined);
        let ahead = ahead.next().unwrap_or_default();
        joined.write(words, &mut to, part.as_flattened(), codes, ahead);
    }
    *at = to.end(words, *at);
    kernel::write_codes(out, at, rest, codes);
}

/// The codes of [`PART`] bytes, joined.
#[repr(C, align(64))]
pub(super) struct Joined {
    /// The codes of eight bytes each. What is in a word is not meant where they have more than 64 bits.
    pub(super) words: [[u64; WORDS]; PART / GROUP],
    /// How many bits those are, in the first of two; more than 64 also where a byte was not found.
    pub(super) lengths: [[[u32; 2]; WORDS]; PART / GROUP],
}

/// Lengths where a byte was not found.
pub(super) const NOT_FOUND: [[u32; 2]; WORDS] = [[65, 0]; WORDS];

impl Joined {
    fn new() -> Self {
        Self {
            words: [[0; WORDS]; PART / GROUP],
            lengths: [[[0; 2]; WORDS]; PART / GROUP],
        }
    }

    /// Writes the codes of `bytes`, whole groups. `ahead` will be read next.
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    #[inline(never)]
    fn write(
        &self,
        out: &mut [[u8; 8]],
        at: &mut Words,
        bytes: &[u8],
        codes: &[u32; LITERALS],
        ahead: &[u16],
    ) {
        // A copy, so that it stays in registers.
        let mut to = *at;
        let joined = self.words.iter().zip(&self.lengths);
        let bytes = bytes.as_chunks::<GROUP>().0;
        for (i, ((words, lengths), bytes)) in joined.zip(bytes).enumerate() {
            if let Some(line) = ahead.get(i * GROUP..) {
                prefetch::<_MM_HINT_T1, _>(line);
            }
            for half in [0, 1] {
                let (first, second) = (words[2 * half], words[2 * half + 1]);
                let ([a, _], [b, _]) = (lengths[2 * half], lengths[2 * half + 1]);
                if a + b <= 64 {
                    to.put(out, first | second << (a & 63), a + b);
                } else if a <= 64 && b <= 64 {
                    to.put(out, first, a);
                    to.put(out, second, b);
                } else {
                    to = one_by_one(out, to, &bytes.as_chunks().0[half], codes);
                }
            }
        }
        *at = to;
    }
}

/// Writes the codes of bytes that do not fit a word, or that are not in the tables.
#[cold]
#[inline(never)]
fn one_by_one(
    out: &mut [[u8; 8]],
    mut to: Words,
    bytes: &[u8; 16],
    codes: &[u32; LITERALS],
) -> Words {
    let codes = codes.first_chunk().expect("more than 256");
    for four in bytes.as_chunks::<4>().0 {
        let (bits, count) = kernel::one_by_one(four, codes);
        to.put(out, bits, count);
    }
    to
}
