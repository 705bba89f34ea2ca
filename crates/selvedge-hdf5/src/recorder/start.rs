//! Starting a run: making its file, or checking the one that it resumes.

use std::collections::VecDeque;
use std::fmt::{Debug, Display};
use std::os::unix::fs::MetadataExt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use selvedge_base::{LockedFile, Partial, Process, clock, sync_folder};

use super::block::{Block, BlockLayout, step_bytes};
use super::constants::ConstantWriter;
use super::durability::Durability;
use super::packers::Packers;
use super::queue::{Progress, Queue};
use super::run::Run;
use super::syncer::Syncer;
use super::writer::Writer;
use super::{AppendTimes, Recorder, RecorderBuilder, Shared};
use crate::branches::Branches;
use crate::create::{self, Constant, Contents};
use crate::plan::RunPlan;
use crate::reader::Reader;
use crate::run::StepTensors;
use crate::storage::Storage;
use crate::trajectory::{self, TrajectoryFile};
use crate::write_back::WriteBack;
use crate::{
    DeclareError, PartOf, ReadError, Role, RunState, Shard, StorageError, TensorSpec, provenance,
};

impl RecorderBuilder {
    /// The plan of a new run, checked against the disk.
    pub(super) fn plan_new(&self) -> Result<RunPlan, DeclareError> {
        if self.specs.is_empty() {
            return Err(DeclareError::NoTensors);
        }
        if let Some(step) = self.at_step.filter(|&step| step > 0) {
            return Err(self.no_such_step(step, 0));
        }
        let mut plan = self.plan_run(&self.specs, self.steps)?;
        // A file that is overwritten gives its space back, if it has no other name.
        let freed = match self.path.metadata() {
            Ok(old) if self.overwrite && old.nlink() == 1 => old.blocks().saturating_mul(512),
            _ => 0,
        };
        plan.check_disk(&self.path, plan.needed_disk(), freed)?;
        Ok(plan)
    }

