//! What a conversion reads: the tensors, or parts of them, and what the file says of itself.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::bail;
use selvedge_hdf5::{Attribute, Dtype as Hdf5, Error};
use selvedge_safetensors::Dtype;

use super::{Npy, dtype};
use crate::facts::{Assumptions, FileFacts, OpenFile, Role, TensorFacts, gather};
use crate::metadata::{self, STEP_TENSORS};
use crate::values::{Part, Source};

/// An open file of any of the formats.
pub(crate) enum Opened {
    Tensors(Box<FileFacts>, OpenFile),
    Npy(Npy),
}

/// What is to be converted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// Names; none for all.
    pub(crate) tensors: Vec<String>,
    pub(crate) part: Part,
    /// uint16 tensors that are the bits of bfloat16.
    pub(crate) assume_bf16: Vec<String>,
    /// Tensors that have no steps, whatever their shape.
    pub(crate) constants: Vec<String>,
}

/// Tensors to be written.
pub(crate) struct Input<'a> {
    pub(crate) tensors: Vec<Member<'a>>,
    /// Steps of the step tensors, if there are any.
    pub(super) steps: Option<u64>,
    /// When the file was made, as it says.
    pub(super) created: Option<String>,
    pub(super) notebook: Option<String>,
    /// For a format whose metadata are text.
    pub(super) metadata: BTreeMap<String, String>,
    /// For HDF5.
    pub(super) attributes: Vec<(String, Attribute)>,
    /// What is not kept, in sentences.
    pub(super) notes: Vec<String>,
}

/// One of them.
pub(crate) struct Member<'a> {
    pub(super) name: String,
    pub(super) dtype: Dtype,
    /// In elements.
    pub(super) shape: Vec<u64>,
    /// Whether its first axis is the steps.
    pub(super) is_step: bool,
    pub(crate) source: Source<'a>,
}

impl Member<'_> {
    /// The shape, or that of a step.
    pub(super) fn sizes(&self, of_step: bool) -> Vec<usize> {
        let axes = self.shape.iter().skip(usize::from(of_step));
        axes.map(|&axis| usize::try_from(axis).unwrap_or(usize::MAX))
            .collect()
    }
}

impl Opened {
    /// Opens the file at `path`.
    ///
    /// # Errors
    ///
    /// Why it cannot be read, with its path.
    pub(crate) fn open(path: &Path, asked: &Asked) -> anyhow::Result<Self> {
        if Npy::is_one(path) {
            return Ok(Self::Npy(Npy::open(path, !asked.assume_bf16.is_empty())?));
        }
        let (mut facts, mut file) = gather(path, Assumptions::default())?;
        for name in &asked.assume_bf16 {
            match &mut file {
                OpenFile::Hdf5(reader) => match reader.assume_bf16(name) {
                    Err(Error::DtypeMismatch { expected, .. }) => {
                        bail!("--assume-bf16 takes a uint16 tensor, and `{name}` is {expected}")
                    }
                    other => other?,
                },
                OpenFile::Safetensors(_) => bail!(
                    "--assume-bf16 {name}: {} is a safetensors file, whose dtypes are what they say",
                    path.display()
                ),
            }
            let tensors = facts.tensors.iter_mut();
            for tensor in tensors.filter(|tensor| tensor.name == *name) {
                Hdf5::Bf16.name().clone_into(&mut tensor.dtype);
            }
        }
        Ok(Self::Tensors(Box::new(facts), file))
    }
}

impl<'a> Input<'a> {
    /// What is asked for of an open file.
    ///
    /// # Errors
    ///
    /// A name that it has not, a part that a tensor has not, and a tensor whose values are not read.
    pub(crate) fn new(opened: &'a Opened, asked: &Asked) -> anyhow::Result<Self> {
        match opened {
            Opened::Tensors(facts, file) => Self::of_tensors(facts, file, asked),
            Opened::Npy(npy) => Self::of_npy(npy, asked),
        }
    }

