//! A file that is written in pieces.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::Summary;
use super::layout::{Growing, Layout};
use super::partial::Partial;
use super::writeback::Writeback;
use crate::header::PREFIX;
use crate::{Element, Error, MissingBytes, TensorSpec, sys};

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
/// A writer that is dropped without [`finish`](Self::finish) leaves nothing, but for a growing file
/// whose fixed tensors are complete: that stays as `NAME.unfinished`, for
/// [`recover`](crate::recover).
#[derive(Debug)]
#[must_use = "there is no file before `finish`"]
pub struct Writer {
    partial: Partial,
    fixed: Vec<Fixed>,
    growing: Option<Growing>,
    slots: HashMap<String, Slot>,
    /// Bytes of the growing tensor that are in the file.
    grown: u64,
    /// The length of the header, while it is not in the file: what makes a growing file
    /// recoverable.
    length: Option<[u8; 8]>,
    /// Where the file is put on the disk in the end.
    writeback: Option<Writeback>,
    overwrite: bool,
}

impl Writer {
    /// Writes the header, but for its length where the tensor grows, and the data that are there,
    /// in the order of `specs`.
    pub(super) fn new(
        partial: Partial,
        layout: Layout,
        specs: Vec<TensorSpec>,
        data: &[Option<Cow<'_, [u8]>>],
        (sync, overwrite): (bool, bool),
    ) -> Result<Self, Error> {
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
            sys::preallocate(partial.file(), layout.end);
        }
        let fixed = specs.into_iter().zip(layout.places);
        let mut writer = Self {
            partial,
            fixed: fixed
                .map(|(spec, place)| Fixed {
                    spec,
                    place,
                    written: 0,
                })
                .collect(),
            growing: layout.growing,
            slots,
            grown: 0,
            length,
            writeback: sync.then(Writeback::default),
            overwrite,
        };
        writer.write_first(header, data)?;
        writer.commit_header()?;
        Ok(writer)
    }

    /// Writes the next values of tensor `name`; for the growing one, its next rows.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownTensor`], [`Error::DtypeMismatch`], [`Error::TooManyBytes`] and
    /// [`Error::WriteTensor`]. Then none of the values count as written, and the call can be
    /// repeated, for example when the disk has room again.
    pub fn write<T: Element>(&mut self, name: &str, values: &[T]) -> Result<(), Error> {
        let dtype = match self.slot(name)? {
            Slot::Fixed(index) => Some(self.fixed[index].spec.dtype),
            Slot::Growing => self.growing.as_ref().map(|growing| growing.spec.dtype),
        };
        match dtype {
            Some(expected) if !T::fits(expected) => Err(Error::DtypeMismatch {
                tensor: name.to_owned(),
                expected,
                found: T::DTYPE,
            }),
            _ => self.write_bytes(name, T::as_bytes(values)),
        }
    }

