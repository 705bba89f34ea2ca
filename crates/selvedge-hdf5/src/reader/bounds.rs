//! Whether chunks may be decoded by libhdf5, whose filters take whatever memory a stream asks for.

use std::fs;

use hdf5::Dataset;
use hdf5::filters::Filter;
use selvedge_base::{Stride, buffer};

use super::Tensor;
use super::open_sources::OpenSources;
use super::unread::{Elsewhere, file_of};
use crate::chunks::{Bounds, Grid, Packed, to_usize};
use crate::error::LibraryError;
use crate::{ReadError, ffi};

/// Where the words of nbit say that all bits of a number count: it changes nothing then.
const CHANGES_NOTHING: usize = 1;
/// Where the filters that pack numbers have how many there are, and the bytes of each.
const NUMBERS: usize = 2;
const NUMBER_BYTES: usize = 4;

/// Numbers of chunks that libhdf5 may decode.
#[derive(Debug, Default)]
pub(super) struct Checked(Vec<u64>);

impl Checked {
    /// Chunks from this number on are checked whenever they are read: the extents of a file are a claim.
    const MOST: u64 = 1 << 26;

    fn has(&self, number: u64) -> bool {
        let bits = self.0.get(to_usize(number / 64));
        bits.is_some_and(|bits| bits >> (number % 64) & 1 == 1)
    }

    fn add(&mut self, number: u64) {
        if number < Self::MOST {
            let at = to_usize(number / 64);
            self.0.resize(self.0.len().max(at + 1), 0);
            self.0[at] |= 1 << (number % 64);
        }
    }
}

impl Tensor {
    /// Whether libhdf5 reads rows of a step without the others, `spans` of them: no filter unpacks them together, and they
    /// lie in no file of external storage. There is room for so many whole steps, of which the chunks of sources are unpacked
    /// once.
    pub(super) fn has_rows_apart(&self, spans: usize, room: u64) -> bool {
        let is_apart = |sources: &OpenSources| match sources.unpacked() {
            Some((1, _)) if spans == 1 => true,
            Some((steps, _)) => steps > room,
            None => true,
        };
        !self.is_filtered()
            && match self.elsewhere() {
                Ok(Elsewhere::Nowhere) => true,
                Ok(Elsewhere::Sources(sources)) => is_apart(sources),
                Ok(Elsewhere::Files(_)) | Err(_) => false,
            }
    }

    /// Refuses filters of which nobody can say how much memory their undoing takes.
    pub(super) fn check_filters(&self) -> Result<(), ReadError> {
        let found = self.is_filtered().then(|| self.dataset().ok()).flatten();
        let filters = found.and_then(|dataset| dataset.dcpl().ok()?.get_filters().ok());
        self.check_streams(&filters.unwrap_or_default())
    }

    fn check_streams(&self, filters: &[Filter]) -> Result<(), ReadError> {
        if Bounds::can_count(filters) {
            return Ok(());
        }
        let names = filters
            .iter()
            .map(|one| super::Filter::new(one).to_string());
        let names: Vec<String> = names.collect();
        Err(ReadError::UnsupportedDtype {
            tensor: self.name().to_owned(),
            found: format!("streams within streams (the filters {})", names.join(", ")),
            hint: "write it anew with one filter that compresses, as `h5repack -f GZIP=1` does",
        })
    }

    /// Refuses rows of a filtered tensor whose chunks would become larger than chunks are, or are stored in
    /// fewer bytes than their filters make.
    pub(super) fn check_bounds(&self, dataset: &Dataset, rows: Stride) -> Result<(), ReadError> {
        let (Some(chunk), true) = (self.chunk_shape(), self.is_filtered() && rows.count > 0) else {
            return Ok(());
        };
        let failed = |error: hdf5::Error| self.why_unread(LibraryError::from(error));
        let refused = |reason: String| self.why_unread(LibraryError::new(reason));
        let element = dataset.dtype().map_err(failed)?.size() as u64;
        let shape = self.shape();
        let grid = Grid::any(shape.get(1..).unwrap_or_default(), chunk, element);
        let grid = grid.ok_or_else(|| refused("its chunks have no size".to_owned()))?;
        let (filters, packed) = filters(dataset).map_err(failed)?;
        self.check_streams(&filters)?;
        let bounds = Bounds::new(
            filters,
            to_usize(grid.chunk_bytes()),
            to_usize(element),
            &packed,
        );
        let mut bounds = bounds.map_err(refused)?;
        let edges = leaves_edges(dataset).map_err(failed)?;
        let last = rows.at(rows.count - 1);
        let first = rows.first / grid.steps() * grid.pieces();
        let end = (last / grid.steps() + 1).saturating_mul(grid.pieces());
        let mut check = |number: u64| {
            let offset = grid.offset(number);
            let mut ends = offset.iter().zip(chunk).zip(&shape);
            if edges && ends.any(|((first, len), axis)| first.saturating_add(*len) > *axis) {
                return Ok(true);
            }
            let damaged = |reason: String| self.damaged_chunk_at(offset.clone(), reason);
            // libhdf5 finds it where it looks for it when it reads, or fails there, too.
            let stored = ffi::stored_chunk(dataset, &offset);
            let Some((bytes, mask)) = stored else {
                return Ok(false);
            };
            let is_looked_into = bounds.check_len(bytes, mask);
            if !is_looked_into.map_err(damaged)? {
                return Ok(true);
            }
            // A number of the file is a claim.
            let length = match self.data().ranges() {
                Some(ranges) => ranges.size(),
                None => fs::metadata(file_of(dataset)).map_or(u64::MAX, |found| found.len()),
            };
            if bytes as u64 > length {
                return Err(damaged(format!(
                    "it has {bytes} bytes, and the file {length}"
                )));
            }
            let stored = buffer::zeroed(bytes);
            let mut stored: Vec<u8> =
                stored.ok_or_else(|| damaged(format!("there is no memory for {bytes} bytes")))?;
            ffi::read_stored_chunk(dataset, &offset, &mut stored).map_err(failed)?;
            bounds.check(&stored, mask).map_err(damaged)?;
            Ok(true)
        };
        // Where another program writes the file, a chunk that was let may have become another.
        let (mut own, mut shared) = (Checked::default(), self.checked.lock());
        let checked = match self.decoded().filter(|_| self.address().is_some()) {
            Some(_) => &mut *shared,
            None => &mut own,
        };
        for number in first..end {
            if !checked.has(number) && check(number)? {
                checked.add(number);
            }
        }
        Ok(())
    }
}

