//! The element types that statistics are made of.

use selvedge_hdf5::{bf16, f16};

use super::Number;

/// A value of a tensor, readable from both formats.
pub(super) trait Sample:
    selvedge_hdf5::Element + selvedge_safetensors::Element + PartialOrd
{
    /// Values with 16 bits are counted by their pattern, and looked at in the end.
    const PATTERNS: bool = false;

    /// Its bits, for the question whether it has changed: NaN is not equal to itself, and -0 is
    /// equal to 0.
    fn bits(self) -> u64;

    /// How many values have the same bits in both.
    fn same(one: &[Self], two: &[Self]) -> u64 {
        let pairs = one.iter().zip(two);
        pairs.filter(|(one, two)| one.bits() == two.bits()).count() as u64
    }

    /// The value of a 16-bit pattern.
    fn from_pattern(_: u16) -> Self {
        Self::default()
    }

    /// To the nearest `f64`: exactly, but for integers beyond 2^53.
    fn to_f64(self) -> f64;

    fn number(self) -> Number;
}

macro_rules! integers {
    ($($type:ty as $via:ty => $number:ident),* $(,)?) => {$(
        impl Sample for $type {
            fn bits(self) -> u64 {
                self.to_le() as $via as u64
            }

            fn to_f64(self) -> f64 {
                self as f64
            }

            fn number(self) -> Number {
                Number::$number(self.into())
            }
        }
    )*};
}

integers! {
    i8 as i64 => Int, i32 as i64 => Int, i64 as i64 => Int,
    u8 as u64 => Uint, u32 as u64 => Uint, u64 as u64 => Uint,
}

macro_rules! patterns {
    ($($type:ty: |$bits:ident| $from:expr, |$value:ident| $to:expr, $float:expr, $number:expr);* $(;)?) => {$(
        impl Sample for $type {
            const PATTERNS: bool = true;

            fn bits(self) -> u64 {
                let $value = self;
                u64::from($to)
            }

            fn from_pattern($bits: u16) -> Self {
                $from
            }

            fn to_f64(self) -> f64 {
                let $value = self;
                $float
            }

            fn number(self) -> Number {
                let $value = self;
                $number
            }
        }
    )*};
}

patterns! {
    bf16: |bits| Self::from_bits(bits), |value| value.to_bits(), value.to_f64(), Number::Float(value.to_f64());
    f16: |bits| Self::from_bits(bits), |value| value.to_bits(), value.to_f64(), Number::Float(value.to_f64());
    u16: |bits| bits, |value| value, f64::from(value), Number::Uint(value.into());
    i16: |bits| bits.cast_signed(), |value| value.cast_unsigned(), f64::from(value), Number::Int(value.into());
}

impl Sample for f32 {
    fn bits(self) -> u64 {
        self.to_bits().into()
    }

    fn to_f64(self) -> f64 {
        self.into()
    }

    fn number(self) -> Number {
        // The shortest decimal that is this `f32`: 0.1, and not 0.10000000149.
        Number::Float(self.to_string().parse().unwrap_or(self.into()))
    }
}

impl Sample for f64 {
    fn bits(self) -> u64 {
        self.to_bits()
    }

    fn to_f64(self) -> f64 {
        self
    }

    fn number(self) -> Number {
        Number::Float(self)
    }
}

impl Sample for bool {
    fn bits(self) -> u64 {
        self.into()
    }

    fn to_f64(self) -> f64 {
        u8::from(self).into()
    }

    fn number(self) -> Number {
        Number::Bool(self)
    }
}