    pub(super) fn start_new<E: From<DeclareError>>(
        self,
        values: impl FnMut(&str, &mut ConstantWriter<'_>) -> Result<(), E>,
    ) -> Result<Recorder, E> {
        let plan = self.plan_new()?;
        let partial = Partial::create(&self.path, self.overwrite);
        let mut partial = partial.map_err(DeclareError::from)?;
        partial.share().map_err(DeclareError::from)?;
        let file = partial.file().clone();
        let failed = |error| DeclareError::from(StorageError::io(&self.path, "write", error));
        let new = Arc::new(WriteBack::over(&file).map_err(failed)?);
        // Both before the file gets its name: there must be nothing left to fail then.
        let (blocks, addresses) = thread::scope(|scope| {
            // The system takes as long to hand out the memory as libhdf5 to build a file of hundreds of
            // tensors.
            let allocate = || self.allocate(&self.specs, &plan);
            let allocating = thread::Builder::new().spawn_scoped(scope, allocate);
            let addresses = self.create(&new, &plan);
            let blocks = match allocating {
                Ok(allocating) => allocating
                    .join()
                    .unwrap_or_else(|panic| resume_unwind(panic)),
                // There is no thread to be had.
                Err(_) => allocate(),
            };
            Ok::<_, DeclareError>((blocks?, addresses?))
        })?;
        // After it: a process that `values` forks has no such thread to wait for.
        let mut trajectory = self.commit_nothing(&plan, new.clone())?;
        new.flush().map_err(failed)?;
        trajectory.move_to(trajectory::storage_of(&file, &self.path).map_err(DeclareError::from)?);
        self.write_constants(addresses, &file, values)?;
        let late = self.named_when_finished;
        if !late {
            let published = partial.publish(self.durability != Durability::Never);
            published.map_err(DeclareError::from)?;
        }
        let partial = late.then_some(partial);
        Ok(self.run(plan, blocks, file, trajectory, partial)?)
    }

    /// Writes the values of the constants at `addresses`.
    fn write_constants<E: From<DeclareError>>(
        &self,
        addresses: Vec<Option<u64>>,
        file: &LockedFile,
        mut values: impl FnMut(&str, &mut ConstantWriter<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for (constant, address) in self.constants.iter().zip(addresses) {
            let mut writer = ConstantWriter::new(file, &self.path, constant, address);
            match &constant.bytes {
                Some(bytes) => writer.write(bytes)?,
                None => values(&constant.name, &mut writer)?,
            }
            writer.finish()?;
        }
        Ok(())
    }

    /// Returns the addresses of the constants.
    fn create(
        &self,
        file: &Arc<WriteBack>,
        plan: &RunPlan,
    ) -> Result<Vec<Option<u64>>, StorageError> {
        let mut attributes = self.attributes.clone();
        if let Some(now) = clock::now() {
            attributes.push((provenance::CREATED.to_owned(), now.into()));
        }
        if let Some(pattern) = self.pattern.stored() {
            attributes.push((provenance::READ_PATTERN.to_owned(), pattern.into()));
        }
        if let Some(notebook) = &self.notebook {
            attributes.push((provenance::NOTEBOOK.to_owned(), notebook.into()));
        }
        attributes.extend(self.shard.iter().flat_map(Shard::attributes));
        attributes.extend(self.shard.iter().map(|_| Branches::NONE.attribute()));
        let mut tensor_attributes = self.tensor_attributes.clone();
        for (tensor, part) in self.parts() {
            let said = part
                .attributes()
                .map(|(name, value)| (tensor.to_owned(), name, value));
            tensor_attributes.extend(said);
        }
        let constants: Vec<TensorSpec> = self.constants.iter().map(Constant::spec).collect();
        let contents = Contents {
            steps: plan.steps,
            run: None,
            tensors: &plan.tensors,
            constants: &constants,
            attributes: &attributes,
            tensor_attributes: &tensor_attributes,
        };
        create::create(file, &self.path, &contents)
    }

    /// The new file, with a first commit of no steps.
    fn commit_nothing(
        &self,
        plan: &RunPlan,
        file: Arc<WriteBack>,
    ) -> Result<TrajectoryFile, DeclareError> {
        let names = self.specs.iter().map(|spec| spec.name.as_str());
        let run = StepTensors::new(names, 0);
        let mut trajectory = self.open_trajectory(file, &run)?;
        trajectory.check_plan(&plan.tensors)?;
        trajectory.set_extents(0)?;
        trajectory.announce_commit(0)?;
        if plan.steps.is_none() {
            trajectory.raise_end_of_file_for_row()?;
        }
        trajectory.raise_end_of_file_for_block(plan.queue.steps_per_block)?;
        Ok(trajectory)
    }

    /// The plan of a run that goes on in the file of `reader`, checked against its declaration and
    /// the disk, and the declared or found tensors.
    pub(super) fn plan_resumed(
        &self,
        reader: &Reader,
    ) -> Result<(RunPlan, Vec<TensorSpec>), DeclareError> {
        self.check_same_shard(reader)?;
        let found = reader.step_specs()?;
        self.check_specs(&found)?;
        self.check_constants(reader)?;
        self.check_attributes(reader)?;
        let specs = if self.specs.is_empty() {
            found
        } else {
            self.specs.clone()
        };
        let committed = self.first_step(reader)?;
        // A planned file can get more steps. An open-ended one stays that; a number bounds this run.
        let steps = reader.planned_steps().max(self.steps);
        if let Some(steps) = steps
            && steps < committed
        {
            let what = "the number of steps".to_owned();
            return Err(self.mismatch(what, &steps, &committed));
        }
        let mut plan = self.plan_run(&specs, steps)?;
        for tensor in &mut plan.tensors {
            let found = reader.tensor(&tensor.tensor)?;
            if let Some(chunk) = found.chunk_shape() {
                tensor.set_chunk_shape(chunk);
            }
            tensor.compressed = found.is_compressed();
            if tensor.compressed {
                self.check_single(&tensor.tensor, tensor.chunk_steps())?;
            }
        }
        plan.plan_encoding();
        if plan.memory_bytes() > plan.memory_budget {
            return Err(DeclareError::MemoryBudget {
                needed: plan.memory_bytes(),
                budget: plan.memory_budget,
            });
        }
        let rest = steps.map_or(1, |steps| steps - committed);
        let needed = plan.step_bytes().saturating_mul(rest);
        plan.check_disk(&self.path, needed, reserved(reader)?)?;
        Ok((plan, specs))
    }

    pub(super) fn start_resumed(mut self) -> Result<Recorder, DeclareError> {
        let path = self.path.clone();
        let file = Arc::new(LockedFile::open(&path)?);
        file.share(&path)?;
        let plan;
        let reader = Reader::open_held(&file, &path)?;
        reader.check_recorded()?;
        (plan, self.specs) = self.plan_resumed(&reader)?;
        let mut run = reader.step_tensors();
        let state = reader.state();
        drop(reader);
        let place = |name: &str| self.specs.iter().position(|spec| spec.name == name);
        run.tensors.sort_by_key(|(name, ..)| place(name));
        let mut trajectory = self.open_trajectory(trajectory::storage_of(&file, &path)?, &run)?;
        run.refuse_one_of(&path, run.changed_by_others())?;
        let blocks = self.allocate(&self.specs, &plan)?;
        // Nothing was written so far. A tensor that is ahead of the others by a commit that a kill
        // cut short goes back.
        // A run that is complete gets no more steps, and stays finished whatever becomes of this process.
        let is_complete = trajectory.planned() == Some(trajectory.committed())
            && plan.steps == trajectory.planned()
            && state == RunState::Finished
            && self
                .at_step
                .is_none_or(|step| step == trajectory.committed());
        if !is_complete {
            trajectory.set_state(RunState::Recording)?;
        }
        match self.at_step.filter(|&step| step < trajectory.committed()) {
            Some(step) => trajectory.go_back(step)?,
            None => trajectory.set_extents(trajectory.committed())?,
        }
        if trajectory.planned().is_some()
            && let Some(steps) = plan.steps
        {
            trajectory.set_planned(steps)?;
        }
        if self.durability != Durability::Never {
            // What is there counts as committed from now on, and the run before need not have synced.
            trajectory.sync()?;
            sync_folder(&path)?;
        }
        self.run(plan, blocks, file, trajectory, None)
    }

    /// The step that a run which is resumed in the file of `reader` goes on at.
    fn first_step(&self, reader: &Reader) -> Result<u64, DeclareError> {
        let committed = reader.committed_steps();
        let Some(step) = self.at_step else {
            return Ok(committed);
        };
        if step > committed {
            return Err(self.no_such_step(step, committed));
        }
        if step < committed && reader.attribute(provenance::COMMIT).is_none() {
            let reason = "a file of version 1 or 2 does not say what its last commit was, so none of its \
                          steps are given up; `rechunk` makes one of version 3 of it";
            return Err(StorageError::NotATrajectory {
                path: self.path.clone(),
                reason: reason.to_owned(),
            }
            .into());
        }
        for tensor in reader.tensors().iter().filter(|_| step < committed) {
            if tensor.role() == Role::Step
                && let Some(checksums) = tensor.checksums()?
                && checksums.covered > step
            {
                return Err(DeclareError::ResumeBelowChecksums {
                    path: self.path.clone(),
                    tensor: tensor.name().to_owned(),
                    step,
                    covered: checksums.covered,
                });
            }
        }
        Ok(step)
    }

    fn no_such_step(&self, step: u64, committed: u64) -> DeclareError {
        let path = self.path.clone();
        DeclareError::NoSuchStep {
            path,
            step,
            committed,
        }
    }

    fn check_same_shard(&self, reader: &Reader) -> Result<(), DeclareError> {
        let found = reader.shard();
        match &self.shard {
            Some(declared) if found.as_ref() != Some(declared) => {
                let found = found.map_or("none".to_owned(), |found| found.to_string());
                Err(self.mismatch("which rank it is of".to_owned(), declared, &found))
            }
            _ => Ok(()),
        }
    }

    fn mismatch(&self, what: String, expected: &dyn Display, found: &dyn Display) -> DeclareError {
        DeclareError::ResumeMismatch {
            path: self.path.clone(),
            what,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// Fails for a compressed tensor whose chunks hold several steps: a run writes each chunk once.
    fn check_single(&self, tensor: &str, steps: u64) -> Result<(), DeclareError> {
        if steps == 1 {
            return Ok(());
        }
        Err(DeclareError::ResumeArchive {
            path: self.path.clone(),
            tensor: tensor.to_owned(),
            steps,
        })
    }

    fn check_specs(&self, found: &[TensorSpec]) -> Result<(), DeclareError> {
        let show = |spec: &TensorSpec| described(spec.dtype, &spec.shape, spec.part.as_ref());
        for declared in &self.specs {
            let what = format!("tensor `{}`", declared.name);
            match found.iter().find(|spec| spec.name == declared.name) {
                Some(spec) if spec == declared => {}
                Some(spec) => return Err(self.mismatch(what, &show(declared), &show(spec))),
                None => return Err(self.mismatch(what, &show(declared), &"nothing")),
            }
        }
        for spec in found {
            let declared = |declared: &TensorSpec| declared.name == spec.name;
            if !self.specs.is_empty() && !self.specs.iter().any(declared) {
                let what = format!("tensor `{}`", spec.name);
                return Err(self.mismatch(what, &"nothing", &show(spec)));
            }
        }
        Ok(())
    }

    fn check_constants(&self, reader: &Reader) -> Result<(), DeclareError> {
        for constant in &self.constants {
            let what = format!("constant `{}`", constant.name);
            let declared = described(constant.dtype, &constant.shape, constant.part.as_ref());
            let Ok(tensor) = reader.tensor(&constant.name) else {
                return Err(self.mismatch(what, &declared, &"nothing"));
            };
            let part = tensor.part_of()?;
            let found = described(tensor.dtype_name(), &tensor.shape(), part.as_ref());
            if declared != found {
                return Err(self.mismatch(what, &declared, &found));
            }
            if let Some(bytes) = &constant.bytes
                && tensor.read_bytes()? != *bytes
            {
                return Err(self.mismatch(what, &"these values", &"other values"));
            }
        }
        Ok(())
    }

    fn check_attributes(&self, reader: &Reader) -> Result<(), DeclareError> {
        for (name, value) in &self.attributes {
            let what = format!("attribute `{name}`");
            match reader.attribute(name) {
                Some(found) if found.same(value) => {}
                Some(found) => return Err(self.mismatch(what, value, found)),
                None => return Err(self.mismatch(what, value, &"nothing")),
            }
        }
        Ok(())
    }

    fn open_trajectory(
        &self,
        file: Arc<dyn Storage>,
        run: &StepTensors,
    ) -> Result<TrajectoryFile, DeclareError> {
        let path = &self.path;
        let durable = self.durability != Durability::Never;
        let trajectory = TrajectoryFile::open(path, file, durable, run)?;
        for tensor in &trajectory.tensors {
            if tensor.is_compressed() {
                self.check_single(&tensor.name, tensor.grid.steps())?;
            }
        }
        Ok(trajectory)
    }

    fn allocate(&self, specs: &[TensorSpec], plan: &RunPlan) -> Result<Vec<Block>, DeclareError> {
        let layout = Arc::new(BlockLayout::new(&step_bytes(specs)?, &plan.queue));
        let blocks = (0..plan.queue.blocks)
            .map(|_| Block::new(&layout))
            .collect::<Result<_, _>>()
            .map_err(|error| StorageError::io(&self.path, "allocate the queue for", error))?;
        Ok(blocks)
    }

    /// Starts the writer.
    fn run(
        self,
        plan: RunPlan,
        blocks: Vec<Block>,
        file: Arc<LockedFile>,
        trajectory: TrajectoryFile,
        partial: Option<Partial>,
    ) -> Result<Recorder, DeclareError> {
        let addresses = blocks.iter().map(Block::addresses).collect();
        let first = trajectory.committed();
        let least_bytes = trajectory.end_of_file();
        let queue = Arc::new(Queue::new(
            blocks,
            plan.queue.block_bytes,
            self.specs.len(),
            first,
        ));
        let failed = |action: &'static str| {
            let path = self.path.clone();
            move |error| StorageError::io(&path, action, error)
        };
        let compressed = plan.tensors.iter().filter(|tensor| tensor.compressed);
        let largest = compressed.map(|tensor| tensor.chunk_bytes).max();
        let packers = plan.encoding.zip(largest).zip(trajectory.packer());
        let packers = packers.map(|((encoding, largest), packer)| {
            Packers::start(encoding, largest, packer, queue.clone())
        });
        let syncer = (self.durability != Durability::Never)
            .then(|| Syncer::start(trajectory.storage(), queue.clone()));
        let writer = Writer {
            file: trajectory,
            block_steps: plan.queue.steps_per_block,
            durability: self.durability,
            queue: queue.clone(),
            packers: packers
                .transpose()
                .map_err(failed("start the encoding threads for"))?,
            syncer: syncer
                .transpose()
                .map_err(failed("start the syncing thread for"))?,
            progress: Progress::at(first),
            packed: Vec::new(),
            due: VecDeque::new(),
            commit: None,
            waiting: None,
        };
        let writer = thread::Builder::new()
            .name("selvedge-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(failed("start the writer thread for"))?;
        let lengths = self
            .specs
            .iter()
            .map(|spec| spec.shape.iter().product())
            .collect();
        let now = Instant::now();
        let run = Run {
            path: self.path,
            specs: self.specs,
            lengths,
            kept: partial.is_none(),
            queue,
            process: Process::current(),
        };
        Ok(Recorder {
            plan,
            shared: Shared {
                run: Arc::new(run),
                writer: Some(writer),
                watch: file,
                least_bytes,
            },
            memory: addresses,
            first,
            started: now,
            checked: now,
            times: AppendTimes::default(),
            partial,
        })
    }
}

/// What a tensor is, in words.
fn described<A: Debug>(dtype: impl Display, shape: &[A], part: Option<&PartOf>) -> String {
    let part = part.map(|part| format!(" {part}"));
    format!("{dtype} {shape:?}{}", part.unwrap_or_default())
}

/// Bytes of the disk that the file of `reader` has and does not need for what is in it: those that the
/// run before had reserved.
fn reserved(reader: &Reader) -> Result<u64, ReadError> {
    let Ok(metadata) = reader.path().metadata() else {
        return Ok(0);
    };
    let mut reserved = metadata.blocks().saturating_mul(512);
    for tensor in reader.tensors() {
        let stored = match tensor.role() {
            Role::Step if !tensor.is_compressed() => {
                tensor.row_bytes()?.saturating_mul(reader.committed_steps())
            }
            _ => tensor.stored_bytes(),
        };
        reserved = reserved.saturating_sub(stored);
    }
    Ok(reserved)
}
