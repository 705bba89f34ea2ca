//! The sources of a virtual dataset. HDF5 gives the fill value for what is not there, without a word, so
//! each of them is looked at before a value is read.

use std::collections::HashMap;
use std::env;
use std::ffi::{CString, OsStr};
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use hdf5::{Dataset, File};
use selvedge_base::Chain;
use selvedge_base::shape::most_elements;
use selvedge_base::text::escaped;

use super::bounds::short_chunk;
use super::data_layout::Filter;
use super::open_sources::{OpenSources, PackedChunks};
use super::type_name;
use crate::error::LibraryError;
use crate::ffi::{self, Mapping, Needed, StoredType};
use crate::other_files::{self, OtherFiles, refusal, with_advice, with_sources};
use crate::plan::{Grouped, Shape};

/// Sources may be virtual themselves, so often.
const DEPTH: usize = 4;
/// Sources that are named, of those that are missing.
const NAMED: usize = 8;
/// Sources of one mapping that are looked at: the numbers of its blocks.
const MOST_BLOCKS: u64 = 100_000;
/// How many numbers are looked at after the first that there is no source of.
const LATER: u64 = 100;
/// What HDF5 is told to look for sources in, beside the folder of the file.
const PREFIX: &str = "HDF5_VDS_PREFIX";

/// A source that cannot give the values that a virtual dataset wants of it. Displayed it is a noun with a
/// clause: `dataset W of part_1.h5, which is not there`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingSource {
    file: String,
    dataset: String,
    why: Why,
}

/// Why it cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    NoFile,
    /// It is another file, which is not opened.
    Refused(other_files::Why),
    /// It has its values in files of its own.
    External,
    /// It is one more virtual dataset than are looked at.
    TooDeep,
    /// It is virtual, its parts overlap, and it has elements that none of them gives.
    Gaps,
    /// libhdf5's reason.
    CannotOpen(String),
    NoDataset,
    /// Its type, and that which it is to become, which it cannot.
    Type(String, String),
    /// Its values went through this filter, which this program does not have.
    NoFilter(Filter),
    /// Its chunk at this offset, and what is wrong with it.
    Damaged(Vec<u64>, String),
    /// Its shape, and what it has to have.
    Size(Vec<u64>, Needed),
}

impl fmt::Display for MissingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, dataset) = (&self.file, &self.dataset);
        match &self.why {
            Why::NoFile => write!(
                f,
                "dataset `{dataset}` of {file}, which is not there; put it back, or name its folder in {PREFIX} and \
                 let it be read (`follow_links_inside`; `--follow-links=DIR`)"
            ),
            Why::Refused(why) => {
                write!(f, "dataset `{dataset}` of {file}, which is not read: {why}")
            }
            Why::External => write!(
                f,
                "dataset `{dataset}` of {file}, whose values lie in another file (external storage), and \
                 are not read this way"
            ),
            Why::TooDeep => write!(
                f,
                "dataset `{dataset}` of {file}, which is virtual itself, and further from values than \
                 {DEPTH} files"
            ),
            Why::Gaps => write!(
                f,
                "dataset `{dataset}` of {file}, which is virtual itself, and whose parts overlap and leave elements out: HDF5 \
                 does not give those their fill value this way; read that dataset itself"
            ),
            Why::CannotOpen(error) => {
                write!(
                    f,
                    "dataset `{dataset}` of {file}, which cannot be opened ({error})"
                )
            }
            Why::NoDataset => write!(
                f,
                "dataset `{dataset}` of {file}, which has none of that name; put back the file that it was \
                 made for"
            ),
            Why::Type(found, wanted) => write!(
                f,
                "dataset `{dataset}` of {file}, which holds {found}, and HDF5 cannot make {wanted} of that; put back the \
                 file that it was made for"
            ),
            Why::NoFilter(filter) => write!(
                f,
                "dataset `{dataset}` of {file}, which went through the filter {filter}, which is no part of \
                 this program; {}",
                filter.advice()
            ),
            Why::Damaged(chunk, why) => write!(
                f,
                "dataset `{dataset}` of {file}, whose chunk at {} is damaged: {why}",
                Shape(chunk)
            ),
            Why::Size(found, needed) => {
                write!(f, "dataset `{dataset}` of {file}, which ")?;
                match needed {
                    Needed::Exactly(elements, None) => write!(
                        f,
                        "has {} elements where {} are expected",
                        Grouped(most_elements(found)),
                        Grouped(*elements)
                    ),
                    Needed::Exactly(_, Some(shape)) => write!(
                        f,
                        "has the shape {} where {} is expected",
                        Shape(found),
                        Shape(shape)
                    ),
                    Needed::AtLeast(shape) => write!(
                        f,
                        "has the shape {} where {} or more is expected",
                        Shape(found),
                        Shape(shape)
                    ),
                    Needed::Any => write!(f, "has the shape {}", Shape(found)),
                }?;
                f.write_str(
                    "; put back the one that it was made for, or make the virtual dataset anew",
                )
            }
        }
    }
}

