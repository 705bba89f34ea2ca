//! A file that is written in pieces.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use selvedge_base::{Partial, disk};

use super::Summary;
use super::layout::{Growing, Layout};
use super::writeback::Writeback;
use crate::header::PREFIX;
use crate::{Element, FileError, MissingBytes, SaveError, TensorSpec};

/// Bytes that go to the system in one call: larger ones are slower on Linux, where the page cache
/// then takes its memory in larger pieces.
const PIECE: usize = 1 << 20;
/// Tensors of so many bytes are copied next to their neighbours, and written with them.
const SMALL: usize = 64 << 10;
/// Files of so many bytes are given their blocks beforehand, where their size is known.
const LARGE: u64 = 8 << 20;

/// A tensor of fixed size.
#[derive(Debug)]
struct Fixed {
    spec: TensorSpec,
    /// Where it lies, in bytes from the start of the file.
    place: Range<u64>,
    /// Bytes of it that are in the file.
    written: u64,
}

/// Which tensor a name is.
#[derive(Clone, Copy, Debug)]
enum Slot {
    Fixed(usize),
    Growing,
}

impl Fixed {
    fn bytes(&self) -> u64 {
        self.place.end - self.place.start
    }
}

/// A file whose tensors are written in pieces: made by [`Save::start`](crate::Save::start).
///
/// Each tensor takes its values in row-major order, and between the tensors any order will do. What
/// a call was given is in the file when it returns: there is no buffer, so memory is constant, and
/// pieces of some kB or more are written faster than single values.
///
/// ```
/// use selvedge_safetensors::{Save, bf16};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("tensors/Flannel/1.5e_activations.safetensors");
/// let mut file = Save::new(&path)
///     .declare::<bf16>("embedding", [1000, 64])
///     .growing::<bf16>("activations", [64])
///     .start()?;
/// for row in 0..1000 {
///     file.write("embedding", &[bf16::from_f32(row as f32); 64])?;
/// }
/// while file.rows() < 10 {
///     file.write("activations", &[bf16::ONE; 64])?;
/// }
/// file.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A mistake costs nothing: what was written stays written, also where `finish` finds that something
/// is missing. A writer that is dropped without [`finish`](Self::finish) leaves nothing, but for a growing file
/// whose fixed tensors are complete: that stays as `NAME.unfinished`, for
/// [`recover`](crate::recover). It belongs to the process that started it: in one that is made by `fork`
/// every call is an error ([`FileError::OtherProcess`](crate::FileError)), and dropping it does nothing.
#[derive(Debug)]
#[must_use = "there is no file before `finish`"]
pub struct Writer {
    /// The file that is to be.
    target: PathBuf,
    /// The file on its way; `None` when it is finished.
    partial: Option<Partial>,
    fixed: Vec<Fixed>,
    growing: Option<Growing>,
    slots: HashMap<String, Slot>,
    /// Bytes of the growing tensor that are in the file.
    grown: u64,
    /// The length of the header, while it is not in the file: what makes a growing file
    /// recoverable.
    length: Option<[u8; 8]>,
    /// Tensors of fixed size that are not complete.
    incomplete: usize,
    /// Whether the name that it has meanwhile is on the disk.
    named: bool,
    /// Where the file is put on the disk in the end.
    writeback: Option<Writeback>,
}

