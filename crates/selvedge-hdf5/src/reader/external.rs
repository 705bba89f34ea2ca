//! Values that lie in other files as they are: HDF5's external storage, which can be a part of any file.
//!
//! libhdf5 opens such files past its drivers, by names that count from the working folder, and reads zeros
//! where they end. So they are read here.

use std::ffi::OsStr;
use std::fs::File;
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
    /// It is not there, or does not have the values.
    Failed(String),
}

impl ExternalStorage {
    /// Opens the files of a dataset in a file of `folder`, from which their names count. They have to have
    /// `bytes` bytes of values.
    pub(super) fn open(
        files: Vec<ExternalFile>,
        bytes: u64,
        folder: &Path,
        others: &OtherFiles,
    ) -> Result<Self, Unreadable> {
        let (mut parts, mut left) = (Vec::new(), bytes);
        for part in files {
            let here = part.bytes.min(left);
            parts.push((open(&part, here, folder, others)?, part));
            left -= here;
        }
        match left {
            0 => Ok(Self { parts }),
            left => Err(Unreadable::Failed(format!(
                "external storage that has a place for {} of its {bytes} bytes; write the file again",
                bytes - left
            ))),
        }
    }

    /// Reads from the byte `start` of the values on; else the reason, as a clause.
    pub(super) fn read_at(&self, start: u64, mut bytes: &mut [u8]) -> Result<(), String> {
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
            // Its end was looked at when it was opened.
            let at = part.offset.saturating_add(before);
            file.read_exact_at(here, at).map_err(|error| {
                let name = escaped(&part.name);
                format!("{name} (external storage) does not give them: {error}")
            })?;
            (bytes, before) = (rest, 0);
        }
        match bytes.is_empty() {
            true => Ok(()),
            false => Err("its external storage has fewer bytes than it has values".to_owned()),
        }
    }
}

/// Opens a file of which `bytes` bytes are wanted.
fn open(
    part: &ExternalFile,
    bytes: u64,
    folder: &Path,
    others: &OtherFiles,
) -> Result<File, Unreadable> {
    let said = |why: String| format!("{} (external storage), which {why}", escaped(&part.name));
    refusal();
    let opened = others.open(&folder.join(OsStr::from_bytes(&part.name)), false);
    let opened = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
    let (found, file) = opened.map_err(|error| match refusal() {
        Some(refusal) => Unreadable::Refused(said(format!("is not read: {}", refusal.why))),
        None => Unreadable::Failed(said(format!("cannot be opened: {error}; put it back"))),
    })?;
    let expected = part.offset.saturating_add(bytes);
    if found < expected {
        return Err(Unreadable::Failed(said(format!(
            "has {found} bytes, expected {expected} or more; put it back as it was"
        ))));
    }
    Ok(file)
}
