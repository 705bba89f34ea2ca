//! Values that lie in other files as they are: HDF5's external storage, which can be a part of any file.
//!
//! libhdf5 opens such files past its drivers, by names that count from the working folder, and reads zeros
//! where they end. So they are read here.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::ffi::ExternalFile;
use crate::other_files::{OtherFiles, refusal};
use selvedge_base::text::escaped;

/// The files that hold the values of a dataset, open.
#[derive(Debug)]
pub(super) struct ExternalStorage {
    parts: Vec<(File, ExternalFile)>,
}

/// Why the values are not read.
pub(super) enum Unreadable {
    /// The file is one that is not to be opened.
    Refused(String),
    Failed(String),
}

impl ExternalStorage {
    /// Opens the files of a dataset in a file of `folder`, from which their names count.
    pub(super) fn open(
        files: Vec<ExternalFile>,
        folder: &Path,
        others: &OtherFiles,
    ) -> Result<Self, Unreadable> {
        let parts = files.into_iter().map(|part| {
            let path = folder.join(OsStr::from_bytes(&part.name));
            refusal();
            match others.open(&path, false) {
                Ok(file) => Ok((file, part)),
                Err(error) => {
                    let said = |why: &str| {
                        format!("{} (external storage), which {why}", escaped(&part.name))
                    };
                    Err(match refusal() {
                        Some(refusal) => {
                            Unreadable::Refused(said(&format!("is not read: {}", refusal.why)))
                        }
                        None => Unreadable::Failed(said(&format!("cannot be opened: {error}"))),
                    })
                }
            }
        });
        let parts = parts.collect::<Result<_, _>>()?;
        Ok(Self { parts })
    }

    /// Reads from the byte `start` of the values on.
    pub(super) fn read_at(&self, start: u64, mut bytes: &mut [u8]) -> io::Result<()> {
        let mut before = start;
        for (file, part) in &self.parts {
            if bytes.is_empty() {
                break;
            }
            let Some(left) = part.bytes.checked_sub(before).filter(|&left| left > 0) else {
                before -= part.bytes;
                continue;
            };
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let (here, rest) = std::mem::take(&mut bytes).split_at_mut(length);
            let at = part.offset.checked_add(before);
            let at = at.ok_or(io::ErrorKind::UnexpectedEof)?;
            file.read_exact_at(here, at).map_err(|error| {
                let name = escaped(&part.name);
                io::Error::new(error.kind(), format!("{name} (external storage): {error}"))
            })?;
            (bytes, before) = (rest, 0);
        }
        match bytes.is_empty() {
            true => Ok(()),
            false => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "its external storage has fewer bytes than it has values",
            )),
        }
    }
}
