//! What of the input becomes what of the output.

use std::collections::{HashMap, HashSet};

use selvedge_base::Chain;

use crate::attribute::MAX_BYTES;
use crate::branches::Branches;
use crate::checksum::Checksums;
use crate::chunks::to_usize;
use crate::compare::root_name;
use crate::plan::Grouped;
use crate::provenance::{AXIS_LABELS, LOGICAL_DTYPE, PREFIX};
use crate::reader::{Attributes, Note, Reader, Tensor};
use crate::run::Part;
use crate::{Attribute, Dtype, ReadError, RewriteError, Role, Shard, TensorSpec};

/// What was asked for of single tensors.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) bf16: Vec<String>,
    pub(super) assume_bf16: Vec<String>,
    pub(super) skip_unsupported: bool,
    pub(super) skip_damaged: bool,
    pub(super) common_steps: bool,
    /// Whether all get new checksums.
    pub(super) checksums: bool,
}

/// A tensor of the output and where it comes from.
pub(super) struct Member<'a> {
    pub(super) tensor: &'a Tensor,
    /// What it is to be. Of a step tensor the shape of a step, of a constant its whole shape.
    pub(super) spec: TensorSpec,
    pub(super) role: Role,
    /// Whether its values are float16 that become bfloat16.
    pub(super) convert: bool,
    /// The checksums of the input, of the values that it keeps.
    pub(super) checksums: Option<Checksums>,
}

/// All that the output has.
pub(super) struct Members<'a> {
    pub(super) steps: u64,
    /// The tensor whose first axis is taken for the steps, where nothing else tells which tensors have some.
    pub(super) steps_of: Option<String>,
    /// The number of the run, if the input has one.
    pub(super) run: Option<u32>,
    /// The step tensors, and then the constants.
    pub(super) all: Vec<Member<'a>>,
    pub(super) attributes: Vec<(String, Attribute)>,
    /// Tensor, name and value.
    pub(super) tensor_attributes: Vec<(String, String, Attribute)>,
    pub(super) left_out: LeftOut,
    /// Datasets that another program added to the run.
    pub(super) added: Vec<String>,
}

impl<'a> Members<'a> {
    /// `left_out` are the tensors that were [taken out](leave_out).
    pub(super) fn find(
        input: &'a Reader,
        asked: &Asked,
        mut left_out: LeftOut,
    ) -> Result<Self, RewriteError> {
        let mut converted = HashSet::new();
        for name in &asked.bf16 {
            let tensor = input.tensor(name)?;
            converted.insert(tensor.name());
            let dtype = tensor.dtype()?;
            if dtype != Dtype::F16 {
                let tensor = name.clone();
                return Err(RewriteError::Read(ReadError::DtypeMismatch {
                    tensor,
                    expected: dtype,
                    found: Dtype::F16,
                }));
            }
        }
        let steps = input.committed_steps();
        if steps == 0 {
            let (path, left_out) = (input.path().to_owned(), in_words(&left_out));
            return Err(RewriteError::NothingToRechunk { path, left_out });
        }
        left_out.extend(steps_left_out(input, asked.common_steps)?);
        let notes = input.notes().iter().filter(|note| !note.is_unread());
        left_out.extend(notes.filter_map(Note::not_kept));
        let added = input.tensors().iter();
        let added = added.filter(|tensor| tensor.part() == Part::Added);
        let added = added.map(|tensor| tensor.name().to_owned()).collect();
        let mut all = Vec::new();
        for tensor in input.tensors() {
            let (role, shape) = (tensor.role(), tensor.step_shape().iter().copied());
            let convert = converted.contains(tensor.name());
            let dtype = match convert {
                true => Dtype::Bf16,
                false => tensor.dtype()?,
            };
            let shape: Vec<usize> = shape.map(to_usize).collect();
            let checksums = match asked.checksums {
                true => None,
                false => kept_checksums(tensor, convert).unwrap_or_else(|why| {
                    left_out.push((format!("checksums of `{}`", tensor.name()), why));
                    None
                }),
            };
            all.push(Member {
                tensor,
                spec: TensorSpec::new(root_name(tensor.name()), dtype, shape),
                role,
                convert,
                checksums,
            });
        }
        all.sort_by_key(|member| member.role == Role::Constant);
        let attributes = keep(input.attributes(), "", &mut left_out, |name| {
            !name.starts_with(PREFIX)
        });
        // What is written anew of one rank is of that rank.
        let shard = input.shard();
        let branches = || Branches::from_attributes(input.attributes()).unwrap_or(Branches::NONE);
        let attributes = attributes
            .into_iter()
            .chain(shard.iter().flat_map(Shard::attributes))
            .chain(shard.iter().map(|_| branches().attribute()));
        left_out.extend(input.skipped_attributes().iter().map(attribute_of("")));
        let names = input.tensors().iter().map(Tensor::name);
        let axes: HashMap<&str, _> = names.zip(input.axis_names()).collect();
        let mut tensor_attributes = Vec::new();
        for member in &all {
            if let Some(part) = member.tensor.part_of()? {
                let name = &member.spec.name;
                let said = part
                    .attributes()
                    .map(|(said, value)| (name.clone(), said, value));
                tensor_attributes.extend(said);
            }
            let (name, marked) = (&member.spec.name, member.spec.dtype.is_marked());
            let of = format!("{name}: ");
            let (mut found, skipped) = match member.tensor.all_attributes() {
                Ok(attributes) => attributes,
                Err(note) => {
                    let told = note.not_kept().filter(|told| !left_out.contains(told));
                    left_out.extend(told);
                    // Among them is the one that says that its bits are those of bfloat16.
                    let marker = member.tensor.remark().map(str::to_owned);
                    let what = format!("the marker of `{}`", member.tensor.name());
                    left_out.extend(marker.map(|why| (what, why)));
                    Attributes::default()
                }
            };
            // A marker is written with its dataset.
            let named = &axes[member.tensor.name()];
            // Dimension scales are not copied, so their names become labels, too.
            if named.iter().any(Option::is_some) {
                found.retain(|(attribute, _)| attribute != AXIS_LABELS);
                let labels = named.iter().cloned().map(Option::unwrap_or_default);
                found.push((AXIS_LABELS.to_owned(), Attribute::Texts(labels.collect())));
            }
            let kept = keep(&found, &of, &mut left_out, |attribute| {
                !marked || attribute != LOGICAL_DTYPE
            });
            tensor_attributes.extend(
                kept.into_iter()
                    .map(|(attribute, value)| (name.clone(), attribute, value)),
            );
            left_out.extend(skipped.iter().map(attribute_of(&of)));
        }
        let largest = input.guesses_steps().then(|| largest_of_steps(input));
        Ok(Self {
            steps,
            steps_of: largest.flatten().map(|tensor| tensor.name().to_owned()),
            run: input.run_number(),
            all,
            attributes: attributes.collect(),
            tensor_attributes,
            left_out,
            added,
        })
    }

