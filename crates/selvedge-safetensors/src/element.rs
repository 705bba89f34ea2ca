//! The Rust types that an element can have, and their bytes.

use half::f16;
use selvedge_base::buffer;
use selvedge_bf16::bf16;

use crate::{Dtype, ReadError, TensorInfo};

mod sealed {
    pub trait Sealed {}
}

/// Why bytes cannot be viewed as elements in place.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoView {
    /// They begin at an address that is no multiple of this alignment, the type's.
    Misaligned(usize),
    /// The byte at this index is neither `false` nor `true`.
    NotBool(usize, u8),
}

impl NoView {
    /// The error of a tensor whose bytes from `begin` on were to be viewed.
    pub(crate) fn into_error(self, info: &TensorInfo, begin: usize) -> ReadError {
        let tensor = info.name.clone();
        match self {
            Self::Misaligned(alignment) => ReadError::Misaligned {
                tensor,
                dtype: info.dtype,
                offset: info.range.start + begin as u64,
                alignment,
            },
            Self::NotBool(index, found) => ReadError::InvalidBool {
                tensor,
                index,
                found,
            },
        }
    }
}

/// A Rust type of the elements of a tensor.
///
/// Sealed. Each type stands for one [`Dtype`]; besides, `u16` reads and writes the bits of BF16 and
/// F16, and `u8` the bits of the 8-bit floats, which have no type here. C64 is `[f32; 2]`: the real
/// part, then the imaginary one. The 4-bit and 6-bit floats are bytes only.
pub trait Element: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The dtype it stands for.
    const DTYPE: Dtype;

    /// Whether a tensor of `dtype` can be read and written as this type, bit for bit.
    #[must_use]
    fn fits(dtype: Dtype) -> bool {
        dtype == Self::DTYPE
    }

    /// The elements as bytes, little-endian.
    #[doc(hidden)]
    fn as_bytes(elements: &[Self]) -> &[u8];

    /// The elements that the bytes are; as many as fit.
    #[doc(hidden)]
    fn view(bytes: &[u8]) -> Result<&[Self], NoView>;

    /// Elements of zero bits, in memory that is touched only when it is written; `None` where there is not
    /// so much.
    #[doc(hidden)]
    fn zeroed(len: usize) -> Option<Vec<Self>>;

    /// Lets `fill` write the bytes of `elements`.
    #[doc(hidden)]
    fn fill<E: From<NoView>>(
        elements: &mut [Self],
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E>;
}

macro_rules! elements {
    ($($type:ty => $dtype:ident $(, also $($other:ident)|+)?);* $(;)?) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const DTYPE: Dtype = Dtype::$dtype;

            $(fn fits(dtype: Dtype) -> bool {
                matches!(dtype, Dtype::$dtype $(| Dtype::$other)+)
            })?

            fn as_bytes(elements: &[Self]) -> &[u8] {
                bytemuck::must_cast_slice(elements)
            }

            fn view(bytes: &[u8]) -> Result<&[Self], NoView> {
                if bytes.is_empty() {
                    // No bytes may sit at any address.
                    return Ok(&[]);
                }
                bytemuck::try_cast_slice(bytes).map_err(|_| NoView::Misaligned(align_of::<$type>()))
            }

            fn zeroed(len: usize) -> Option<Vec<Self>> {
                buffer::zeroed(len)
            }

            fn fill<E: From<NoView>>(
                elements: &mut [Self],
                fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
            ) -> Result<(), E> {
                fill(bytemuck::must_cast_slice_mut(elements))
            }
        }
    )*};
}

elements! {
    bf16 => BF16;
    f16 => F16;
    f32 => F32;
    f64 => F64;
    [f32; 2] => C64;
    i8 => I8;
    i16 => I16;
    i32 => I32;
    i64 => I64;
    u8 => U8, also F8_E5M2 | F8_E4M3 | F8_E8M0 | F8_E4M3FNUZ | F8_E5M2FNUZ;
    u16 => U16, also BF16 | F16;
    u32 => U32;
    u64 => U64;
}

impl sealed::Sealed for bool {}

/// A file can hold any byte where a `bool` is 0 or 1 only: so each is looked at.
impl Element for bool {
    const DTYPE: Dtype = Dtype::BOOL;

    fn as_bytes(elements: &[Self]) -> &[u8] {
        bytemuck::must_cast_slice(elements)
    }

    fn view(bytes: &[u8]) -> Result<&[Self], NoView> {
        bytemuck::checked::try_cast_slice(bytes).map_err(|_| not_bool(bytes))
    }

    fn zeroed(len: usize) -> Option<Vec<Self>> {
        buffer::zeroed(len)
    }

    fn fill<E: From<NoView>>(
        elements: &mut [Self],
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut bytes = vec![0; elements.len()];
        fill(&mut bytes)?;
        elements.copy_from_slice(Self::view(&bytes)?);
        Ok(())
    }
}

fn not_bool(bytes: &[u8]) -> NoView {
    let at = bytes.iter().position(|&byte| byte > 1);
    at.map_or(NoView::Misaligned(1), |at| NoView::NotBool(at, bytes[at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bools_are_zero_or_one() {
        assert_eq!(bool::view(&[0, 1, 1]), Ok(&[false, true, true][..]));
        assert_eq!(bool::view(&[0, 1, 2, 3]), Err(NoView::NotBool(2, 2)));
        assert_eq!(bool::view(&[]), Ok(&[][..]));
        let mut values = [true; 2];
        let refused = bool::fill(&mut values, |bytes| {
            bytes.copy_from_slice(&[0, 255]);
            Ok::<(), NoView>(())
        });
        assert_eq!(refused, Err(NoView::NotBool(1, 255)));
        assert_eq!(values, [true; 2], "nothing is taken over then");
    }

    #[test]
    fn bits_are_read_where_there_is_no_type() {
        assert!(u16::fits(Dtype::BF16) && u16::fits(Dtype::U16) && !u16::fits(Dtype::I16));
        assert!(u8::fits(Dtype::F8_E4M3) && !u8::fits(Dtype::I8) && !u8::fits(Dtype::BOOL));
        assert!(bf16::fits(Dtype::BF16) && !bf16::fits(Dtype::F16));
        assert!(!u32::fits(Dtype::F32) && !u64::fits(Dtype::C64));
    }

    #[test]
    fn misaligned_bytes_are_refused() {
        let words = [0_u32; 2];
        let bytes = u32::as_bytes(&words);
        assert_eq!(u32::view(&bytes[1..5]), Err(NoView::Misaligned(4)));
        assert_eq!(bf16::view(&bytes[2..6]).map(<[_]>::len), Ok(2));
        assert_eq!(f64::view(&bytes[1..1]), Ok(&[][..]));
    }
}