impl MissingSource {
    /// Whether the values are known not to be there. Those of another source may be, and are not read.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        match self.why {
            Why::NoFile | Why::CannotOpen(_) | Why::NoDataset | Why::Type(..) | Why::Size(..) => {
                true
            }
            Why::Refused(_)
            | Why::External
            | Why::TooDeep
            | Why::Gaps
            | Why::NoFilter(_)
            | Why::Damaged(..) => false,
        }
    }

    /// Whether it is there, and its values are lost.
    pub(super) fn is_damaged(&self) -> bool {
        matches!(self.why, Why::Damaged(..))
    }

    /// Whether it may be there, and is not looked for.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.why, Why::Refused(_))
    }
}

/// What the sources of a virtual dataset in the file at `path` take to be read, and those that are missing, the first ones.
/// Any other has none. Other files are opened as `others` lets them.
pub(super) fn search(
    path: &Path,
    dataset: &Dataset,
    others: &OtherFiles,
) -> hdf5::Result<(Option<OpenSources>, Vec<MissingSource>)> {
    let mut search = Search {
        others,
        known: HashMap::new(),
        chunks: HashMap::new(),
        missing: Vec::new(),
    };
    let found = search.dataset(path, dataset, DEPTH)?;
    let sources = || OpenSources::new(&found, &search.chunks, search.known.len());
    Ok(((!found.is_empty()).then(sources), search.missing))
}

/// A source: the file that names it, the name of its own file, and its path there.
type Key = (PathBuf, Vec<u8>, Vec<u8>);

struct Search<'a> {
    others: &'a OtherFiles,
    /// The number of each source and its shape; `None` where it is missing, which was told.
    known: HashMap<Key, (usize, Option<Vec<u64>>)>,
    /// The chunks of those that have to be unpacked, by their numbers.
    chunks: HashMap<usize, PackedChunks>,
    missing: Vec<MissingSource>,
}

