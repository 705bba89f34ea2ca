//! What `planes.rs` asks of registers, by AVX2, and what else a kernel needs.

use std::arch::x86_64::{
    __m256i, _mm_shuffle_epi8, _mm256_add_epi32, _mm256_add_epi64, _mm256_and_si256,
    _mm256_cmpeq_epi8, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_max_epu8, _mm256_min_epu8,
    _mm256_movemask_epi8, _mm256_packus_epi16, _mm256_permute4x64_epi64, _mm256_sad_epu8,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_setzero_si256, _mm256_srli_epi16,
};

use bytemuck::must_cast;

use super::planes::Registers;
use super::{Avx2, primitives};
use crate::entries::{self, Entries};
use crate::kernel;

pub(super) use super::codes_avx2::write_codes;

impl Registers<32> for Avx2 {
    type Wide = __m256i;

    primitives! { "avx2";
        fn elements(elements: &[u16; 32]) -> [__m256i; 2] { must_cast(*elements) }
        fn of(bytes: &[u8; 32]) -> __m256i { must_cast(*bytes) }
        fn bytes(wide: __m256i) -> [u8; 32] { must_cast(wide) }
        fn all(byte: u8) -> __m256i { _mm256_set1_epi8(byte.cast_signed()) }
        fn and(a: __m256i, b: __m256i) -> __m256i { _mm256_and_si256(a, b) }
        fn least(a: __m256i, b: __m256i) -> __m256i { _mm256_min_epu8(a, b) }
        fn greatest(a: __m256i, b: __m256i) -> __m256i { _mm256_max_epu8(a, b) }
        fn low_bytes(elements: [__m256i; 2]) -> __m256i {
            let byte = _mm256_set1_epi16(0xFF);
            in_order(_mm256_and_si256(elements[0], byte), _mm256_and_si256(elements[1], byte))
        }
        fn high_bytes(elements: [__m256i; 2]) -> __m256i {
            in_order(_mm256_srli_epi16::<8>(elements[0]), _mm256_srli_epi16::<8>(elements[1]))
        }
        fn sums(bytes: __m256i) -> __m256i { _mm256_sad_epu8(bytes, _mm256_setzero_si256()) }
        fn add_sums(a: __m256i, b: __m256i) -> __m256i { _mm256_add_epi64(a, b) }
        fn total(sums: __m256i) -> u64 { must_cast::<_, [u64; 4]>(sums).iter().sum() }
        fn add_weighted(to: __m256i, bytes: __m256i, weights: __m256i) -> __m256i {
            let of_pairs = _mm256_maddubs_epi16(bytes, weights);
            _mm256_add_epi32(to, _mm256_madd_epi16(of_pairs, _mm256_set1_epi16(1)))
        }
        fn total_weighted(weighted: __m256i) -> u64 {
            must_cast::<_, [u32; 8]>(weighted).map(u64::from).iter().sum()
        }
    }
}

/// Elements below 256 of two registers as bytes: packing is within halves of a register.
#[target_feature(enable = "avx2")]
#[inline]
fn in_order(a: __m256i, b: __m256i) -> __m256i {
    _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi16(a, b))
}

/// A bit for each byte that is the same in both.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn equal(a: &[u8; 64], b: &[u8; 64]) -> u64 {
    // Not by `map`, whose closure the compiler does not put in place here.
    let a: [__m256i; 2] = must_cast(*a);
    let b: [__m256i; 2] = must_cast(*b);
    let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(a[0], b[0])).cast_unsigned();
    let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(a[1], b[1])).cast_unsigned();
    u64::from(low) | u64::from(high) << 32
}

/// Makes a decoder's table of up to three bytes of that of the first ones.
#[target_feature(enable = "avx2,bmi2")]
pub(super) fn join(first: &Entries, joined: &mut Entries) {
    entries::join(first, joined);
}

/// Moves the tokens that are kept to the beginning, by a shuffle for each choice of eight.
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn compact(tokens: &mut [u16], keep: &[u64]) -> usize {
    kernel::compact(tokens, keep, |tokens: &[u16; 8], keep| {
        let choice = PACKED[usize::from(keep.to_le_bytes()[0])];
        must_cast(_mm_shuffle_epi8(must_cast(*tokens), must_cast(choice)))
    })
}

/// For each choice of eight tokens the bytes of those that are chosen.
const PACKED: [[u8; 16]; 256] = {
    let mut packed = [[0; 16]; 256];
    let mut choice = 0;
    while choice < packed.len() {
        let (mut count, mut bit) = (0, 0);
        while bit < 8 {
            if choice >> bit & 1 == 1 {
                packed[choice][2 * count] = 2 * bit;
                packed[choice][2 * count + 1] = 2 * bit + 1;
                count += 1;
            }
            bit += 1;
        }
        choice += 1;
    }
    packed
};