impl Writer {
    /// Writes the header, but for its length where the tensor grows, and the data that are there,
    /// in the order of `specs`.
    pub(super) fn new(
        partial: Partial,
        layout: Layout,
        specs: Vec<TensorSpec>,
        data: &[Option<Cow<'_, [u8]>>],
        sync: bool,
    ) -> Result<Self, SaveError> {
        let mut header = layout.header;
        let length = match (layout.growing.is_some(), header.first_chunk_mut()) {
            (true, Some(length)) => Some(std::mem::take::<[u8; 8]>(length)),
            _ => None,
        };
        let names = specs.iter().enumerate();
        let mut slots: HashMap<String, Slot> = names
            .map(|(index, spec)| (spec.name.clone(), Slot::Fixed(index)))
            .collect();
        if let Some(growing) = &layout.growing {
            slots.insert(growing.spec.name.clone(), Slot::Growing);
        }
        // The length of a growing file tells what was written to it.
        if layout.growing.is_none() && layout.end >= LARGE {
            disk::preallocate(partial.file(), layout.end);
        }
        let fixed = specs.into_iter().zip(layout.places);
        let fixed: Vec<Fixed> = fixed
            .map(|(spec, place)| Fixed {
                spec,
                place,
                written: 0,
            })
            .collect();
        let mut writer = Self {
            target: partial.target().to_owned(),
            partial: Some(partial),
            incomplete: fixed.iter().filter(|fixed| fixed.bytes() > 0).count(),
            fixed,
            growing: layout.growing,
            slots,
            grown: 0,
            length,
            named: false,
            writeback: sync.then(Writeback::default),
        };
        writer.write_first(header, data)?;
        writer.commit_header()?;
        Ok(writer)
    }

    /// Writes the next values of tensor `name`; for the growing one, its next rows.
    ///
    /// # Errors
    ///
    /// [`SaveError::UnknownTensor`], [`SaveError::DtypeMismatch`], [`SaveError::TooManyBytes`],
    /// [`SaveError::WriteTensor`], [`SaveError::Finished`], and [`SaveError::File`] in another
    /// process. Then none of the values count as written, and
    /// the call can be repeated, for example when the disk has room again.
    pub fn write<T: Element>(&mut self, name: &str, values: &[T]) -> Result<(), SaveError> {
        let slot = self.slot(name)?;
        let dtype = match slot {
            Slot::Fixed(index) => Some(self.fixed[index].spec.dtype),
            Slot::Growing => self.growing.as_ref().map(|growing| growing.spec.dtype),
        };
        match dtype {
            Some(expected) if !T::fits(expected) => Err(SaveError::DtypeMismatch {
                tensor: name.to_owned(),
                expected,
                found: T::DTYPE,
            }),
            _ => self.put(slot, T::as_bytes(values)),
        }
    }

    /// Writes the next bytes of tensor `name`, whatever its dtype: row-major and little-endian. They
    /// need not end with an element.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<(), SaveError> {
        self.put(self.slot(name)?, bytes)
    }

    fn put(&mut self, slot: Slot, bytes: &[u8]) -> Result<(), SaveError> {
        let Slot::Fixed(index) = slot else {
            return self.grow(bytes);
        };
        self.write_at(index, bytes)?;
        // The values are in the file, whatever becomes of this. It is tried again by the next call,
        // and at last by `finish`, which tells.
        let _ = self.commit_header();
        Ok(())
    }

    /// Writes what tensor `name` still lacks from `source`, and returns the number of bytes; what
    /// the source has beyond that is left in it. For the growing tensor it reads up to the source's
    /// end, which has to be that of a row.
    ///
    /// # Errors
    ///
    /// [`SaveError::UnknownTensor`]; [`SaveError::SourceEnded`] where a tensor of fixed size is not full
    /// then, and [`SaveError::PartialRow`] where a row of the growing one is not; [`SaveError::Source`],
    /// [`SaveError::WriteTensor`] and [`SaveError::Finished`]. What was written up to then stays; of the
    /// growing tensor its whole rows.
    pub fn write_from(&mut self, name: &str, mut source: impl Read) -> Result<u64, SaveError> {
        let slot = self.slot(name)?;
        let lacking = match slot {
            Slot::Fixed(index) => self.fixed[index].bytes() - self.fixed[index].written,
            Slot::Growing => u64::MAX,
        };
        let room = usize::try_from(lacking).map_or(PIECE, |lacking| lacking.min(PIECE));
        let mut buffer = vec![0; room];
        let mut done = 0_u64;
        while done < lacking {
            let piece = usize::try_from(lacking - done).map_or(room, |left| left.min(room));
            let read = fill(&mut source, &mut buffer[..piece]);
            let (read, failure) = match read {
                Ok(read) => (read, None),
                Err((read, error)) => (read, Some(error)),
            };
            self.put(slot, &buffer[..read])?;
            done += read as u64;
            if let Some(source) = failure {
                let _ = self.cut_row();
                return Err(SaveError::Source {
                    path: self.target.clone(),
                    tensor: name.to_owned(),
                    offset: done,
                    source,
                });
            }
            if read < piece {
                break;
            }
        }
        match slot {
            Slot::Fixed(_) if done < lacking => Err(SaveError::SourceEnded {
                tensor: name.to_owned(),
                expected: lacking,
                found: done,
            }),
            Slot::Fixed(_) => Ok(done),
            Slot::Growing => self.cut_row().map(|()| done),
        }
    }

    /// Cuts off what is after the last whole row, and says so, so that the next row does not begin
    /// within one.
    fn cut_row(&mut self) -> Result<(), SaveError> {
        let checked = self.check_rows();
        if let (Err(SaveError::PartialRow { extra, .. }), Some(growing)) = (&checked, &self.growing)
        {
            self.grown -= extra;
            let end = growing.begin + self.grown;
            let cut = self.file()?.set_len(end);
            cut.map_err(FileError::io(&self.target, "set the length of"))?;
        }
        checked
    }