impl Search<'_> {
    /// Looks at the sources of a dataset in the file at `path`. Returns its mappings, each with the number of its source.
    fn dataset(
        &mut self,
        path: &Path,
        dataset: &Dataset,
        depth: usize,
    ) -> hdf5::Result<Vec<(Mapping, usize)>> {
        let mut found = Vec::new();
        let Some(depth) = depth.checked_sub(1) else {
            return Ok(found);
        };
        for mapping in ffi::virtual_mappings(dataset)? {
            let mut number = 0;
            for block in 0..mapping.blocks.min(MOST_BLOCKS) {
                if self.missing.len() >= NAMED {
                    return Ok(found);
                }
                number = self.source(path, dataset, &mapping, block, depth)?;
                if !has_number(&mapping) {
                    break;
                }
            }
            // The shape ends where a source is not there, and also where one is that may not be read, and where
            // one is missing before others.
            let next = numbered(&mapping.file, mapping.blocks);
            let others = self.others;
            let mut later = mapping.blocks.saturating_add(1)..mapping.blocks.saturating_add(LATER);
            let is_there = |block| {
                let name = numbered(&mapping.file, block);
                find(path, &name, others).err() != Some(Why::NoFile)
            };
            if has_number(&mapping)
                && next != b"."
                && let Err(why) = open(path, &next, others)
                && (why != Why::NoFile || (next != mapping.file && later.any(is_there)))
            {
                let name = numbered(&mapping.dataset, mapping.blocks);
                self.tell(path, &next, &name, why);
            }
            found.push((mapping, number));
        }
        Ok(found)
    }

    /// Looks at one source: that of this block, where each has one of its own. Returns its number.
    fn source(
        &mut self,
        path: &Path,
        dataset: &Dataset,
        mapping: &Mapping,
        block: u64,
        depth: usize,
    ) -> hdf5::Result<usize> {
        let (file, name) = (
            numbered(&mapping.file, block),
            numbered(&mapping.dataset, block),
        );
        let key = (path.to_owned(), file, name);
        let (number, shape) = match self.known.get(&key) {
            Some(known) => known.clone(),
            None => {
                let found = self.look(path, dataset, &key.1, &key.2, depth)?;
                let number = self.known.len();
                let (shape, chunks) = found.unzip();
                self.chunks
                    .extend(chunks.flatten().map(|chunks| (number, chunks)));
                self.known.insert(key.clone(), (number, shape.clone()));
                (number, shape)
            }
        };
        if let Some(shape) = shape
            && !has_size(&shape, &mapping.needed)
        {
            let needed = mapping.needed.clone();
            self.tell(path, &key.1, &key.2, Why::Size(shape, needed));
        }
        Ok(number)
    }

    /// The shape of a source, and its chunks if they have to be unpacked; `None` where it is missing.
    fn look(
        &mut self,
        path: &Path,
        dataset: &Dataset,
        file: &[u8],
        name: &[u8],
        depth: usize,
    ) -> hdf5::Result<Option<(Vec<u64>, Option<PackedChunks>)>> {
        let found = match file {
            b"." => Ok((path.to_owned(), dataset.file()?)),
            file => open(path, file, self.others),
        };
        let (source_path, opened) = match found {
            Ok(found) => found,
            Err(why) => {
                self.tell(path, file, name, why);
                return Ok(None);
            }
        };
        refusal();
        let found = CString::new(name)
            .ok()
            .and_then(|name| ffi::open_dataset(&opened, &name));
        let Some(source) = found else {
            // A link on the way can lead to another file.
            let refused = refusal();
            let why = refused.map_or(Why::NoDataset, |refusal| Why::Refused(refusal.why));
            self.tell(path, file, name, why);
            return Ok(None);
        };
        let types = (source.dtype()?, dataset.dtype()?);
        let path_of_types = types.0.conv_path(&types.1);
        let [found, wanted] = [types.0, types.1].map(|kind| ffi::describe(&kind));
        if path_of_types.is_none() || !has_fields(&found, &wanted) {
            let why = Why::Type(type_name(&found), type_name(&wanted));
            self.tell(path, file, name, why);
            return Ok(None);
        }
        if ffi::is_virtual(&source)? {
            if depth == 0 {
                self.tell(path, file, name, Why::TooDeep);
                return Ok(None);
            }
            // A selection that cannot be told is let.
            if ffi::has_overlap_and_gap(&source).unwrap_or(false) {
                self.tell(path, file, name, Why::Gaps);
                return Ok(None);
            }
            self.dataset(&source_path, &source, depth)?;
        } else if !ffi::external_files(&source.dcpl()?)?.is_empty() {
            // libhdf5 would open them, whatever they are.
            self.tell(path, file, name, Why::External);
            return Ok(None);
        } else if let Some(filter) = Filter::missing(&source) {
            self.tell(path, file, name, Why::NoFilter(filter));
            return Ok(None);
        } else if let Some((chunk, why)) = short_chunk(&source)? {
            self.tell(path, file, name, Why::Damaged(chunk, why));
            return Ok(None);
        }
        match with_sources(|| source.shape()) {
            Ok(shape) => {
                let shape = shape.into_iter().map(|axis| axis as u64).collect();
                Ok(Some((shape, packed_chunks(&source)?)))
            }
            Err(error) => {
                let why = Why::CannotOpen(Chain(&error).to_string());
                self.tell(path, file, name, why);
                Ok(None)
            }
        }
    }

    fn tell(&mut self, path: &Path, file: &[u8], name: &[u8], why: Why) {
        let file = match file {
            b"." => path.as_os_str().as_bytes(),
            file => file,
        };
        self.missing.push(MissingSource {
            file: escaped(file),
            dataset: escaped(name),
            why,
        });
    }
}

