//! Codes by table look-ups in vector registers, where they are joined too.
//!
//! In a high plane a byte is a sign and seven bits of exponent, and nearly all exponents of a block lie
//! within 16 of one another, or within 32: few bytes occur, and a code is looked up among two or four
//! registers of 16, for 32 bytes at a time. (Where an exponent is farther off, as that of a zero is, the
//! 32 bytes around it are looked up one by one.) To join codes is to shift one by the length of the other,
//! and each step of it makes of two words one: of codes two, of those four, and eight, which nearly always
//! fit 64 bits. Those of 16 bytes mostly do as well, and are put at once.
//!
//! There is no `unsafe` here: registers are cast from and to arrays, never loaded through pointers.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi8, _mm256_add_epi64, _mm256_and_si256, _mm256_blendv_epi8,
    _mm256_cmpeq_epi8, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_min_epu8,
    _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi16,
    _mm256_sllv_epi32, _mm256_sllv_epi64, _mm256_srli_epi16, _mm256_srli_epi64, _mm256_srlv_epi64,
    _mm256_sub_epi8, _mm256_sub_epi32, _mm256_unpackhi_epi8, _mm256_unpackhi_epi16,
    _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi8, _mm256_unpacklo_epi16,
    _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
};

use bytemuck::must_cast;

use super::joined::{self, GROUP, Joined, LIMIT, NOT_FOUND, WORTH};
use crate::bits::Position;
use crate::header::LITERALS;
use crate::kernel;
use crate::sample::Range;

/// Bytes that are looked up together.
const WIDE: usize = GROUP;

/// Exponents that the tables reach over.
const WINDOW: u8 = 32;

/// One byte of an entry: for each sign the exponents' lower and upper 16.
type Table = [[__m256i; 2]; 2];

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub(super) fn write_codes(
    out: &mut [u8],
    at: &mut Position,
    bytes: &[u8],
    codes: &[u32; LITERALS],
    range: Range,
    ahead: &[u16],
) {
    let window = (bytes.len() >= WORTH).then(|| Window::of(codes, range));
    let Some(window) = window.flatten() else {
        return kernel::write_codes(out, at, bytes, codes);
    };
    let tables = Tables::new(codes, window.base);
    let signed = range.greatest > 127;
    joined::write_codes(out, at, bytes, codes, ahead, |wide, found| {
        match (signed, window.far, window.checked) {
            (true, false, false) => tables.look_up::<true, false, false>(wide, found),
            (true, false, true) => tables.look_up::<true, false, true>(wide, found),
            (true, true, false) => tables.look_up::<true, true, false>(wide, found),
            (true, true, true) => tables.look_up::<true, true, true>(wide, found),
            (false, false, false) => tables.look_up::<false, false, false>(wide, found),
            (false, false, true) => tables.look_up::<false, false, true>(wide, found),
            (false, true, false) => tables.look_up::<false, true, false>(wide, found),
            (false, true, true) => tables.look_up::<false, true, true>(wide, found),
        }
    });
}

/// The exponents that tables reach over.
struct Window {
    /// The least.
    base: u8,
    /// Whether they are [`WINDOW`] and not half of it.
    far: bool,
    /// Whether there may be others.
    checked: bool,
}

impl Window {
    /// The smallest that has nearly all bytes: all but one in 256, as their codes' lengths have it.
    fn of(codes: &[u32; LITERALS], range: Range) -> Option<Self> {
        const RARE: u32 = (1 << LIMIT) / 256;
        // How many of the longest codes an exponent's two are worth.
        let share = |exponent: u8| {
            let both = [exponent, exponent | 128].map(|byte| codes[usize::from(byte)] & 0xFF);
            let used = both.into_iter().filter(|&length| length > 0);
            used.map(|length| 1 << LIMIT >> length).sum::<u32>()
        };
        let (mut least, mut greatest) = (range.least_low, range.greatest_low);
        let (mut left, mut checked) = (RARE, false);
        let mut far = None;
        loop {
            let base = least;
            if greatest - least < WINDOW / 2 {
                return Some(Self {
                    base,
                    far: false,
                    checked,
                });
            }
            if greatest - least < WINDOW && far.is_none() {
                far = Some(Self {
                    base,
                    far: true,
                    checked,
                });
            }
            let (low, high) = (share(least), share(greatest));
            let Some(more) = left.checked_sub(low.min(high)) else {
                return far;
            };
            left = more;
            checked = true;
            if low <= high {
                least += 1;
            } else {
                greatest -= 1;
            }
        }
    }
}

/// The codes and their lengths, as look-ups find them.
struct Tables {
    /// The least exponent.
    base: __m256i,
    /// The lower 8 bits of a code.
    lower: Table,
    /// The other 4 bits, and above them its length.
    upper: Table,
}

impl Tables {
    #[target_feature(enable = "avx2")]
    fn new(codes: &[u32; LITERALS], base: u8) -> Self {
        Self {
            base: _mm256_set1_epi8(base.cast_signed()),
            lower: table(codes, base, |entry| entry >> 8),
            upper: table(codes, base, |entry| entry >> 16 | entry << 4),
        }
    }

