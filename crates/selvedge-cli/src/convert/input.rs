//! What a conversion reads: the tensors, or parts of them, and what the file says of itself.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::bail;
use selvedge_base::text::escaped;
use selvedge_base::{Chain, Indices};
use selvedge_hdf5::{
    Attribute, DeclareError, Note, ReaderOptions, TensorSource, check_attribute, root_name,
};

use super::Target;
use super::steps::{StepTensors, check_steps};
use crate::compare::Opened;
use crate::facts::{
    self, Assumptions, FileFacts, Format, OpenFile, Rank, TensorFacts, Unreadable, gather,
};
use crate::metadata::{Attributes, Description, text};
use crate::source::{Kind, Part, Source};
use crate::words::of_program;

/// What is to be converted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// Names; none for all.
    pub(crate) tensors: Vec<String>,
    pub(crate) part: Part,
    /// Tensors whose bits are those of another dtype than the file says.
    pub(crate) assumed: Vec<(String, &'static Kind)>,
    /// Tensors that have no steps, whatever their shape.
    pub(crate) constants: Vec<String>,
    /// Whether tensors are left out that cannot be read, or that the new file cannot hold.
    pub(crate) skip_unsupported: bool,
    /// Whether tensors are left out whose values are damaged.
    pub(crate) skip_damaged: bool,
    /// Whether steps that not all step tensors have are left out.
    pub(crate) common_steps: bool,
    /// How an HDF5 file is opened.
    pub(crate) reader: ReaderOptions,
}

/// Tensors that are left out: their names, and why, as a clause about each.
pub(crate) type LeftOut = HashMap<String, String>;

/// Tensors that the new file cannot have, in their order in the old one, and why.
type Refused = Vec<(String, String)>;

/// Tensors to be written.
pub(crate) struct Input<'a> {
    pub(crate) tensors: Vec<Member<'a>>,
    /// Steps of the step tensors, if there are any.
    pub(super) steps: Option<u64>,
    /// Whether the file says itself which tensors have steps.
    pub(super) says_steps: bool,
    /// When the file was made, as it says.
    pub(super) created: Option<String>,
    pub(super) description: Description,
    /// Which rank of a run the file is of, and the output, too.
    pub(super) rank: Option<Rank>,
    /// What is not kept, in sentences.
    pub(super) notes: Vec<String>,
}

/// One of them.
pub(crate) struct Member<'a> {
    pub(super) name: String,
    pub(super) kind: &'static Kind,
    /// In elements.
    pub(super) shape: Vec<u64>,
    /// Whether its first axis is the steps.
    pub(super) is_step: bool,
    /// What it is a part of.
    pub(super) part: Option<&'a facts::Part>,
    pub(crate) source: Source<'a>,
}

impl Member<'_> {
    /// The shape, or that of a step.
    pub(super) fn sizes(&self, of_step: bool) -> Vec<usize> {
        elements(self.shape.get(usize::from(of_step)..).unwrap_or_default())
    }
}

/// Numbers of elements, along each axis.
pub(super) fn elements(axes: &[u64]) -> Vec<usize> {
    let axes = axes.iter();
    axes.map(|&axis| usize::try_from(axis).unwrap_or(usize::MAX))
        .collect()
}

/// Opens the file at `path`, to convert what is asked for.
///
/// # Errors
///
/// Why it cannot be read, with its path.
pub(crate) fn open(path: &Path, asked: &Asked) -> anyhow::Result<Opened> {
    let mut assumptions = Assumptions {
        bf16: false,
        dtypes: asked.assumed.clone(),
        reader: asked.reader.clone(),
    };
    // The array of a `.npy` file goes by the name of the file, or by the one that it gets.
    let stem = escaped(path.file_stem().unwrap_or_default().as_bytes());
    let new_name = asked.tensors.first();
    for (name, _) in &mut assumptions.dtypes {
        if new_name == Some(name) && path.extension().is_some_and(|end| end == "npy") {
            *name = stem.clone();
        }
    }
    let (mut facts, mut file) = gather(path, &assumptions)?;
    if facts.format == Format::Npy {
        match &asked.tensors[..] {
            [] => {}
            [name] => {
                facts
                    .tensors
                    .iter_mut()
                    .for_each(|tensor| tensor.name.clone_from(name));
                file.rename(name);
            }
            names => bail!(
                "{} is one array, which --tensor gives a name; found {} names",
                path.display(),
                names.len()
            ),
        }
    }
    Ok((facts, file))
}

