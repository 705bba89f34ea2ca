//! The other files that a dataset's values lie in: sources of a virtual dataset, and external storage.

use std::ffi::CStr;

use hdf5::dataset::{DatasetCreate, Layout};
use hdf5::sync::sync;
use hdf5::{Dataset, Dataspace, Datatype, h5check};
use hdf5_sys::h5d::H5D_fill_value_t;
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::{
    H5Pfill_value_defined, H5Pget_external, H5Pget_external_count, H5Pget_fill_value,
    H5Pget_virtual_count, H5Pget_virtual_dsetname, H5Pget_virtual_filename,
    H5Pget_virtual_srcspace, H5Pget_virtual_vspace,
};
use hdf5_sys::h5s::{
    H5S_seloper_t, H5Scombine_select, H5Sget_regular_hyperslab, H5Sget_select_bounds,
};
use selvedge_base::Chain;
use selvedge_base::shape::most_elements;

use super::text_of;
use crate::other_files::with_sources;

/// The longest name of a file with external values that is read, in bytes.
const LONGEST_NAME: usize = 4096;

/// A part of a virtual dataset, and where its values are.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    /// The name of the source file: `.` for the file itself. It may have a `%b` for the number of a
    /// block.
    pub(crate) file: Vec<u8>,
    /// The path of the dataset in it, which may have a `%b` too.
    pub(crate) dataset: Vec<u8>,
    pub(crate) needed: Needed,
    /// The part of the virtual dataset that it is, as the first index along each axis and the end; `None`
    /// where it has no end.
    pub(crate) target: Option<(Vec<u64>, Vec<u64>)>,
    /// Elements of that part, which can leave some out between its ends.
    pub(crate) elements: u64,
    /// Blocks of the virtual dataset that come from sources of their own, as far as its extents reach.
    pub(crate) blocks: u64,
}

/// How large a source has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Needed {
    /// Any size will do.
    Any,
    /// At least as large along each axis.
    AtLeast(Vec<u64>),
    /// All of it is taken for so many elements of the virtual dataset, which are a block of this shape
    /// where that is known.
    Exactly(u64, Option<Vec<u64>>),
}

/// Whether a dataset is virtual.
pub(crate) fn is_virtual(dataset: &Dataset) -> hdf5::Result<bool> {
    Ok(dataset.dcpl()?.get_layout()? == Layout::Virtual)
}

/// The fill value of a dataset as an element of the type `memory`; `None` where it is zeros.
pub(crate) fn fill_value(dataset: &Dataset, memory: &Datatype) -> hdf5::Result<Option<Vec<u8>>> {
    let plan = dataset.dcpl()?;
    sync(|| {
        let mut defined = H5D_fill_value_t::H5D_FILL_VALUE_ERROR;
        // SAFETY: the identifier is that of `plan`, which is alive, and the pointer is to a local variable.
        h5check(unsafe { H5Pfill_value_defined(plan.id(), &raw mut defined) })?;
        if defined != H5D_fill_value_t::H5D_FILL_VALUE_USER_DEFINED {
            return Ok(None);
        }
        let mut element = vec![0_u8; memory.size()];
        let bytes = element.as_mut_ptr().cast();
        // SAFETY: the identifiers are those of objects that are alive, and there is room for an element of `memory`.
        h5check(unsafe { H5Pget_fill_value(plan.id(), memory.id(), bytes) })?;
        Ok(Some(element).filter(|element| element.iter().any(|&byte| byte != 0)))
    })
}

/// The mappings of a virtual dataset; of any other none.
pub(crate) fn virtual_mappings(dataset: &Dataset) -> hdf5::Result<Vec<Mapping>> {
    mappings_of(dataset, &dataset.dcpl()?)
}

/// The same of a dataset that was made with `plan`: libhdf5 copies all mappings for whoever asks for that, 6 kB each.
pub(crate) fn mappings_of(dataset: &Dataset, plan: &DatasetCreate) -> hdf5::Result<Vec<Mapping>> {
    if plan.get_layout()? != Layout::Virtual {
        return Ok(Vec::new());
    }
    let count = mapping_count(plan)?;
    // It can depend on the sources, as far as those may be opened.
    let shape = with_sources(|| dataset.shape());
    let shape = shape.map_err(|error| hdf5::Error::from(Chain(&error).to_string()))?;
    let extents: Vec<u64> = shape.into_iter().map(|axis| axis as u64).collect();
    (0..count)
        .map(|number| mapping(plan, number, &extents))
        .collect()
}

