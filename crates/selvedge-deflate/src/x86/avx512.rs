//! What `planes.rs` asks of registers, by AVX-512, and what else a kernel needs.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpeq_epi8_mask,
    _mm512_madd_epi16, _mm512_maddubs_epi16, _mm512_mask_add_epi32, _mm512_mask_cmple_epu32_mask,
    _mm512_maskz_compress_epi16, _mm512_max_epu8, _mm512_min_epu8, _mm512_packus_epi16,
    _mm512_permutexvar_epi64, _mm512_sad_epu8, _mm512_set1_epi8, _mm512_set1_epi16,
    _mm512_set1_epi32, _mm512_setr_epi64, _mm512_setzero_si512, _mm512_sllv_epi32,
    _mm512_srli_epi16, _mm512_srlv_epi32, _mm512_test_epi32_mask, _mm512_xor_si512,
};

use bytemuck::must_cast;

use super::planes::Registers;
use super::{Avx512, primitives};
use crate::entries::{BYTE, Entries, LOOKED_UP, TAKEN};
use crate::kernel;

pub(super) use super::codes_avx512::write_codes;

impl Registers<64> for Avx512 {
    type Wide = __m512i;

    primitives! { "avx512f,avx512bw";
        fn elements(elements: &[u16; 64]) -> [__m512i; 2] { must_cast(*elements) }
        fn of(bytes: &[u8; 64]) -> __m512i { must_cast(*bytes) }
        fn bytes(wide: __m512i) -> [u8; 64] { must_cast(wide) }
        fn all(byte: u8) -> __m512i { _mm512_set1_epi8(byte.cast_signed()) }
        fn and(a: __m512i, b: __m512i) -> __m512i { _mm512_and_si512(a, b) }
        fn least(a: __m512i, b: __m512i) -> __m512i { _mm512_min_epu8(a, b) }
        fn greatest(a: __m512i, b: __m512i) -> __m512i { _mm512_max_epu8(a, b) }
        fn low_bytes(elements: [__m512i; 2]) -> __m512i {
            let byte = _mm512_set1_epi16(0xFF);
            in_order(_mm512_and_si512(elements[0], byte), _mm512_and_si512(elements[1], byte))
        }
        fn high_bytes(elements: [__m512i; 2]) -> __m512i {
            in_order(_mm512_srli_epi16::<8>(elements[0]), _mm512_srli_epi16::<8>(elements[1]))
        }
        fn sums(bytes: __m512i) -> __m512i { _mm512_sad_epu8(bytes, _mm512_setzero_si512()) }
        fn add_sums(a: __m512i, b: __m512i) -> __m512i { _mm512_add_epi64(a, b) }
        fn total(sums: __m512i) -> u64 { must_cast::<_, [u64; 8]>(sums).iter().sum() }
        fn add_weighted(to: __m512i, bytes: __m512i, weights: __m512i) -> __m512i {
            let of_pairs = _mm512_maddubs_epi16(bytes, weights);
            _mm512_add_epi32(to, _mm512_madd_epi16(of_pairs, _mm512_set1_epi16(1)))
        }
        fn total_weighted(weighted: __m512i) -> u64 {
            must_cast::<_, [u32; 16]>(weighted).map(u64::from).iter().sum()
        }
    }
}

/// Elements below 256 of two registers as bytes: packing is within quarters of a register.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn in_order(a: __m512i, b: __m512i) -> __m512i {
    let quarters = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    _mm512_permutexvar_epi64(quarters, _mm512_packus_epi16(a, b))
}

/// A bit for each byte that is the same in both.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
pub(super) fn equal(a: &[u8; 64], b: &[u8; 64]) -> u64 {
    _mm512_cmpeq_epi8_mask(must_cast(*a), must_cast(*b))
}

/// Makes a decoder's table of up to three bytes of that of the first ones: `entries::join`, for
/// 16 entries at a time.
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

/// Moves the tokens that are kept to the beginning, 32 at a time.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
pub(super) fn compact(tokens: &mut [u16], keep: &[u64]) -> usize {
    kernel::compact(tokens, keep, |tokens: &[u16; 32], keep| {
        let keep = (keep & 0xFFFF_FFFF) as u32;
        must_cast(_mm512_maskz_compress_epi16(keep, must_cast(*tokens)))
    })
}
