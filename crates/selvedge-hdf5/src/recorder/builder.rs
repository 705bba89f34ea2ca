//! Declaring a run, and starting it.

use std::fmt::Display;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::block::{Block, BlockLayout, step_bytes};
use super::queue::Queue;
use super::writer::{Durability, Writer};
use super::{AppendTimes, Recorder, Shared};
use crate::create::{self, Constant};
use crate::element::{Element, Values};
use crate::lock::{LockedFile, open_locked, share};
use crate::plan::{Limits, ReadPattern, RunPlan};
use crate::reader::Reader;
use crate::spec::validate_name;
use crate::trajectory::TrajectoryFile;
use crate::{Attribute, Error, RunState, TensorSpec, provenance, sys};

/// Room for an attribute's value in an object header message, whose size is 16 bits with its name,
/// type and shape in it.
const MAX_ATTRIBUTE_BYTES: usize = 64_000;

/// Declares a run: its tensors, constants, attributes and limits. See
/// [`Recorder::create`] and [`Recorder::resume`].
///
/// A mistake in a declaration is reported by [`start`](Self::start) and [`plan`](Self::plan).
#[derive(Debug)]
#[must_use = "nothing happens before `start`"]
pub struct RecorderBuilder {
    path: PathBuf,
    resume: bool,
    overwrite: bool,
    steps: Option<u64>,
    specs: Vec<TensorSpec>,
    constants: Vec<Constant>,
    attributes: Vec<(String, Attribute)>,
    notebook: Option<String>,
    pattern: ReadPattern,
    limits: Limits,
    durability: Durability,
    /// The first mistake in a constant, whose declaration is checked where it is made.
    mistake: Option<Error>,
}

impl RecorderBuilder {
    pub(super) fn new(path: PathBuf, resume: bool) -> Self {
        Self {
            path,
            resume,
            overwrite: false,
            steps: None,
            specs: Vec::new(),
            constants: Vec::new(),
            attributes: Vec::new(),
            notebook: None,
            pattern: ReadPattern::default(),
            limits: Limits::default(),
            durability: Durability::default(),
            mistake: None,
        }
    }

    /// The number of steps of the whole run. Without it the run is open-ended.
    ///
    /// With it the chunks are of even length and the disk is checked for all of them. A resumed run
    /// keeps its number unless a larger one is given.
    pub fn steps(mut self, steps: u64) -> Self {
        self.steps = Some(steps);
        self
    }

    /// Declares a tensor that every step has, of `shape` (elements, outermost axis first).
    pub fn tensor<T: Element>(self, name: impl Into<String>, shape: impl AsRef<[usize]>) -> Self {
        self.tensor_spec(TensorSpec::new(name, T::DTYPE, shape))
    }

    /// Declares a number that every step has: a tensor of shape `()`.
    pub fn scalar<T: Element>(self, name: impl Into<String>) -> Self {
        self.tensor::<T>(name, [])
    }

    /// Declares a tensor whose dtype is known at run time only.
    pub fn tensor_spec(mut self, spec: TensorSpec) -> Self {
        self.specs.push(spec);
        self
    }

    /// Declares a constant of shape `(n,)`, and its values; of shape `()` for one element.
    ///
    /// It is written when the run starts. [`constant_of_shape`](Self::constant_of_shape) takes
    /// another shape.
    pub fn constant<V: Values + ?Sized>(self, name: impl Into<String>, values: &V) -> Self {
        let length = [values.elements().len()];
        let shape: &[usize] = if V::IS_SCALAR { &[] } else { &length };
        self.constant_of_shape(name, shape, values)
    }

    /// Declares a constant of `shape` (elements, outermost axis first), and its values in
    /// row-major order.
    pub fn constant_of_shape<V: Values + ?Sized>(
        mut self,
        name: impl Into<String>,
        shape: impl AsRef<[usize]>,
        values: &V,
    ) -> Self {
        let (name, shape) = (name.into(), shape.as_ref().to_vec());
        let elements = values.elements();
        let expected = shape.iter().product();
        if elements.len() != expected {
            let found = elements.len();
            self.mistake.get_or_insert(Error::ConstantLength {
                name,
                shape,
                expected,
                found,
            });
            return self;
        }
        let bytes = V::Element::as_bytes(elements).to_vec();
        self.constants.push(Constant {
            name,
            dtype: V::Element::DTYPE,
            shape,
            bytes,
        });
        self
    }

