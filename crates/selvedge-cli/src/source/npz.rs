//! The `.npz` of `NumPy`: a zip archive whose members are arrays.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use flate2::read::DeflateDecoder;
use selvedge_base::open_regular;
use selvedge_base::text::escaped;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::array::{Array, ArrayError, Data};
use super::assumptions::Assumptions;
use super::inflate::{Inflated, Kept};
use super::npy::{self, Header};
use super::stored::{Crc32, Extent, Stored};

/// What a zip archive begins with, and an empty one.
pub(crate) const MAGIC: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// The ending of a member that is an array; `NumPy` leaves it out of the name.
const ENDING: &str = ".npy";

/// The arrays of the archive at `path`, and the names of what else is in it.
///
/// # Errors
///
/// Where it is no sound archive. An array that cannot be read is told by its own [`Array::unread`].
pub(crate) fn open(
    path: &Path,
    assumptions: &Assumptions,
) -> Result<(Vec<Array>, Vec<String>), ArrayError> {
    let failed = |error| ArrayError::io(path, "cannot be opened", error);
    let file = Arc::new(open_regular(path).map_err(failed)?);
    let bytes = file.metadata().map_err(failed)?.len();
    let broken = |error| broken(path, error);
    let mut archive = ZipArchive::new(io::BufReader::new(&*file)).map_err(broken)?;
    if archive.has_duplicate_names() {
        let twice = repeated(&file, archive.central_directory_start());
        let name = twice.map_or_else(String::new, |name| format!(" (`{name}`)"));
        return Err(ArrayError::new(
            path,
            format!(
                "has two members of one name{name}, of which Python reads the last; save the arrays again, each \
                 under a name of its own"
            ),
        ));
    }
    let (mut arrays, mut others) = (Vec::new(), Vec::new());
    let kept = Kept::default();
    let names = archive.file_names();
    let names = names.map(|name| name.map(Cow::into_owned));
    let names: Result<HashSet<String>, ZipError> = names.collect();
    let names = names.map_err(broken)?;
    for number in 0..archive.len() {
        let member = archive.by_index_raw(number).map_err(broken)?;
        let name = member.name().map_err(broken)?.into_owned();
        let start = member.data_start().unwrap_or(u64::MAX);
        let found = Member {
            extent: Extent {
                file: Arc::clone(&file),
                at: start,
                end: start.saturating_add(member.compressed_size()),
            },
            length: member.size(),
            crc: Crc32 {
                member: name.clone(),
                expected: member.crc32(),
            },
            method: member.compression(),
            encrypted: member.encrypted(),
        };
        // NumPy goes by what a member begins with, and by its name where that is one that it has whole.
        drop(member);
        let name = match name.strip_suffix(ENDING) {
            Some(short) if !names.contains(short) => short.to_owned(),
            Some(_) => name,
            None if found.begins_like_an_array() => name,
            None => {
                others.push(name);
                continue;
            }
        };
        arrays.push(if found.extent.end > bytes {
            Array::unread(path, name, "is cut off".to_owned(), &file)
        } else {
            found.array(path, name, assumptions, &kept)
        });
    }
    // PyTorch's archives have a pickle beside raw values.
    if arrays.is_empty() && others.iter().any(|name| name.ends_with("/data.pkl")) {
        let what = "is what `torch.save` writes, a program that is not run here; load it in PyTorch, and save its tensors \
                    with `safetensors.torch.save_file`";
        return Err(ArrayError::new(path, what.to_owned()));
    }
    Ok((arrays, others))
}

/// Why an archive cannot be read.
fn broken(path: &Path, error: ZipError) -> ArrayError {
    const NAME: &str = "no sound archive of NumPy (.npz)";
    match error {
        ZipError::Io(error) => ArrayError::io(path, format!("is {NAME}"), error),
        ZipError::InvalidArchive(_) => ArrayError::new(
            path,
            format!(
                "is {NAME}: the directory at its end is missing, or not that of its members; it was cut off or \
                 changed since it was written: copy it anew from its origin, or save the arrays again"
            ),
        ),
        _ => ArrayError::new(
            path,
            format!("is {NAME}: it is of a kind that NumPy does not write"),
        ),
    }
}

/// The first name that the directory from byte `at` on has twice.
fn repeated(file: &File, mut at: u64) -> Option<String> {
    const ENTRY: [u8; 4] = *b"PK\x01\x02";
    // Where in an entry the lengths are of the name, of more fields and of a comment.
    const LENGTHS: usize = 28;
    let mut names = HashSet::new();
    loop {
        let mut entry = [0; 46];
        file.read_exact_at(&mut entry, at).ok()?;
        if !entry.starts_with(&ENTRY) {
            return None;
        }
        let lengths = entry[LENGTHS..].chunks_exact(2).take(3);
        let lengths = lengths.map(|length| u16::from_le_bytes([length[0], length[1]]));
        let lengths: Vec<u16> = lengths.collect();
        let mut name = vec![0; lengths[0].into()];
        at += entry.len() as u64;
        file.read_exact_at(&mut name, at).ok()?;
        at += lengths.into_iter().map(u64::from).sum::<u64>();
        let name = escaped(&name);
        if !names.insert(name.clone()) {
            return Some(name);
        }
    }
}

/// What the directory of the archive says of a member.
struct Member {
    extent: Extent,
    /// Its bytes, unpacked.
    length: u64,
    crc: Crc32,
    method: CompressionMethod,
    encrypted: bool,
}

impl Member {
    /// Its bytes, where `NumPy` uses the method that they are packed by.
    fn unpacked(&self) -> Option<Box<dyn Read>> {
        match self.method {
            CompressionMethod::Stored => Some(Box::new(self.extent.clone())),
            CompressionMethod::DEFLATE => {
                let unpacked = DeflateDecoder::new(self.extent.clone());
                Some(Box::new(unpacked.take(self.length)))
            }
            _ => None,
        }
    }

    fn begins_like_an_array(&self) -> bool {
        let mut start = [0; npy::MAGIC.len()];
        let bytes = self.unpacked().filter(|_| !self.encrypted);
        let read = bytes.map(|mut bytes| bytes.read_exact(&mut start));
        matches!(read, Some(Ok(()))) && start == *npy::MAGIC
    }

    fn array(mut self, path: &Path, name: String, assumptions: &Assumptions, kept: &Kept) -> Array {
        let file = Arc::clone(&self.extent.file);
        if self.encrypted {
            return Array::unread(path, name, "is encrypted".to_owned(), &file);
        }
        let Some(mut unpacked) = self.unpacked() else {
            let other = self.method;
            let why = format!("is compressed by a method that NumPy does not use ({other})");
            return Array::unread(path, name, why, &file);
        };
        let header = Header::read(&mut unpacked);
        let (header, length) = match header {
            Ok(header) => header,
            Err(error) => {
                let why = format!("has a header that cannot be read: {error}");
                return Array::unread(path, name, why, &file);
            }
        };
        let mut there = self.length.saturating_sub(length);
        if self.method == CompressionMethod::Stored {
            // Of two lengths that are not the same, bytes are only taken, and summed, up to the shorter.
            let Extent { at, end, .. } = &mut self.extent;
            *end = (*end).min(at.saturating_add(self.length));
            there = (*end - *at).saturating_sub(length);
        }
        let data = match self.method {
            CompressionMethod::Stored => Data::Stored(Stored::new(self.extent, length, self.crc)),
            _ => {
                let member = Inflated::new(self.extent, length, self.length, self.crc, kept);
                Data::Deflated(member)
            }
        };
        Array::new(path, name, header, there, data, assumptions)
    }
}
