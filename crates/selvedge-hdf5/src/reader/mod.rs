//! The reader: opens a trajectory, also one that is being recorded or whose writer died.

mod attributes;
mod bounds;
mod catalog;
mod data_layout;
mod decide;
mod dtype;
mod external;
mod library;
mod live;
mod note;
mod objects;
mod open;
mod open_sources;
mod opening;
mod options;
mod place;
mod places;
mod raw;
mod select;
mod sources;
mod tensor;
mod unread;
mod view;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub(crate) use attributes::Attributes;
pub use data_layout::{DataLayout, Filter};
use decide::spanning;
pub(crate) use dtype::name as type_name;
pub use note::Note;
use objects::Objects;
pub(crate) use open::open_data;
use opening::Opening;
pub use options::ReaderOptions;
use places::{Places, groups_of};
pub use select::{Block, Blocks, Selection};
use selvedge_base::units::Names;
use selvedge_base::{InUse, LockedFile};
pub use sources::MissingSource;
use tensor::Source;
pub use tensor::{Role, Tensor};

use crate::chunks::{DecodedCache, UnpackerCache, to_usize};
use crate::error::LibraryError;
use crate::group_names::{GroupNames, from_root};
use crate::layout::WriterMark;
use crate::other_files::OtherFiles;
use crate::provenance::{FORMAT, STATE, STEPS_PLANNED, WORLD_SIZE};
use crate::ranges::{Data, RangeReader};
use crate::run::Record;
use crate::trajectory::{self, TrajectoryFile};
use crate::{Attribute, ReadError, RunState, Shard, StorageError, TensorSpec, ffi};

/// A trajectory file, open for reading.
///
/// What it shows is the file at the moment of [`open`](Self::open): of a file that is being recorded,
/// the steps that were committed then. [`refresh`](Self::refresh) shows those that came since.
///
/// Any HDF5 file opens, those of plain h5py among them. A recorded file names its step tensors, also
/// when another program wrote it anew. In a file of another program they are those whose first axis
/// is as long as that of the largest tensor (see [`common_steps`](crate::common_steps)). Every other
/// dataset is a constant. A dataset in a group goes by its path: `model/W`; in a file that Selvedge
/// recorded it was added by another program, and is a constant, too. [`notes`](Self::notes) tells
/// what others added and changed.
///
/// ```
/// # use half::bf16;
/// # use selvedge_hdf5::{Reader, Recorder};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("thimble_1.h5");
/// # let mut run = Recorder::create(&path).steps(1).tensor::<bf16>("W", [2, 2]).start()?;
/// # run.append(|step| step.put("W", &[bf16::ONE; 4]))?;
/// # run.finish()?;
/// let file = Reader::open(&path)?;
/// assert_eq!(file.committed_steps(), 1);
/// let w = file.tensor("W")?;
/// assert_eq!(w.step_shape(), [2, 2]);
/// assert_eq!(w.read_step::<bf16>(0)?, [bf16::ONE; 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    data: Data,
    live: Option<Box<live::Live>>,
    tensors: Vec<Tensor>,
    places: Places,
    groups: Arc<GroupNames>,
    /// Dimensions of netCDF without values, by their addresses: their names are those of axes.
    dimensions: Vec<(u64, String)>,
    attributes: Vec<(String, Attribute)>,
    skipped: Vec<(String, String)>,
    /// What is to be told of the list of members.
    found: Vec<Note>,
    notes: Vec<Note>,
    committed: u64,
    /// The files of the ranks, of a joined view.
    sources: Vec<PathBuf>,
    /// … and what was joined of them.
    joined: view::Joined,
}