/// Whether parts of a virtual dataset overlap, and leave elements that none of them gives: libhdf5 counts an element once
/// for each part, and can take the rest for full. Parts without an end are not looked at.
pub(crate) fn has_overlap_and_gap(dataset: &Dataset) -> hdf5::Result<bool> {
    let plan = dataset.dcpl()?;
    let (mut parts, mut selected) = (Vec::new(), 0_usize);
    for number in 0..mapping_count(&plan)? {
        let target = target(&plan, number)?;
        if Endless::of(&target).is_some() {
            return Ok(false);
        }
        selected = selected.saturating_add(target.selection_size());
        parts.push(target);
    }
    // Each with its neighbour: one after the other, each would go through all before it.
    while parts.len() > 1 {
        let pairs = parts.chunks(2).map(|pair| match pair {
            [one, two] => space(|| {
                // SAFETY: the identifiers are those of `one` and `two`, which are alive.
                unsafe { H5Scombine_select(one.id(), H5S_seloper_t::H5S_SELECT_OR, two.id()) }
            }),
            alone => Ok(alone[0].clone()),
        });
        parts = pairs.collect::<hdf5::Result<_>>()?;
    }
    let given = parts.first().map_or(0, Dataspace::selection_size);
    Ok(given < selected && given < dataset.size())
}

fn mapping_count(plan: &DatasetCreate) -> hdf5::Result<usize> {
    let mut count = 0_usize;
    sync(|| {
        // SAFETY: the identifier is that of `plan`, which is alive, and the pointer is to a local
        // variable.
        h5check(unsafe { H5Pget_virtual_count(plan.id(), &raw mut count) })
    })?;
    Ok(count)
}

/// The part of the virtual dataset that a mapping is for.
fn target(plan: &DatasetCreate, number: usize) -> hdf5::Result<Dataspace> {
    space(|| {
        // SAFETY: the identifier is that of `plan`, which is alive.
        unsafe { H5Pget_virtual_vspace(plan.id(), number) }
    })
}

fn mapping(plan: &DatasetCreate, number: usize, extents: &[u64]) -> hdf5::Result<Mapping> {
    let id = plan.id();
    let source = space(|| {
        // SAFETY: the identifier is that of `plan`, which is alive.
        unsafe { H5Pget_virtual_srcspace(id, number) }
    })?;
    let target = target(plan, number)?;
    let endless_target = Endless::of(&target);
    let blocks = endless_target
        .as_ref()
        .map_or(1, |target| target.reached(extents));
    let block = endless_target.as_ref().map(|target| target.elements);
    // All of a source: the file does not say how large it was, but it fills what it is for.
    let needed = match (source.ndim(), block) {
        (0, Some(elements)) => Needed::Exactly(elements, None),
        // Blocks that follow each other are one without an end.
        (0, None) => bounds(&target).map_or(Needed::Any, |(first, end)| {
            let axes = end.iter().zip(&first);
            let shape: Vec<u64> = axes
                .map(|(end, first)| end.saturating_sub(*first))
                .collect();
            let elements = target.selection_size() as u64;
            Needed::Exactly(
                elements,
                Some(shape).filter(|shape| most_elements(shape) == elements),
            )
        }),
        (_, block) => match (Endless::of(&source), block, bounds(&source)) {
            // One that is shorter than others leaves the fill value in its place.
            (Some(open), Some(block), _) => {
                Needed::AtLeast(open.shape_of(blocks.saturating_mul(block)))
            }
            (_, _, bounds) => bounds.map_or(Needed::Any, |(_, end)| Needed::AtLeast(end)),
        },
    };
    Ok(Mapping {
        file: text_of(|text, room| {
            // SAFETY: the identifier is that of `plan`, which is alive, and there is the room for text
            // that is told.
            unsafe { H5Pget_virtual_filename(id, number, text, room) }
        })?,
        dataset: text_of(|text, room| {
            // SAFETY: as above.
            unsafe { H5Pget_virtual_dsetname(id, number, text, room) }
        })?,
        needed,
        blocks,
        elements: block.unwrap_or_else(|| target.selection_size() as u64),
        target: bounds(&target),
    })
}

fn space(open: impl FnOnce() -> hid_t) -> hdf5::Result<Dataspace> {
    sync(|| {
        let id = h5check(open())?;
        // SAFETY: the identifier was opened for us just now, and nobody else has it.
        unsafe { hdf5::from_id(id) }
    })
}

