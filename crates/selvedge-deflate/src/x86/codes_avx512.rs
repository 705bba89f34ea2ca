//! Codes as `codes_avx2.rs` has them, with instructions that fit better.
//!
//! A table of all 256 bytes is four registers, so no window of exponents is needed; and codes are joined
//! by shifts of each 16, 32 and 64 bits by a count of their own. Every other word is moved to where its
//! neighbour begins, so of two codes one is shifted, and of two pairs each is rotated, one up and one down.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_madd_epi16, _mm512_mask_blend_epi8,
    _mm512_mask_sub_epi32, _mm512_movepi8_mask, _mm512_or_si512, _mm512_permutex2var_epi8,
    _mm512_permutexvar_epi8, _mm512_rolv_epi32, _mm512_set1_epi8, _mm512_set1_epi16,
    _mm512_set1_epi32, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_sllv_epi16,
    _mm512_sllv_epi64, _mm512_srli_epi16, _mm512_srli_epi32, _mm512_srli_epi64, _mm512_srlv_epi64,
    _mm512_sub_epi8, _mm512_sub_epi64, _mm512_unpackhi_epi8, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi8, _mm512_unpacklo_epi64,
};

use bytemuck::must_cast;

use super::joined::{self, GROUP, Joined, WORTH};
use crate::bits::Position;
use crate::header::LITERALS;
use crate::kernel;
use crate::sample::Range;

/// Bytes that are looked up together: two groups.
const WIDE: usize = 2 * GROUP;

/// Exponents that near tables reach over: those of both signs are in one register.
const NEAR: u8 = 32;

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512vbmi")]
pub(super) fn write_codes(
    out: &mut [u8],
    at: &mut Position,
    bytes: &[u8],
    codes: &[u32; LITERALS],
    range: Range,
    ahead: &[u16],
) {
    if bytes.len() < WORTH {
        return kernel::write_codes(out, at, bytes, codes);
    }
    if range.greatest_low - range.least_low < NEAR {
        let tables = Tables::near(codes, range.least_low);
        joined::write_codes(out, at, bytes, codes, ahead, |wide, found| {
            tables.look_up::<true>(wide, found);
        });
    } else {
        let tables = Tables::new(codes);
        joined::write_codes(out, at, bytes, codes, ahead, |wide, found| {
            tables.look_up::<false>(wide, found);
        });
    }
}

/// The codes and their lengths, as look-ups find them: of all bytes, or of [`NEAR`] exponents.
struct Tables {
    /// The least exponent of those.
    base: __m512i,
    /// The lower 8 bits of a code.
    lower: Table,
    /// The other 4 bits, and above them how many of 16 bits the code leaves.
    upper: Table,
}

/// One byte of each entry: for each sign the lower and the upper 64 exponents; or those of both signs in
/// the first register.
type Table = [[__m512i; 2]; 2];

impl Tables {
    #[target_feature(enable = "avx512f")]
    fn new(codes: &[u32; LITERALS]) -> Self {
        let (mut lower, mut upper) = ([0; 256], [0; 256]);
        for (byte, &entry) in codes[..256].iter().enumerate() {
            (lower[byte], upper[byte]) = parts(entry);
        }
        Self {
            base: _mm512_setzero_si512(),
            lower: must_cast(lower),
            upper: must_cast(upper),
        }
    }

    #[target_feature(enable = "avx512f")]
    fn near(codes: &[u32; LITERALS], base: u8) -> Self {
        let (mut lower, mut upper) = ([0; 256], [0; 256]);
        for exponent in base..128.min(base + NEAR) {
            for sign in [0, 1] {
                let entry = codes[sign << 7 | usize::from(exponent)];
                let index = sign * usize::from(NEAR) + usize::from(exponent - base);
                (lower[index], upper[index]) = parts(entry);
            }
        }
        Self {
            base: _mm512_set1_epi8(base.cast_signed()),
            lower: must_cast(lower),
            upper: must_cast(upper),
        }
    }

