//! The element types that are measured.

use selvedge_bf16::UlpMoves;

/// A value of a tensor, as its little-endian bytes.
pub trait Element: Copy + Send + Sync {
    /// Its bytes.
    type Raw: Copy + Default + PartialEq + Send + Sync;

    /// Whether it is a float: only these have a unit in the last place.
    const IS_FLOAT: bool;
    /// Whether it has 16 bits, whose patterns are counted.
    const IS_PATTERN: bool = size_of::<Self::Raw>() == 2;

    /// The values of some bytes; what is left at their end is none.
    fn raw(bytes: &[u8]) -> &[Self::Raw];

    /// A finite value as the nearest `f64`, which is the same but for integers beyond 2^53.
    fn value(raw: Self::Raw) -> f64;

    /// Whether it is neither NaN nor an infinity.
    fn is_finite(raw: Self::Raw) -> bool;

    /// Whether it is NaN.
    fn is_nan(raw: Self::Raw) -> bool;

    /// Where a float that is not NaN lies on the line of representable numbers: 0 for both zeros.
    fn place(raw: Self::Raw) -> i64;

    /// It rises with the distance from zero; that of NaN is greater than that of an infinity.
    fn size(raw: Self::Raw) -> u64;

    /// Adds how far values moved.
    fn add_moves(moves: &mut Moves, before: &[Self::Raw], now: &[Self::Raw]) {
        for (&a, &b) in before.iter().zip(now) {
            moves.changed += u64::from(a != b);
            if !Self::IS_FLOAT || Self::is_nan(a) || Self::is_nan(b) {
                continue;
            }
            let distance = Self::place(a).abs_diff(Self::place(b));
            for (far, least) in moves.far.iter_mut().zip(UlpMoves::FAR) {
                *far += u64::from(distance >= u64::from(least));
            }
            moves.sum += distance as f64;
        }
    }

    /// The bits of a value of 16 bits, and the value that has some.
    fn pattern(_: Self::Raw) -> u16 {
        0
    }

    /// The value of `number` of all patterns, from the least value to the greatest.
    fn of_rank(_: u16) -> Self::Raw {
        Self::Raw::default()
    }
}

/// How far values moved, in ULPs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moves {
    /// Values whose bits are others.
    pub changed: u64,
    /// Values that are at least so many ULPs away as [`UlpMoves::FAR`] says.
    pub far: [u64; 3],
    /// The sum of all distances: those of float64 do not fit an integer.
    pub sum: f64,
}

impl Moves {
    /// Adds those of other values.
    pub fn add(&mut self, other: &Self) {
        self.changed += other.changed;
        for (far, other) in self.far.iter_mut().zip(other.far) {
            *far += other;
        }
        self.sum += other.sum;
    }
}

/// bfloat16.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bf16 {}
/// float16.
#[derive(Clone, Copy, Debug)]
pub(crate) enum F16 {}
/// A float8 of 4 bits of exponent and 3 of mantissa: without infinities.
#[derive(Clone, Copy, Debug)]
pub enum E4M3 {}
/// A float8 of 5 bits of exponent and 2 of mantissa: the upper byte of a float16.
#[derive(Clone, Copy, Debug)]
pub(crate) enum E5M2 {}

/// A float by the integer of its bits: magnitudes above `infinity` are NaN, and where it has no infinity the
/// last two bits of that say so.
macro_rules! float {
    ($type:ty, $bits:ty, $infinity:expr, |$value:ident| $float:expr $(, $($more:tt)*)?) => {
        impl Element for $type {
            type Raw = [u8; size_of::<$bits>()];
            const IS_FLOAT: bool = true;

            fn raw(bytes: &[u8]) -> &[Self::Raw] {
                bytes.as_chunks().0
            }

            #[inline(always)]
            fn value(raw: Self::Raw) -> f64 {
                let $value = <$bits>::from_le_bytes(raw);
                $float
            }

            #[inline(always)]
            fn is_finite(raw: Self::Raw) -> bool {
                <$bits>::from_le_bytes(raw) & (<$bits>::MAX >> 1) < $infinity
            }

            #[inline(always)]
            fn is_nan(raw: Self::Raw) -> bool {
                <$bits>::from_le_bytes(raw) & (<$bits>::MAX >> 1) > $infinity
            }

            #[inline(always)]
            fn size(raw: Self::Raw) -> u64 {
                u64::from(<$bits>::from_le_bytes(raw) & (<$bits>::MAX >> 1))
            }

            #[inline(always)]
            fn place(raw: Self::Raw) -> i64 {
                let bits = <$bits>::from_le_bytes(raw);
                let magnitude = i64::try_from(bits & (<$bits>::MAX >> 1)).unwrap_or(i64::MAX);
                if bits > <$bits>::MAX >> 1 { -magnitude } else { magnitude }
            }

            $($($more)*)?
        }
    };
}