/// Where a selection begins along each axis, and where it ends; `None` of one without an end.
fn bounds(space: &Dataspace) -> Option<(Vec<u64>, Vec<u64>)> {
    let rank = space.ndim();
    let (mut first, mut last) = (vec![0_u64; rank], vec![0_u64; rank]);
    // SAFETY: the identifier is that of `space`, which is alive, and the function writes an index for
    // each axis, for which there is room.
    let found =
        sync(|| unsafe { H5Sget_select_bounds(space.id(), first.as_mut_ptr(), last.as_mut_ptr()) });
    // An end that is none is an error, or one less than HDF5's word for it.
    let endless = last.iter().any(|&last| last >= u64::MAX - 1);
    let end = last.into_iter().map(|last| last.saturating_add(1));
    (found >= 0 && !endless).then(|| (first, end.collect()))
}

/// A selection that has no end along one axis: blocks that follow each other.
struct Endless {
    axis: usize,
    /// Where it begins along that axis.
    start: u64,
    /// From the beginning of a block to the next.
    stride: u64,
    /// The end of the first block along each axis.
    end: Vec<u64>,
    /// Elements of a block, along all axes.
    elements: u64,
}

impl Endless {
    /// `None` of a selection with an end.
    fn of(space: &Dataspace) -> Option<Self> {
        let rank = space.ndim();
        let (mut start, mut stride) = (vec![0_u64; rank], vec![0_u64; rank]);
        let (mut count, mut block) = (vec![0_u64; rank], vec![0_u64; rank]);
        let regular = sync(|| {
            // SAFETY: the identifier is that of `space`, which is alive, and the function writes a number
            // for each axis, for which there is room.
            unsafe {
                H5Sget_regular_hyperslab(
                    space.id(),
                    start.as_mut_ptr(),
                    stride.as_mut_ptr(),
                    count.as_mut_ptr(),
                    block.as_mut_ptr(),
                )
            }
        });
        // HDF5's word for a count without an end.
        let endless = count.iter().position(|&count| count == u64::MAX);
        let axis = endless.filter(|_| regular >= 0)?;
        count[axis] = 1;
        Some(Self {
            axis,
            start: start[axis],
            stride: stride[axis].max(1),
            end: (0..rank)
                .map(|axis| {
                    let last = (count[axis].saturating_sub(1)).saturating_mul(stride[axis]);
                    start[axis].saturating_add(last).saturating_add(block[axis])
                })
                .collect(),
            elements: most_elements(&count).saturating_mul(most_elements(&block)),
        })
    }

    /// Its blocks, as far as `extents` reach, and at least one.
    fn reached(&self, extents: &[u64]) -> u64 {
        let end = extents.get(self.axis).copied().unwrap_or(0);
        let after = end.saturating_sub(self.start);
        after.div_ceil(self.stride).max(1)
    }

    /// The shape that has so many elements of it.
    fn shape_of(&self, elements: u64) -> Vec<u64> {
        let blocks = elements.div_ceil(self.elements.max(1)).max(1);
        let more = (blocks - 1).saturating_mul(self.stride);
        let mut shape = self.end.clone();
        shape[self.axis] = shape[self.axis].saturating_add(more);
        shape
    }
}

/// A part of a file that holds values of a dataset with external storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExternalFile {
    /// The name of the file.
    pub(crate) name: Vec<u8>,
    /// The byte that the part begins at.
    pub(crate) offset: u64,
    /// Its bytes; `u64::MAX` where it has no end.
    pub(crate) bytes: u64,
}

/// The files that hold the values of a dataset with external storage, one part after the other; of any
/// other dataset none.
pub(crate) fn external_files(plan: &DatasetCreate) -> hdf5::Result<Vec<ExternalFile>> {
    sync(|| {
        // SAFETY: the identifier is that of `plan`, which is alive.
        let count = h5check(unsafe { H5Pget_external_count(plan.id()) })?;
        let mut files = Vec::new();
        for number in 0..u32::try_from(count).unwrap_or(0) {
            let mut name = [0_u8; LONGEST_NAME];
            // The last byte stays zero, also where a name has no room.
            let room = name.len() - 1;
            let (mut offset, mut bytes) = (0, 0);
            // SAFETY: the identifier is as above, the number is one of the list, and the pointers are
            // to local variables, of the room that is told.
            h5check(unsafe {
                H5Pget_external(
                    plan.id(),
                    number,
                    room,
                    name.as_mut_ptr().cast(),
                    &raw mut offset,
                    &raw mut bytes,
                )
            })?;
            let name = CStr::from_bytes_until_nul(&name).unwrap_or_default();
            files.push(ExternalFile {
                name: name.to_bytes().to_vec(),
                offset: u64::try_from(offset).unwrap_or(u64::MAX),
                bytes,
            });
        }
        Ok(files)
    })
}