    /// Sets an attribute at the root of the file: a hyperparameter, say.
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<Attribute>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// Says which notebook or program makes the file: its attribute `notebook`.
    pub fn notebook(mut self, notebook: impl Into<String>) -> Self {
        self.notebook = Some(notebook.into());
        self
    }

    /// How the tensors will mostly be read, which decides the chunks. Default: whole tensors.
    pub fn read_pattern(mut self, pattern: ReadPattern) -> Self {
        self.pattern = pattern;
        self
    }

    /// The chunks' target size in bytes. Default: 2 GB.
    pub fn chunk_target(mut self, bytes: u64) -> Self {
        self.limits.chunk_target = bytes;
        self
    }

    /// The memory of the queue in bytes. Default: 64 MiB. Two steps fit in any case.
    ///
    /// A deeper queue keeps a training loop going through a longer stall of the disk.
    pub fn queue_bytes(mut self, bytes: u64) -> Self {
        self.limits.queue = bytes;
        self
    }

    /// The run is refused if the recorder would need more memory than this, in bytes.
    /// Default: 24 GB.
    pub fn memory_budget(mut self, bytes: u64) -> Self {
        self.limits.memory = bytes;
        self
    }

    /// When steps are put on the medium. Default: [`Durability::Never`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Lets `create` replace an existing file (one that no recorder is writing).
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Plans the run without writing anything.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Self::start) that concern the declaration, the memory and the disk.
    pub fn plan(&self) -> Result<RunPlan, Error> {
        let mut plan = self.plan_run(&self.specs, self.steps)?;
        plan.check_disk(&self.path)?;
        Ok(plan)
    }

    fn plan_run(&self, specs: &[TensorSpec], steps: Option<u64>) -> Result<RunPlan, Error> {
        let constants = self
            .constants
            .iter()
            .map(|constant| constant.bytes.len() as u64)
            .sum();
        RunPlan::new(
            specs,
            steps,
            self.pattern,
            &self.limits,
            constants,
            self.durability.interval(),
        )
    }

    /// Checks the declaration, makes or opens the file, and starts the writer thread.
    ///
    /// A new file is built under the name `.NAME.partial` and renamed when it is complete.
    ///
    /// # Errors
    ///
    /// A mistake in the declaration, [`Error::MemoryBudget`] and [`Error::DiskTooSmall`] come
    /// before anything is written. [`Error::AlreadyExists`], [`Error::InUse`];
    /// [`Error::ResumeMismatch`] and [`Error::NotATrajectory`] when resuming; [`Error::Io`] and
    /// [`Error::Library`].
    pub fn start(mut self) -> Result<Recorder, Error> {
        if let Some(mistake) = self.mistake.take() {
            return Err(mistake);
        }
        self.check_declaration()?;
        if self.resume {
            self.start_resumed()
        } else {
            self.start_new()
        }
    }

    fn check_declaration(&self) -> Result<(), Error> {
        let mut names: Vec<&str> = Vec::new();
        for name in self
            .specs
            .iter()
            .map(|spec| &spec.name)
            .chain(self.constants.iter().map(|constant| &constant.name))
        {
            validate_name(name)?;
            if names.contains(&name.as_str()) {
                return Err(Error::DuplicateName { name: name.clone() });
            }
            names.push(name);
        }
        let mut names: Vec<&str> = Vec::new();
        for (name, value) in &self.attributes {
            validate_name(name)?;
            if names.contains(&name.as_str()) || provenance::is_reserved(name) {
                return Err(Error::DuplicateName { name: name.clone() });
            }
            let found = value.header_bytes() + name.len();
            if found > MAX_ATTRIBUTE_BYTES {
                let (name, limit) = (name.clone(), MAX_ATTRIBUTE_BYTES);
                return Err(Error::AttributeTooLarge { name, found, limit });
            }
            names.push(name);
        }
        Ok(())
    }

    fn start_new(self) -> Result<Recorder, Error> {
        if self.specs.is_empty() {
            return Err(Error::NoTensors);
        }
        let plan = self.plan()?;
        let path = self.path.clone();
        if !self.overwrite && path.symlink_metadata().is_ok() {
            return Err(Error::AlreadyExists { path });
        }
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder)
                .map_err(|error| Error::io(folder, "create the folder", error))?;
        }
        let partial = sys::partial_path(&path);
        // The lock is taken on the inode that is to be the file, before libhdf5 opens it.
        let file = open_locked(&partial, &path, true)?;
        let built = self.build(&partial, &plan, &file).and_then(|trajectory| {
            self.publish(&partial, &file)?;
            Ok(trajectory)
        });
        match built {
            Ok(trajectory) => self.run(plan, file, trajectory),
            Err(error) => {
                let _ = std::fs::remove_file(&partial);
                Err(error)
            }
        }
    }

    /// Builds the new file under its partial name, down to a first commit of no steps.
    fn build(&self, partial: &Path, plan: &RunPlan, file: &File) -> Result<TrajectoryFile, Error> {
        let mut attributes = self.attributes.clone();
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        attributes.push((provenance::CREATED.to_owned(), now.into()));
        if let Some(notebook) = &self.notebook {
            attributes.push((provenance::NOTEBOOK.to_owned(), notebook.into()));
        }
        let addresses = create::create(partial, &self.path, plan, &self.constants, &attributes)?;
        for (constant, address) in self.constants.iter().zip(addresses) {
            if let Some(address) = address {
                file.write_all_at(&constant.bytes, address)
                    .map_err(|error| Error::io(&self.path, "write a constant to", error))?;
            }
        }
        let mut trajectory = self.open_trajectory(file, &self.specs)?;
        trajectory.check_plan(&plan.tensors)?;
        trajectory.set_extents(0)?;
        if plan.steps.is_none() {
            trajectory.announce_room()?;
        }
        Ok(trajectory)
    }

    /// Gives the complete new file its name.
    fn publish(&self, partial: &Path, file: &File) -> Result<(), Error> {
        let path = &self.path;
        share(path, file)?;
        if self.durability != Durability::Never {
            sys::sync_data(file).map_err(|error| Error::io(path, "sync", error))?;
        }
        let renamed = if self.overwrite {
            // A recorder that still writes the old file keeps it.
            if path.is_file() {
                open_locked(path, path, false)?;
            }
            std::fs::rename(partial, path)
        } else {
            sys::rename_new(partial, path)
        };
        match renamed {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(Error::AlreadyExists { path: path.clone() });
            }
            Err(error) => return Err(Error::io(path, "give its name to", error)),
        }
        if self.durability != Durability::Never {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new("."));
            sys::sync_directory(folder).map_err(|error| Error::io(folder, "sync", error))?;
        }
        Ok(())
    }

    fn start_resumed(mut self) -> Result<Recorder, Error> {
        let path = self.path.clone();
        let file = open_locked(&path, &path, false)?;
        share(&path, &file)?;
        let reader = Reader::open(&path)?;
        let found = reader.step_specs()?;
        if self.specs.is_empty() {
            self.specs = found;
        } else {
            self.check_specs(&found)?;
        }
        self.check_constants(&reader)?;
        self.check_attributes(&reader)?;
        drop(reader);

        let mut trajectory = self.open_trajectory(&file, &self.specs)?;
        // A tensor that is ahead of the others by a commit that a kill cut short goes back.
        let committed = trajectory.committed();
        trajectory.set_extents(committed)?;
        trajectory.set_state(RunState::Recording)?;
        let planned = match (trajectory.planned(), self.steps) {
            (Some(planned), Some(steps)) => Some(planned.max(steps)),
            (planned, None) => planned,
            // An open-ended file stays one; its steps of this run are bounded.
            (None, Some(steps)) => Some(steps),
        };
        if trajectory.planned() != planned {
            let value = planned.and_then(|planned| i64::try_from(planned).ok());
            trajectory.set_planned(value.unwrap_or(provenance::OPEN_ENDED))?;
        }
        let plan = self.plan_run(&self.specs, planned)?;
        self.run(plan, file, trajectory)
    }

    fn mismatch(&self, what: String, expected: &dyn Display, found: &dyn Display) -> Error {
        Error::ResumeMismatch {
            path: self.path.clone(),
            what,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    fn check_specs(&self, found: &[TensorSpec]) -> Result<(), Error> {
        let show = |spec: &TensorSpec| format!("{} {:?}", spec.dtype, spec.shape);
        for declared in &self.specs {
            let what = format!("tensor `{}`", declared.name);
            match found.iter().find(|spec| spec.name == declared.name) {
                Some(spec) if spec == declared => {}
                Some(spec) => return Err(self.mismatch(what, &show(declared), &show(spec))),
                None => return Err(self.mismatch(what, &show(declared), &"missing")),
            }
        }
        for spec in found {
            if !self.specs.iter().any(|declared| declared.name == spec.name) {
                let what = format!("tensor `{}`", spec.name);
                return Err(self.mismatch(what, &"no such tensor", &show(spec)));
            }
        }
        Ok(())
    }

    fn check_constants(&self, reader: &Reader) -> Result<(), Error> {
        for constant in &self.constants {
            let what = format!("constant `{}`", constant.name);
            let Ok(tensor) = reader.tensor(&constant.name) else {
                return Err(self.mismatch(what, &"declared", &"missing"));
            };
            let declared = format!("{} {:?}", constant.dtype, constant.shape);
            let shape: Vec<usize> = tensor
                .shape()
                .iter()
                .map(|&axis| usize::try_from(axis).unwrap_or(0))
                .collect();
            let found = format!("{} {shape:?}", tensor.dtype_name());
            if declared != found {
                return Err(self.mismatch(what, &declared, &found));
            }
            if tensor.read_bytes()? != constant.bytes {
                return Err(self.mismatch(what, &"of these values", &"of other values"));
            }
        }
        Ok(())
    }

    fn check_attributes(&self, reader: &Reader) -> Result<(), Error> {
        for (name, value) in &self.attributes {
            let what = format!("attribute `{name}`");
            match reader.attribute(name) {
                Some(found) if found == value => {}
                Some(found) => return Err(self.mismatch(what, value, found)),
                None => return Err(self.mismatch(what, value, &"missing")),
            }
        }
        Ok(())
    }

    fn open_trajectory(&self, file: &File, specs: &[TensorSpec]) -> Result<TrajectoryFile, Error> {
        let path = &self.path;
        let storage = file
            .try_clone()
            .map_err(|error| Error::io(path, "open", error))?;
        let durable = self.durability != Durability::Never;
        let mut trajectory = TrajectoryFile::open(path, Box::new(storage), durable)?;
        trajectory.order_tensors(specs.iter().map(|spec| spec.name.as_str()))?;
        Ok(trajectory)
    }

    /// Allocates the queue and starts the writer.
    fn run(
        self,
        plan: RunPlan,
        file: LockedFile,
        trajectory: TrajectoryFile,
    ) -> Result<Recorder, Error> {
        let layout = BlockLayout::new(&step_bytes(&self.specs)?, &plan.queue);
        let blocks = (0..plan.queue.blocks)
            .map(|_| Block::new(&layout))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Error::io(&self.path, "allocate the queue for", error))?;
        let first = trajectory.committed();
        let least_bytes = trajectory.end_of_file();
        let queue = Arc::new(Queue::new(blocks, plan.queue.block_bytes, first));
        let writer = Writer {
            file: trajectory,
            layout: layout.clone(),
            durability: self.durability,
            queue: queue.clone(),
            written: first,
        };
        let writer = std::thread::Builder::new()
            .name("selvedge-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| Error::io(&self.path, "start the writer thread for", error))?;
        let lengths = self
            .specs
            .iter()
            .map(|spec| spec.shape.iter().product())
            .collect();
        Ok(Recorder {
            path: self.path,
            plan,
            lengths,
            layout,
            filled: vec![false; self.specs.len()],
            specs: self.specs,
            shared: Shared {
                queue,
                writer: Some(writer),
                watch: file,
                least_bytes,
            },
            left: None,
            first,
            appended: first,
            started: Instant::now(),
            checked: Instant::now(),
            times: AppendTimes::default(),
        })
    }
}