    /// Those with this role.
    pub(super) fn of(&self, role: Role) -> impl Iterator<Item = &Member<'a>> {
        self.all.iter().filter(move |member| member.role == role)
    }
}

/// The largest of the step tensors, of two axes or more if there is one: the first of equal ones.
fn largest_of_steps(input: &Reader) -> Option<&Tensor> {
    let steps = input.tensors().iter();
    let steps = steps.filter(|tensor| tensor.role() == Role::Step).rev();
    steps.max_by_key(|tensor| {
        let is_of_axes = !tensor.step_shape().is_empty();
        (is_of_axes, tensor.all_bytes().unwrap_or(0))
    })
}

/// The checksums that are still those of a tensor when its values lie in other chunks; or why they are not.
fn kept_checksums(tensor: &Tensor, convert: bool) -> Result<Option<Checksums>, String> {
    let found = tensor
        .checksums()
        .map_err(|error| Chain(&error).to_string())?;
    match found {
        Some(_) if convert => Err("its values become others".to_owned()),
        Some(found) if found.covered > tensor.rows() => {
            Err("they are of steps that are left out".to_owned())
        }
        found => Ok(found),
    }
}

/// What is not kept: a name and why.
pub(super) type LeftOut = Vec<(String, String)>;

/// Takes the tensors out of the input that cannot be read or that a trajectory cannot hold, where that is asked
/// for, and those that are `damaged`. Returns which they are and why. What has steps, and how many, is decided
/// by the others.
pub(super) fn leave_out(
    input: &mut Reader,
    asked: &Asked,
    damaged: &LeftOut,
) -> Result<LeftOut, RewriteError> {
    let unread = input.notes().iter().filter(|note| note.is_unread());
    let unread: LeftOut = unread.filter_map(Note::not_kept).collect();
    // What cannot be opened is damaged, or of a kind that libhdf5 does not know.
    if !asked.skip_damaged {
        check_left_out(input, asked, &unread)?;
    }
    let mut left_out = LeftOut::new();
    let mut names: HashSet<String> = damaged.iter().map(|(name, _)| name.clone()).collect();
    for tensor in input.tensors() {
        let why = match tensor.check_readable() {
            _ if names.contains(tensor.name()) => continue,
            Ok(()) => continue,
            // A bitfield is read to know its type: whoever copies it tells that.
            Err(error) if error.is_damage() => continue,
            Err(ReadError::UnsupportedDtype { found, .. }) => format!("it holds {found}"),
            // What is not here now may come back: it is left out only if that is asked for.
            Err(error) if !asked.skip_unsupported => return Err(error.into()),
            Err(error) => Chain(&error).to_string(),
        };
        left_out.push((format!("`{}`", tensor.name()), why));
        names.insert(tensor.name().to_owned());
    }
    check_left_out(input, asked, &left_out)?;
    loop {
        if !names.is_empty() {
            input.retain(|tensor| !names.contains(tensor.name()));
        }
        // Others can have steps now, and another shape for each.
        let refused = refused(input)?;
        if refused.is_empty() {
            break;
        }
        names = refused.iter().map(|(name, _)| name.clone()).collect();
        let refused = refused
            .into_iter()
            .map(|(name, why)| (format!("`{name}`"), why));
        left_out.extend(refused);
        check_left_out(input, asked, &left_out)?;
    }
    let damaged = damaged.iter();
    left_out.extend(damaged.map(|(name, why)| (format!("`{name}`"), why.clone())));
    left_out.extend(unread);
    Ok(left_out)
}