    /// Writes the next bytes of tensor `name`, whatever its dtype: row-major and little-endian. They
    /// need not end with an element.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        match self.slot(name)? {
            Slot::Fixed(index) => {
                self.write_at(index, bytes)?;
                self.commit_header()
            }
            Slot::Growing => self.grow(bytes),
        }
    }

    /// Writes what tensor `name` still lacks from `source`, and returns the number of bytes. For the
    /// growing tensor it reads up to the source's end.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownTensor`]; [`Error::SourceEnded`] where a tensor of fixed size is not full
    /// then; [`Error::Source`] and [`Error::WriteTensor`]. What was written up to then stays.
    pub fn write_from(&mut self, name: &str, mut source: impl Read) -> Result<u64, Error> {
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
            self.write_bytes(name, &buffer[..read])?;
            done += read as u64;
            if let Some(source) = failure {
                return Err(Error::Source {
                    path: self.partial.target().to_owned(),
                    tensor: name.to_owned(),
                    offset: done,
                    source,
                });
            }
            if read < piece {
                break;
            }
        }
        if matches!(slot, Slot::Fixed(_)) && done < lacking {
            return Err(Error::SourceEnded {
                tensor: name.to_owned(),
                expected: lacking,
                found: done,
            });
        }
        Ok(done)
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
    /// [`Error::Io`].
    pub fn sync(&mut self) -> Result<(), Error> {
        self.partial
            .file()
            .sync_data()
            .map_err(Error::io(self.partial.path(), "put on the disk"))
    }

    /// Checks that every byte arrived, and gives the file its name.
    ///
    /// # Errors
    ///
    /// [`Error::Incomplete`] names what is missing, [`Error::PartialRow`] a growing tensor that ends
    /// within a row; [`Error::Io`]; [`Error::AlreadyExists`] where a file came up meanwhile and is
    /// not to be replaced. What is left then is what a writer leaves that is dropped.
    pub fn finish(mut self) -> Result<Summary, Error> {
        let missing = self.missing();
        if !missing.is_empty() {
            return Err(Error::Incomplete {
                path: self.partial.target().to_owned(),
                missing,
            });
        }
        // Where that failed after the last tensor was complete, the length is not there yet.
        self.commit_header()?;
        let rows = self.rows();
        if let Some(growing) = &self.growing {
            let extra = self.grown % growing.row_bytes;
            if extra != 0 {
                return Err(Error::PartialRow {
                    tensor: growing.spec.name.clone(),
                    row_bytes: growing.row_bytes,
                    extra,
                });
            }
            set_rows(&self.partial, growing, rows)?;
        }
        let summary = Summary {
            path: self.partial.target().to_owned(),
            tensors: self.fixed.len() + usize::from(self.growing.is_some()),
            rows: self.growing.is_some().then_some(rows),
            bytes: self
                .partial
                .file()
                .metadata()
                .map_err(Error::io(self.partial.path(), "look at"))?
                .len(),
        };
        self.partial
            .publish(self.writeback.is_some(), self.overwrite)?;
        Ok(summary)
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
    ) -> Result<(), Error> {
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
                self.fixed[index].written = bytes.len() as u64;
            } else {
                self.write_at(index, bytes)?;
                run.0 = self.fixed[index].place.end;
            }
        }
        self.write_run(&run)
    }

    fn write_run(&self, (at, bytes): &(u64, Vec<u8>)) -> Result<(), Error> {
        self.partial
            .file()
            .write_all_at(bytes, *at)
            .map_err(Error::io(self.partial.target(), "write to"))
    }

    /// Writes the next bytes of a tensor of fixed size.
    fn write_at(&mut self, index: usize, bytes: &[u8]) -> Result<(), Error> {
        let fixed = &self.fixed[index];
        let found = bytes.len() as u64;
        if found > fixed.bytes() - fixed.written {
            return Err(Error::TooManyBytes {
                tensor: fixed.spec.name.clone(),
                expected: fixed.bytes(),
                written: fixed.written,
                found,
            });
        }
        let at = fixed.place.start + fixed.written;
        write_pieces(self.partial.file(), bytes, at, self.writeback.as_mut())
            .map_err(|source| self.failed(&fixed.spec.name, fixed.written, source))?;
        self.fixed[index].written += found;
        Ok(())
    }

    /// Makes a growing file recoverable, once its tensors of fixed size are complete.
    fn commit_header(&mut self) -> Result<(), Error> {
        let Some(length) = self.length else {
            return Ok(());
        };
        if self.fixed.iter().any(|fixed| fixed.written < fixed.bytes()) {
            return Ok(());
        }
        self.partial
            .file()
            .write_all_at(&length, 0)
            .map_err(Error::io(self.partial.target(), "write the header of"))?;
        self.length = None;
        self.partial.keep();
        Ok(())
    }

    fn grow(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Some(growing) = &self.growing else {
            return Ok(());
        };
        let end = growing.begin + self.grown;
        let written = write_pieces(self.partial.file(), bytes, end, self.writeback.as_mut());
        if let Err(source) = written {
            // What did arrive is not to be taken for rows by `recover`, least of all behind rows
            // that are written later and reach less far. Where even this fails, the call's error
            // has said that the file is in trouble.
            let _ = self.partial.file().set_len(end);
            return Err(self.failed(&growing.spec.name, self.grown, source));
        }
        self.grown += bytes.len() as u64;
        Ok(())
    }

    fn slot(&self, name: &str) -> Result<Slot, Error> {
        self.slots.get(name).copied().ok_or_else(|| {
            let fixed = self.fixed.iter().map(|fixed| &fixed.spec);
            let declared = fixed.chain(self.growing.as_ref().map(|growing| &growing.spec));
            Error::UnknownTensor {
                tensor: name.to_owned(),
                declared: declared.map(|spec| spec.name.clone()).collect(),
            }
        })
    }

    fn failed(&self, tensor: &str, offset: u64, source: io::Error) -> Error {
        Error::WriteTensor {
            path: self.partial.target().to_owned(),
            tensor: tensor.to_owned(),
            offset,
            source,
        }
    }
}

/// Writes the number of rows into the header of a growing file, and cuts off what is behind them.
pub(super) fn set_rows(partial: &Partial, growing: &Growing, rows: u64) -> Result<(), Error> {
    let file = partial.file();
    file.set_len(growing.begin + rows * growing.row_bytes)
        .map_err(Error::io(partial.path(), "set the length of"))?;
    file.write_all_at(growing.patch(rows).as_bytes(), growing.patch_at)
        .map_err(Error::io(partial.path(), "write the number of rows to"))
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
