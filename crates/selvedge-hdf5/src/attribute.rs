//! Attributes: hyperparameters and provenance, flat, at the root of the file.

use std::fmt;

/// Room for an attribute's value in an object header message, in bytes: the size of a message is 16 bits,
/// with name, type and shape in it.
pub(crate) const MAX_BYTES: usize = 64_000;

/// The value of an attribute.
///
/// Made by `From` from numbers, strings, bools, and slices, arrays and vectors of them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Attribute {
    /// An integer, 64 bits in the file.
    Int(i64),
    /// An unsigned integer beyond `i64`, 64 bits in the file.
    Uint(u64),
    /// A float, 64 bits in the file.
    Float(f64),
    /// A float, 32 bits in the file.
    Float32(f32),
    /// A bool, as h5py writes it.
    Bool(bool),
    /// A UTF-8 string of variable length, which h5py reads as `str`.
    Text(String),
    /// A one-dimensional array of integers.
    Ints(Vec<i64>),
    /// A one-dimensional array of floats.
    Floats(Vec<f64>),
    /// A one-dimensional array of floats of 32 bits.
    Floats32(Vec<f32>),
    /// A one-dimensional array of bools.
    Bools(Vec<bool>),
    /// A one-dimensional array of strings.
    Texts(Vec<String>),
}

impl Attribute {
    /// The bytes that the value takes in the object header (a string's text lies elsewhere).
    pub(crate) fn header_bytes(&self) -> usize {
        match self {
            Self::Int(_) | Self::Uint(_) | Self::Float(_) => 8,
            Self::Float32(_) => 4,
            Self::Bool(_) => 1,
            Self::Text(_) => 16,
            Self::Ints(values) => values.len() * 8,
            Self::Floats(values) => values.len() * 8,
            Self::Floats32(values) => values.len() * 4,
            Self::Bools(values) => values.len(),
            Self::Texts(values) => values.len() * 16,
        }
    }
}

impl Attribute {
    /// A single integer that fits; also a list of one, which programs that write netCDF make of it.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Ints(values) if values.len() == 1 => values.first().copied(),
            _ => None,
        }
    }

    /// A single float, or a list of one; of 32 bits widened. An integer is none.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self.widened() {
            Self::Float(value) => Some(value),
            Self::Floats(values) if values.len() == 1 => values.first().copied(),
            _ => None,
        }
    }

    /// A bool.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// A text, also a list of one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Texts(texts) if texts.len() == 1 => texts.first().map(String::as_str),
            _ => None,
        }
    }

    /// The same value with floats of 64 bits in the place of those of 32.
    #[must_use]
    pub fn widened(&self) -> Self {
        match self {
            Self::Float32(value) => Self::Float((*value).into()),
            Self::Floats32(values) => {
                Self::Floats(values.iter().map(|&value| value.into()).collect())
            }
            other => other.clone(),
        }
    }

    /// Whether two attributes are the same, floats also of another size; a NaN is the same as itself.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (&self.widened(), &other.widened()) {
            (Self::Float(left), Self::Float(right)) => left.total_cmp(right).is_eq(),
            (Self::Floats(left), Self::Floats(right)) => {
                left.len() == right.len()
                    && left
                        .iter()
                        .zip(right)
                        .all(|(left, right)| left.total_cmp(right).is_eq())
            }
            (left, right) => left == right,
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Uint(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Float32(value) => write!(f, "{value:?}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "{value:?}"),
            Self::Ints(values) => write!(f, "{values:?}"),
            Self::Floats(values) => write!(f, "{values:?}"),
            Self::Floats32(values) => write!(f, "{values:?}"),
            Self::Bools(values) => write!(f, "{values:?}"),
            Self::Texts(values) => write!(f, "{values:?}"),
        }
    }
}

macro_rules! from {
    ($($type:ty => |$value:ident| $make:expr),* $(,)?) => {$(
        impl From<$type> for Attribute {
            fn from($value: $type) -> Self {
                $make
            }
        }
    )*};
}

from! {
    i8 => |value| Self::Int(value.into()),
    i16 => |value| Self::Int(value.into()),
    i32 => |value| Self::Int(value.into()),
    i64 => |value| Self::Int(value),
    u8 => |value| Self::Int(value.into()),
    u16 => |value| Self::Int(value.into()),
    u32 => |value| Self::Int(value.into()),
    u64 => |value| i64::try_from(value).map_or(Self::Uint(value), Self::Int),
    usize => |value| Self::from(value as u64),
    f32 => |value| Self::Float32(value),
    f64 => |value| Self::Float(value),
    bool => |value| Self::Bool(value),
    &str => |value| Self::Text(value.to_owned()),
    String => |value| Self::Text(value),
    &String => |value| Self::Text(value.clone()),
    Vec<i64> => |value| Self::Ints(value),
    Vec<f64> => |value| Self::Floats(value),
    Vec<f32> => |value| Self::Floats32(value),
    Vec<bool> => |value| Self::Bools(value),
    Vec<String> => |value| Self::Texts(value),
    &[i64] => |value| Self::Ints(value.to_vec()),
    &[f64] => |value| Self::Floats(value.to_vec()),
    &[f32] => |value| Self::Floats32(value.to_vec()),
    &[bool] => |value| Self::Bools(value.to_vec()),
    &[&str] => |value| Self::Texts(value.iter().map(ToString::to_string).collect()),
}

impl<T, const N: usize> From<[T; N]> for Attribute
where
    Vec<T>: Into<Attribute>,
{
    fn from(values: [T; N]) -> Self {
        Vec::from(values).into()
    }
}

impl<'a> From<Vec<&'a str>> for Attribute {
    fn from(values: Vec<&'a str>) -> Self {
        values.as_slice().into()
    }
}
