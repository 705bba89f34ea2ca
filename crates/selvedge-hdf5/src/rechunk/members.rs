//! What of the input becomes what of the output.

use std::collections::HashSet;

use crate::attribute::MAX_BYTES;
use crate::chunks::to_usize;
use crate::compare::root_name;
use crate::plan::Grouped;
use crate::provenance::{LOGICAL_DTYPE, PREFIX};
use crate::reader::{Note, Reader, Tensor};
use crate::spec::validate_name;
use crate::{Attribute, DeclareError, Dtype, ReadError, RewriteError, Role, Shard, TensorSpec};

/// What was asked for of single tensors.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) bf16: Vec<String>,
    pub(super) assume_bf16: Vec<String>,
    pub(super) skip_unsupported: bool,
    pub(super) common_steps: bool,
}

/// A tensor of the output and where it comes from.
pub(super) struct Member<'a> {
    pub(super) tensor: &'a Tensor,
    /// What it is to be. Of a step tensor the shape of a step, of a constant its whole shape.
    pub(super) spec: TensorSpec,
    pub(super) role: Role,
    /// Whether its values are float16 that become bfloat16.
    pub(super) convert: bool,
}

/// All that the output has.
pub(super) struct Members<'a> {
    pub(super) steps: u64,
    /// The number of the run, if the input has one.
    pub(super) run: Option<u32>,
    /// The step tensors, and then the constants.
    pub(super) all: Vec<Member<'a>>,
    pub(super) attributes: Vec<(String, Attribute)>,
    /// Tensor, name and value.
    pub(super) tensor_attributes: Vec<(String, String, Attribute)>,
    pub(super) left_out: LeftOut,
}

impl<'a> Members<'a> {
    /// `left_out` are the tensors that were [taken out](leave_out).
    pub(super) fn find(
        input: &'a Reader,
        asked: &Asked,
        mut left_out: LeftOut,
    ) -> Result<Self, RewriteError> {
        for name in &asked.bf16 {
            let dtype = input.tensor(name)?.dtype()?;
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
            let path = input.path().to_owned();
            return Err(RewriteError::NothingToRechunk { path });
        }
        left_out.extend(steps_left_out(input, asked.common_steps)?);
        let notes = input.notes().iter().filter(|note| !is_unread(note));
        left_out.extend(notes.filter_map(Note::not_copied));
        let mut all = Vec::new();
        for tensor in input.tensors() {
            let (role, shape) = (tensor.role(), tensor.step_shape().iter().copied());
            let convert = asked.bf16.iter().any(|name| name == tensor.name());
            let dtype = match convert {
                true => Dtype::Bf16,
                false => tensor.dtype()?,
            };
            let shape: Vec<usize> = shape.map(to_usize).collect();
            let name = root_name(tensor.name());
            validate_name(&name)?;
            all.push(Member {
                tensor,
                spec: TensorSpec::new(name, dtype, shape),
                role,
                convert,
            });
        }
        all.sort_by_key(|member| member.role == Role::Constant);
        let mut names: Vec<&str> = all.iter().map(|member| member.spec.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let name = twice[0].to_owned();
            return Err(DeclareError::DuplicateName { name }.into());
        }
        let attributes = keep(input.attributes(), "", &mut left_out, |name| {
            !name.starts_with(PREFIX)
        });
        // What is written anew of one rank is of that rank.
        let shard = input.shard();
        let attributes = attributes
            .into_iter()
            .chain(shard.iter().flat_map(Shard::attributes));
        left_out.extend(input.skipped_attributes().iter().map(attribute_of("")));
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
            // A marker is written with its dataset.
            let found = member.tensor.attributes()?;
            let kept = keep(&found, &of, &mut left_out, |attribute| {
                !marked || attribute != LOGICAL_DTYPE
            });
            tensor_attributes.extend(
                kept.into_iter()
                    .map(|(attribute, value)| (name.clone(), attribute, value)),
            );
            let skipped = member.tensor.skipped_attributes()?;
            left_out.extend(skipped.iter().map(attribute_of(&of)));
        }
        Ok(Self {
            steps,
            run: input.run_number(),
            all,
            attributes: attributes.collect(),
            tensor_attributes,
            left_out,
        })
    }

    /// Those with this role.
    pub(super) fn of(&self, role: Role) -> impl Iterator<Item = &Member<'a>> {
        self.all.iter().filter(move |member| member.role == role)
    }
}

/// What is not kept: a name and why.
pub(super) type LeftOut = Vec<(String, String)>;

/// Whether it tells of a dataset that cannot be opened.
fn is_unread(note: &Note) -> bool {
    matches!(note, Note::Unread { .. })
}

/// Takes the tensors out of the input that cannot be read, where that is asked for, and returns which they
/// are and why. What has steps, and how many, is decided by the others.
pub(super) fn leave_out(input: &mut Reader, skip: bool) -> Result<LeftOut, RewriteError> {
    let unread = input.notes().iter().filter(|note| is_unread(note));
    let mut left_out: LeftOut = unread.filter_map(Note::not_copied).collect();
    let mut names = HashSet::new();
    for tensor in input.tensors() {
        let why = match tensor.check_readable() {
            Ok(()) => continue,
            Err(ReadError::UnsupportedDtype { found, .. }) => format!("it holds {found}"),
            // What is not here now may come back: it is left out only if that is asked for.
            Err(error) if !skip => return Err(error.into()),
            Err(error) => error.to_string(),
        };
        left_out.push((format!("`{}`", tensor.name()), why));
        names.insert(tensor.name().to_owned());
    }
    if !skip && !left_out.is_empty() {
        let datasets = left_out.iter().map(|(name, why)| format!("{name} ({why})"));
        return Err(RewriteError::CannotKeep {
            path: input.path().to_owned(),
            datasets: datasets.collect(),
        });
    }
    if !names.is_empty() {
        input.retain(|tensor| !names.contains(tensor.name()));
    }
    Ok(left_out)
}

/// The steps of the input that the output has not: those that not all step tensors have. What another
/// program appended to one of them is left out where the caller says so.
fn steps_left_out(input: &Reader, common_steps: bool) -> Result<LeftOut, RewriteError> {
    let mut left_out = Vec::new();
    let mut unequal = Vec::new();
    for note in input.notes() {
        let (tensor, steps, why) = match note {
            Note::CutShort { tensor, steps } => (tensor, steps, "their commit was cut short"),
            Note::Appended { tensor, steps, .. } => {
                unequal.push((
                    tensor.clone(),
                    steps.saturating_add(input.committed_steps()),
                ));
                (
                    tensor,
                    steps,
                    "another program appended them, and not to all tensors",
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