/// Bits of a float of 16 bits, from the negative ones of the largest magnitude up.
macro_rules! ranked {
    ($flip:expr) => {
        fn pattern(raw: Self::Raw) -> u16 {
            u16::from_le_bytes(raw)
        }

        fn of_rank(number: u16) -> Self::Raw {
            $flip(number).to_le_bytes()
        }
    };
}

const fn signed_magnitude(number: u16) -> u16 {
    if number < 0x8000 {
        0xFFFF - number
    } else {
        number - 0x8000
    }
}

float!(
    Bf16, u16, 0x7F80,
    |bits| f64::from(f32::from_bits(u32::from(bits) << 16)),
    ranked!(signed_magnitude);
    fn add_moves(moves: &mut Moves, before: &[Self::Raw], now: &[Self::Raw]) {
        let mut found = UlpMoves::default();
        found.add(before.as_flattened(), now.as_flattened());
        moves.add(&Moves {
            changed: found.changed,
            far: found.far,
            sum: found.sum as f64,
        });
    }
);
float!(F16, u16, 0x7C00, |bits| f16_value(bits), ranked!(signed_magnitude););
float!(f32, u32, 0x7F80_0000, |bits| f64::from(f32::from_bits(
    bits
)));
float!(f64, u64, 0x7FF0_0000_0000_0000, |bits| f64::from_bits(bits));
float!(E5M2, u8, 0x7C, |bits| f16_value(u16::from(bits) << 8));

/// A finite float16. Its exponent has 8 bits in an `f32`, whose bias is greater by 112.
#[inline(always)]
fn f16_value(bits: u16) -> f64 {
    let magnitude =
        f32::from_bits(u32::from(bits & 0x7FFF) << 13) * f32::from_bits((127 + 112) << 23);
    let sign = u32::from(bits & 0x8000) << 16;
    f64::from(f32::from_bits(magnitude.to_bits() | sign))
}

impl Element for E4M3 {
    type Raw = [u8; 1];
    const IS_FLOAT: bool = true;

    fn raw(bytes: &[u8]) -> &[Self::Raw] {
        bytes.as_chunks().0
    }

    fn value([bits]: Self::Raw) -> f64 {
        let (exponent, mantissa) = (bits >> 3 & 0xF, f64::from(bits & 0x7));
        let magnitude = match exponent {
            0 => mantissa * 2_f64.powi(-9),
            _ => (8.0 + mantissa) * 2_f64.powi(i32::from(exponent) - 10),
        };
        if bits & 0x80 == 0 {
            magnitude
        } else {
            -magnitude
        }
    }

    fn is_finite(raw: Self::Raw) -> bool {
        !Self::is_nan(raw)
    }

    fn is_nan([bits]: Self::Raw) -> bool {
        bits & 0x7F == 0x7F
    }

    fn size([bits]: Self::Raw) -> u64 {
        u64::from(bits & 0x7F)
    }

    fn place([bits]: Self::Raw) -> i64 {
        let magnitude = i64::from(bits & 0x7F);
        if bits & 0x80 == 0 {
            magnitude
        } else {
            -magnitude
        }
    }
}

macro_rules! integer {
    ($($type:ty $(, $rank:expr)?;)*) => {$(
        impl Element for $type {
            type Raw = [u8; size_of::<$type>()];
            const IS_FLOAT: bool = false;

            fn raw(bytes: &[u8]) -> &[Self::Raw] {
                bytes.as_chunks().0
            }

            #[inline(always)]
            #[allow(clippy::cast_lossless, reason = "one macro for all integers")]
            fn value(raw: Self::Raw) -> f64 {
                <$type>::from_le_bytes(raw) as f64
            }

            #[inline(always)]
            fn is_finite(_: Self::Raw) -> bool {
                true
            }

            #[inline(always)]
            fn is_nan(_: Self::Raw) -> bool {
                false
            }

            #[inline(always)]
            #[allow(clippy::cast_lossless, reason = "one macro for all integers")]
            fn size(raw: Self::Raw) -> u64 {
                let size = (<$type>::from_le_bytes(raw) as i128).unsigned_abs();
                u64::try_from(size).unwrap_or(u64::MAX)
            }

            fn place(_: Self::Raw) -> i64 {
                0
            }

            $(ranked!($rank);)?
        }
    )*};
}