impl<'a> Input<'a> {
    /// What is asked for of an open file, to be written in the format `target`, without what is
    /// `left_out` already. What has to be left out, and may, is added to it.
    ///
    /// # Errors
    ///
    /// A name that it has not, a part that a tensor has not, and a tensor that cannot be read or that the
    /// new file cannot hold; and that nothing is left.
    pub(crate) fn new(
        opened: &'a Opened,
        asked: &Asked,
        target: Target,
        left_out: &mut LeftOut,
    ) -> anyhow::Result<Self> {
        let (facts, file) = opened;
        let asked = Asked {
            tensors: facts.own_names(file, &asked.tensors)?,
            constants: facts.own_names(file, &asked.constants)?,
            ..asked.clone()
        };
        loop {
            // What has steps, and so what can be held, is decided by those that are left.
            let refused = match Self::without(opened, &asked, target, left_out)? {
                Ok(input) => return Ok(input),
                Err(refused) => refused,
            };
            if let (false, Some((name, why))) = (asked.skip_unsupported, refused.first()) {
                bail!(
                    "tensor `{name}` of {} {why}; --skip-unsupported leaves it out",
                    facts.path.display()
                );
            }
            left_out.extend(refused);
        }
    }

    fn without(
        (facts, file): &'a Opened,
        asked: &Asked,
        target: Target,
        left_out: &LeftOut,
    ) -> anyhow::Result<Result<Self, Refused>> {
        let (mut sources, mut refused) = (Vec::new(), Refused::new());
        let mut notes = Vec::new();
        // Bools become what other formats know of them.
        for source in Source::all(facts, file, target != Target::Hdf5)? {
            let name = &source.facts().name;
            if !asked.tensors.is_empty() && !asked.tensors.contains(name) {
                continue;
            }
            if let Some(why) = left_out.get(name) {
                notes.push(format!("`{name}` is not kept: it {why}"));
                continue;
            }
            match held(&source, target) {
                Ok(kind) => sources.push((kind, source)),
                Err(why) => refused.push((name.clone(), why)),
            }
        }
        if !refused.is_empty() {
            return Ok(Err(refused));
        }
        if sources.is_empty() {
            bail!("{} has no tensors{}", facts.path.display(), beside(&notes));
        }
        let chosen: Vec<&TensorFacts> = sources.iter().map(|(_, source)| source.facts()).collect();
        check_steps(file, &chosen, asked)?;
        let description = Description::of(facts);
        let steps = StepTensors::of(facts, &description, &chosen, asked)?;
        // Where all is kept, and nothing says what a constant is, it makes no difference.
        let are_constants = target == Target::Hdf5 || !asked.part.is_all();
        if are_constants && !matches!(file, OpenFile::Hdf5(_)) {
            notes.extend(steps.off_by_one(&chosen, asked));
        }
        let rank = rank_of(facts, asked, target, &mut notes);
        let mut tensors = Vec::new();
        for (kind, source) in sources {
            let tensor = source.facts();
            let is_step = steps.has(tensor);
            let source = match steps.cut(tensor, &mut notes) {
                Some(common) => source.take(&common)?,
                None => source,
            };
            let source = source.take(&part_of(tensor, is_step, asked, &mut notes))?;
            tensors.push(Member {
                name: tensor.name.clone(),
                kind,
                shape: source.shape().to_vec(),
                is_step,
                part: tensor.part.as_ref().filter(|_| rank.is_some()),
                source,
            });
        }
        let refused = cannot_have(&tensors, target);
        if !refused.is_empty() {
            return Ok(Err(refused));
        }
        if !asked.part.is_all() && !tensors.iter().any(|tensor| tensor.is_step) {
            bail!(
                "{} has no tensor with steps, of which --steps, --every and --rows take a part",
                facts.path.display()
            );
        }
        notes.extend(not_kept(facts, &chosen));
        let has_checksums = |tensor: &Member<'_>| matches!(tensor.source.checksums(), Ok(Some(_)));
        if tensors.iter().any(has_checksums) {
            notes.push(match target {
                Target::Hdf5 => {
                    "checksums are not kept: `selvedge checksum` makes new ones".to_owned()
                }
                _ => format!(
                    "checksums are not kept: {} has no place for them",
                    target.name()
                ),
            });
        }
        notes.extend(description.notes.iter().cloned());
        notes.extend(of_file(facts, file, target, are_constants));
        let of_steps = tensors.iter().find(|tensor| tensor.is_step);
        Ok(Ok(Self {
            steps: of_steps.and_then(|tensor| tensor.shape.first().copied()),
            says_steps: steps.said,
            created: facts.provenance.created.clone(),
            description,
            rank,
            notes,
            tensors,
        }))
    }

