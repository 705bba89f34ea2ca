//! Commands that take HDF5 alone.

use std::path::Path;

use anyhow::bail;
use selvedge_base::text::shell_path;

use crate::facts::{Assumptions, Format, Unreadable};
use crate::object;
use crate::source::npz;

/// Checks that a file lies on this machine, and is not of another format that this program reads.
///
/// # Errors
///
/// That it is an object; what it is, and what makes HDF5 of it; or that there is none. That it is nothing that is known, whoever opens it
/// says best.
pub(super) fn check_hdf5(path: &Path) -> anyhow::Result<()> {
    object::check_read_here(path)?;
    match Format::detect(path) {
        Err(
            error @ (Unreadable::Missing { .. }
            | Unreadable::Dangling { .. }
            | Unreadable::Folder { .. }
            | Unreadable::Empty { .. }
            | Unreadable::Pointer { .. }),
        ) => Err(error.into()),
        Ok(Format::Hdf5) | Err(_) => Ok(()),
        Ok(other) => {
            // What is none of NumPy, though it is an archive, is told by who opens it.
            if other == Format::Npz {
                npz::open(path, &Assumptions::default())?;
            }
            bail!(
                "{} is {}, and this command takes HDF5; `selvedge convert {} {}` makes that of it",
                path.display(),
                other.name(),
                shell_path(path),
                shell_path(&path.with_extension("h5"))
            )
        }
    }
}