/// The chunks of a source that have to be unpacked; `None` where they lie as they are.
fn packed_chunks(source: &Dataset) -> hdf5::Result<Option<PackedChunks>> {
    let filters = source.dcpl()?.get_filters()?.len();
    let Some(shape) = source.chunk().filter(|_| filters > 0) else {
        return Ok(None);
    };
    let shape: Vec<u64> = shape.into_iter().map(|axis| axis as u64).collect();
    let bytes = most_elements(&shape).saturating_mul(source.dtype()?.size() as u64);
    Ok(Some(PackedChunks {
        shape,
        bytes,
        filters,
    }))
}

/// Whether a source of the type `found` has all fields of the records that are `wanted`. libhdf5 converts those that both
/// have, and leaves the others as they are.
fn has_fields(found: &StoredType, wanted: &StoredType) -> bool {
    let (StoredType::Compound { fields, count, .. }, StoredType::Compound { fields: wanted, .. }) =
        (found, wanted)
    else {
        return true;
    };
    // Of many fields only the first ones are known.
    let is_known = u64::from(*count) == fields.len() as u64;
    wanted.iter().all(|(name, _, wanted)| {
        let same = fields.iter().find(|(found, ..)| found == name);
        same.map_or(!is_known, |(_, _, found)| has_fields(found, wanted))
    })
}

/// Whether a source of this shape has what is needed. One of other axes is only counted.
fn has_size(shape: &[u64], needed: &Needed) -> bool {
    match needed {
        Needed::Any => true,
        Needed::Exactly(elements, _) => most_elements(shape) == *elements,
        Needed::AtLeast(needed) if shape.len() == needed.len() => {
            let mut axes = shape.iter().zip(needed);
            axes.all(|(found, needed)| found >= needed)
        }
        Needed::AtLeast(needed) => most_elements(shape) >= most_elements(needed),
    }
}

/// Opens the source file `name` of the file at `path` by libhdf5.
fn open(path: &Path, name: &[u8], others: &OtherFiles) -> Result<(PathBuf, File), Why> {
    let (found, file) = find(path, name, others)?;
    let opened = ffi::open_given(file.into(), &found, ffi::Mode::Read, others, |access| {
        access
    });
    match opened {
        Ok(opened) => Ok((found, opened)),
        Err(error) => Err(Why::CannotOpen(LibraryError::from(error).to_string())),
    }
}

/// Finds the source file `name` of the file at `path`, as libhdf5 looks for it. The first file that is there
/// is the one: where that may not be read, another of the same name is not.
pub(super) fn find(
    path: &Path,
    name: &[u8],
    others: &OtherFiles,
) -> Result<(PathBuf, fs::File), Why> {
    let name = Path::new(OsStr::from_bytes(name));
    refusal();
    let refused = || refusal().map(|refusal| Why::Refused(refusal.why));
    if others.check_source(name).is_err() {
        return Err(refused().unwrap_or(Why::NoFile));
    }
    for candidate in candidates(path, name) {
        match others.open_source(&candidate) {
            Ok(file) => return Ok((candidate, file)),
            Err(error) => match refused() {
                Some(why) => return Err(why),
                None if error.kind() == ErrorKind::NotFound => {}
                None => return Err(Why::CannotOpen(with_advice(&error))),
            },
        }
    }
    Err(Why::NoFile)
}