integer! {
    i8; i32; i64; u8; u32; u64;
    u16, |number: u16| number;
    i16, |number: u16| number ^ 0x8000;
}

/// Does the same for each dtype, where `$type` is its element; without one `$none`.
macro_rules! for_dtype {
    ($dtype:expr, $type:ident => $some:expr, $none:expr) => {
        $crate::element::for_dtype!(@ $dtype, $type => $some, $none;
            "bfloat16" $crate::element::Bf16, "float16" $crate::element::F16, "float32" f32, "float64" f64,
            "float8_e4m3fn" $crate::element::E4M3, "float8_e5m2" $crate::element::E5M2,
            "int8" i8, "int16" i16, "int32" i32, "int64" i64,
            "uint8" u8, "uint16" u16, "uint32" u32, "uint64" u64, "bool" u8)
    };
    (@ $dtype:expr, $type:ident => $some:expr, $none:expr; $($name:literal $element:ty),*) => {
        match $dtype {
            $($name => {
                type $type = $element;
                $some
            })*
            _ => $none,
        }
    };
}
pub(crate) use for_dtype;

/// Bytes of an element of a dtype that is measured.
pub(crate) fn element_bytes(dtype: &str) -> Option<u64> {
    for_dtype!(dtype, E => Some(size_of::<<E as Element>::Raw>() as u64), None)
}

#[cfg(test)]
mod tests {
    use selvedge_bf16::bf16;

    use super::*;

    /// The ends of both ranges, the least number above zero, and what is none.
    #[test]
    fn float8_has_the_values_of_its_standard() {
        let e4m3 = |bits| E4M3::value([bits]);
        assert_eq!((e4m3(0x38), e4m3(0xB8)), (1.0, -1.0));
        assert_eq!(
            (e4m3(0x7E), e4m3(0x01), e4m3(0x08)),
            (448.0, 0.001953125, 0.015625)
        );
        assert!(E4M3::is_nan([0x7F]) && E4M3::is_nan([0xFF]) && E4M3::is_finite([0x7E]));
        let e5m2 = |bits| E5M2::value([bits]);
        assert_eq!((e5m2(0x3C), e5m2(0xBC), e5m2(0x7B)), (1.0, -1.0, 57344.0));
        assert_eq!(e5m2(0x01), 2_f64.powi(-16));
        assert!(!E5M2::is_finite([0x7C]) && !E5M2::is_nan([0x7C]) && E5M2::is_nan([0x7D]));
    }

    #[test]
    fn sixteen_bits_have_the_values_of_half() {
        for bits in 0..=u16::MAX {
            let raw = bits.to_le_bytes();
            let expected = bf16::from_bits(bits);
            assert_eq!(Bf16::is_nan(raw), expected.is_nan());
            assert_eq!(Bf16::is_finite(raw), expected.is_finite());
            if expected.is_finite() {
                assert_eq!(Bf16::value(raw).to_bits(), expected.to_f64().to_bits());
            }
        }
        // 2^-24, the largest below 1, -2.5 and the largest of all.
        for (bits, expected) in [
            (0x0001, 2_f64.powi(-24)),
            (0x3BFF, 1.0 - 2_f64.powi(-11)),
            (0xC100, -2.5),
            (0x7BFF, 65504.0),
            (0x03FF, 1023.0 * 2_f64.powi(-24)),
        ] {
            assert_eq!(F16::value(u16::to_le_bytes(bits)), expected, "{bits:#x}");
        }
    }

    #[test]
    fn ranks_go_up() {
        fn check<T: Element>() {
            let finite = |raw: &T::Raw| T::is_finite(*raw);
            let values = (0..=u16::MAX).map(T::of_rank).filter(finite).map(T::value);
            assert!(values.is_sorted());
        }
        check::<Bf16>();
        check::<F16>();
        check::<i16>();
        check::<u16>();
    }
}
