//! The arithmetic of both conversions, in integers and without branches, so that the compiler makes
//! vector code of it for whatever target features are on where it is inlined.

use half::bf16;

/// All bits of an `f32` but the sign.
const MAGNITUDE: u32 = 0x7FFF_FFFF;
/// The bits of an infinite `f32`; every larger magnitude is a NaN.
const INFINITY: u32 = 0x7F80_0000;
/// The bit of an `f32` that tells a quiet NaN from a signalling one.
const QUIET: u32 = 0x0040_0000;

/// Rounds each value of `src` into the same place of `dst`.
#[inline(always)]
pub(super) fn round(src: &[f32], dst: &mut [bf16]) {
    for (dst, src) in dst.iter_mut().zip(src) {
        *dst = bf16::from_bits(round_bits(src.to_bits()));
    }
}

/// Widens each value of `src` into the same place of `dst`.
#[inline(always)]
pub(super) fn widen(src: &[bf16], dst: &mut [f32]) {
    for (dst, src) in dst.iter_mut().zip(src) {
        *dst = f32::from_bits(widen_bits(src.to_bits()));
    }
}

/// The `bf16` nearest to an `f32`, ties to even, as bits.
///
/// A `bf16` is the upper half of an `f32`, and magnitudes grow with their bits. So adding just less
/// than half a unit of the upper half, and one more if it is odd, carries into it exactly when the
/// value rounds away from zero; and the carry runs on from mantissa to exponent, from subnormal to
/// normal and from the largest number to infinity. NaNs are excepted, because the carry could make
/// them infinite or zero.
#[inline(always)]
fn round_bits(bits: u32) -> u16 {
    let odd = (bits >> 16) & 1;
    let rounded = bits.wrapping_add(0x7FFF + odd);
    let nan = (bits & MAGNITUDE) > INFINITY;
    ((if nan { bits | QUIET } else { rounded }) >> 16) as u16
}

/// The `f32` of the same value as a `bf16`, as bits; NaNs become quiet.
#[inline(always)]
fn widen_bits(bits: u16) -> u32 {
    let wide = u32::from(bits) << 16;
    let nan = (wide & MAGNITUDE) > INFINITY;
    if nan { wide | QUIET } else { wide }
}