/// Looks at the sources that libhdf5 may open to tell the shape of a virtual dataset: those with numbers
/// too, up to the first that is not there.
pub(super) fn look_at(path: &Path, mappings: &[Mapping], others: &OtherFiles) {
    for mapping in mappings {
        if mapping.file == b"." {
            continue;
        }
        let most = if has_number(mapping) { MOST_BLOCKS } else { 1 };
        for block in 0..most {
            if find(path, &numbered(&mapping.file, block), others).is_err() {
                break;
            }
        }
    }
    refusal();
}

/// Where libhdf5 looks for a source: under its absolute name, in the folders that the environment names,
/// in the folder of the file, in the current one, and in that of the file that a link leads to.
fn candidates(path: &Path, name: &Path) -> impl Iterator<Item = PathBuf> {
    let folder = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
    let beside = folder(path);
    let relative = match name.is_absolute() {
        true => PathBuf::from(name.file_name().unwrap_or_default()),
        false => name.to_owned(),
    };
    let mut folders = Vec::new();
    for prefix in env::split_paths(&env::var_os(PREFIX).unwrap_or_default()) {
        folders.push(match prefix.strip_prefix("${ORIGIN}") {
            Ok(within) => beside.join(within),
            Err(_) => prefix,
        });
    }
    folders.push(beside);
    folders.push(PathBuf::new());
    folders.extend(path.canonicalize().ok().map(|path| folder(&path)));
    let absolute = name.is_absolute().then(|| name.to_owned());
    absolute.into_iter().chain(
        folders
            .into_iter()
            .map(move |folder| folder.join(&relative)),
    )
}

/// The sources that some of these rows of a dataset can come from, each by the names of its file and of itself.
pub(super) fn of_rows(
    dataset: &Dataset,
    rows: Range<u64>,
) -> hdf5::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut found = Vec::new();
    for mapping in ffi::virtual_mappings(dataset)? {
        let is_wanted = mapping.target.as_ref().is_none_or(|(first, end)| {
            first.first() < Some(&rows.end) && end.first() > Some(&rows.start)
        });
        let blocks = match has_number(&mapping) {
            true => mapping.blocks.min(MOST_BLOCKS),
            false => 1,
        };
        let names = |block| [&mapping.file, &mapping.dataset].map(|name| numbered(name, block));
        let sources = (0..blocks).map(names).filter(|_| is_wanted);
        found.extend(sources.map(|[file, dataset]| (file, dataset)));
    }
    Ok(found)
}

/// Whether each block has a source of its own.
fn has_number(mapping: &Mapping) -> bool {
    [&mapping.file, &mapping.dataset].into_iter().any(|name| {
        let mut rest = &name[..];
        while let Some(at) = rest.iter().position(|&byte| byte == b'%') {
            match rest.get(at + 1) {
                Some(b'b') => return true,
                // `%%` is a percent sign.
                _ => rest = rest.get(at + 2..).unwrap_or_default(),
            }
        }
        false
    })
}

/// A name with the number of a block for each `%b`, and a percent sign for each `%%`.
pub(super) fn numbered(name: &[u8], block: u64) -> Vec<u8> {
    let mut made = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(&byte) = bytes.next() {
        match (byte, bytes.as_slice().first()) {
            (b'%', Some(b'b')) => {
                made.extend_from_slice(block.to_string().as_bytes());
                bytes.next();
            }
            (b'%', Some(b'%')) => {
                made.push(b'%');
                bytes.next();
            }
            _ => made.push(byte),
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn names_have_numbers_of_blocks() {
        assert_eq!(numbered(b"run_%b.h5", 12), b"run_12.h5");
        assert_eq!(numbered(b"%b/%b", 3), b"3/3");
        assert_eq!(numbered(b"100%%b%", 3), b"100%b%");
        assert_eq!(numbered(b"%d", 3), b"%d");
    }
}
