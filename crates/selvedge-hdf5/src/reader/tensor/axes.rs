//! The names of axes: their labels, or those of the dimension scales that netCDF names them by.

use std::collections::HashMap;
use std::ffi::CString;

use hdf5::dataset::{FillValue, Layout};
use hdf5::types::{TypeDescriptor, VarLenArray};
use hdf5::{Dataset, ObjectReference, ObjectReference1, ReferencedObject, Selection};

use super::{Tensor, attributes};
use crate::provenance::{AXIS_LABELS, DIMENSION_SCALE, SCALE_CLASS, SCALE_LINKS, SCALE_NAME};
use crate::reader::Reader;
use crate::reader::note::Note;
use crate::{Attribute, ffi};

/// How the name of a scale begins that is a dimension of netCDF and no variable.
const DIMENSION_ALONE: &str = "This is a netCDF dimension but not a netCDF variable";
/// The most bytes of such a scale that are looked at. A longer one with anything stored is a tensor.
const MOST_BYTES: usize = 256 << 20;
/// Elements of it that are looked at together.
const PIECE: usize = 1 << 16;

impl Reader {
    /// The names of the axes of each tensor, in the order of [`tensors`](Self::tensors), where the file has any:
    /// labels, or dimension scales, as files of netCDF have them.
    #[must_use]
    pub fn axis_names(&self) -> Vec<Vec<Option<String>>> {
        let tensors = self.tensors().iter();
        let named = |tensor: &'_ Tensor| Some((tensor.address()?, tensor.name().to_owned()));
        let dimensions = self.dimensions.iter().cloned();
        let by_address: HashMap<u64, String> =
            tensors.filter_map(named).chain(dimensions).collect();
        let tensors = self.tensors().iter();
        tensors
            .map(|tensor| tensor.axis_names(&by_address))
            .collect()
    }
}

impl Tensor {
    /// What its object header goes by within its file, if that is the one that was opened.
    pub(in crate::reader) fn address(&self) -> Option<u64> {
        self.handle.address()
    }

    /// The names of its axes; scales are known by their addresses.
    pub(crate) fn axis_names(&self, by_address: &HashMap<u64, String>) -> Vec<Option<String>> {
        let mut names = vec![None; self.shape().len()];
        let Ok(dataset) = self.dataset() else {
            return names;
        };
        let is_scale = || {
            let class = attributes::text(&dataset, SCALE_CLASS);
            let is_one = class.is_some_and(|class| class == DIMENSION_SCALE);
            // A recorder makes each constant one, of its own axis alone.
            is_one && (!self.source.ours || ffi::has_attribute(&dataset, SCALE_LINKS[1]))
        };
        let of_group = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        match &mut names[..] {
            // A scale names the axis that it has.
            [only] if is_scale() => *only = Some(of_group(self.name())),
            _ => {
                let scales = scales(&dataset).unwrap_or_default();
                for (name, scale) in names.iter_mut().zip(scales) {
                    *name = scale.and_then(|address| Some(of_group(by_address.get(&address)?)));
                }
            }
        }
        let labels = match attributes::one(&dataset, AXIS_LABELS) {
            Ok(Some(Attribute::Texts(labels))) => labels,
            Ok(Some(Attribute::Text(label))) => vec![label],
            _ => Vec::new(),
        };
        for (name, label) in names.iter_mut().zip(labels) {
            if !label.is_empty() {
                *name = Some(label);
            }
        }
        names
    }
}

/// What is to be told of a dimension of netCDF that is no variable, of this name; `None` of any other dataset, and of
/// one that somebody wrote values into.
pub(in crate::reader) fn dimension_alone(dataset: &Dataset, name: &str) -> Option<Note> {
    let [length] = dataset.shape()[..] else {
        return None;
    };
    let says = attributes::text(dataset, SCALE_NAME)?;
    let is_one = says.starts_with(DIMENSION_ALONE)
        && attributes::text(dataset, SCALE_CLASS)? == DIMENSION_SCALE
        && !has_values(dataset, length).unwrap_or(true);
    is_one.then(|| Note::Dimension {
        name: name.to_owned(),
        // An unlimited one keeps the length 0 while the variables grow.
        length: (!dataset.is_resizable()).then_some(length as u64),
    })
}

/// Whether a dataset of this length has values: a program that is told to allocate early stores zeros for it, which
/// are none.
fn has_values(dataset: &Dataset, length: usize) -> hdf5::Result<bool> {
    let plan = dataset.dcpl()?;
    if plan.get_layout()? == Layout::Virtual || !plan.external().is_empty() {
        return Ok(true);
    }
    if dataset.storage_size() == 0 {
        return Ok(plan.get_fill_value_defined()? == FillValue::UserDefined);
    }
    let datatype = dataset.dtype()?;
    let is_number = matches!(
        datatype.to_descriptor()?,
        TypeDescriptor::Integer(_) | TypeDescriptor::Unsigned(_) | TypeDescriptor::Float(_)
    );
    let bytes = length.saturating_mul(datatype.size());
    if !is_number || bytes > MOST_BYTES || plan.has_filters() {
        return Ok(true);
    }
    for first in (0..length).step_by(PIECE) {
        let elements = PIECE.min(length - first);
        let mut bytes = vec![0; elements * datatype.size()];
        let part = dataset
            .space()?
            .select(Selection::try_new(first..first + elements)?)?;
        ffi::read_raw(dataset, &datatype, (&part, vec![elements]), &mut bytes)?;
        if bytes.iter().any(|&byte| byte != 0) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The address of the first scale of each axis.
fn scales(dataset: &Dataset) -> hdf5::Result<Vec<Option<u64>>> {
    let name = CString::new(SCALE_LINKS[0]).map_err(|_| "a zero byte in a name")?;
    let Some(list) = ffi::open_attribute(dataset, &name)? else {
        return Ok(Vec::new());
    };
    let axes = ffi::read_references(&list)?;
    let address = |scales: &VarLenArray<ObjectReference1>| {
        // An empty list has no place in memory, and is no slice.
        let first = (!scales.is_empty()).then(|| scales[0])?;
        match first.dereference(dataset).ok()? {
            ReferencedObject::Dataset(scale) => Some(ffi::object_info(&scale)?.token.address()),
            _ => None,
        }
    };
    Ok(axes.iter().map(address).collect())
}