    /// Reads all values that are to be written, and tells which tensors are damaged, and why.
    pub(super) fn damaged(&self) -> Refused {
        let tensors = self.tensors.iter();
        let damaged = tensors.filter_map(|tensor| {
            let read = tensor.source.blocks(|_| Ok::<_, Unreadable>(()));
            let error = read.err().filter(Unreadable::is_damage)?;
            Some((
                tensor.name.clone(),
                format!("is damaged: {}", Chain(&error)),
            ))
        });
        damaged.collect()
    }

    /// The metadata of a safetensors file, and what is not kept there.
    pub(super) fn metadata(&self) -> (BTreeMap<String, String>, Vec<String>) {
        let names = self.tensors.iter().map(|tensor| &*tensor.name);
        let names: Vec<&str> = names.collect();
        let steps = self.tensors.iter().filter(|tensor| tensor.is_step);
        let steps: Vec<&str> = steps.map(|tensor| &*tensor.name).collect();
        let said = self.says_steps.then_some(&steps[..]);
        self.description.metadata(&names, said)
    }
}

/// The tensors of a file that a file of the format `target` cannot hold, as a conversion finds out.
pub(super) fn cannot_hold(opened: &Opened, target: Target) -> LeftOut {
    let asked = Asked {
        skip_unsupported: true,
        common_steps: true,
        ..Asked::default()
    };
    let mut left_out = LeftOut::new();
    // Where it holds none of them, that is the error, and all are told.
    let _ = Input::new(opened, &asked, target, &mut left_out);
    left_out
}