/// The first chunk of a dataset with checksums that is stored in fewer bytes than its filters make, and what
/// is wrong with it. Of the sources of a virtual dataset libhdf5 decodes what it likes.
pub(super) fn short_chunk(dataset: &Dataset) -> hdf5::Result<Option<(Vec<u64>, String)>> {
    let (filters, packed) = filters(dataset)?;
    let Some(chunk) = dataset
        .chunk()
        .filter(|_| filters.contains(&Filter::Fletcher32))
    else {
        return Ok(None);
    };
    let element = dataset.dtype()?.size();
    let bytes = chunk
        .iter()
        .fold(element, |bytes, &axis| bytes.saturating_mul(axis));
    let bounds = Bounds::new(filters, bytes, element, &packed)?;
    let (edges, shape) = (leaves_edges(dataset)?, dataset.shape());
    let mut found = None;
    dataset.chunks_visit(|info| {
        let mut ends = info.offset.iter().zip(&chunk).zip(&shape);
        let is_over = |((first, len), axis): ((&u64, &usize), &usize)| {
            first.saturating_add(*len as u64) > *axis as u64
        };
        if !(edges && ends.any(is_over))
            && let Err(why) = bounds.check_len(to_usize(info.size), info.filter_mask)
        {
            found.get_or_insert((info.offset.to_vec(), why));
        }
        i32::from(found.is_some())
    })?;
    Ok(found)
}

/// Whether chunks that reach over the edge go through no filter, without a bit that says so.
fn leaves_edges(dataset: &Dataset) -> hdf5::Result<bool> {
    let options = dataset.dcpl()?.get_chunk_opts()?;
    Ok(options.is_some_and(|options| !options.is_empty()))
}

/// The filters of a dataset, and what those that pack numbers say of them.
fn filters(dataset: &Dataset) -> hdf5::Result<(Vec<Filter>, Vec<Packed>)> {
    let plan = dataset.dcpl()?;
    let mut filters = plan.get_filters()?;
    let mut packed = Vec::new();
    for filter in &mut filters {
        if let Filter::NBit | Filter::ScaleOffset(_) = filter {
            let words = ffi::filter_words(&plan, filter.id())?;
            let word = |at: usize| words.get(at).map_or(u64::MAX, |&word| word.into());
            match filter {
                // It says no more than that of bools, records and others; as many bytes come out as of a shuffle.
                Filter::NBit if word(CHANGES_NOTHING) != 0 => *filter = Filter::Shuffle,
                _ => packed.push((word(NUMBERS), word(NUMBER_BYTES))),
            }
        }
    }
    Ok((filters, packed))
}

#[cfg(test)]
mod tests {
    use hdf5::{Extent, SimpleExtents};

    use crate::Reader;
    use crate::ffi::LOOKED_UP;

    /// Each absent chunk of a dataset of HDF5 1.10 and later was looked for among all of its chunks: 16,000 took
    /// ten seconds.
    #[test]
    fn each_chunk_is_looked_up_once() {
        const ROWS: usize = 300;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse.h5");
        let mut options = hdf5::File::with_options();
        let file = options.with_fapl(|access| access.libver_latest());
        let file = file.create(&path).unwrap();
        let extents = SimpleExtents::new([Extent::resizable(ROWS), Extent::fixed(4)]);
        let builder = file.new_dataset::<f32>().shape(extents);
        let dataset = builder.chunk([1, 4]).shuffle().create("S").unwrap();
        let last = (ROWS - 1, ..);
        dataset
            .write_slice::<_, f32, _, _>(&[1.0; 4], last)
            .unwrap();
        drop(dataset);
        file.close().unwrap();
        let file = Reader::open(&path).unwrap();
        let tensor = file.tensor("S").unwrap();
        let looked_up = || {
            let values = tensor.read::<f32>().unwrap();
            assert_eq!(values[4 * (ROWS - 1)..], [1.0; 4]);
            assert_eq!(values.iter().sum::<f32>(), 4.0);
            LOOKED_UP.take()
        };
        // Those that are there need no second look.
        assert_eq!([looked_up(), looked_up()], [ROWS, ROWS - 1]);
    }
}
