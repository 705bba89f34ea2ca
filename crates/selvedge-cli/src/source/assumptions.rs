//! How a file is read.

use selvedge_hdf5::ReaderOptions;

use super::kind::Kind;

/// How a file is read: how to take what it leaves open, and what is read beside it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assumptions {
    /// `uint16` without a marker, or two bytes without a type, hold the bits of bfloat16.
    pub(crate) bf16: bool,
    /// What single tensors hold.
    pub(crate) dtypes: Vec<(String, &'static Kind)>,
    /// How an HDF5 file is opened.
    pub(crate) reader: ReaderOptions,
}

impl Assumptions {
    /// The dtype that tensor `name` is taken to have.
    pub(crate) fn kind_of(&self, name: &str) -> Option<&'static Kind> {
        let mut dtypes = self.dtypes.iter();
        let assumed = dtypes.find(|(assumed, _)| assumed == name);
        let bf16 = || Kind::named("bfloat16").filter(|_| self.bf16);
        assumed.map(|(_, kind)| *kind).or_else(bf16)
    }
}
