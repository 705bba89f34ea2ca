//! A file of NumPy, as its headers describe it.

use super::{Damage, TensorFacts};

/// What is known of a `.npy` or a `.npz` file from its headers and its length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NumpyFacts {
    /// Why it cannot be read, if it cannot.
    pub damage: Option<Damage>,
    /// Its arrays. That of a `.npy` file goes by the name of the file.
    pub tensors: Vec<TensorFacts>,
}
