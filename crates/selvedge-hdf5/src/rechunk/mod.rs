//! Writing a trajectory anew, with other chunks.

mod copy;
mod damaged;
mod estimate;
mod members;
mod pack;
mod plan;
mod summary;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

pub use plan::RechunkPlan;
use plan::TooLarge;
use selvedge_base::{LockedFile, Partial, clock, disk};
pub use summary::RechunkSummary;

use crate::bulk::{self, Callback, MEMORY, Meter, Progress};
use crate::checksum::{check_values, write_checksums};
use crate::create::{self, Contents};
use crate::plan::free_disk;
use crate::reader::{Reader, ReaderOptions};
use crate::run::StepTensors;
use crate::trajectory::{self, TrajectoryFile};
use crate::write_back::WriteBack;
use crate::{
    Attribute, Compression, DeclareError, ReadError, ReadPattern, RewriteError, RunState,
    StorageError, TensorSpec, provenance,
};
use copy::{Copied, Copying};
use damaged::find_damaged;
use members::{Asked, LeftOut, Members, leave_out};
use pack::{ToVerify, verify_written};

/// Writes a file anew as a finished trajectory, with chunks for another purpose.
///
/// The input is any file that [`Reader`] opens: recorded by Selvedge or by h5py, filtered,
/// contiguous, big-endian, or being recorded (then it is the steps that were committed when it was
/// opened). In a file of Selvedge's the step tensors are what they are. In another file they are the
/// tensors whose first axis is as long as that of the largest tensor, chunked or not. All other
/// tensors become constants. Datasets in groups come to the root: `model/W` as `model.W`.
///
/// All values keep their bits. Attributes of the root and of the tensors are kept, but for those of
/// types that have no counterpart here, which the plan lists. Groups' own attributes are not kept.
///
/// Memory is bounded, whatever the size of the file. Every value is read back through a [`Reader`]
/// of the new file and compared. The file is built under the name `.NAME.partial` in the same
/// folder, put on the disk, and renamed: under its name there is the old file, or none, or the whole
/// new one, after a kill and after a power cut too. What a kill leaves there, the next run replaces.
///
/// With [`overwrite`](Self::overwrite) the output may be the input: it is replaced when the new file
/// is complete.
///
/// ```
/// # use selvedge_hdf5::{ReadPattern, Reader, Rechunk, Recorder, bf16};
/// # let folder = tempfile::tempdir()?;
/// # let [path, output] = ["thimble_1.h5", "thimble_1_tokens.h5"].map(|name| folder.path().join(name));
/// # let mut run = Recorder::create(&path).steps(20).tensor::<bf16>("W", [4, 2]).start()?;
/// # for _ in 0..20 { run.append(|step| step.put("W", &[bf16::ONE; 8]))?; }
/// # run.finish()?;
/// let rechunk = Rechunk::new(&path, &output).pattern(ReadPattern::TokenSubset);
/// println!("{}", rechunk.plan()?);
/// let summary = rechunk.run(|progress| assert!(progress.done <= progress.total))?;
/// assert_eq!(summary.plan.steps, 20);
/// assert_eq!(Reader::open(&output)?.tensor("W")?.read::<bf16>()?, [bf16::ONE; 160]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `run`"]
pub struct Rechunk {
    input: PathBuf,
    output: PathBuf,
    pattern: ReadPattern,
    compression: Compression,
    chunk_target: u64,
    memory: u64,
    overwrite: bool,
    trust_values: bool,
    sync: bool,
    opening: ReaderOptions,
    asked: Asked,
}

impl Rechunk {
    /// Starts to declare that the file `input` is written anew as `output`.
    pub fn new(input: impl Into<PathBuf>, output: impl Into<PathBuf>) -> Self {
        Self {
            input: input.into(),
            output: output.into(),
            pattern: ReadPattern::default(),
            compression: Compression::default(),
            chunk_target: crate::Limits::default().chunk_target,
            memory: MEMORY,
            overwrite: false,
            trust_values: false,
            sync: true,
            opening: ReaderOptions::default(),
            asked: Asked::default(),
        }
    }

