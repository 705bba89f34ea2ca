//! The loops that AVX2 has of its own, in registers of twice the width and with instructions that fit better.
//!
//! A table of all 256 bytes is four registers, so no window of exponents is needed; and codes are joined
//! by shifts of each 16, 32 and 64 bits by a count of their own. Every other word is moved to where its
//! neighbour begins, so of two codes one is shifted, and of two pairs each is rotated, one up and one down.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpeq_epi8_mask,
    _mm512_madd_epi16, _mm512_maddubs_epi16, _mm512_mask_add_epi32, _mm512_mask_blend_epi8,
    _mm512_mask_cmple_epu32_mask, _mm512_mask_sub_epi32, _mm512_maskz_compress_epi16,
    _mm512_max_epu8, _mm512_min_epu8, _mm512_movepi8_mask, _mm512_or_si512, _mm512_packus_epi16,
    _mm512_permutex2var_epi8, _mm512_permutexvar_epi8, _mm512_permutexvar_epi64, _mm512_rolv_epi32,
    _mm512_sad_epu8, _mm512_set1_epi8, _mm512_set1_epi16, _mm512_set1_epi32, _mm512_set1_epi64,
    _mm512_setr_epi64, _mm512_setzero_si512, _mm512_sllv_epi16, _mm512_sllv_epi32,
    _mm512_sllv_epi64, _mm512_srli_epi16, _mm512_srli_epi32, _mm512_srli_epi64, _mm512_srlv_epi32,
    _mm512_srlv_epi64, _mm512_sub_epi8, _mm512_sub_epi64, _mm512_test_epi32_mask,
    _mm512_unpackhi_epi8, _mm512_unpackhi_epi64, _mm512_unpacklo_epi8, _mm512_unpacklo_epi64,
    _mm512_xor_si512,
};

use bytemuck::must_cast;

use super::joined::{self, GROUP, Joined, WORTH};
use crate::bits::Position;
use crate::check;
use crate::entries::{BYTE, Entries, LOOKED_UP, TAKEN};
use crate::header::LITERALS;
use crate::kernel::{self, Kernel, Portable, TOKENS_PER_WORD};
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

/// The low and the high bytes of the elements, and the range of the high ones.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn split(elements: &[u16], low: &mut [u8], high: &mut [u8]) -> Range {
    let (wide, rest) = elements.as_chunks::<WIDE>();
    let (low, rest_low) = low.as_chunks_mut::<WIDE>();
    let (high, rest_high) = high.as_chunks_mut::<WIDE>();
    let byte = _mm512_set1_epi16(0xFF);
    let exponent = _mm512_set1_epi8(0x7F);
    // Packing is within quarters of a register.
    let quarters = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    let mut least = [_mm512_set1_epi8(-1), exponent];
    let mut greatest = [_mm512_setzero_si512(); 2];
    for (elements, (low, high)) in wide.iter().zip(low.iter_mut().zip(high)) {
        let [a, b]: [__m512i; 2] = must_cast(*elements);
        let lows = _mm512_packus_epi16(_mm512_and_si512(a, byte), _mm512_and_si512(b, byte));
        let highs = _mm512_packus_epi16(_mm512_srli_epi16::<8>(a), _mm512_srli_epi16::<8>(b));
        let lows = _mm512_permutexvar_epi64(quarters, lows);
        let highs = _mm512_permutexvar_epi64(quarters, highs);
        *low = must_cast(lows);
        *high = must_cast(highs);
        let exponents = _mm512_and_si512(highs, exponent);
        least[0] = _mm512_min_epu8(least[0], highs);
        least[1] = _mm512_min_epu8(least[1], exponents);
        greatest[0] = _mm512_max_epu8(greatest[0], highs);
        greatest[1] = _mm512_max_epu8(greatest[1], exponents);
    }
    let range = Range::of_registers(
        least.map(must_cast::<_, [u8; WIDE]>),
        greatest.map(must_cast::<_, [u8; WIDE]>),
    );
    range.and(Portable.split(rest, rest_low, rest_high))
}

