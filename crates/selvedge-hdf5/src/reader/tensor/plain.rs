//! A tensor that is known without libhdf5.

use std::sync::Arc;

use super::super::dtype::of_marked;
use super::super::objects::Handle;
use super::super::place::{Encoding, Found};
use super::{Source, Tensor};
use crate::ffi::Token;
use crate::layout::PlainTensor;
use crate::run::Part;

impl Tensor {
    /// The step tensor `name` of the root group, whose object header is at `header`.
    pub(in crate::reader) fn plain(
        source: &Arc<Source>,
        name: String,
        token: Token,
        header: u64,
        plain: PlainTensor,
    ) -> Self {
        let marker = plain.logical_dtype.map(Ok);
        let shape = plain.dataset.extents;
        let steps = shape.first().copied().unwrap_or(0);
        Self {
            source: Arc::clone(source),
            handle: Handle::Here(token),
            at_root: true,
            elsewhere: Arc::default(),
            name,
            part: Part::Constant,
            mark: plain.mark.filter(|_| source.ours),
            unlimited: true,
            as_recorded: source.ours && plain.as_recorded,
            unfilled: source.ours && plain.unfilled,
            header: Some(header),
            shape,
            chunk: Some(plain.dataset.chunk),
            encoding: Encoding::Plain,
            filtered: false,
            stored: of_marked(&plain.stored, marker.as_ref()),
            steps,
            encoder: None,
            found: Found::new(steps),
            checked: Arc::default(),
            parts: None,
        }
    }
}
