//! What a page holds. As JSON it is the data that the page's script draws.

use serde::Serialize;

use crate::encode::Doubles;
use crate::heat::Heat;
use crate::series::Band;
use crate::spread::Spread;
use crate::values::Tensor;

/// What was measured of a tensor.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TensorReport {
    /// Its name, as people may see it.
    pub name: String,
    /// Its dtype, by PyTorch's name.
    pub dtype: String,
    /// In elements, outermost axis first.
    pub shape: Vec<u64>,
    /// What it is.
    pub kind: Kind,
    /// Why it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// Which of the steps, or which rows of all steps, were not measured, since they cannot be read, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partly: Option<String>,
    /// These steps: the first and the last of each range.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread_steps: Vec<[u64; 2]>,
    /// Whether it should have been: it holds numbers, and they cannot be read.
    #[serde(skip)]
    pub is_missing: bool,
    /// Whether that was known before a value was read.
    #[serde(skip)]
    pub is_unsupported: bool,
    /// Steps that were measured.
    pub measured: u64,
    /// Values that are NaN, of these.
    pub nan: u64,
    /// Values that are an infinity.
    pub infinite: u64,
    /// Where the first NaN is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_nan: Option<Place>,
    /// Where the first infinity is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_infinite: Option<Place>,
    /// The first step of each point of the curves.
    pub at: Doubles,
    /// The values of a tensor of one value a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Band>,
    /// The curves of a tensor of more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curves: Option<Curves>,
    /// The first and the last number of the curves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<Ends>,
    /// Where the values lie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spread>,
    /// Which rows moved when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heat: Option<Heat>,
}

/// What a tensor is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It has one value a step.
    Scalar,
    /// It has several values a step.
    Steps,
    /// It has no steps.
    #[default]
    Constant,
}

/// What a tensor is by its shape.
pub(crate) fn kind(tensor: &Tensor<'_>) -> Kind {
    match (tensor.has_steps, tensor.step_len()) {
        (false, _) => Kind::Constant,
        (true, 1) => Kind::Scalar,
        (true, _) => Kind::Steps,
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Its step.
    pub step: u64,
    /// Its indices within the step.
    pub index: Vec<u64>,
}

/// One number for each step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curves {
    /// The norm of the values: the root of the sum of the squares of the finite ones.
    pub norm: Band,
    /// The norm of what they changed by from the step before.
    pub update: Band,
    /// The share of the values whose bits are others than a step before.
    pub changed: Band,
    /// The shares of those that are at least 2, 4 and 16 ULPs away; none of integers.
    pub far: Vec<Band>,
    /// How many ULPs a value is away, on average; none of integers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ulps: Option<Band>,
    /// The largest finite magnitude.
    pub largest: Band,
}

/// What the curves begin and end with.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ends {
    /// The norms of the first step and of the last.
    pub norm: Doubles,
    /// The norms of the first change and of the last; NaN where there is none.
    pub update: Doubles,
    /// The share of the values that changed, over all steps that were measured; NaN, which JSON has as null, where
    /// there is none.
    pub changed: f64,
}