/// The dtype of a tensor, if it can be read and `target` can hold it; or why not, as a clause about the
/// tensor.
fn held(source: &Source<'_>, target: Target) -> Result<&'static Kind, String> {
    let kind = source.kind_or_why()?;
    if target.holds(kind) {
        return Ok(kind);
    }
    Err(format!(
        "holds {}, which {} cannot hold",
        kind.name,
        target.name()
    ))
}

/// What there was beside, of which nothing is left.
fn beside(notes: &[String]) -> String {
    const TOLD: usize = 3;
    match notes.len().saturating_sub(TOLD) {
        _ if notes.is_empty() => String::new(),
        0 => format!(" that can be kept: {}", notes.join("; ")),
        more => format!(
            " that can be kept: {}; and {more} more",
            notes[..TOLD].join("; ")
        ),
    }
}

/// The tensors that a file of this format cannot have, for their names or their shapes.
fn cannot_have(tensors: &[Member<'_>], target: Target) -> Refused {
    let mut taken: HashMap<String, Vec<&str>> = HashMap::new();
    if target == Target::Hdf5 {
        for tensor in tensors {
            let names = taken.entry(root_name(&tensor.name)).or_default();
            names.push(&tensor.name);
        }
    }
    let refused = tensors.iter().filter_map(|tensor| {
        let why = |error: &dyn Display| format!("cannot be in {}: {error}", target.name());
        let checked = match (target, tensor.kind.safetensors, tensor.kind.hdf5) {
            (Target::Safetensors, Some(dtype), _) => {
                let spec = selvedge_safetensors::TensorSpec::new(
                    &tensor.name,
                    dtype,
                    tensor.sizes(false),
                );
                spec.check().map(|_| ()).map_err(|error| why(&error))
            }
            (Target::Hdf5, _, Some(dtype)) => {
                let name = root_name(&tensor.name);
                let spec = selvedge_hdf5::TensorSpec::new(name, dtype, tensor.sizes(tensor.is_step));
                let checked = match tensor.is_step {
                    true => spec.check(),
                    false => spec.check_constant().map(|_| ()),
                };
                let others = taken.get(&spec.name).into_iter().flatten();
                let other = others.copied().find(|other| *other != tensor.name);
                match (checked, other) {
                    (Err(error), _) => Err(why(&error)),
                    // Of two, that which has the name already keeps it.
                    (Ok(()), Some(other)) if spec.name != tensor.name => Err(format!(
                        "and `{other}` would both become `{}`: a trajectory has no groups; convert them \
                         one by one with --tensor, or write safetensors",
                        spec.name
                    )),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        };
        Some((tensor.name.clone(), checked.err()?))
    });
    refused.collect()
}

/// The part of one tensor: of a constant all of it, and of a number in each step all rows, unless it was
/// asked for by its name.
fn part_of(tensor: &TensorFacts, is_step: bool, asked: &Asked, notes: &mut Vec<String>) -> Part {
    if !is_step {
        return Part::default();
    }
    let mut part = asked.part.clone();
    if !part.rows.is_all() && tensor.shape.len() < 2 && !asked.tensors.contains(&tensor.name) {
        let name = &tensor.name;
        notes.push(format!(
            "`{name}` has no rows, of which --rows takes some: all of it is kept"
        ));
        part.rows = Indices::all();
    }
    part
}

/// The rank of a run that the output is of as the input is, which only a trajectory with whole tensors can be.
fn rank_of(
    facts: &FileFacts,
    asked: &Asked,
    target: Target,
    notes: &mut Vec<String>,
) -> Option<Rank> {
    let rank = facts.recording.as_ref()?.rank.clone()?;
    let part = &asked.part;
    let why = if target != Target::Hdf5 {
        format!("{} has no place for it", target.name())
    } else if !part.rows.is_all() {
        "some of the rows are not the part of the whole that the rank has".to_owned()
    } else if !asked.constants.is_empty() {
        "a step tensor becomes a constant, which it is not in the other ranks".to_owned()
    } else {
        return Some(rank);
    };
    notes.push(format!(
        "that it is rank {} of {} of the run {}, and which part of each tensor it has, is not kept: {why}",
        rank.rank, rank.world_size, rank.run
    ));
    None
}

/// The attributes that an HDF5 file can have; what it cannot have is told. A list that is too long for an
/// attribute is kept as text, which lies elsewhere in the file.
pub(super) fn storable(attributes: Attributes, of: &str, notes: &mut Vec<String>) -> Attributes {
    let mut kept = Vec::new();
    for (name, value) in attributes {
        let as_text = Attribute::Text(text(&value));
        match check_attribute(&name, &value) {
            Ok(()) => kept.push((name, value)),
            Err(error @ DeclareError::AttributeTooLarge { .. })
                if check_attribute(&name, &as_text).is_ok() =>
            {
                notes.push(format!("attribute `{of}{name}` is kept as text: {error}"));
                kept.push((name, as_text));
            }
            Err(error) => notes.push(format!("attribute `{of}{name}` is not kept: {error}")),
        }
    }
    kept
}

/// The name that a tensor gets at the root of an HDF5 file, and a note where it changes.
pub(super) fn name_at_root(tensor: &Member<'_>, notes: &mut Vec<String>) -> String {
    let name = root_name(&tensor.name);
    if name != tensor.name {
        notes.push(format!("`{}` became `{name}`", tensor.name));
    }
    name
}

/// What of a file is not kept, and what else there is to know of it.
fn of_file(facts: &FileFacts, file: &OpenFile, target: Target, are_constants: bool) -> Vec<String> {
    let told = match file {
        OpenFile::Hdf5(reader) => reader.notes(),
        _ => &[],
    };
    let counts = |note: &&Note| are_constants || !matches!(note, Note::OffByOne { .. });
    let one = |note: &Note| match (note, note.not_kept()) {
        // Only HDF5 makes constants of them.
        (Note::OffByOne { .. }, _) if target != Target::Hdf5 => note.to_string(),
        (_, Some((what, why))) => of_program(&format!("not kept: {what}: {why}")),
        _ => note.to_string(),
    };
    let others = facts.notes.iter().skip(told.len()).cloned();
    told.iter().filter(counts).map(one).chain(others).collect()
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