/// A bit for each byte that is the same in both.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
pub(super) fn equal(a: &[u8; 64], b: &[u8; 64]) -> u64 {
    _mm512_cmpeq_epi8_mask(must_cast(*a), must_cast(*b))
}

/// The Adler-32 of bytes that follow those that `check` is of.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn check(check: u32, bytes: &[u8]) -> u32 {
    check::by_registers(check, bytes, |registers: &[[u8; WIDE]]| {
        let zero = _mm512_setzero_si512();
        let (mut sums, mut before, mut weighted) = (zero, zero, zero);
        for register in registers {
            let bytes = must_cast(*register);
            before = _mm512_add_epi64(before, sums);
            sums = _mm512_add_epi64(sums, _mm512_sad_epu8(bytes, zero));
            let of_pairs = _mm512_maddubs_epi16(bytes, must_cast(WEIGHTS));
            let of_fours = _mm512_madd_epi16(of_pairs, _mm512_set1_epi16(1));
            weighted = _mm512_add_epi32(weighted, of_fours);
        }
        let sum = |sums| must_cast::<_, [u64; 8]>(sums).iter().sum();
        let weighted: [u32; 16] = must_cast(weighted);
        (sum(sums), sum(before), weighted.map(u64::from).iter().sum())
    })
}

/// What each byte counts in the weighted sum of a register.
const WEIGHTS: [u8; WIDE] = check::weights();

/// Makes a decoder's table of up to three bytes of that of the first ones, as [`Portable`] does.
#[target_feature(enable = "avx512f")]
pub(super) fn join(first: &Entries, joined: &mut Entries) {
    let set = |value: u32| _mm512_set1_epi32(value.cast_signed());
    let mut bits = must_cast([0_u32, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    let firsts = first.as_chunks::<16>().0;
    let joined = joined.as_chunks_mut::<16>().0;
    for (firsts, joined) in firsts.iter().zip(joined) {
        let mut entries = must_cast(*firsts);
        for shift in [8, 16] {
            let taken = _mm512_and_si512(entries, set(TAKEN));
            let next = super::entries(first, _mm512_srlv_epi32(bits, taken));
            let with_next = _mm512_add_epi32(taken, _mm512_and_si512(next, set(TAKEN)));
            let fits = _mm512_mask_cmple_epu32_mask(
                _mm512_test_epi32_mask(next, next),
                with_next,
                set(LOOKED_UP),
            );
            let byte = _mm512_and_si512(next, set(BYTE));
            let rest = _mm512_xor_si512(next, byte);
            let more = _mm512_add_epi32(rest, _mm512_sllv_epi32(byte, set(shift)));
            entries = _mm512_mask_add_epi32(entries, fits, entries, more);
        }
        *joined = must_cast(entries);
        bits = _mm512_add_epi32(bits, set(16));
    }
}

/// Moves the tokens that are kept to the beginning.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
pub(super) fn compact(tokens: &mut [u16], keep: &[u64]) -> usize {
    const HALF: usize = TOKENS_PER_WORD / 2;
    let mut count = 0;
    for (index, &word) in keep.iter().enumerate().filter(|(_, word)| **word != 0) {
        let halves: [u32; 2] = must_cast(word);
        for (i, keep) in halves.into_iter().enumerate() {
            let from = &tokens[index * TOKENS_PER_WORD + i * HALF..];
            let from: &[u16; HALF] = from.first_chunk().expect("whole words");
            let packed = _mm512_maskz_compress_epi16(keep, must_cast(*from));
            // No farther than where they were read.
            tokens[count..count + HALF].copy_from_slice(&must_cast::<_, [u16; HALF]>(packed));
            count += keep.count_ones() as usize;
        }
    }
    count
}