/// Fails where something is left out, and nobody asked for that.
fn check_left_out(input: &Reader, asked: &Asked, left_out: &LeftOut) -> Result<(), RewriteError> {
    if asked.skip_unsupported || left_out.is_empty() {
        return Ok(());
    }
    Err(RewriteError::CannotKeep {
        path: input.path().to_owned(),
        datasets: in_words(left_out),
    })
}

/// What is left out, each with its reason.
fn in_words(left_out: &LeftOut) -> Vec<String> {
    let left_out = left_out.iter();
    left_out
        .map(|(name, why)| format!("{name} ({why})"))
        .collect()
}

/// The tensors whose name or shape a trajectory cannot have, and why. Of two that would have one name, it is
/// the one whose name would change, or both.
fn refused(input: &Reader) -> Result<LeftOut, RewriteError> {
    let mut taken: HashMap<String, Vec<&str>> = HashMap::new();
    for tensor in input.tensors() {
        let name = root_name(tensor.name());
        taken.entry(name).or_default().push(tensor.name());
    }
    let mut refused = Vec::new();
    for tensor in input.tensors() {
        let shape = tensor.step_shape().iter().copied().map(to_usize);
        let name = root_name(tensor.name());
        let others = taken[&name].iter().filter(|other| **other != tensor.name());
        let others: Vec<String> = others.map(|other| format!("`{other}`")).collect();
        let spec = TensorSpec::new(name, tensor.dtype()?, shape.collect::<Vec<usize>>());
        let checked = match tensor.role() {
            Role::Step => spec.check(),
            Role::Constant => spec.check_constant().map(|_| ()),
        };
        let why = match checked {
            Err(error) => error.to_string(),
            Ok(()) if spec.name == tensor.name() || others.is_empty() => continue,
            Ok(()) => format!("it would become `{}`, as {}", spec.name, others.join(", ")),
        };
        refused.push((tensor.name().to_owned(), why));
    }
    Ok(refused)
}

/// The steps of the input that the output has not: those that not all step tensors have. What another
/// program appended to one of them is left out where the caller says so.
fn steps_left_out(input: &Reader, common_steps: bool) -> Result<LeftOut, RewriteError> {
    let mut left_out = Vec::new();
    let mut unequal = Vec::new();
    for note in input.notes() {
        let (tensor, steps, why) = match note {
            Note::CutShort { tensor, steps } => (tensor, steps, "their commit was cut short"),
            Note::Appended {
                tensor,
                steps,
                others_shortened,
                ..
            } => {
                unequal.push((
                    tensor.clone(),
                    steps.saturating_add(input.committed_steps()),
                ));
                (
                    tensor,
                    steps,
                    match others_shortened {
                        true => "another program took them from other step tensors",
                        false => "another program appended them, and not to all tensors",
                    },
                )
            }
            _ => continue,
        };
        let plural = if *steps == 1 { "step" } else { "steps" };
        let what = format!("{} {plural} of `{tensor}`", Grouped(*steps));
        left_out.push((what, why.to_owned()));
    }
    if unequal.is_empty() || common_steps {
        return Ok(left_out);
    }
    Err(RewriteError::UnequalSteps {
        path: input.path().to_owned(),
        tensors: unequal,
        committed: input.committed_steps(),
    })
}

/// The attributes that are kept; those too large are told.
fn keep(
    attributes: &[(String, Attribute)],
    of: &str,
    left_out: &mut LeftOut,
    wanted: impl Fn(&str) -> bool,
) -> Vec<(String, Attribute)> {
    let mut kept = Vec::new();
    for (name, value) in attributes {
        let bytes = value.header_bytes() + name.len();
        if !wanted(name) {
        } else if bytes <= MAX_BYTES {
            kept.push((name.clone(), value.clone()));
        } else {
            let why = format!("it takes {bytes} bytes, and there is room for {MAX_BYTES}");
            left_out.push((format!("attribute `{of}{name}`"), why));
        }
    }
    kept
}

/// How an attribute that is not read is told.
fn attribute_of(of: &str) -> impl Fn(&(String, String)) -> (String, String) {
    move |(name, found)| {
        (
            format!("attribute `{of}{name}`"),
            format!("it holds {found}"),
        )
    }
}
