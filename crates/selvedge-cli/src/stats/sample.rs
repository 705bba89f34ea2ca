//! The element types that statistics are made of.

use std::cmp::Ordering;

use selvedge_hdf5::{bf16, f16};

use super::Number;

/// A value of a tensor, made of its little-endian bytes.
pub(crate) trait Sample: Copy + Default + PartialOrd {
    /// Bytes of a value.
    const SIZE: usize;

    /// The values of some bytes; what is left at their end is none.
    fn values(bytes: &[u8]) -> impl Iterator<Item = Self> + Clone;

    /// Values with 16 bits are counted by their pattern, and looked at in the end.
    const PATTERNS: bool = false;

    /// How many values have the same bits in both: NaN is equal to itself, and -0 is not equal to 0.
    fn same(one: &[u8], two: &[u8]) -> u64;

    /// The pattern of a type of 16 bits.
    fn pattern(self) -> u16 {
        0
    }

    /// The value of a 16-bit pattern.
    fn from_pattern(_: u16) -> Self {
        Self::default()
    }

    /// To the nearest `f64`: exactly, but for integers beyond 2^53.
    fn to_f64(self) -> f64;

    fn number(self) -> Number;
}

/// What each type has: its bytes, and how it becomes a number.
macro_rules! sample {
    ($type:ty, |$value:ident| $float:expr, $number:expr $(, $($more:tt)*)?) => {
        impl Sample for $type {
            const SIZE: usize = size_of::<$type>();

            fn values(bytes: &[u8]) -> impl Iterator<Item = Self> + Clone {
                let (values, _) = bytes.as_chunks::<{ size_of::<$type>() }>();
                values.iter().map(|bytes| <$type>::from_le_bytes(*bytes))
            }

            fn same(one: &[u8], two: &[u8]) -> u64 {
                let (one, _) = one.as_chunks::<{ size_of::<$type>() }>();
                let (two, _) = two.as_chunks::<{ size_of::<$type>() }>();
                one.iter().zip(two).filter(|(one, two)| one == two).count() as u64
            }

            fn to_f64(self) -> f64 {
                let $value = self;
                $float
            }

            fn number(self) -> Number {
                let $value = self;
                $number
            }

            $($($more)*)?
        }
    };
}

macro_rules! patterns {
    ($type:ty, |$value:ident| $float:expr, $number:expr, $pattern:expr, |$bits:ident| $from:expr) => {
        sample! {
            $type, |$value| $float, $number,
            const PATTERNS: bool = true;

            fn pattern(self) -> u16 {
                let $value = self;
                $pattern
            }

            fn from_pattern($bits: u16) -> Self {
                $from
            }
        }
    };
}

sample!(i8, |value| value.into(), Number::Int(value.into()));
sample!(i32, |value| value.into(), Number::Int(value.into()));
sample!(i64, |value| value as f64, Number::Int(value));
sample!(u8, |value| value.into(), Number::Uint(value.into()));
sample!(u32, |value| value.into(), Number::Uint(value.into()));
sample!(u64, |value| value as f64, Number::Uint(value));
// The shortest decimal that is this `f32`: 0.1, and not 0.10000000149.
sample!(
    f32,
    |value| value.into(),
    Number::Float(value.to_string().parse().unwrap_or(value.into()))
);
sample!(f64, |value| value, Number::Float(value));
sample!(E4M3, |value| value.to_f64(), Number::Float(value.to_f64()));
sample!(E5M2, |value| value.to_f64(), Number::Float(value.to_f64()));
sample!(Byte, |value| f64::from(value.0), Number::Bool(value.0 != 0));
patterns!(
    bf16,
    |value| value.to_f64(),
    Number::Float(value.to_f64()),
    value.to_bits(),
    |bits| Self::from_bits(bits)
);
patterns!(
    f16,
    |value| value.to_f64(),
    Number::Float(value.to_f64()),
    value.to_bits(),
    |bits| Self::from_bits(bits)
);
patterns!(
    u16,
    |value| value.into(),
    Number::Uint(value.into()),
    value,
    |bits| bits
);
patterns!(
    i16,
    |value| value.into(),
    Number::Int(value.into()),
    value.cast_unsigned(),
    |bits| bits.cast_signed()
);

/// A bool as its byte, which is 0 or 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Byte(u8);

impl Byte {
    fn from_le_bytes([byte]: [u8; 1]) -> Self {
        Self(byte)
    }
}

/// A float8 of 4 bits of exponent and 3 of mantissa, as its bits: without infinities.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct E4M3(u8);

/// A float8 of 5 bits of exponent and 2 of mantissa, as its bits: the upper byte of a float16.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct E5M2(u8);

impl E4M3 {
    fn from_le_bytes([byte]: [u8; 1]) -> Self {
        Self(byte)
    }

    fn to_f64(self) -> f64 {
        use selvedge_report::Element as _;
        match selvedge_report::E4M3::is_nan([self.0]) {
            true => f64::NAN,
            false => selvedge_report::E4M3::value([self.0]),
        }
    }
}

impl E5M2 {
    fn from_le_bytes([byte]: [u8; 1]) -> Self {
        Self(byte)
    }

    fn to_f64(self) -> f64 {
        f16::from_bits(u16::from(self.0) << 8).to_f64()
    }
}

macro_rules! order {
    ($($type:ty),*) => {$(
        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                self.to_f64() == other.to_f64()
            }
        }

        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                self.to_f64().partial_cmp(&other.to_f64())
            }
        }
    )*};
}

order!(E4M3, E5M2);

#[cfg(test)]
mod tests {
    use super::{E4M3, E5M2};

    /// The ends of both ranges, the least number above zero, and what is none.
    #[test]
    fn float8_has_the_values_of_its_standard() {
        let e4m3 = |bits| E4M3(bits).to_f64();
        assert_eq!((e4m3(0x38), e4m3(0xb8)), (1.0, -1.0));
        assert_eq!(
            (e4m3(0x7e), e4m3(0x01), e4m3(0x08)),
            (448.0, 0.001953125, 0.015625)
        );
        assert!(e4m3(0x7f).is_nan() && e4m3(0xff).is_nan());
        let e5m2 = |bits| E5M2(bits).to_f64();
        assert_eq!((e5m2(0x3c), e5m2(0xbc), e5m2(0x7b)), (1.0, -1.0, 57344.0));
        assert_eq!((e5m2(0x01), e5m2(0x7c)), (2_f64.powi(-16), f64::INFINITY));
        assert!(e5m2(0x7d).is_nan());
    }
}
