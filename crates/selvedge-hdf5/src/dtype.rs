//! The element types that a trajectory can hold.

use std::fmt;

/// The dtypes, each with its name and the bytes of an element.
macro_rules! dtypes {
    ($($(#[$about:meta])* $dtype:ident = $name:literal, $size:literal;)*) => {
        /// An element type, with the name that the field uses for it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Dtype {
            $($(#[$about])* $dtype,)*
        }

        impl Dtype {
            /// Every dtype, in the order of their declaration.
            pub const ALL: [Self; [$($size),*].len()] = [$(Self::$dtype),*];

            /// Size of an element in bytes.
            #[must_use]
            pub const fn size(self) -> usize {
                match self {
                    $(Self::$dtype => $size,)*
                }
            }

            /// The name that PyTorch and `NumPy` use: `bfloat16`, `float32`, `uint8`, `bool`, …
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$dtype => $name,)*
                }
            }
        }
    };
}

dtypes! {
    /// bfloat16, stored as its bits in a `uint16` dataset with `logical_dtype = "bfloat16"`.
    Bf16 = "bfloat16", 2;
    /// IEEE 754 binary16.
    F16 = "float16", 2;
    /// IEEE 754 binary32.
    F32 = "float32", 4;
    /// IEEE 754 binary64.
    F64 = "float64", 8;
    /// Signed, 8 bits.
    I8 = "int8", 1;
    /// Signed, 16 bits.
    I16 = "int16", 2;
    /// Signed, 32 bits.
    I32 = "int32", 4;
    /// Signed, 64 bits.
    I64 = "int64", 8;
    /// Unsigned, 8 bits.
    U8 = "uint8", 1;
    /// Unsigned, 16 bits.
    U16 = "uint16", 2;
    /// Unsigned, 32 bits.
    U32 = "uint32", 4;
    /// Unsigned, 64 bits.
    U64 = "uint64", 8;
    /// One byte, 0 or 1; in the file the enumeration that h5py uses for `bool`.
    Bool = "bool", 1;
    /// float8 with 4 bits of exponent and 3 of mantissa, as PyTorch's `float8_e4m3fn`; stored as its
    /// bits in a `uint8` dataset with `logical_dtype = "float8_e4m3fn"`.
    F8E4M3 = "float8_e4m3fn", 1;
    /// float8 with 5 bits of exponent and 2 of mantissa; stored as its bits in a `uint8` dataset with
    /// `logical_dtype = "float8_e5m2"`.
    F8E5M2 = "float8_e5m2", 1;
    /// Two float32, the real part and the imaginary part; in the file the record of `r` and `i` that
    /// h5py uses for `complex64`.
    C64 = "complex64", 8;
    /// Two float64, as above.
    C128 = "complex128", 16;
}

impl Dtype {
    /// Whether its bits are stored as an unsigned integer, and a marker tells what they are: HDF5 has
    /// no type for it that all readers know.
    pub(crate) const fn is_marked(self) -> bool {
        matches!(self, Self::Bf16 | Self::F8E4M3 | Self::F8E5M2)
    }

    /// The dtype with this [`name`](Self::name).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Dtype;

    #[test]
    fn names_round_trip_and_are_unique() {
        for dtype in Dtype::ALL {
            assert_eq!(Dtype::from_name(dtype.name()), Some(dtype));
        }
        assert_eq!(Dtype::from_name("float8"), None);
    }
}
