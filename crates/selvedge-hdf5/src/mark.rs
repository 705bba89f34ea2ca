//! Marking a `uint16` dataset of another program as bfloat16.

use std::path::Path;

use selvedge_base::LockedFile;

use crate::create::mark;
use crate::provenance::LOGICAL_DTYPE;
use crate::reader::{Reader, type_name};
use crate::{Dtype, ReadError, RewriteError, StorageError, ffi};

/// Gives the `uint16` dataset `tensor` of the file at `path` the attribute
/// `logical_dtype = "bfloat16"`, which says that its values are the bits of bfloat16. Returns whether
/// the file was changed: one that is marked already is not.
///
/// No value changes, and no chunk is touched: libhdf5 adds some hundred bytes to the dataset's header
/// and moves the end of the file. It does so in place, since a copy of a trajectory can be larger
/// than the disk has room, and a new file would have none of the links to the old one; a power cut
/// within the few milliseconds can leave a header that is written in part.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("by_hand.h5");
/// # let file = hdf5::File::create(&path)?;
/// # file.new_dataset_builder().with_data(&[0x3F80_u16; 4]).create("W")?;
/// # file.close()?;
/// use selvedge_hdf5::{Dtype, Reader, mark_bf16};
///
/// assert!(mark_bf16(&path, "W")?);
/// assert_eq!(Reader::open(&path)?.tensor("W")?.dtype()?, Dtype::Bf16);
/// assert!(!mark_bf16(&path, "W")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`RewriteError::Storage`], also while a recorder writes the file or another program has it open;
/// [`ReadError::Unread`] for a tensor in another file, which a link leads to;
/// [`ReadError::UnsupportedDtype`] for one of another dtype; [`ReadError::NoSuchTensor`].
pub fn mark_bf16(path: impl AsRef<Path>, tensor: &str) -> Result<bool, RewriteError> {
    let path = path.as_ref();
    // A program may write without HDF5's lock: the system knows it, as long as this one does not write, too.
    drop(LockedFile::claim(path)?);
    let lock = LockedFile::open(path)?;
    // What is missing is told before anybody else is kept out.
    Reader::open_held(&lock, path)?.tensor(tensor)?;
    // A reader may have cached the header that is about to change.
    lock.seclude(path)?;
    let failed =
        |action: String| move |error: hdf5::Error| StorageError::library(path, action, error);
    let file = ffi::open_held(&lock, path, ffi::Mode::Write, |access| access)
        .map_err(failed("open".to_owned()))?;
    let action = || format!("mark tensor `{tensor}` in");
    let dataset = file.dataset(tensor).map_err(failed(action()))?;
    if dataset.attr(LOGICAL_DTYPE).is_ok() {
        return Ok(false);
    }
    let stored = dataset.dtype().map_err(failed(action()))?;
    let found = type_name(&ffi::describe(&stored));
    if found.trim_start_matches("big-endian ") != Dtype::U16.name() {
        return Err(RewriteError::Read(ReadError::UnsupportedDtype {
            tensor: tensor.to_owned(),
            found,
            hint: "only uint16 can be marked as bfloat16",
        }));
    }
    mark(&dataset, Dtype::Bf16).map_err(failed(action()))?;
    drop(dataset);
    file.close().map_err(failed("close".to_owned()))?;
    lock.sync_all()
        .map_err(|error| StorageError::io(path, "sync", error))?;
    Ok(true)
}