    /// The joined codes of bytes. `SIGNED` says whether there are bytes with the highest bit, `FAR`
    /// whether exponents are looked up that are 16 or more above the least, and `CHECKED` whether there
    /// are bytes that are in no table.
    #[target_feature(enable = "avx2")]
    fn look_up<const SIGNED: bool, const FAR: bool, const CHECKED: bool>(
        &self,
        bytes: &[[u8; WIDE]],
        found: &mut Joined,
    ) {
        let exponent = _mm256_set1_epi8(0x7F);
        let nibble = _mm256_set1_epi8(0x0F);
        let last = _mm256_set1_epi8(if FAR { 31 } else { 15 });
        let to = found.words.iter_mut().zip(&mut found.lengths);
        for (bytes, (words_to, lengths_to)) in bytes.iter().zip(to) {
            let signs = must_cast(*bytes);
            let exponents = if SIGNED {
                _mm256_and_si256(signs, exponent)
            } else {
                signs
            };
            let index = _mm256_sub_epi8(exponents, self.base);
            if CHECKED {
                let within = _mm256_cmpeq_epi8(index, _mm256_min_epu8(index, last));
                if _mm256_movemask_epi8(within) != -1 {
                    *lengths_to = NOT_FOUND;
                    continue;
                }
            }
            let lower = entry::<SIGNED, FAR>(&self.lower, index, signs);
            let upper = entry::<SIGNED, FAR>(&self.upper, index, signs);
            let lengths = _mm256_and_si256(_mm256_srli_epi16::<4>(upper), nibble);
            let (words, of_words) = joined(lower, _mm256_and_si256(upper, nibble), lengths);
            (*words_to, *lengths_to) = (must_cast(words), must_cast(of_words));
        }
    }
}

/// Joins codes of up to 12 bits, given by their lower 8 bits and the others: two in 32 bits, four in 64,
/// and then eight. These, and how many bits they are.
#[target_feature(enable = "avx2")]
#[inline]
fn joined(lower: __m256i, upper: __m256i, lengths: __m256i) -> (__m256i, __m256i) {
    let zero = _mm256_setzero_si256();
    // Two: the second times two to the length of the first. That is a byte of 1 to 128 in the lower or
    // in the upper half of 16 bits.
    let firsts = _mm256_shuffle_epi8(lengths, must_cast(DOUBLED));
    let firsts = _mm256_add_epi8(firsts, _mm256_set1_epi16(0xF800_u16.cast_signed()));
    let factors = _mm256_shuffle_epi8(must_cast(POWERS), firsts);
    let one = _mm256_set1_epi16(1);
    let twos = [
        _mm256_madd_epi16(
            _mm256_unpacklo_epi8(lower, upper),
            _mm256_unpacklo_epi16(one, factors),
        ),
        _mm256_madd_epi16(
            _mm256_unpackhi_epi8(lower, upper),
            _mm256_unpackhi_epi16(one, factors),
        ),
    ];
    let of_twos = _mm256_maddubs_epi16(lengths, _mm256_set1_epi8(1));
    // Four: the first two are moved up to the others, and all down.
    let gaps = _mm256_sub_epi32(
        _mm256_set1_epi32(32),
        _mm256_and_si256(of_twos, _mm256_set1_epi32(0xFFFF)),
    );
    let gaps = [
        _mm256_unpacklo_epi32(gaps, zero),
        _mm256_unpackhi_epi32(gaps, zero),
    ];
    let four = |i: usize| _mm256_srlv_epi64(_mm256_sllv_epi32(twos[i], gaps[i]), gaps[i]);
    let fours = [four(0), four(1)];
    let of_fours = _mm256_madd_epi16(of_twos, one);
    // Eight.
    let of_first = _mm256_and_si256(of_fours, _mm256_set1_epi64x(0xFFFF_FFFF));
    let second = _mm256_sllv_epi64(_mm256_unpackhi_epi64(fours[0], fours[1]), of_first);
    let eights = _mm256_or_si256(_mm256_unpacklo_epi64(fours[0], fours[1]), second);
    let of_eights = _mm256_add_epi64(of_first, _mm256_srli_epi64::<32>(of_fours));
    (eights, of_eights)
}

/// Every other byte, twice.
const DOUBLED: [[u8; 16]; 2] = [[0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14]; 2];

/// Powers of two, and nothing.
const POWERS: [[u8; 16]; 2] = [[1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0]; 2];

/// A byte of each entry.
#[target_feature(enable = "avx2")]
fn table(codes: &[u32; LITERALS], base: u8, byte_of: impl Fn(u32) -> u32) -> Table {
    let mut table = [[[0; 16]; 2]; 2];
    for (sign, halves) in table.iter_mut().enumerate() {
        for (index, byte) in halves.as_flattened_mut().iter_mut().enumerate() {
            let exponent = usize::from(base) + index;
            if exponent < 128 {
                *byte = byte_of(codes[sign << 7 | exponent]).to_le_bytes()[0];
            }
        }
    }
    let half = |half: &[u8; 16]| twice(half);
    table.map(|[lower, upper]| [half(&lower), half(&upper)])
}

#[target_feature(enable = "avx2")]
#[inline]
fn entry<const SIGNED: bool, const FAR: bool>(
    table: &Table,
    index: __m256i,
    signs: __m256i,
) -> __m256i {
    let [positive, negative] = table.map(|[lower, upper]| {
        let lower = _mm256_shuffle_epi8(lower, index);
        if FAR {
            // The fifth bit of an index where a blend looks for it, in the highest.
            let halves = _mm256_slli_epi16::<3>(index);
            _mm256_blendv_epi8(lower, _mm256_shuffle_epi8(upper, index), halves)
        } else {
            lower
        }
    });
    if SIGNED {
        _mm256_blendv_epi8(positive, negative, signs)
    } else {
        positive
    }
}

/// 16 bytes in both halves of a register, as shuffles want their tables.
#[target_feature(enable = "avx2")]
#[inline]
fn twice(bytes: &[u8; 16]) -> __m256i {
    let mut both = [0; WIDE];
    both[..16].copy_from_slice(bytes);
    both[16..].copy_from_slice(bytes);
    must_cast(both)
}
