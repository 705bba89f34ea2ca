//! A safetensors file, as its header describes it.

use std::ops::Range;

use super::{Damage, TensorFacts};

/// What is known of a safetensors file from its header and its length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SafetensorsFacts {
    /// Why it cannot be read, if it cannot.
    pub damage: Option<Damage>,
    /// Ranges of the data that belong to no tensor, in bytes from the start of the data.
    pub uncovered: Vec<Range<u64>>,
    /// Its tensors, in the order of the header.
    pub tensors: Vec<TensorFacts>,
    /// The notebook that made it, as the metadata say: the name of its file or its id.
    pub notebook: Option<String>,
}
