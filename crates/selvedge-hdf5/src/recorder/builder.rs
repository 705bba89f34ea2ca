//! Declaring a run.

use std::collections::HashSet;
use std::path::PathBuf;

use super::Recorder;
use super::constants::ConstantWriter;
use super::durability::Durability;
use crate::Compression;
use crate::create::{self, Constant};
use crate::element::{Element, Values};
use crate::plan::{Limits, ReadPattern, RunPlan};
use crate::provenance::NOTEBOOK;
use crate::reader::Reader;
use crate::spec::validate_name;
use crate::{Attribute, DeclareError, PartOf, Shard, TensorSpec, provenance};

/// Declares a run: its tensors, constants, attributes and limits. See
/// [`Recorder::create`] and [`Recorder::resume`].
///
/// A mistake in a declaration is reported by [`start`](Self::start) and [`plan`](Self::plan).
#[derive(Debug)]
#[must_use = "nothing happens before `start`"]
pub struct RecorderBuilder {
    pub(super) path: PathBuf,
    pub(super) resume: bool,
    pub(super) at_step: Option<u64>,
    pub(super) shard: Option<Shard>,
    pub(super) overwrite: bool,
    pub(super) named_when_finished: bool,
    pub(super) steps: Option<u64>,
    pub(super) specs: Vec<TensorSpec>,
    pub(super) constants: Vec<Constant>,
    pub(super) attributes: Vec<(String, Attribute)>,
    /// Tensor, name and value.
    pub(super) tensor_attributes: Vec<(String, String, Attribute)>,
    pub(super) notebook: Option<String>,
    pub(super) pattern: ReadPattern,
    pub(super) limits: Limits,
    pub(super) durability: Durability,
    pub(super) compression: Compression,
}

