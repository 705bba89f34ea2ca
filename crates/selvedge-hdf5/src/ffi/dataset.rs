//! Values of a dataset as bytes of a type that is chosen at run time.

use hdf5::sync::sync;
use hdf5::{Dataset, Dataspace, Datatype, h5check};
use hdf5_sys::h5d::H5Dread;
use hdf5_sys::h5p::H5P_DEFAULT;

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
