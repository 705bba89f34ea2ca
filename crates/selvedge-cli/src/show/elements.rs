//! Elements as texts that are read back as the same value, with as few digits as that takes.

use selvedge_hdf5::{bf16, f16};

use crate::source::Kind;
use crate::stats::{E4M3, E5M2, Sample};

/// Makes texts of the elements of one dtype.
pub(crate) struct Elements {
    text: fn(&[u8]) -> String,
    /// The texts of 16-bit patterns that have come up: there are few, and each takes several tries.
    known: Vec<Option<Box<str>>>,
}

impl Elements {
    /// `None` of a dtype whose values are not known here, but only their bits.
    pub(crate) fn of(kind: &Kind) -> Option<Self> {
        macro_rules! debug {
            ($type:ty) => {
                |bytes| format!("{:?}", <$type>::from_le_bytes(first(bytes)))
            };
        }
        let text: fn(&[u8]) -> String = match kind.name {
            "bool" => |bytes| (bytes != [0]).to_string(),
            "int8" => debug!(i8),
            "int16" => debug!(i16),
            "int32" => debug!(i32),
            "int64" => debug!(i64),
            "uint8" => debug!(u8),
            "uint16" => debug!(u16),
            "uint32" => debug!(u32),
            "uint64" => debug!(u64),
            "float32" => debug!(f32),
            "float64" => debug!(f64),
            "bfloat16" => |bytes| {
                let value = bf16::from_le_bytes(first(bytes));
                shortest(value.to_f64(), |wide, narrow| {
                    bf16::from_f64(wide) == value && bf16::from_f32(narrow) == value
                })
            },
            "float16" => |bytes| {
                let value = f16::from_le_bytes(first(bytes));
                shortest(value.to_f64(), |wide, narrow| {
                    f16::from_f64(wide) == value && f16::from_f32(narrow) == value
                })
            },
            "float8_e4m3fn" => exact::<E4M3>,
            "float8_e5m2" => exact::<E5M2>,
            "complex64" => |bytes| complex(bytes, |part| f32::from_le_bytes(first(part))),
            "complex128" => |bytes| complex(bytes, |part| f64::from_le_bytes(first(part))),
            _ => return None,
        };
        let known = match kind.bits {
            16 => vec![None; 1 << 16],
            _ => Vec::new(),
        };
        Some(Self { text, known })
    }

    /// Adds the text of an element, made of its little-endian bytes.
    pub(crate) fn push(&mut self, bytes: &[u8], to: &mut String) {
        let pattern = <[u8; 2]>::try_from(bytes).map(u16::from_le_bytes);
        let known = pattern.map(|pattern| self.known.get_mut(usize::from(pattern)));
        match known {
            Ok(Some(known)) => to.push_str(known.get_or_insert_with(|| (self.text)(bytes).into())),
            _ => to.push_str(&(self.text)(bytes)),
        }
    }
}

/// The bytes of an element, which has its length.
fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.first_chunk().copied().unwrap_or([0; N])
}

fn exact<T: Sample>(bytes: &[u8]) -> String {
    T::values(bytes)
        .map(|value| format!("{:?}", value.to_f64()))
        .collect()
}

fn complex<T: std::fmt::Debug>(bytes: &[u8], part: fn(&[u8]) -> T) -> String {
    let (real, imaginary) = bytes.split_at(bytes.len() / 2);
    format!("{:?}{:+?}j", part(real), part(imaginary))
}

/// The decimal with the fewest digits that `is_same` as the value, whether it is read as a float64 or as a
/// float32, as programs do on the way to fewer bits.
fn shortest(value: f64, is_same: impl Fn(f64, f32) -> bool) -> String {
    // Nine digits tell even all of float32 apart.
    let mut decimals = (0..9).filter_map(|digits| {
        let text = format!("{value:.digits$e}");
        Some((text.parse::<f64>().ok()?, text.parse::<f32>().ok()?))
    });
    let short = decimals.find(|&(wide, narrow)| is_same(wide, narrow));
    // Without one are infinities and what is no number.
    format!("{:?}", short.map_or(value, |(wide, _)| wide))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(dtype: &str, bytes: &[u8]) -> String {
        let mut text = String::new();
        let mut elements = Elements::of(Kind::named(dtype).unwrap()).unwrap();
        elements.push(bytes, &mut text);
        text
    }

    /// All patterns, through float32 and through float64, as programs read numbers.
    #[test]
    fn every_float_of_16_bits_comes_back() {
        let mut elements =
            ["bfloat16", "float16"].map(|name| Elements::of(Kind::named(name).unwrap()).unwrap());
        for bits in 0..=u16::MAX {
            let mut texts = [String::new(), String::new()];
            for (elements, text) in elements.iter_mut().zip(&mut texts) {
                elements.push(&bits.to_le_bytes(), text);
            }
            let (brain, half) = (bf16::from_bits(bits), f16::from_bits(bits));
            let [one, two] =
                texts.map(|text| (text.parse::<f32>().unwrap(), text.parse::<f64>().unwrap()));
            if brain.is_nan() {
                assert!(one.0.is_nan());
            } else {
                assert_eq!(bf16::from_f32(one.0).to_bits(), bits);
                assert_eq!(bf16::from_f64(one.1).to_bits(), bits);
            }
            if half.is_nan() {
                assert!(two.0.is_nan());
            } else {
                assert_eq!(f16::from_f32(two.0).to_bits(), bits);
                assert_eq!(f16::from_f64(two.1).to_bits(), bits);
            }
        }
    }

    #[test]
    fn numbers_have_as_few_digits_as_they_need() {
        let bf16 = |value: f32| text("bfloat16", &bf16::from_f32(value).to_le_bytes());
        for (value, expected) in [
            (0.1, "0.1"),
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (2.719, "2.72"),
            (f32::MAX, "inf"),
            (1e-8, "1e-8"),
            (f32::NAN, "NaN"),
        ] {
            assert_eq!(bf16(value), expected);
        }
        assert_eq!(text("float32", &0.1_f32.to_le_bytes()), "0.1");
        assert_eq!(text("float8_e4m3fn", &[0x7e]), "448.0");
        assert_eq!(text("int64", &(-5_i64).to_le_bytes()), "-5");
        assert_eq!(text("bool", &[1]), "true");
        let pair = [1.5_f32.to_le_bytes(), (-2.0_f32).to_le_bytes()].concat();
        assert_eq!(text("complex64", &pair), "1.5-2.0j");
        assert!(Elements::of(Kind::named("float8_e8m0fnu").unwrap()).is_none());
    }
}