    fn check_rows(&self) -> Result<(), SaveError> {
        match &self.growing {
            Some(growing) if !self.grown.is_multiple_of(growing.row_bytes) => {
                Err(SaveError::PartialRow {
                    tensor: growing.spec.name.clone(),
                    row_bytes: growing.row_bytes,
                    extra: self.grown % growing.row_bytes,
                })
            }
            _ => Ok(()),
        }
    }

    /// Whole rows of the growing tensor that are in the file; 0 where none grows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.growing
            .as_ref()
            .map_or(0, |growing| self.grown / growing.row_bytes)
    }

    /// Puts what was written so far on the disk: rows of a growing tensor outlive a power cut then,
    /// and not only a kill.
    ///
    /// # Errors
    ///
    /// [`SaveError::File`].
    pub fn sync(&mut self) -> Result<(), SaveError> {
        self.file()?
            .sync_data()
            .map_err(FileError::io(&self.target, "put on the disk"))?;
        if !self.named {
            // A file is found again by its name, which is no part of it.
            self.partial()?.sync_names()?;
            self.named = true;
        }
        Ok(())
    }

    /// Checks that every byte arrived, and gives the file its name.
    ///
    /// # Errors
    ///
    /// [`SaveError::Incomplete`] names what is missing, [`SaveError::PartialRow`] a growing tensor that ends
    /// within a row; [`SaveError::File`], also where a file came up meanwhile that is not to be replaced. The
    /// writer is as it was then: what is missing can be written, or what was in the way be removed, and
    /// `finish` called again. [`SaveError::Finished`] the second time.
    pub fn finish(&mut self) -> Result<Summary, SaveError> {
        self.partial()?;
        let missing = self.missing();
        if !missing.is_empty() {
            return Err(SaveError::Incomplete {
                path: self.target.clone(),
                missing,
            });
        }
        // Where that failed after the last tensor was complete, the length is not there yet.
        self.commit_header()?;
        self.check_rows()?;
        let rows = self.rows();
        if let Some(growing) = &self.growing {
            set_rows(self.partial()?, growing, rows)?;
        }
        let summary = Summary {
            path: self.target.clone(),
            tensors: self.fixed.len() + usize::from(self.growing.is_some()),
            rows: self.growing.is_some().then_some(rows),
            bytes: self
                .file()?
                .metadata()
                .map_err(FileError::io(&self.target, "look at"))?
                .len(),
        };
        let sync = self.writeback.is_some();
        if let Some(partial) = &mut self.partial {
            partial.publish(sync)?;
        }
        // And closed: a file that somebody removes then is gone.
        self.partial = None;
        Ok(summary)
    }

    fn partial(&self) -> Result<&Partial, SaveError> {
        open(self.partial.as_ref(), &self.target)
    }

    fn file(&self) -> Result<&File, SaveError> {
        Ok(self.partial()?.file())
    }

    /// What the tensors of fixed size still lack.
    #[must_use]
    pub fn missing(&self) -> Vec<MissingBytes> {
        let lacking = self
            .fixed
            .iter()
            .filter(|fixed| fixed.written < fixed.bytes());
        lacking
            .map(|fixed| MissingBytes {
                tensor: fixed.spec.name.clone(),
                expected: fixed.bytes(),
                found: fixed.written,
            })
            .collect()
    }

    /// Writes the header and the data that are there in the order of the file: small neighbours,
    /// of which there can be thousands, by one call.
    fn write_first(
        &mut self,
        header: Vec<u8>,
        data: &[Option<Cow<'_, [u8]>>],
    ) -> Result<(), SaveError> {
        let given = data.iter().enumerate();
        let given = given.filter_map(|(index, data)| Some((index, data.as_deref()?)));
        let mut given: Vec<(usize, &[u8])> = given.collect();
        given.sort_by_key(|&(index, _)| self.fixed[index].place.start);

        let mut run = (0, header);
        for (index, bytes) in given {
            let begin = self.fixed[index].place.start;
            let follows = run.0 + run.1.len() as u64 == begin;
            let small = bytes.len() <= SMALL && run.1.len() + bytes.len() <= PIECE;
            if !(follows && small) {
                self.write_run(&run)?;
                run.0 = begin;
                run.1.clear();
            }
            if bytes.len() <= SMALL {
                run.1.extend_from_slice(bytes);
                self.count(index, bytes.len() as u64);
            } else {
                self.write_at(index, bytes)?;
                run.0 = self.fixed[index].place.end;
            }
        }
        self.write_run(&run)
    }

    fn write_run(&self, (at, bytes): &(u64, Vec<u8>)) -> Result<(), SaveError> {
        self.file()?
            .write_all_at(bytes, *at)
            .map_err(FileError::io(&self.target, "write to"))?;
        Ok(())
    }

    /// Writes the next bytes of a tensor of fixed size.
    fn write_at(&mut self, index: usize, bytes: &[u8]) -> Result<(), SaveError> {
        let file = open(self.partial.as_ref(), &self.target)?.file();
        let fixed = &self.fixed[index];
        let found = bytes.len() as u64;
        if found > fixed.bytes() - fixed.written {
            return Err(SaveError::TooManyBytes {
                tensor: fixed.spec.name.clone(),
                expected: fixed.bytes(),
                written: fixed.written,
                found,
            });
        }
        let at = fixed.place.start + fixed.written;
        write_pieces(file, bytes, at, self.writeback.as_mut())
            .map_err(|source| self.failed(&fixed.spec.name, fixed.written, source))?;
        self.count(index, found);
        Ok(())
    }

    /// Counts bytes of a tensor as written.
    fn count(&mut self, index: usize, bytes: u64) {
        let fixed = &mut self.fixed[index];
        fixed.written += bytes;
        if bytes > 0 && fixed.written == fixed.bytes() {
            self.incomplete -= 1;
        }
    }

    /// Makes a growing file recoverable, once its tensors of fixed size are complete.
    fn commit_header(&mut self) -> Result<(), SaveError> {
        let Some(length) = self.length else {
            return Ok(());
        };
        if self.incomplete > 0 {
            return Ok(());
        }
        self.file()?
            .write_all_at(&length, 0)
            .map_err(FileError::io(&self.target, "write the header of"))?;
        self.length = None;
        if let Some(partial) = &mut self.partial {
            partial.keep();
        }
        Ok(())
    }

    fn grow(&mut self, bytes: &[u8]) -> Result<(), SaveError> {
        let file = open(self.partial.as_ref(), &self.target)?.file();
        let Some(growing) = &self.growing else {
            return Ok(());
        };
        let end = growing.begin + self.grown;
        let written = write_pieces(file, bytes, end, self.writeback.as_mut());
        if let Err(source) = written {
            // What did arrive is not to be taken for rows by `recover`, least of all after rows
            // that are written later and reach less far. Where even this fails, the call's error
            // has said that the file is in trouble.
            let _ = file.set_len(end);
            return Err(self.failed(&growing.spec.name, self.grown, source));
        }
        self.grown += bytes.len() as u64;
        Ok(())
    }

    fn slot(&self, name: &str) -> Result<Slot, SaveError> {
        self.slots.get(name).copied().ok_or_else(|| {
            let fixed = self.fixed.iter().map(|fixed| &fixed.spec);
            let declared = fixed.chain(self.growing.as_ref().map(|growing| &growing.spec));
            SaveError::UnknownTensor {
                tensor: name.to_owned(),
                declared: declared.map(|spec| spec.name.clone()).collect(),
            }
        })
    }

    fn failed(&self, tensor: &str, offset: u64, source: io::Error) -> SaveError {
        SaveError::WriteTensor {
            path: self.target.clone(),
            tensor: tensor.to_owned(),
            offset,
            source,
        }
    }
}

