//! Exact bfloat16: views, conversion, ULP arithmetic, and what float16 would have lost.
//!
//! `bf16` is the upper half of an `f32`: the same 8 exponent bits, 8 significant bits in place of
//! 24. A tensor stored as `bf16` should come back with the bits it was stored with, and code that
//! passes it through another float type on the way does not promise that: widening makes signalling
//! NaNs quiet, and float16, the other 16-bit float, turns large values into infinity and small ones
//! into zero. This crate holds what storing `bf16` exactly needs, and depends on nothing that does
//! I/O.
//!
//! | to do | use | keeps every bit |
//! |---|---|---|
//! | see `bf16` as `u16` or bytes, and back, without a copy | [`bf16_as_bytes`], [`bytes_as_bf16`], [`bf16_as_u16`], … | yes |
//! | round `f32` to `bf16` | [`round_f32_to_bf16`] | lossy, hence the name |
//! | widen `bf16` to `f32` | [`widen_bf16_to_f32`] | all but signalling NaNs |
//! | measure a difference | [`ulp`], [`ulp_distance`], [`UlpMoves`] | |
//! | tell what float16 would have cost | [`Float16Loss`] | |
//!
//! # Trade-offs
//!
//! - The conversions give exactly the bits that [`half`] gives for one value, and are faster on
//!   slices. They do not use the CPU's own bfloat16 instructions (AVX-512 BF16), which turn
//!   subnormals into zero.
//! - Views borrow, so they need bytes at an even address. Where the bytes of a file are not, copy
//!   them: `bf16_as_bytes_mut(&mut values).copy_from_slice(bytes)`.
//! - Little-endian targets only. Files are little-endian, and a view that does not copy cannot swap
//!   bytes; a big-endian build stops with a compile error rather than writing files that others
//!   misread.
//!
//! # Example
//!
//! ```
//! use selvedge_bf16::{Float16Loss, bf16, bf16_as_bytes, bytes_as_bf16, round_f32_to_bf16};
//!
//! let gradients = [1.0e-3_f32, 2.5e-9, -7.0e4];
//! let mut stored = [bf16::ZERO; 3];
//! round_f32_to_bf16(&gradients, &mut stored);
//!
//! // Bits in, bits out: no arithmetic on the way to a file or back from it.
//! let file = bf16_as_bytes(&stored);
//! assert_eq!(bytes_as_bf16(file)?, stored);
//!
//! let loss = Float16Loss::of(&stored);
//! assert_eq!((loss.exact, loss.underflow_to_zero, loss.overflow_to_infinity), (1, 1, 1));
//! println!("{loss}");
//! # Ok::<(), selvedge_bf16::ViewError>(())
//! ```

#[cfg(target_endian = "big")]
compile_error!(
    "selvedge-bf16 views memory as little-endian file bytes and does not support big-endian targets"
);

mod convert;
mod error;
mod float16_loss;
mod moves;
#[cfg(test)]
mod test_support;
mod ulp;
mod view;

pub use half::bf16;

pub use crate::convert::{round_f32_to_bf16, widen_bf16_to_f32};
pub use crate::error::ViewError;
pub use crate::float16_loss::Float16Loss;
pub use crate::moves::UlpMoves;
pub use crate::ulp::{ulp, ulp_distance};
pub use crate::view::{
    bf16_as_bytes, bf16_as_bytes_mut, bf16_as_u16, bf16_as_u16_mut, bytes_as_bf16,
    bytes_as_bf16_mut, bytes_as_u16, bytes_as_u16_mut, u16_as_bf16, u16_as_bf16_mut, u16_as_bytes,
    u16_as_bytes_mut,
};