    /// How the tensors will mostly be read, which decides the chunks. Default: whole tensors.
    pub fn pattern(mut self, pattern: ReadPattern) -> Self {
        self.pattern = pattern;
        self
    }

    /// Whether the output is compressed, and how, whatever the input is. Default:
    /// [`Compression::None`].
    ///
    /// The chunks of a compressed tensor are those that this needs: [`pattern`](Self::pattern) and
    /// [`chunk_target`](Self::chunk_target) are for the others. Its values are read back when all of
    /// them are written: each chunk is unpacked through a [`Reader`] of the new file, and a hash of 128
    /// bits is compared with that of what was encoded. Each chunk takes some 200 bytes of memory until
    /// then, beside the limit.
    ///
    /// ```
    /// # use selvedge_hdf5::{Compression, Reader, Rechunk, Recorder, bf16};
    /// # let folder = tempfile::tempdir()?;
    /// # let [path, archive] = ["thimble_1.h5", "archive_1.h5"].map(|name| folder.path().join(name));
    /// # let mut run = Recorder::create(&path).steps(20).tensor::<bf16>("W", [256, 64]).start()?;
    /// # for _ in 0..20 { run.append(|step| step.put("W", &[bf16::ONE; 256 * 64]))?; }
    /// # run.finish()?;
    /// let rechunk = Rechunk::new(&path, &archive).compression(Compression::Temporal);
    /// assert!(rechunk.run(|_| {})?.ratio() > 5.0);
    /// assert_eq!(Reader::open(&archive)?.tensor("W")?.read_step::<bf16>(19)?, [bf16::ONE; 256 * 64]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// The chunks' target size in bytes. Default: 2 GB.
    pub fn chunk_target(mut self, bytes: u64) -> Self {
        self.chunk_target = bytes;
        self
    }

    /// The most memory it takes, in bytes. Default: 256 MiB.
    ///
    /// A filtered tensor needs memory for its chunks, since a chunk is unpacked whole. So does one that
    /// becomes [`Temporal`](Compression::Temporal), 16 steps of it at a time, where it is filtered, or
    /// there are to be checksums.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Lets it replace an existing file, if nobody writes that; the new one gets its permissions.
    /// Default: no.
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Writes checksums of the values, which [`verify_checksums`](crate::verify_checksums) holds
    /// them against later. Those that the input has are held against its values before anything is written.
    /// Default: no; then the output has those that the input has, as they are: of values that have changed since,
    /// they go on to say so.
    pub fn checksums(mut self, checksums: bool) -> Self {
        self.asked.checksums = checksums;
        self
    }

    /// Makes checksums of the values as they are, whatever those of the input say. Default: no.
    pub fn trust_values(mut self, trust: bool) -> Self {
        self.trust_values = trust;
        self
    }

    /// Puts the new file on the disk before it gets its name. Default: yes. Without it a power cut
    /// can leave a file that is not whole; a kill cannot.
    pub fn sync(mut self, sync: bool) -> Self {
        self.sync = sync;
        self
    }

    /// Turns these float16 tensors into bfloat16, each value into the nearest: for bfloat16 data
    /// that were stored as float16. What was lost then does not come back; the summary counts it.
    pub fn bf16<S: Into<String>>(mut self, tensors: impl IntoIterator<Item = S>) -> Self {
        let tensors = tensors.into_iter().map(Into::into);
        self.asked.bf16.extend(tensors);
        self
    }

    /// Takes the `uint16` of these tensors for the bits of bfloat16, and marks them as such.
    pub fn assume_bf16<S: Into<String>>(mut self, tensors: impl IntoIterator<Item = S>) -> Self {
        let tensors = tensors.into_iter().map(Into::into);
        self.asked.assume_bf16.extend(tensors);
        self
    }