    fn of_npy(npy: &'a Npy, asked: &Asked) -> anyhow::Result<Self> {
        let name = match &asked.tensors[..] {
            [] => npy.stem(),
            [name] => name.clone(),
            names => bail!(
                "{} is one array, which --tensor gives a name; found {} names",
                npy.path().display(),
                names.len()
            ),
        };
        let source = Source::of_npy(npy, &name, &asked.part)?;
        let shape = source.shape().to_vec();
        let is_step = shape.len() >= 2 && !asked.constants.contains(&name);
        Ok(Self {
            steps: shape.first().copied().filter(|_| is_step),
            tensors: vec![Member {
                name,
                dtype: npy.dtype(),
                is_step,
                shape,
                source,
            }],
            created: None,
            notebook: None,
            metadata: BTreeMap::new(),
            attributes: Vec::new(),
            notes: Vec::new(),
        })
    }

    fn of_tensors(facts: &'a FileFacts, file: &'a OpenFile, asked: &Asked) -> anyhow::Result<Self> {
        let chosen = chosen(facts, &asked.tensors)?;
        check_names(facts, &asked.constants)?;
        let steps = StepTensors::of(facts, &chosen, asked);
        let mut tensors = Vec::new();
        for tensor in &chosen {
            let is_step = steps.has(tensor);
            let part = part_of(tensor, is_step, &asked.part);
            let dtype = dtype_of(facts, file, tensor)?;
            let source = Source::open(file, tensor, &part)?;
            let shape = if part.is_all() {
                tensor.shape.clone()
            } else {
                source.shape().to_vec()
            };
            tensors.push(Member {
                name: tensor.name.clone(),
                dtype,
                shape,
                is_step,
                source,
            });
        }
        if !asked.part.is_all() && !tensors.iter().any(|tensor| tensor.is_step) {
            bail!(
                "{} has no tensor with steps, of which --steps, --every and --rows take a part",
                facts.path.display()
            );
        }
        let mut metadata = metadata::root_metadata(facts);
        metadata.extend(chosen.iter().flat_map(|tensor| metadata::of_tensor(tensor)));
        metadata.remove(STEP_TENSORS);
        let named: Vec<&str> = tensors
            .iter()
            .filter(|tensor| tensor.is_step)
            .map(|tensor| tensor.name.as_str())
            .collect();
        if steps.said {
            metadata.insert(STEP_TENSORS.to_owned(), serde_json::to_string(&named)?);
        }
        let of_steps = tensors.iter().find(|tensor| tensor.is_step);
        Ok(Self {
            steps: of_steps.and_then(|tensor| tensor.shape.first().copied()),
            created: facts.provenance.created.clone(),
            notebook: facts.provenance.notebook.clone(),
            attributes: attributes(facts, file, &metadata),
            notes: not_kept(facts, &chosen),
            metadata,
            tensors,
        })
    }
}

/// The tensors of these names, in the order of the file; without names all.
fn chosen<'a>(facts: &'a FileFacts, names: &[String]) -> anyhow::Result<Vec<&'a TensorFacts>> {
    check_names(facts, names)?;
    let chosen: Vec<&TensorFacts> = facts
        .tensors
        .iter()
        .filter(|tensor| names.is_empty() || names.contains(&tensor.name))
        .collect();
    if chosen.is_empty() {
        bail!("{} has no tensors", facts.path.display());
    }
    Ok(chosen)
}

/// Checks that there are tensors of these names.
fn check_names(facts: &FileFacts, names: &[String]) -> anyhow::Result<()> {
    let all = || facts.tensors.iter();
    if let Some(unknown) = names.iter().find(|name| all().all(|t| t.name != **name)) {
        let there: Vec<String> = all().map(|tensor| format!("`{}`", tensor.name)).collect();
        bail!(
            "{} has no tensor `{unknown}`; it has {}",
            facts.path.display(),
            there.join(", ")
        );
    }
    Ok(())
}

/// Which tensors have steps.
struct StepTensors {
    names: Vec<String>,
    /// Whether the file says so itself.
    said: bool,
}

