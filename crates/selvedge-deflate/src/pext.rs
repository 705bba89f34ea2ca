//! Codes by table look-ups in vector registers, joined by `PEXT`.
//!
//! In a high plane a byte is a sign and seven bits of exponent, and the exponents of a block nearly
//! always lie within 32 of one another: at most 64 bytes occur, and a code is looked up among four
//! registers of 16, for 32 bytes at a time. The look-ups give each code in a lane of 16 bits beside a
//! mask of its length; `PEXT` takes the bits under the masks of four lanes and puts them together,
//! which is what packing codes is.
//!
//! There is no `unsafe` here: registers are cast from and to arrays, never loaded through pointers.

use std::arch::x86_64::{
    __m256i, _mm256_and_si256, _mm256_blendv_epi8, _mm256_cmpeq_epi8, _mm256_movemask_epi8,
    _mm256_set1_epi8, _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_sub_epi8,
    _mm256_unpackhi_epi8, _mm256_unpacklo_epi8, _pext_u64,
};

use bytemuck::must_cast;

use crate::bits::Position;
use crate::header::LITERALS;
use crate::kernel;
use crate::sample::Range;

/// Bytes that are looked up together.
const WIDE: usize = 32;

/// Exponents that the tables reach over.
const WINDOW: u8 = 32;

/// Below this many bytes the tables cost more than they save.
const WORTH: usize = 512;

/// One byte of an entry: for each sign the exponents' lower and upper 16.
type Table = [[__m256i; 2]; 2];

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub(crate) fn literals(
    out: &mut [u8],
    at: &mut Position,
    bytes: &[u8],
    codes: &[u32; LITERALS],
    range: Range,
) {
    let base = range.least_low;
    if bytes.len() < WORTH || range.greatest_low - base >= WINDOW {
        return kernel::literals(out, at, bytes, codes);
    }
    let lengths = table(codes, base, 0);
    let lower = table(codes, base, 8);
    let upper = table(codes, base, 16);
    let mut masks = [[0; 16]; 2];
    let [low, high] = &mut masks;
    for (length, (low, high)) in low.iter_mut().zip(high).enumerate() {
        [*low, *high] = ((1_u16 << length) - 1).to_le_bytes();
    }
    let masks = masks.map(|half| twice(&half));
    let base = _mm256_set1_epi8(base.cast_signed());
    let exponent = _mm256_set1_epi8(0x7F);

    // A copy, so that it stays in registers.
    let mut to = *at;
    let (wide, rest) = bytes.as_chunks::<WIDE>();
    for bytes in wide {
        let signs = must_cast(*bytes);
        let index = _mm256_sub_epi8(_mm256_and_si256(signs, exponent), base);
        // The fifth bit of an index where a blend looks for it, in the highest.
        let halves = _mm256_slli_epi16::<3>(index);
        let length = look_up(&lengths, index, halves, signs);
        let lower = look_up(&lower, index, halves, signs);
        let upper = look_up(&upper, index, halves, signs);
        let mask_low = _mm256_shuffle_epi8(masks[0], length);
        let mask_high = _mm256_shuffle_epi8(masks[1], length);

        // Unpacking is within halves of a register: bytes 0 to 7 and 16 to 23, then the others.
        let codes = [
            _mm256_unpacklo_epi8(lower, upper),
            _mm256_unpackhi_epi8(lower, upper),
        ]
        .map(must_cast::<_, [u64; 4]>);
        let masks = [
            _mm256_unpacklo_epi8(mask_low, mask_high),
            _mm256_unpackhi_epi8(mask_low, mask_high),
        ]
        .map(must_cast::<_, [u64; 4]>);
        for (part, pair) in [(0, 0), (1, 0), (0, 2), (1, 2)] {
            let (first, second) = (masks[part][pair], masks[part][pair + 1]);
            let a = _pext_u64(codes[part][pair], first);
            let b = _pext_u64(codes[part][pair + 1], second);
            let (a_bits, b_bits) = (first.count_ones(), second.count_ones());
            if a_bits + b_bits <= 56 {
                to.put(out, a | b << (a_bits & 63), a_bits + b_bits);
            } else {
                to.put(out, a, a_bits);
                to.put(out, b, b_bits);
            }
        }
    }
    kernel::literals(out, &mut to, rest, codes);
    *at = to;
}

/// A bit for each byte that is the same in both.
#[target_feature(enable = "avx2")]
#[inline]
pub(crate) fn equal(a: &[u8; 64], b: &[u8; 64]) -> u64 {
    let [a, b] = [a, b].map(|bytes| must_cast::<_, [__m256i; 2]>(*bytes));
    let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(a[0], b[0])).cast_unsigned();
    let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(a[1], b[1])).cast_unsigned();
    u64::from(low) | u64::from(high) << 32
}

/// The byte of each entry that is `shift` bits up.
#[target_feature(enable = "avx2")]
fn table(codes: &[u32; LITERALS], base: u8, shift: u32) -> Table {
    let mut table = [[[0; 16]; 2]; 2];
    for (sign, halves) in table.iter_mut().enumerate() {
        for (index, byte) in halves.as_flattened_mut().iter_mut().enumerate() {
            let exponent = usize::from(base) + index;
            if exponent < 128 {
                *byte = (codes[sign << 7 | exponent] >> shift).to_le_bytes()[0];
            }
        }
    }
    let half = |half: &[u8; 16]| twice(half);
    table.map(|[lower, upper]| [half(&lower), half(&upper)])
}

#[target_feature(enable = "avx2")]
#[inline]
fn look_up(table: &Table, index: __m256i, halves: __m256i, signs: __m256i) -> __m256i {
    let [positive, negative] = table;
    let lower = _mm256_shuffle_epi8(positive[0], index);
    let upper = _mm256_shuffle_epi8(positive[1], index);
    let positive = _mm256_blendv_epi8(lower, upper, halves);
    let lower = _mm256_shuffle_epi8(negative[0], index);
    let upper = _mm256_shuffle_epi8(negative[1], index);
    let negative = _mm256_blendv_epi8(lower, upper, halves);
    _mm256_blendv_epi8(positive, negative, signs)
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