impl Reader {
    /// Opens the file at `path`, and no other: what it names is [told](Self::notes), and not read, and
    /// no code is loaded for it. [`options`](Self::options) are for files that are to be read with
    /// others.
    ///
    /// # Errors
    ///
    /// [`StorageError::File`] where there is no such file, and while h5py has it open for writing;
    /// [`StorageError::NotHdf5`]; [`StorageError::Truncated`] where it is shorter than it says;
    /// [`StorageError::MarkedByWriter`] where a writer that died has left its mark;
    /// [`StorageError::ChangedSource`] of a joined view;
    /// [`StorageError::Library`] where libhdf5 cannot read it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StorageError> {
        Self::options().open(path)
    }

    /// Starts to say how a file is opened.
    pub fn options() -> ReaderOptions {
        ReaderOptions::default()
    }

    /// Opens the file that is open as `held` and was opened by `path`, whatever has that name now, and no
    /// other.
    pub(crate) fn open_held(held: &fs::File, path: &Path) -> Result<Self, StorageError> {
        Self::open_beside(path.to_owned(), Some(held), &OtherFiles::default())
    }

    /// Opens the file at `path`, or as `held`, and beside it what `others` lets it.
    pub(crate) fn open_beside(
        path: PathBuf,
        held: Option<&fs::File>,
        others: &OtherFiles,
    ) -> Result<Self, StorageError> {
        let (data, file) = open::open(&path, held, others)?;
        Self::of(path, data, &file, others)
    }

    /// Opens the file that `ranges` has the bytes of, and that goes by `path`.
    pub(crate) fn open_ranges(
        path: PathBuf,
        ranges: Arc<dyn RangeReader>,
    ) -> Result<Self, StorageError> {
        let (data, others) = (Data::Ranges(ranges.into()), OtherFiles::None);
        let file = open::by_library(&path, &data, &others)?;
        Self::of(path, data, &file, &others)
    }

    /// The file `data`, which libhdf5 has open as `file`.
    fn of(
        path: PathBuf,
        data: Data,
        file: &hdf5::File,
        others: &OtherFiles,
    ) -> Result<Self, StorageError> {
        let ((mut attributes, skipped), unlisted) = attributes::of_root(file);
        let live = live::Live::find(&data).map(Box::new);
        if let Some(live) = &live {
            live.refresh(&data, &mut attributes);
        }
        let record = Record::from_attributes(&attributes);
        let unlisted = match (unlisted, record.is_some()) {
            // What it says of its run is there, and libhdf5 does not give it.
            (Some(reason), false) if live.is_some() => {
                let error = LibraryError::new(reason);
                return Err(StorageError::library(
                    &path,
                    "read the attributes of",
                    error,
                ));
            }
            (Some(reason), false) => Some(format!(
                "{reason}; whether Selvedge recorded the file, and which steps are committed, is not known"
            )),
            (unlisted, _) => unlisted,
        };
        let source = Arc::new(Source {
            path: path.clone(),
            data: data.clone(),
            ours: record.is_some(),
            is_shard: Shard::from_attributes(&attributes).is_some(),
            others: others.clone(),
            objects: Objects::new(file.clone()),
            unpackers: UnpackerCache::default(),
            decoded: WriterMark::find(&data)
                .is_none()
                .then(DecodedCache::default),
            in_use: InUse::new(),
            groups: OnceLock::new(),
        });
        let mut opening = Opening::new(&source, live.as_deref(), file);
        let found = catalog::walk(file, others, &mut opening);
        let (mut tensors, dimensions) = (opening.tensors, opening.dimensions);
        let mut found =
            found.map_err(|error| StorageError::library(&path, "list the datasets of", error))?;
        found.extend(unlisted.map(|reason| Note::UnreadAttributes {
            object: String::new(),
            reason,
        }));
        found.extend(opening.notes);
        tensors.sort_by(Tensor::order);
        place::expect_indexes(&data, &tensors);
        let ranks = view::Ranks::open(&path, &attributes, others)?;
        for tensor in tensors.iter_mut().filter(|_| ranks.is_some()) {
            let parts = ranks.as_ref().map(|ranks| ranks.parts(tensor));
            tensor.set_parts(parts.transpose()?.flatten());
        }
        let ranks = ranks.map(view::Ranks::checked).transpose()?;
        let (sources, joined) = ranks.unwrap_or_default();
        ffi::collect_garbage();
        let groups = Arc::new(groups_of(&found));
        let _ = source.groups.set(Arc::clone(&groups));
        let mut reader = Self {
            path,
            data,
            live,
            places: Places::of(&tensors),
            groups,
            tensors,
            dimensions,
            attributes,
            skipped,
            found,
            notes: Vec::new(),
            committed: 0,
            sources,
            joined,
        };
        let now = reader.record();
        match (record, now) {
            (Some(before), Some(now)) if before.state != now.state => reader.look_again()?,
            (Some(before), Some(now)) => reader.decide(Some(spanning(before, now))),
            _ => reader.decide(record),
        }
        let read = reader.data.check();
        read.map_err(|error| StorageError::io(&reader.path, "read", error))?;
        Ok(reader)
    }

    /// What the file says of its run now.
    fn record(&self) -> Option<Record> {
        self.live.as_ref()?.record(&self.data)
    }

    /// Reads the extents anew, and what the file says of its run, which changes meanwhile in a file
    /// that is being recorded.
    fn look_again(&mut self) -> Result<(), StorageError> {
        let mut before = self.record();
        loop {
            for tensor in &mut self.tensors {
                tensor.refresh()?;
            }
            let now = self.record();
            match (before, now) {
                (Some(before), Some(now)) if before.state == now.state => {
                    self.decide(Some(spanning(before, now)));
                    return Ok(());
                }
                // It was finished, or resumed, at this moment.
                (_, Some(_)) => before = now,
                (_, None) => {
                    let changed = "the file is no longer the one that was opened";
                    let error = LibraryError::new(changed);
                    return Err(StorageError::library(
                        &self.path,
                        "read the state of",
                        error,
                    ));
                }
            }
        }
    }

    /// Looks for steps that were committed since, in a file that Selvedge records, and returns how
    /// many there are now. Tensors that were cloned before, and selections, go on with what they
    /// had. A file of another program stays as it was when it was opened.
    ///
    /// ```
    /// # use selvedge_hdf5::{Reader, Recorder};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("thimble_1.h5");
    /// let mut run = Recorder::create(&path).scalar::<f32>("loss").start()?;
    /// let mut file = Reader::open(&path)?;
    /// run.append(|step| step.put("loss", &2.5_f32))?;
    /// run.commit()?;
    /// assert_eq!(file.committed_steps(), 0);
    /// assert_eq!(file.refresh()?, 1);
    /// assert_eq!(file.tensor("loss")?.read::<f32>()?, [2.5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StorageError::Library`] where the file is no longer the one that was opened; [`StorageError::ChangedSource`] of a
    /// joined view of which a rank gave steps up since.
    pub fn refresh(&mut self) -> Result<u64, StorageError> {
        self.joined.check(&self.path)?;
        let Some(live) = &self.live else {
            return Ok(self.committed);
        };
        live.refresh(&self.data, &mut self.attributes);
        self.look_again()?;
        Ok(self.committed)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of committed steps: the steps that all step tensors have, which show so many and no
    /// more.
    #[must_use]
    pub fn committed_steps(&self) -> u64 {
        self.committed
    }

    /// The planned number of steps, where the file tells.
    #[must_use]
    pub fn planned_steps(&self) -> Option<u64> {
        let planned = self.attribute(STEPS_PLANNED)?.as_i64()?;
        u64::try_from(planned).ok()
    }

    /// How the recording ended, as far as the file says.
    #[must_use]
    pub fn state(&self) -> RunState {
        let state = self.attribute(STATE).and_then(Attribute::as_i64);
        state.map_or(RunState::Unknown, RunState::from_value)
    }

    /// Which of the ranks of a run the file is of, where it says so.
    #[must_use]
    pub fn shard(&self) -> Option<Shard> {
        Shard::from_attributes(&self.attributes)
    }

    /// The files of the ranks that a joined view shows, in their order; none of any other file. A view is
    /// opened only if all of them are there, and as they were joined.
    #[must_use]
    pub fn sources(&self) -> &[PathBuf] {
        &self.sources
    }

    /// Whether it is a joined view, and the file at `path` one of those that it shows.
    #[must_use]
    pub fn shows(&self, path: &Path) -> bool {
        let path = path.canonicalize().ok();
        let mut sources = self.sources.iter();
        path.is_some_and(|path| {
            sources.any(|source| source.canonicalize().is_ok_and(|source| source == path))
        })
    }

    /// Whether a recorder is at work on the file now, in any process of this machine.
    ///
    /// A file whose state is [`RunState::Recording`] and that has no recorder is one whose recorder
    /// died, or runs on another machine.
    ///
    /// # Errors
    ///
    /// [`StorageError::File`] on a file system without locks.
    pub fn has_recorder(&self) -> Result<bool, StorageError> {
        let has_writer = match self.data.file() {
            Some(file) => LockedFile::has_writer(file),
            None => Err(io::ErrorKind::Unsupported.into()),
        };
        has_writer.map_err(|error| StorageError::io(&self.path, "ask for the locks of", error))
    }

    /// All tensors, in the natural order of their names (`h.2` before `h.10`), those in groups last.
    #[must_use]
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The tensor `name`, which may begin with the `/` of the root group, and lead through any name of a group.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoSuchTensor`]; [`ReadError::Unread`] for what is there and cannot be read, such as a
    /// link to a file that is not there.
    pub fn tensor(&self, name: &str) -> Result<&Tensor, ReadError> {
        let place = self.place(name).ok_or_else(|| self.no_tensor(name))?;
        Ok(&self.tensors[place])
    }

    /// The first dataset or group that cannot be opened, as the error that it is for whoever wants all of the file;
    /// `None` where there is none.
    #[must_use]
    pub fn unread(&self) -> Option<ReadError> {
        let mut notes = self.notes.iter();
        notes.find_map(|note| match note {
            Note::Unread { name, .. } => Some(self.unread_of(name, note.why_unread(name)?)),
            _ => None,
        })
    }

    fn unread_of(&self, tensor: &str, reason: String) -> ReadError {
        ReadError::Unread {
            path: self.path.clone(),
            tensor: tensor.to_owned(),
            reason,
        }
    }

    /// Why there is no tensor `name`.
    fn no_tensor(&self, name: &str) -> ReadError {
        let unread = |note: &Note| note.why_unread(from_root(name));
        if let Some(reason) = self.notes.iter().find_map(unread) {
            return self.unread_of(name, reason);
        }
        let names = self.tensors.iter().map(|tensor| tensor.name().to_owned());
        ReadError::NoSuchTensor {
            path: self.path.clone(),
            tensor: name.to_owned(),
            available: names.collect(),
        }
    }

    /// Takes the 16 bits of tensor `name` for those of bfloat16: `uint16`, `int16`, or two opaque bytes,
    /// which h5py makes of the bfloat16 of `ml_dtypes`.
    ///
    /// Files written by hand with h5py mostly say so nowhere. A tensor that is marked, or of HDF5's
    /// own bfloat16 type, needs no telling.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoSuchTensor`]; [`ReadError::NotBf16`] for a tensor of another type.
    pub fn assume_bf16(&mut self, name: &str) -> Result<(), ReadError> {
        let Some(place) = self.place(name) else {
            return Err(self.no_tensor(name));
        };
        let tensor = &mut self.tensors[place];
        let was_known = tensor.dtype().is_ok();
        tensor.assume_bf16()?;
        // Opaque bytes are no tensor of a run before somebody says what they are.
        if !was_known {
            self.decide_anew();
        }
        Ok(())
    }

    /// Keeps some of the tensors, and forgets the others.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&Tensor) -> bool) {
        self.tensors.retain(keep);
        self.places = Places::of(&self.tensors);
        self.decide_anew();
    }

    /// The attributes at the root, in the order of their names.
    #[must_use]
    pub fn attributes(&self) -> &[(String, Attribute)] {
        &self.attributes
    }

    /// What is not among the tensors, or is not as the run left it: links that lead nowhere or elsewhere,
    /// datasets that cannot be opened, attributes of groups; of a recorded file what others added and
    /// changed, and what is left of a commit that was cut short.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Attributes of a type that has no counterpart here: names and types.
    #[must_use]
    pub fn skipped_attributes(&self) -> &[(String, String)] {
        &self.skipped
    }

    /// The attribute `name` at the root.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value)
    }

    /// The number of the run, if the file says it.
    pub(crate) fn run_number(&self) -> Option<u32> {
        let record = Record::from_attributes(&self.attributes)?;
        record.run.map(|run| run.number)
    }

    /// Fails for a file that Selvedge did not record, and for one with a step tensor that cannot be opened: how many steps
    /// that has is not known, and a step that only the others have was never committed.
    pub(crate) fn check_recorded(&self) -> Result<(), StorageError> {
        let reason = if let Some(reason) = self.why_unlisted() {
            format!("its attributes cannot be listed: {reason}")
        } else if Record::from_attributes(&self.attributes).is_none() {
            format!("it has no attribute `{FORMAT}`")
        } else if self.attribute(WORLD_SIZE).is_some() && self.shard().is_none() {
            "it is a joined view of the ranks of a run, and has no steps of its own; the files of the ranks \
             go on, and are joined anew"
                .to_owned()
        } else {
            return self.check_step_tensors();
        };
        let path = self.path.clone();
        Err(StorageError::NotATrajectory { path, reason })
    }

    /// Why the attributes at the root cannot be listed; `None` where they can.
    pub(crate) fn why_unlisted(&self) -> Option<&str> {
        self.notes.iter().find_map(|note| match note {
            Note::UnreadAttributes { object, reason } if object.is_empty() => Some(&**reason),
            _ => None,
        })
    }

    fn check_step_tensors(&self) -> Result<(), StorageError> {
        let same = self.notes.iter().find_map(|note| match note {
            Note::SameDataset { tensors } => Some(Names(tensors)),
            _ => None,
        });
        if let Some(names) = same {
            let action = format!("tell which of {names} is the step tensor of the run in");
            let error =
                LibraryError::new("they are names of one dataset; delete those that were added");
            return Err(StorageError::library(&self.path, action, error));
        }
        // An older file does not say how many there are.
        let may_lack = match self.run_number() {
            Some(_) => self
                .notes
                .iter()
                .any(|note| matches!(note, Note::Missing { .. })),
            None => self.state() == RunState::Recording,
        };
        let unread = self.notes.iter().find_map(|note| match note {
            Note::Unread { name, reason } if may_lack && !from_root(name).contains('/') => {
                Some((name, reason))
            }
            _ => None,
        });
        let Some((name, reason)) = unread else {
            return Ok(());
        };
        let action = format!("open `{name}`, which may be a step tensor of the run, in");
        Err(StorageError::library(
            &self.path,
            action,
            LibraryError::new(reason.clone()),
        ))
    }

    /// The same file, which is open as `file`, to be changed in place.
    pub(crate) fn trajectory(
        &self,
        file: &fs::File,
        durable: bool,
    ) -> Result<TrajectoryFile, StorageError> {
        self.check_recorded()?;
        let storage = trajectory::storage_of(file, &self.path)?;
        TrajectoryFile::open(&self.path, storage, durable, &self.step_tensors())
    }

    /// Checks that it is stored as a recorder stores it: so [`recover`](crate::recover()) can put it in
    /// order, a run goes on in it, and [`add_checksums`](crate::add_checksums) changes it in place.
    ///
    /// # Errors
    ///
    /// [`StorageError::WrittenAnew`] and [`StorageError::UnequalSteps`], which tell what to do; [`StorageError::NotATrajectory`] for a file that
    /// Selvedge did not record.
    pub fn check_in_place(&self) -> Result<(), StorageError> {
        let Some(file) = self.data.file() else {
            let unsupported = io::ErrorKind::Unsupported.into();
            return Err(StorageError::io(&self.path, "change", unsupported));
        };
        self.trajectory(file, false).map(drop)
    }

    /// The declarations of the step tensors, as the recorder takes them.
    pub(crate) fn step_specs(&self) -> Result<Vec<TensorSpec>, ReadError> {
        self.tensors
            .iter()
            .filter(|tensor| tensor.role() == Role::Step)
            .map(|tensor| {
                let shape: Vec<usize> = tensor
                    .step_shape()
                    .iter()
                    .map(|&axis| to_usize(axis))
                    .collect();
                Ok(TensorSpec {
                    part: tensor.part_of()?,
                    ..TensorSpec::new(tensor.name(), tensor.dtype()?, shape)
                })
            })
            .collect()
    }
}