/// The file on its way to `target`, unless it is finished, or is that of another process.
fn open<'a>(partial: Option<&'a Partial>, target: &Path) -> Result<&'a Partial, SaveError> {
    let partial = partial.ok_or_else(|| SaveError::Finished {
        path: target.to_owned(),
    })?;
    partial.check("this writer")?;
    Ok(partial)
}

/// Writes the number of rows into the header of a growing file, and cuts off what is after them.
pub(super) fn set_rows(partial: &Partial, growing: &Growing, rows: u64) -> Result<(), FileError> {
    let file = partial.file();
    file.set_len(growing.begin + rows * growing.row_bytes)
        .map_err(FileError::io(partial.path(), "set the length of"))?;
    file.write_all_at(growing.patch(rows).as_bytes(), growing.patch_at)
        .map_err(FileError::io(partial.path(), "write the number of rows to"))
}

fn write_pieces(
    file: &File,
    bytes: &[u8],
    mut at: u64,
    mut writeback: Option<&mut Writeback>,
) -> io::Result<()> {
    debug_assert!(at >= PREFIX, "the header is there");
    for piece in bytes.chunks(PIECE) {
        file.write_all_at(piece, at)?;
        let end = at + piece.len() as u64;
        if let Some(writeback) = &mut writeback {
            writeback.wrote(file, at..end);
        }
        at = end;
    }
    Ok(())
}

/// Reads until the buffer is full or the source ends; an error comes with the bytes before it.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> Result<usize, (usize, io::Error)> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((filled, error)),
        }
    }
    Ok(filled)
}