impl StepTensors {
    /// A recording says which they are, and what was made of one by a conversion. In another file
    /// they are the tensors whose first axis is as long as that of the largest tensor of at least two
    /// axes. Where a part is asked for, and none has two axes, one axis will do.
    fn of(facts: &FileFacts, chosen: &[&TensorFacts], asked: &Asked) -> Self {
        let constant = |tensor: &TensorFacts| asked.constants.contains(&tensor.name);
        let names = |is_step: &dyn Fn(&TensorFacts) -> bool| {
            let steps = chosen.iter().filter(|tensor| is_step(tensor));
            let steps = steps.filter(|tensor| !constant(tensor));
            steps.map(|tensor| tensor.name.clone()).collect()
        };
        if facts.recording.is_some() {
            return Self {
                names: names(&|tensor| tensor.role == Role::Step),
                said: true,
            };
        }
        let said = facts.attributes.iter().find(|a| a.name == STEP_TENSORS);
        if let Some(Attribute::Text(text)) = said.map(|said| &said.value.0)
            && let Ok(list) = serde_json::from_str::<Vec<String>>(text)
            && in_step(chosen, &list)
        {
            return Self {
                names: names(&|tensor| list.contains(&tensor.name)),
                said: true,
            };
        }
        let largest = |axes: usize| {
            let candidates = chosen.iter().filter(|tensor| !constant(tensor));
            let candidates = candidates.filter(|tensor| tensor.shape.len() >= axes);
            candidates.max_by_key(|tensor| (tensor.bytes, std::cmp::Reverse(&tensor.name)))
        };
        let largest = largest(2).or_else(|| largest(1).filter(|_| !asked.part.is_all()));
        let leading = largest.and_then(|tensor| tensor.shape.first());
        Self {
            names: names(&|tensor| leading.is_some() && tensor.shape.first() == leading),
            said: false,
        }
    }

    fn has(&self, tensor: &TensorFacts) -> bool {
        self.names.contains(&tensor.name)
    }
}

/// Whether the tensors of these names have as many steps, each as the others: metadata can be older
/// than the tensors.
fn in_step(tensors: &[&TensorFacts], names: &[String]) -> bool {
    let listed = tensors.iter().filter(|tensor| names.contains(&tensor.name));
    let mut steps = listed.map(|tensor| tensor.shape.first());
    match steps.next() {
        Some(first) => first.is_some() && steps.all(|other| other == first),
        None => true,
    }
}

/// The part of one tensor: of a constant all of it, and of a number in each step all rows.
fn part_of(tensor: &TensorFacts, is_step: bool, part: &Part) -> Part {
    if !is_step {
        return Part::default();
    }
    let mut part = part.clone();
    if tensor.shape.len() < 2 {
        part.rows = None;
    }
    part
}

fn dtype_of(facts: &FileFacts, file: &OpenFile, tensor: &TensorFacts) -> anyhow::Result<Dtype> {
    let dtype = match file {
        OpenFile::Hdf5(_) => Hdf5::from_name(&tensor.dtype).and_then(dtype::of_hdf5),
        OpenFile::Safetensors(reader) => Some(reader.tensor(&tensor.name)?.dtype()),
    };
    dtype.ok_or_else(|| {
        anyhow::anyhow!(
            "tensor `{}` of {} holds {}, which is not read; name the other tensors with --tensor",
            tensor.name,
            facts.path.display(),
            tensor.dtype
        )
    })
}

/// The attributes for HDF5: those of an HDF5 file as they are.
fn attributes(
    facts: &FileFacts,
    file: &OpenFile,
    metadata: &BTreeMap<String, String>,
) -> Vec<(String, Attribute)> {
    match file {
        OpenFile::Hdf5(_) => {
            let kept = facts.attributes.iter();
            kept.map(|kept| (kept.name.clone(), kept.value.0.clone()))
                .collect()
        }
        OpenFile::Safetensors(_) => metadata
            .iter()
            .filter(|(key, _)| *key != "notebook")
            .filter_map(|(key, text)| metadata::attribute(key, text))
            .collect(),
    }
}

fn not_kept(facts: &FileFacts, chosen: &[&TensorFacts]) -> Vec<String> {
    let of_file = facts.unread_attributes.iter();
    let of_file = of_file.map(|unread| (unread.name.clone(), &unread.stored_type));
    let of_tensors = chosen.iter().flat_map(|tensor| {
        let unread = tensor.unread_attributes.iter();
        unread.map(|unread| {
            let name = format!("{}: {}", tensor.name, unread.name);
            (name, &unread.stored_type)
        })
    });
    let remarks = chosen.iter().flat_map(|tensor| {
        let remarks = tensor.remarks.iter();
        remarks.map(|remark| format!("`{}`: {remark}", tensor.name))
    });
    of_file
        .chain(of_tensors)
        .map(|(name, kind)| format!("attribute `{name}` is not kept: it is {kind}"))
        .chain(remarks)
        .collect()
}