    /// Leaves datasets out that a trajectory cannot hold, for their type, their shape or their name, and
    /// those that [cannot be read here](crate::ReadError::is_unsupported), since a filter, a source or an external
    /// file is not here, or their chunks do not fit the [memory](Self::memory). Default: no, they are an error. The plan lists them. One that is
    /// [damaged](crate::ReadError::is_damage) stays an error.
    pub fn skip_unsupported(mut self, skip: bool) -> Self {
        self.asked.skip_unsupported = skip;
        self
    }

    /// Leaves tensors out whose values are [damaged](crate::ReadError::is_damage), or, where there are to be
    /// checksums, not those that theirs were made of, for what else is in the file. Default: no, they are an error. Where one is met, all are read to find the others, and the output is
    /// begun anew. The plan of the summary lists them.
    pub fn skip_damaged(mut self, skip: bool) -> Self {
        self.asked.skip_damaged = skip;
        self
    }

    /// Takes the steps that all step tensors have, where another program appended steps to some of
    /// them and not to others. Default: no, that is an error. The plan lists what is left out.
    pub fn common_steps(mut self, common: bool) -> Self {
        self.asked.common_steps = common;
        self
    }

    /// How the input is opened: whether other files that it names are read, and plugins loaded. Default:
    /// neither.
    pub fn input_options(mut self, options: ReaderOptions) -> Self {
        self.opening = options;
        self
    }

    /// What [`run`](Self::run) would make, without writing anything.
    ///
    /// # Errors
    ///
    /// The errors of opening the input; [`RewriteError::NothingToRechunk`] for one without steps;
    /// [`RewriteError::UnequalSteps`]; [`RewriteError::CannotKeep`] for types, shapes and names that the
    /// output cannot have; [`ReadError::NoSuchTensor`], [`ReadError::DtypeMismatch`] and [`ReadError::NotBf16`] for a
    /// tensor that is to be bfloat16; [`ReadError::WorkingMemory`] and [`DeclareError::DiskTooSmall`].
    ///
    /// [`ReadError::NoSuchTensor`]: crate::ReadError::NoSuchTensor
    /// [`ReadError::DtypeMismatch`]: crate::ReadError::DtypeMismatch
    /// [`ReadError::NotBf16`]: crate::ReadError::NotBf16
    /// [`ReadError::WorkingMemory`]: crate::ReadError::WorkingMemory
    pub fn plan(&self) -> Result<RechunkPlan, RewriteError> {
        self.with_plan(&mut LeftOut::new(), |_, _, plan| Ok(plan))
    }

