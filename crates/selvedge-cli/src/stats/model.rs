//! The results. As JSON they are what `--stats --json` prints.

use std::fmt;

use serde::{Serialize, Serializer};

/// The statistics of one tensor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct TensorStats {
    pub(crate) tensor: String,
    /// None for a dtype without numbers, and where they cannot be read.
    pub(crate) values: Option<ValueStats>,
    /// Why the values cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unread: Option<String>,
    /// Whether that was known before a value was read.
    #[serde(skip)]
    pub(crate) unsupported: bool,
}

/// What the values are like. Least, greatest, mean, standard deviation, norm, quantiles
/// and magnitudes are of the finite ones.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ValueStats {
    pub(crate) count: u64,
    pub(crate) nan: u64,
    /// Infinities of either sign.
    pub(crate) infinite: u64,
    /// Zeros of either sign.
    pub(crate) zeros: u64,
    pub(crate) min: Option<Number>,
    pub(crate) max: Option<Number>,
    /// None also where their sum is beyond `f64`.
    pub(crate) mean: Option<f64>,
    /// The standard deviation, of all values and not of a sample.
    pub(crate) std: Option<f64>,
    /// The root of the sum of the squares.
    pub(crate) norm: Option<f64>,
    pub(crate) quantiles: Option<QuantileStats>,
    /// The share of values that have the bits that they had a step before, of a tensor of several
    /// steps.
    pub(crate) unchanged: Option<f64>,
    /// None where no value is finite and not zero.
    pub(crate) magnitudes: Option<Magnitudes>,
    /// Over equal parts of the steps: the mean of a number that each step has one of, the mean
    /// magnitude of a larger tensor. A part without a finite value has none.
    pub(crate) over_steps: Vec<Option<f64>>,
    /// The same of the first step alone, and of the last.
    pub(crate) first_step: Option<f64>,
    pub(crate) last_step: Option<f64>,
}

/// What shares of the values are not above.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct QuantileStats {
    pub(crate) shares: [f64; 5],
    pub(crate) values: [f64; 5],
    /// Whether they are not within 1 in 256.
    #[serde(rename = "exact")]
    pub(crate) is_exact: bool,
}

/// How many values have which magnitude.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Magnitudes {
    /// The least magnitude is at least 2 to the power of this.
    pub(crate) from_exponent: i32,
    /// The greatest magnitude is less than 2 to the power of this.
    pub(crate) to_exponent: i32,
    /// Powers of two that are counted together.
    pub(crate) exponents_each: u32,
    /// From the least magnitude to the greatest.
    pub(crate) counts: Vec<u64>,
}

/// A value, exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Uint(u64),
    Float(f64),
    Bool(bool),
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Uint(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Bool(value) => value.fmt(f),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Uint(value) => serializer.serialize_u64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Bool(value) => serializer.serialize_bool(*value),
        }
    }
}
