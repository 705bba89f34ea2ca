//! Rust types as elements: their dtype and their bytes, without a copy.

use half::{bf16, f16};
use num_complex::{Complex32, Complex64};

use crate::Dtype;

// Tensors go to the file and come back as they lie in memory, and the file is little-endian.
#[cfg(target_endian = "big")]
compile_error!("selvedge-hdf5 writes memory as it is and needs a little-endian target");

mod sealed {
    /// All zeros is a value, and there are no bytes without one.
    pub trait Sealed: bytemuck::Zeroable + bytemuck::NoUninit {}
}

/// A Rust type that is the element of a tensor.
///
/// Sealed: there is one for each [`Dtype`], but for float8, whose bits are read as `u8`.
pub trait Element: sealed::Sealed + Copy + Default + Send + Sync + 'static {
    /// Its dtype.
    const DTYPE: Dtype;

    /// The elements as bytes.
    #[doc(hidden)]
    #[must_use]
    fn as_bytes(elements: &[Self]) -> &[u8] {
        bytemuck::cast_slice(elements)
    }

    /// Lets `fill` write the bytes of `elements`.
    #[doc(hidden)]
    fn fill_bytes<E>(
        elements: &mut [Self],
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E>;
}

macro_rules! elements {
    ($($type:ty => $dtype:ident),* $(,)?) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const DTYPE: Dtype = Dtype::$dtype;

            fn fill_bytes<E>(
                elements: &mut [Self],
                fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
            ) -> Result<(), E> {
                fill(bytemuck::cast_slice_mut(elements))
            }
        }
    )*};
}

elements! {
    bf16 => Bf16, f16 => F16, f32 => F32, f64 => F64,
    i8 => I8, i16 => I16, i32 => I32, i64 => I64,
    u8 => U8, u16 => U16, u32 => U32, u64 => U64,
    Complex32 => C64, Complex64 => C128,
}

impl sealed::Sealed for bool {}

impl Element for bool {
    const DTYPE: Dtype = Dtype::Bool;

    /// A file can hold any byte where a `bool` is only 0 or 1: so there is a copy between.
    fn fill_bytes<E>(
        elements: &mut [Self],
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut bytes = vec![0; elements.len()];
        fill(&mut bytes)?;
        for (element, byte) in elements.iter_mut().zip(bytes) {
            *element = byte != 0;
        }
        Ok(())
    }
}

/// What can be put into a tensor: a scalar, a slice, a vector or an array of elements.
pub trait Values {
    /// The type of an element.
    type Element: Element;

    /// Whether this is one element, of shape `()`, and not a sequence.
    const IS_SCALAR: bool = false;

    /// The elements in row-major order.
    fn elements(&self) -> &[Self::Element];
}

impl<T: Element> Values for T {
    type Element = T;

    const IS_SCALAR: bool = true;

    fn elements(&self) -> &[T] {
        std::slice::from_ref(self)
    }
}

impl<T: Element> Values for [T] {
    type Element = T;

    fn elements(&self) -> &[T] {
        self
    }
}

impl<T: Element> Values for Vec<T> {
    type Element = T;

    fn elements(&self) -> &[T] {
        self
    }
}

impl<T: Element, const N: usize> Values for [T; N] {
    type Element = T;

    fn elements(&self) -> &[T] {
        self
    }
}