    /// Writes the output. `progress` is told how far it has come.
    ///
    /// # Errors
    ///
    /// The errors of [`plan`](Self::plan), before anything is written. [`RewriteError::Storage`], which is
    /// a [`FileError`](crate::FileError) where there is a file that is not to be replaced, or somebody
    /// writes the output; [`RewriteError::WrongChecksums`]; [`RewriteError::NotAsWritten`] where the new file does not give back what was
    /// written. After any of them there is no new file.
    pub fn run(
        &self,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<RechunkSummary, RewriteError> {
        let started = Instant::now();
        let mut left_out = LeftOut::new();
        loop {
            match self.run_without(&mut left_out, started, &mut progress) {
                Err(RewriteError::Read(error)) if self.asked.skip_damaged && error.is_damage() => {
                    let (input, _) = self.open(&left_out)?;
                    let found = find_damaged(&input, self.memory)?;
                    if found.is_empty() {
                        return Err(error.into());
                    }
                    left_out.extend(found);
                }
                Err(RewriteError::WrongChecksums { tensors, .. }) if self.asked.skip_damaged => {
                    left_out.extend(tensors);
                }
                other => return other,
            }
        }
    }

    /// Writes the output without some tensors.
    fn run_without(
        &self,
        left_out: &mut LeftOut,
        started: Instant,
        progress: Callback<'_>,
    ) -> Result<RechunkSummary, RewriteError> {
        self.with_plan(left_out, |input, members, plan| {
            self.write(input, members, plan, started, progress)
        })
    }

    /// Opens the input, without the tensors that are `left_out`, and goes on with what becomes of it. Those that do
    /// not fit the memory are left out, too, where that is asked for.
    fn with_plan<T>(
        &self,
        left_out: &mut LeftOut,
        then: impl FnOnce(&Reader, &Members<'_>, RechunkPlan) -> Result<T, RewriteError>,
    ) -> Result<T, RewriteError> {
        loop {
            let (input, told) = self.open(left_out)?;
            let members = Members::find(&input, &self.asked, told)?;
            let too_large = match self.plan_of(&members)? {
                Ok(plan) => return then(&input, &members, plan),
                Err(too_large) => too_large,
            };
            for error in too_large {
                match error {
                    ReadError::WorkingMemory { ref tensor, .. } if self.asked.skip_unsupported => {
                        left_out.push((tensor.clone(), error.to_string()));
                    }
                    error => return Err(error.into()),
                }
            }
        }
    }

    fn write(
        &self,
        input: &Reader,
        members: &Members<'_>,
        plan: RechunkPlan,
        started: Instant,
        progress: Callback<'_>,
    ) -> Result<RechunkSummary, RewriteError> {
        if self.asked.checksums && !self.trust_values {
            check_values(input, self.memory, progress)?;
        }
        let path = &self.output;
        let mut partial = Partial::create(path, self.overwrite)?;
        partial.share()?;
        let build = Build {
            rechunk: self,
            members,
            plan: &plan,
            partial: partial.path(),
            file: partial.file(),
        };
        let copied = build.run(progress)?;
        let synced = Instant::now();
        partial.publish(self.sync)?;
        Ok(RechunkSummary {
            path: path.clone(),
            bytes: plan.bytes,
            file_bytes: partial.file().metadata().map_or(0, |found| found.len()),
            converted: copied.converted,
            plan,
            elapsed: started.elapsed(),
            sync: synced.elapsed(),
        })
    }

    fn open(&self, without: &LeftOut) -> Result<(Reader, LeftOut), RewriteError> {
        let mut input = self.opening.open(&self.input)?;
        if input.shows(&self.output) {
            let (path, view) = (self.output.clone(), self.input.clone());
            return Err(RewriteError::OverSource { path, view });
        }
        for tensor in &self.asked.assume_bf16 {
            input.assume_bf16(tensor)?;
        }
        let left_out = leave_out(&mut input, &self.asked, without)?;
        Ok((input, left_out))
    }

    fn plan_of(
        &self,
        members: &Members<'_>,
    ) -> Result<Result<RechunkPlan, TooLarge>, RewriteError> {
        let mut plan = match RechunkPlan::new(self, members)? {
            Ok(plan) => plan,
            too_large => return Ok(too_large),
        };
        plan.free_disk = free_disk(&self.output, Partial::leftover_bytes(&self.output));
        let Some(free) = plan.free_disk.filter(|&free| free < plan.bytes) else {
            return Ok(Ok(plan));
        };
        let mut needed = plan.bytes;
        if plan.compresses() {
            needed = estimate::file_bytes(&plan, members)?;
            plan.estimated_bytes = Some(needed);
        }
        if needed > free {
            let path = self.output.clone();
            return Err(DeclareError::DiskTooSmall { path, needed, free }.into());
        }
        Ok(Ok(plan))
    }
}

/// A new file in the making.
struct Build<'a> {
    rechunk: &'a Rechunk,
    members: &'a Members<'a>,
    plan: &'a RechunkPlan,
    /// Its name until it is complete.
    partial: &'a Path,
    file: &'a LockedFile,
}

impl Build<'_> {
    /// Builds the file under its partial name, complete and verified.
    fn run(&self, progress: Callback<'_>) -> Result<Copied, RewriteError> {
        let path = &self.rechunk.output;
        let addresses = self.create()?;
        let mut trajectory = self.open_trajectory()?;
        trajectory.check_plan(&self.plan.tensors)?;
        // Where the file system cannot, or has no room, the writes will tell.
        let _ = disk::reserve(self.file, 0, trajectory.end_of_file());
        // Extents and chunks as any reader finds them, before there are values.
        let written = self.reader()?;
        let meter = Meter::new(self.plan.bytes, progress);
        let copying = Copying {
            members: self.members,
            file: self.file,
            written: &written,
            path,
            tensors: &trajectory.tensors,
            addresses: &addresses,
            writer: trajectory.chunk_writer(),
            memory: bulk::buffer_memory(self.rechunk.memory),
            threads: self.plan.threads,
            checksums: self.rechunk.asked.checksums,
        };
        let mut copied = copying.run(&meter)?;
        // libhdf5 does not open a file for writing that it has open for reading, and keeps what it has
        // read of the index.
        drop(written);
        let packed = std::mem::take(&mut copied.packed);
        if !packed.is_empty() {
            trajectory.index_chunks(packed.iter().flat_map(|(_, packed)| packed.chunks()))?;
            trajectory.set_extents(self.plan.steps)?;
            trajectory.finish()?;
            let tensors = packed.into_iter().map(|(tensor, chunks)| ToVerify {
                name: &trajectory.tensors[tensor].name,
                grid: &trajectory.tensors[tensor].grid,
                steps: self.plan.steps,
                chunks,
            });
            let (tensors, written): (Vec<_>, _) = (tensors.collect(), self.reader()?);
            verify_written(&tensors, &written, path, self.plan.threads, &meter)?;
        }
        if !copied.checksums.is_empty() {
            write_checksums(self.file, path, &copied.checksums)?;
            trajectory = self.open_trajectory()?;
        }
        trajectory.announce_commit(self.plan.steps)?;
        trajectory.set_state(RunState::Finished)?;
        self.check()?;
        Ok(copied)
    }

