//! The bytes of a file as they go into an object store: with the chunk indexes at its end, where one request has them
//! all. The nodes of the index of a compressed tensor, or of a run of unknown length, lie between its chunks: to find
//! the chunks of an object by them would take hundreds of requests.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::layout::{self, ChunkTree, IndexCopy, Superblock, chunk_tree};
use crate::reader::{Reader, Tensor, open_data};
use crate::{ReadError, StorageError};

/// The end of a block of structures is a multiple of this.
const ALIGNMENT: u64 = 8;

/// The bytes of a file whose chunk indexes lie together at its end. Any HDF5 reader reads the same values; what the
/// indexes were stays where it was, and is of no use.
#[derive(Debug)]
pub struct Gathered {
    file: File,
    /// Bytes of the file.
    length: u64,
    /// What is different, in the order of the places.
    changed: Vec<(u64, Vec<u8>)>,
    /// The first tensor whose values lie in other files.
    elsewhere: Option<String>,
}

impl Gathered {
    /// Opens the file at `path`, and finds its indexes. Those that lie within the first `head` bytes stay there, which
    /// is where the recorder has all of a run of known length that is not compressed.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::open`].
    pub fn open(path: &Path, head: u64) -> Result<Self, StorageError> {
        let failed = |error| StorageError::io(path, "read", error);
        let file = open_data(path)?;
        let reader = Reader::open_held(&file, path)?;
        let length = file.metadata().map_err(failed)?.len();
        let changed = changes(&reader, &file, length, head)
            .map_err(|error| StorageError::library(path, "read the chunk indexes of", error))?;
        // The reader opens no other file, as that of an object.
        let is_elsewhere = |tensor: &&Tensor| {
            let is_own = tensor.chunk_shape().is_some();
            !is_own && matches!(tensor.check_readable(), Err(ReadError::NotFollowed { .. }))
        };
        let elsewhere = reader.tensors().iter().find(is_elsewhere);
        Ok(Self {
            file,
            length,
            changed,
            elsewhere: elsewhere.map(|tensor| tensor.name().to_owned()),
        })
    }

    /// The bytes of a file of any format, as they are.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn unchanged(path: &Path) -> Result<Self, StorageError> {
        let file = open_data(path)?;
        let found = file.metadata();
        let length = found
            .map_err(|error| StorageError::io(path, "read", error))?
            .len();
        Ok(Self {
            file,
            length,
            changed: Vec::new(),
            elsewhere: None,
        })
    }

    /// Their number.
    #[must_use]
    pub fn size(&self) -> u64 {
        let last = self.changed.last();
        last.map_or(self.length, |(at, bytes)| {
            self.length.max(at + bytes.len() as u64)
        })
    }

    /// The first tensor whose values lie in other files, as those of a [joined view](crate::Join) do: beside an object
    /// none is opened.
    #[must_use]
    pub fn elsewhere(&self) -> Option<&str> {
        self.elsewhere.as_deref()
    }

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) after their end, and the errors of the system.
    pub fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.saturating_add(bytes.len() as u64);
        if end > self.size() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let part = |from: u64, to: u64| {
            let within = |at: u64| usize::try_from(at - offset).unwrap_or(usize::MAX);
            within(from)..within(to)
        };
        let old = self.length.clamp(offset, end);
        FileExt::read_exact_at(&self.file, &mut bytes[part(offset, old)], offset)?;
        bytes[part(old, end)].fill(0);
        for (at, changed) in &self.changed {
            let (from, to) = (offset.max(*at), end.min(at + changed.len() as u64));
            if from < to {
                let first = usize::try_from(from - at).unwrap_or(usize::MAX);
                let target = &mut bytes[part(from, to)];
                target.copy_from_slice(&changed[first..][..target.len()]);
            }
        }
        Ok(())
    }
}

/// What is different in a file of `length` bytes with its indexes together, in the order of the places.
fn changes(
    reader: &Reader,
    file: &File,
    length: u64,
    head: u64,
) -> layout::Result<Vec<(u64, Vec<u8>)>> {
    let (mut indexes, mut roots_at) = (Vec::new(), Vec::new());
    for tensor in reader.tensors() {
        let Some(header) = tensor.own_header() else {
            continue;
        };
        // Other kinds of indexes stay where they are.
        let Ok(Some(ChunkTree {
            chunk,
            root: Some(root),
            root_at,
        })) = chunk_tree(file, header)
        else {
            continue;
        };
        let index = IndexCopy::read(file, chunk.len(), root)?;
        if index.end() > head {
            indexes.push(index);
            roots_at.push(root_at);
        }
    }
    if indexes.is_empty() {
        return Ok(Vec::new());
    }
    let address = Superblock::read(file)?
        .end_of_file
        .max(length)
        .next_multiple_of(ALIGNMENT);
    let (nodes, roots) = layout::gather(&indexes, address)?;
    let end = address + nodes.len() as u64;
    let mut changed: Vec<(u64, Vec<u8>)> = roots_at
        .into_iter()
        .zip(roots)
        .map(|(at, root)| (at, root.to_le_bytes().to_vec()))
        .collect();
    changed.push((Superblock::END_OF_FILE, end.to_le_bytes().to_vec()));
    changed.push((address, nodes));
    changed.sort_by_key(|(at, _)| *at);
    Ok(changed)
}