    /// The joined codes of bytes. `IS_NEAR` says which tables these are.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn look_up<const IS_NEAR: bool>(&self, bytes: &[[u8; WIDE]], found: &mut Joined) {
        let nibble = _mm512_set1_epi8(0x0F);
        let words = found.words.as_chunks_mut::<2>().0.iter_mut();
        let to = words.zip(found.lengths.as_chunks_mut::<2>().0);
        for (bytes, (words_to, lengths_to)) in bytes.iter().zip(to) {
            let (lower, upper) = self.entries::<IS_NEAR>(must_cast(*bytes));
            let gaps = _mm512_and_si512(_mm512_srli_epi16::<4>(upper), nibble);
            let (words, of_words) = joined(lower, _mm512_and_si512(upper, nibble), gaps);
            (*words_to, *lengths_to) = (must_cast(words), must_cast(of_words));
        }
    }

    /// What the tables have of each byte.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    #[inline]
    fn entries<const IS_NEAR: bool>(&self, bytes: __m512i) -> (__m512i, __m512i) {
        if IS_NEAR {
            let exponents = _mm512_and_si512(bytes, _mm512_set1_epi8(0x7F));
            // The sign, in the place of [`NEAR`].
            let signs = _mm512_and_si512(_mm512_srli_epi16::<2>(bytes), _mm512_set1_epi8(0x20));
            let index = _mm512_or_si512(_mm512_sub_epi8(exponents, self.base), signs);
            (
                _mm512_permutexvar_epi8(index, self.lower[0][0]),
                _mm512_permutexvar_epi8(index, self.upper[0][0]),
            )
        } else {
            (entry(&self.lower, bytes), entry(&self.upper, bytes))
        }
    }
}

/// What tables have of a code.
fn parts(entry: u32) -> (u8, u8) {
    let [lower, ..] = (entry >> 8).to_le_bytes();
    let [upper, ..] = (entry >> 16 | (16 - (entry & 15)) << 4).to_le_bytes();
    (lower, upper)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline]
fn entry([positive, negative]: &Table, bytes: __m512i) -> __m512i {
    // The highest bit of an index is not used.
    let positive = _mm512_permutex2var_epi8(positive[0], bytes, positive[1]);
    let negative = _mm512_permutex2var_epi8(negative[0], bytes, negative[1]);
    _mm512_mask_blend_epi8(_mm512_movepi8_mask(bytes), positive, negative)
}

/// Joins codes of up to 12 bits, given by their lower 8 bits, the others, and how many of 16 bits they
/// leave: two in 32 bits, four in 64, and then eight. These, and how many bits they are.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn joined(lower: __m512i, upper: __m512i, gaps: __m512i) -> (__m512i, __m512i) {
    let zero = _mm512_setzero_si512();
    let (first, first_gaps) = fours(
        _mm512_unpacklo_epi8(lower, upper),
        _mm512_unpacklo_epi8(gaps, zero),
    );
    let (second, second_gaps) = fours(
        _mm512_unpackhi_epi8(lower, upper),
        _mm512_unpackhi_epi8(gaps, zero),
    );
    // Eight: the second four after the first.
    let of_first = _mm512_sub_epi64(
        _mm512_set1_epi64(64),
        _mm512_unpacklo_epi64(first_gaps, second_gaps),
    );
    let of_second = _mm512_sub_epi64(
        _mm512_set1_epi64(64),
        _mm512_unpackhi_epi64(first_gaps, second_gaps),
    );
    let moved = _mm512_sllv_epi64(_mm512_unpackhi_epi64(first, second), of_first);
    let eights = _mm512_or_si512(_mm512_unpacklo_epi64(first, second), moved);
    (eights, _mm512_add_epi64(of_first, of_second))
}

/// Four codes in each 64 bits, and how many bits they leave, of codes in 16 bits and what each leaves.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn fours(codes: __m512i, gaps: __m512i) -> (__m512i, __m512i) {
    // Two: the first ends where the second begins, in the middle of 32 bits.
    let of_firsts = _mm512_and_si512(gaps, _mm512_set1_epi32(0xFFFF));
    let twos = _mm512_sllv_epi16(codes, of_firsts);
    // The first two are to end in the middle of 64 bits, and the second two to begin there.
    let of_seconds = _mm512_srli_epi32::<16>(gaps);
    let zero = _mm512_setzero_si512();
    let turns = _mm512_mask_sub_epi32(of_seconds, 0xAAAA, zero, of_firsts);
    let twos = _mm512_rolv_epi32(twos, turns);
    // All four are to begin with the lowest bit.
    let of_twos = _mm512_madd_epi16(gaps, _mm512_set1_epi16(1));
    let of_first_two = _mm512_and_si512(of_twos, _mm512_set1_epi64(0xFFFF_FFFF));
    let fours = _mm512_srlv_epi64(twos, of_first_two);
    let gaps = _mm512_add_epi64(of_first_two, _mm512_srli_epi64::<32>(of_twos));
    (fours, gaps)
}
