//! The portable loops, compiled for instructions that the build's target does not promise.
//!
//! A path is a token that only detection hands out, so to hold one is the proof that its code may
//! run. The source is one, so the streams are the same in every bit: what differs is how wide the
//! loops over planes are, and that shifts by a variable count (BMI2) take one instruction instead of
//! three.

mod avx2;
mod avx512;
mod codes_avx2;
mod codes_avx512;
mod joined;
mod planes;

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::{
    __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_and_si512, _mm512_i32gather_epi32, _mm512_set1_epi32,
};

use crate::bits::Position;
use crate::decode::{self, Batch};
use crate::encode::{self, Chunk};
use crate::entries::{Entries, LOOKED_UP};
use crate::header::LITERALS;
use crate::kernel::Kernel;
use crate::sample::Range;

/// Proof that the running CPU has AVX-512 F, BW, VL, VBMI and VBMI2, and what `Avx2` proves: all since
/// Ice Lake and Zen 4.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        let wide = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi")
            && is_x86_feature_detected!("avx512vbmi2");
        Avx2::detect().filter(|_| wide).map(|_| Self(()))
    }
}

/// Proof that the running CPU has AVX2, BMI1 and BMI2, LZCNT and POPCNT.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt");
        all.then_some(Self(()))
    }
}

/// Methods of a path that are some instructions of these features.
macro_rules! primitives {
    ($features:literal; $(fn $name:ident($($arg:ident: $type:ty),*) -> $result:ty $body:block)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($arg: $type),*) -> $result {
                #[target_feature(enable = $features)]
                #[inline]
                fn instructions($($arg: $type),*) -> $result $body
                // SAFETY: `self` exists only because `detect` has seen these features on this CPU.
                unsafe { instructions($($arg),*) }
            }
        )*
    };
}
use primitives;

/// What a path does: the loops over a chunk, compiled for its instructions, and the kernel's of a module.
macro_rules! path {
    ($path:ident, $module:ident, $features:literal) => {
        impl $path {
            pub(crate) fn encode(self, chunk: Chunk<'_>) {
                #[target_feature(enable = $features)]
                fn encode(kernel: $path, chunk: Chunk<'_>) {
                    encode::encode(kernel, chunk);
                }
                // SAFETY: `encode` needs the features that it names; `self` exists only because
                // `detect` has seen all of them on this CPU.
                unsafe { encode(self, chunk) }
            }

            pub(crate) fn decode(self, batch: Batch<'_, '_, '_>) {
                #[target_feature(enable = $features)]
                fn decode(kernel: $path, batch: Batch<'_, '_, '_>) {
                    decode::decode(kernel, batch);
                }
                // SAFETY: as for `encode`.
                unsafe { decode(self, batch) }
            }
        }

        impl Kernel for $path {
            #[inline(always)]
            fn write_codes(
                self,
                out: &mut [u8],
                at: &mut Position,
                bytes: &[u8],
                codes: &[u32; LITERALS],
                range: Range,
                ahead: &[u16],
            ) {
                // SAFETY: it needs no more than `encode`; `self` exists only because `detect` has seen
                // all of that on this CPU.
                unsafe { $module::write_codes(out, at, bytes, codes, range, ahead) }
            }

            #[inline(always)]
            fn split(self, elements: &[u16], low: &mut [u8], high: &mut [u8]) -> Range {
                #[target_feature(enable = $features)]
                fn split(path: $path, from: &[u16], low: &mut [u8], high: &mut [u8]) -> Range {
                    planes::split(path, from, low, high)
                }
                // SAFETY: as for `encode`.
                unsafe { split(self, elements, low, high) }
            }

            #[inline(always)]
            fn equal(self, a: &[u8; 64], b: &[u8; 64]) -> u64 {
                // SAFETY: as for `write_codes`.
                unsafe { $module::equal(a, b) }
            }

            #[inline(always)]
            fn fetch(self, bytes: &[u8]) {
                for line in bytes.chunks(64) {
                    prefetch::<_MM_HINT_T0, _>(line);
                }
            }

            #[inline(always)]
            fn check(self, check: u32, bytes: &[u8]) -> u32 {
                #[target_feature(enable = $features)]
                fn of(path: $path, check: u32, bytes: &[u8]) -> u32 {
                    planes::check(path, check, bytes)
                }
                // SAFETY: as for `encode`.
                unsafe { of(self, check, bytes) }
            }

            #[inline(always)]
            fn join(self, first: &Entries, joined: &mut Entries) {
                // SAFETY: as for `write_codes`.
                unsafe { $module::join(first, joined) }
            }

            #[inline(always)]
            fn compact(self, tokens: &mut [u16], keep: &[u64]) -> usize {
                // SAFETY: as for `write_codes`.
                unsafe { $module::compact(tokens, keep) }
            }
        }
    };
}

path!(Avx2, avx2, "avx2,bmi1,bmi2,lzcnt,popcnt");
path!(
    Avx512,
    avx512,
    "avx2,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2"
);

/// Asks for the line of memory that data begin in, into the cache that `HINT` names.
#[inline(always)]
fn prefetch<const HINT: i32, T>(data: &[T]) {
    // SAFETY: it reads nothing as far as the program can tell, and takes any address.
    unsafe { _mm_prefetch::<HINT>(data.as_ptr().cast()) }
}

/// 16 entries of a table: of an index only as many bits count as the table has entries for.
#[target_feature(enable = "avx512f")]
#[inline]
fn entries(table: &Entries, index: __m512i) -> __m512i {
    const LAST: u32 = (1 << LOOKED_UP) - 1;
    let index = _mm512_and_si512(index, _mm512_set1_epi32(LAST.cast_signed()));
    // SAFETY: no index is greater than that of the last entry, and entries are of four bytes.
    unsafe { _mm512_i32gather_epi32::<4>(index, table.as_ptr().cast()) }
}
