//! The portable loops, compiled for vector units that the build's target does not promise.
//!
//! A path is a token that only detection hands out, so to hold one is the proof that its code may
//! run. AVX-512 here is integer arithmetic on wide registers; the instructions of AVX-512 BF16
//! flush subnormals to zero and are not used.

use std::arch::is_x86_feature_detected;

use half::bf16;

use super::portable;

/// Proof that the running CPU has AVX-512 F and BW.
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    /// A cached look-up after the first call.
    #[inline]
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw"))
            .then_some(Self(()))
    }

    pub(super) fn round(self, src: &[f32], dst: &mut [bf16]) {
        #[target_feature(enable = "avx512f,avx512bw")]
        fn round(src: &[f32], dst: &mut [bf16]) {
            portable::round(src, dst);
        }
        // SAFETY: `round` needs AVX-512 F and BW; `self` exists only because `detect` has seen both
        // on this CPU.
        unsafe { round(src, dst) }
    }

    pub(super) fn widen(self, src: &[bf16], dst: &mut [f32]) {
        #[target_feature(enable = "avx512f,avx512bw")]
        fn widen(src: &[bf16], dst: &mut [f32]) {
            portable::widen(src, dst);
        }
        // SAFETY: `widen` needs AVX-512 F and BW; `self` exists only because `detect` has seen both
        // on this CPU.
        unsafe { widen(src, dst) }
    }
}

/// Proof that the running CPU has AVX2.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    /// A cached look-up after the first call.
    #[inline]
    pub(super) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    pub(super) fn round(self, src: &[f32], dst: &mut [bf16]) {
        #[target_feature(enable = "avx2")]
        fn round(src: &[f32], dst: &mut [bf16]) {
            portable::round(src, dst);
        }
        // SAFETY: `round` needs AVX2; `self` exists only because `detect` has seen it on this CPU.
        unsafe { round(src, dst) }
    }

    pub(super) fn widen(self, src: &[bf16], dst: &mut [f32]) {
        #[target_feature(enable = "avx2")]
        fn widen(src: &[bf16], dst: &mut [f32]) {
            portable::widen(src, dst);
        }
        // SAFETY: `widen` needs AVX2; `self` exists only because `detect` has seen it on this CPU.
        unsafe { widen(src, dst) }
    }
}