    fn create(&self) -> Result<Vec<Option<u64>>, StorageError> {
        let mut attributes = self.members.attributes.clone();
        if !attributes
            .iter()
            .any(|(name, _)| name == provenance::CREATED)
            && let Some(now) = clock::now()
        {
            attributes.push((provenance::CREATED.to_owned(), Attribute::Text(now)));
        }
        if let Some(pattern) = self.rechunk.pattern.stored() {
            attributes.push((provenance::READ_PATTERN.to_owned(), pattern.into()));
        }
        let contents = Contents {
            steps: Some(self.plan.steps),
            run: self.members.run,
            tensors: &self.plan.tensors,
            constants: &self.plan.constants,
            attributes: &attributes,
            tensor_attributes: &self.members.tensor_attributes,
        };
        let path = &self.rechunk.output;
        let failed = |error| StorageError::io(path, "write", error);
        let file = Arc::new(WriteBack::over(self.file).map_err(failed)?);
        let addresses = create::create(&file, path, &contents)?;
        file.flush().map_err(failed)?;
        Ok(addresses)
    }

    /// A reader of what is there so far.
    fn reader(&self) -> Result<Reader, StorageError> {
        Reader::open_held(self.file, self.partial)
    }

    fn open_trajectory(&self) -> Result<TrajectoryFile, StorageError> {
        let path = &self.rechunk.output;
        let storage = trajectory::storage_of(self.file, path)?;
        let names = self.plan.tensors.iter().map(|plan| plan.tensor.as_str());
        let run = StepTensors::new(names, self.plan.steps);
        TrajectoryFile::open(path, storage, false, &run)
    }

    /// The last look: the file is a finished trajectory of all steps.
    fn check(&self) -> Result<(), RewriteError> {
        let written = self.reader()?;
        let specs: Vec<TensorSpec> = written.step_specs()?;
        if written.committed_steps() == self.plan.steps
            && written.state() == RunState::Finished
            && specs.len() == self.plan.tensors.len()
        {
            return Ok(());
        }
        let reason = format!(
            "it was to have {} steps of {} tensors, and has {} of {}",
            self.plan.steps,
            self.plan.tensors.len(),
            written.committed_steps(),
            specs.len()
        );
        let path = self.rechunk.output.clone();
        Err(StorageError::NotATrajectory { path, reason }.into())
    }
}