impl RecorderBuilder {
    pub(super) fn new(path: PathBuf, resume: bool) -> Self {
        Self {
            path,
            resume,
            at_step: None,
            shard: None,
            overwrite: false,
            named_when_finished: false,
            steps: None,
            specs: Vec::new(),
            constants: Vec::new(),
            attributes: Vec::new(),
            tensor_attributes: Vec::new(),
            notebook: None,
            pattern: ReadPattern::default(),
            limits: Limits::default(),
            durability: Durability::default(),
            compression: Compression::default(),
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

    /// Goes on at step `step` of the file that is resumed, which is to have at least so many: the steps after
    /// it are given up, and recorded anew. Default: after the last committed one.
    ///
    /// Some ranks of a run are ahead when it is killed, and all go on where the last one is:
    /// [`joined_steps`](crate::joined_steps). Nothing else gives a committed step up.
    ///
    /// After a kill in [`start`](Self::start) the file has the steps that it had, or `step` of them, and these
    /// are whole. A reader that has the file open meanwhile is to open it anew.
    pub fn at_step(mut self, step: u64) -> Self {
        self.at_step = Some(step);
        self
    }

    /// Says that the file is that of one of several ranks of a run, which tensors can be
    /// [parts](TensorSpec::part_of) of. A file that is resumed has to be of the same.
    pub fn shard(mut self, shard: Shard) -> Self {
        self.shard = Some(shard);
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
        let bytes = V::Element::as_bytes(values.elements()).to_vec();
        self.constants.push(Constant {
            name,
            dtype: V::Element::DTYPE,
            shape,
            part: None,
            bytes: Some(bytes),
        });
        self
    }

    /// Declares a constant of a dtype that is known at run time only: of `shape` (elements, outermost
    /// axis first), with its values as bytes in row-major order, little-endian.
    pub fn constant_bytes(mut self, spec: TensorSpec, bytes: Vec<u8>) -> Self {
        self.constants.push(Constant {
            name: spec.name,
            dtype: spec.dtype,
            shape: spec.shape,
            part: spec.part,
            bytes: Some(bytes),
        });
        self
    }

    /// A constant that is not held in memory: its values are asked for by
    /// [`start_with`](Self::start_with). In a file that goes on they are those that it has.
    pub fn constant_spec(mut self, spec: TensorSpec) -> Self {
        self.constants.push(Constant {
            name: spec.name,
            dtype: spec.dtype,
            shape: spec.shape,
            part: spec.part,
            bytes: None,
        });
        self
    }

    /// Sets an attribute at the root of the file: a hyperparameter, say.
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<Attribute>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// An attribute of a tensor or constant that is declared: units, a scale. A run that is resumed keeps
    /// those that it has.
    pub fn tensor_attribute(
        mut self,
        tensor: impl Into<String>,
        name: impl Into<String>,
        value: impl Into<Attribute>,
    ) -> Self {
        let attribute = (tensor.into(), name.into(), value.into());
        self.tensor_attributes.push(attribute);
        self
    }

    /// Says which notebook or program makes the file: its attribute `notebook`. A resumed file keeps
    /// its own.
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

    /// Whether steps are compressed. Default: [`Compression::None`]. A resumed file keeps what its
    /// tensors have.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Lets `create` replace an existing file, if no recorder and no HDF5 program is writing it.
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// The new file gets its name when the run is finished, and not when it starts: for steps that are
    /// all there already, so that nobody is to see a part of them. Default: no.
    ///
    /// Until then it is called `.NAME.partial`, and it is removed if the recorder is dropped. What
    /// [`overwrite`](Self::overwrite) lets it replace is there up to that moment. `finish` puts it on
    /// the disk.
    pub fn named_when_finished(mut self, late: bool) -> Self {
        self.named_when_finished = late;
        self
    }

    /// Plans the run without writing anything. Of a run to resume it is the plan of all its steps,
    /// with the chunks that the file has.
    ///
    /// # Errors
    ///
    /// The errors of [`start`](Self::start) that concern the declaration, the memory and the disk, and
    /// when resuming, those of opening the file.
    pub fn plan(&self) -> Result<RunPlan, DeclareError> {
        self.check_declaration()?;
        if self.resume {
            Ok(self.plan_resumed(&Reader::open(&self.path)?)?.0)
        } else {
            self.plan_new()
        }
    }

    /// Checks the declaration, makes or opens the file, and starts the writer thread.
    ///
    /// A new file is built under the name `.NAME.partial` and renamed when it is complete.
    ///
    /// # Errors
    ///
    /// A mistake in the declaration, [`DeclareError::MemoryBudget`] and [`DeclareError::DiskTooSmall`] come
    /// before anything is written. When resuming, [`DeclareError::ResumeMismatch`],
    /// [`DeclareError::ResumeArchive`], [`DeclareError::NoSuchStep`],
    /// [`DeclareError::ResumeBelowChecksums`] and [`DeclareError::Read`]. [`DeclareError::Storage`], which is a
    /// [`FileError`](crate::FileError) where there is a file that is not to be replaced, or that somebody
    /// writes.
    pub fn start(self) -> Result<Recorder, DeclareError> {
        self.start_with(|_, _| Ok(()))
    }

    /// The same, with the values of the constants that have none yet
    /// ([`constant_spec`](Self::constant_spec)): `values` is called with the name of each, and writes all of
    /// them, so that no more than a piece is in memory at a time.
    ///
    /// # Errors
    ///
    /// The errors of [`start`](Self::start) and of `values`, and [`DeclareError::ConstantLength`] where it
    /// wrote fewer or more than fill the shape.
    pub fn start_with<E: From<DeclareError>>(
        self,
        values: impl FnMut(&str, &mut ConstantWriter<'_>) -> Result<(), E>,
    ) -> Result<Recorder, E> {
        self.check_declaration()?;
        if self.resume {
            Ok(self.start_resumed()?)
        } else {
            self.start_new(values)
        }
    }

    pub(super) fn plan_run(
        &self,
        specs: &[TensorSpec],
        steps: Option<u64>,
    ) -> Result<RunPlan, DeclareError> {
        let constants = self.constants.iter().map(Constant::length);
        let constants = constants.fold(0, u64::saturating_add);
        let together = self.durability.interval();
        RunPlan::new(
            specs,
            steps,
            self.pattern,
            &self.limits,
            constants,
            together,
            self.compression,
        )
    }

    fn check_declaration(&self) -> Result<(), DeclareError> {
        let mut tensors = HashSet::new();
        let constants = self.constants.iter().map(|constant| &constant.name);
        for name in self.specs.iter().map(|spec| &spec.name).chain(constants) {
            validate_name(name)?;
            if !tensors.insert(name.as_str()) {
                return Err(DeclareError::DuplicateName { name: name.clone() });
            }
        }
        self.constants.iter().try_for_each(Constant::validate)?;
        self.check_shard()?;
        if let Some(notebook) = &self.notebook {
            create::check_value(NOTEBOOK, &notebook.into())?;
        }
        let mut names = HashSet::new();
        for (name, value) in &self.attributes {
            check_attribute(name, value)?;
            if !names.insert(("", name.as_str())) {
                return Err(DeclareError::DuplicateName { name: name.clone() });
            }
        }
        for (tensor, name, value) in &self.tensor_attributes {
            check_attribute(name, value)?;
            if !tensors.contains(tensor.as_str()) {
                let specs = self.specs.iter().map(|spec| &spec.name);
                let constants = self.constants.iter().map(|constant| &constant.name);
                return Err(DeclareError::UnknownTensor {
                    name: name.clone(),
                    tensor: tensor.clone(),
                    declared: specs.chain(constants).cloned().collect(),
                });
            }
            if !names.insert((tensor, name)) {
                return Err(DeclareError::DuplicateName { name: name.clone() });
            }
        }
        Ok(())
    }

    fn check_shard(&self) -> Result<(), DeclareError> {
        match (&self.shard, self.parts().next()) {
            (Some(shard), _) => shard.check(),
            (None, Some((tensor, _))) if !self.resume => {
                let tensor = tensor.to_owned();
                Err(DeclareError::PartOfNoShard { tensor })
            }
            _ => Ok(()),
        }
    }

    /// What is declared as a part: names, and of what.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&str, &PartOf)> {
        let tensors = self.specs.iter().map(|spec| (&spec.name, &spec.part));
        let constants = self.constants.iter();
        let constants = constants.map(|constant| (&constant.name, &constant.part));
        let all = tensors.chain(constants);
        all.filter_map(|(name, part)| Some((name.as_str(), part.as_ref()?)))
    }
}

/// Checks that a file that is recorded can have this attribute, of its own or of a tensor.
///
/// # Errors
///
/// [`DeclareError::InvalidName`] of a name that is none or that the recorder writes itself,
/// [`DeclareError::ZeroByte`] and [`DeclareError::AttributeTooLarge`].
pub fn check_attribute(name: &str, value: &Attribute) -> Result<(), DeclareError> {
    validate_name(name)?;
    if provenance::is_reserved(name) {
        let expected = "one that the recorder does not write itself";
        return Err(DeclareError::InvalidName {
            name: name.to_owned(),
            expected,
        });
    }
    create::check_value(name, value)
}
