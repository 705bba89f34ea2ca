//! Making a file of what a writer left that did not finish.

use std::path::Path;

use selvedge_base::{FileError, Partial};

use super::Summary;
use super::layout::Growing;
use super::writer::set_rows;
use crate::header::read_start;
use crate::{Header, SaveError};

/// Finishes the growing file at `path` whose writer was killed or dropped: with all the whole rows
/// that reached `NAME.unfinished`.
///
/// `path` is the file that was to be, or the unfinished one. Of rows that were written when a kill
/// came, every whole one is there; what is left of a torn row is cut off. After a power cut that
/// holds for the rows before the last [`Writer::sync`](crate::Writer::sync); those after it can be
/// zeros. Killed itself, it can be called again.
///
/// ```no_run
/// let saved = selvedge_safetensors::recover("tensors/Flannel/1.5e_activations.safetensors")?;
/// println!("recovered {saved}");
/// # Ok::<(), selvedge_safetensors::SaveError>(())
/// ```
///
/// # Errors
///
/// [`SaveError::File`] where there is nothing to recover, and while its writer lives;
/// [`SaveError::InTheWay`] where there is a file of the final name, which is not replaced;
/// [`SaveError::NotRecoverable`] where the writer had not written all tensors of fixed size, or the
/// file is not one of a writer.
pub fn recover(path: impl AsRef<Path>) -> Result<Summary, SaveError> {
    let mut partial = Partial::reopen(path.as_ref())?;
    let (path, unfinished) = (partial.target().to_owned(), partial.path().to_owned());
    let not_recoverable = |reason, source| SaveError::NotRecoverable {
        unfinished: unfinished.clone(),
        reason,
        source,
    };
    let in_the_way = || SaveError::InTheWay {
        path: path.clone(),
        unfinished: unfinished.clone(),
    };
    if path.symlink_metadata().is_ok() {
        return Err(in_the_way());
    }

    let (start, file_bytes) = read_start(&unfinished, partial.file())?;
    if start.iter().all(|&byte| byte == 0) {
        let why = "its writer stopped before the tensors of fixed size were complete; save it anew";
        return Err(not_recoverable(why, None));
    }
    // Rows lie after what the header tells: so it is checked as that of a file without them.
    let header = Header::parse_prefix(&start, file_bytes)
        .map_err(|error| not_recoverable("it is damaged", Some(error)))?;
    let growing = header
        .tensors()
        .last()
        .and_then(|last| Growing::find(&start, header.data_start(), last));
    let Some((growing, _)) = growing else {
        let why = match Header::parse(&start, file_bytes) {
            Ok(_) => "it is complete, and no file with a tensor that grows: rename it",
            Err(_) => "it is no file with a tensor that grows, as Selvedge writes it",
        };
        return Err(not_recoverable(why, None));
    };
    let rows = file_bytes.saturating_sub(growing.begin) / growing.row_bytes;
    set_rows(&partial, &growing, rows)?;
    let bytes = growing.begin + rows * growing.row_bytes;
    let tensors = header.tensors().len();
    // What has the form of a growing file need not be one: it is looked at again, as a reader will.
    let (start, file_bytes) = read_start(&unfinished, partial.file())?;
    Header::parse(&start, file_bytes)
        .map_err(|error| not_recoverable("its header is damaged", Some(error)))?;
    match partial.publish(true) {
        Err(FileError::AlreadyExists { .. }) => return Err(in_the_way()),
        other => other?,
    }
    Ok(Summary {
        path,
        tensors,
        rows: Some(rows),
        bytes,
    })
}
