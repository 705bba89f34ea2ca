//! Values of a dataset as bytes of a type that is chosen at run time, and datasets that are made alike.

use std::ffi::CString;

use hdf5::plist::DatasetCreate;
use hdf5::sync::sync;
use hdf5::{Dataset, Dataspace, Datatype, Location, h5check};
use hdf5_sys::h5d::{H5Dcreate2, H5Dread};
use hdf5_sys::h5p::H5P_DEFAULT;

/// What datasets that are alike are made with. The binding makes it anew for each, which takes libhdf5 as long as the
/// dataset.
pub(crate) struct DatasetKind {
    pub(crate) datatype: Datatype,
    pub(crate) space: Dataspace,
    pub(crate) creation: DatasetCreate,
}

impl DatasetKind {
    /// Makes the dataset `name` of this kind, in a group that is there.
    pub(crate) fn create(&self, parent: &Location, name: &str) -> hdf5::Result<Dataset> {
        let c_name = CString::new(name).map_err(|_| format!("a zero byte in the name {name:?}"))?;
        sync(|| {
            // SAFETY: the identifiers are those of objects that are alive, and the name is a string of C.
            let id = h5check(unsafe {
                H5Dcreate2(
                    parent.id(),
                    c_name.as_ptr(),
                    self.datatype.id(),
                    self.space.id(),
                    H5P_DEFAULT,
                    self.creation.id(),
                    H5P_DEFAULT,
                )
            })?;
            // SAFETY: the identifier was made for us just now, and nobody else has it.
            unsafe { hdf5::from_id(id) }
        })
    }
}

/// Reads what is selected in `file` into `bytes`, as elements of the type `memory`, one after the other, of the
/// shape that the selection has. Where that is the type of the dataset nothing is converted.
///
/// With memory of another shape, libhdf5 would find the place of each element by itself, which takes a hundred times as long.
pub(crate) fn read_raw(
    dataset: &Dataset,
    memory: &Datatype,
    (file, shape): (&Dataspace, Vec<usize>),
    bytes: &mut [u8],
) -> hdf5::Result<()> {
    let elements = file.selection_size();
    let expected = elements.checked_mul(memory.size());
    if expected != Some(bytes.len()) {
        return Err(format!(
            "{elements} elements of {} bytes do not fill {} bytes",
            memory.size(),
            bytes.len()
        )
        .into());
    }
    let space = Dataspace::try_new(shape)?;
    if space.size() != elements {
        return Err(format!("the shape of {elements} elements has {}", space.size()).into());
    }
    sync(|| {
        // SAFETY: the identifiers are those of objects that are alive, and the function writes as many
        // elements of `memory` as are selected, for which there is exactly room.
        h5check(unsafe {
            H5Dread(
                dataset.id(),
                memory.id(),
                space.id(),
                file.id(),
                H5P_DEFAULT,
                bytes.as_mut_ptr().cast(),
            )
        })
    })?;
    Ok(())
}
