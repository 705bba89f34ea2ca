//! Which tensors have steps, and which of them are taken.

use std::collections::HashSet;

use anyhow::bail;
use selvedge_hdf5::{Grouped, Note, RewriteError, common_steps};

use super::input::Asked;
use crate::facts::{FileFacts, OpenFile, Role, STEP_TENSORS, TensorFacts};
use crate::metadata::Description;
use crate::source::Part;

/// Fails where another program appended steps to some of the chosen tensors and not to others, unless the
/// caller says which steps to take: they are not dropped without a word.
pub(super) fn check_steps(
    file: &OpenFile,
    chosen: &[&TensorFacts],
    asked: &Asked,
) -> anyhow::Result<()> {
    let OpenFile::Hdf5(reader) = file else {
        return Ok(());
    };
    let committed = reader.committed_steps();
    let is_chosen = |name: &str| chosen.iter().any(|tensor| tensor.name == name);
    let unequal = reader.notes().iter().filter_map(|note| match note {
        Note::Appended { tensor, steps, .. } if is_chosen(tensor) => {
            Some((tensor.clone(), steps.saturating_add(committed)))
        }
        _ => None,
    });
    let unequal: Vec<(String, u64)> = unequal.collect();
    if unequal.is_empty() || asked.common_steps || !asked.part.steps.is_all() {
        return Ok(());
    }
    let path = reader.path().to_owned();
    Err(RewriteError::UnequalSteps {
        path,
        tensors: unequal,
        committed,
    }
    .into())
}

/// Which tensors have steps.
pub(super) struct StepTensors {
    names: HashSet<String>,
    /// Whether the file says so itself.
    pub(super) said: bool,
    /// The steps that all of them have, where some have more.
    common: Option<u64>,
}

impl StepTensors {
    /// A recording says which they are, and what was made of one by a conversion. In another file
    /// they are the tensors whose first axis is as long as that of copies of step tensors, which have their
    /// marks, or that of the largest tensor of at least two axes. Where a part is asked for, and none has two axes, one axis will do.
    ///
    /// # Errors
    ///
    /// The step tensors that the file names have not the same steps, and the caller does not say which to take.
    pub(super) fn of(
        facts: &FileFacts,
        description: &Description,
        chosen: &[&TensorFacts],
        asked: &Asked,
    ) -> anyhow::Result<Self> {
        let asked_for = |tensor: &TensorFacts| asked.constants.contains(&tensor.name);
        let constant = |tensor: &TensorFacts| tensor.is_constant || asked_for(tensor);
        let names = |is_step: &dyn Fn(&TensorFacts) -> bool| {
            let steps = chosen.iter().filter(|tensor| is_step(tensor));
            let steps = steps.filter(|tensor| !constant(tensor));
            steps.map(|tensor| tensor.name.clone()).collect()
        };
        if facts.recording.is_some() {
            return Ok(Self {
                names: names(&|tensor| tensor.role == Role::Step),
                said: true,
                common: None,
            });
        }
        if let Some(list) = &description.step_tensors {
            let names: HashSet<String> = names(&|tensor| list.contains(&tensor.name));
            let common = common_to_listed(facts, chosen, &names, asked)?;
            return Ok(Self {
                names,
                said: true,
                common,
            });
        }
        let candidates = || chosen.iter().filter(|tensor| !constant(tensor));
        let marked = candidates().find(|tensor| tensor.is_of_steps);
        let marked = marked.map(|tensor| tensor.shape[0]);
        // Where all of it is taken, a file of lists has no steps.
        let axes = if asked.part.is_all() { 2 } else { 1 };
        let sizes = candidates().filter(|tensor| tensor.shape.len() >= axes);
        let sizes = sizes.map(|tensor| (&tensor.shape[..], tensor.bytes.unwrap_or(0)));
        let leading = marked.or_else(|| common_steps(sizes));
        // Steps without values cannot be counted.
        let has_values = |tensor: &TensorFacts| !tensor.shape.iter().skip(1).any(|&axis| axis == 0);
        let leads = |tensor: &TensorFacts| tensor.shape.first() == leading.as_ref();
        Ok(Self {
            names: names(&|tensor| leading.is_some() && leads(tensor) && has_values(tensor)),
            said: false,
            common: None,
        })
    }

    pub(super) fn has(&self, tensor: &TensorFacts) -> bool {
        self.names.contains(&tensor.name)
    }

    /// The steps of a tensor that all step tensors have, where it has more: of these alone parts are taken.
    pub(super) fn cut(&self, tensor: &TensorFacts, notes: &mut Vec<String>) -> Option<Part> {
        let common = self.common.filter(|_| self.has(tensor))?;
        let steps = *tensor.shape.first().filter(|&&steps| steps > common)?;
        notes.push(format!(
            "`{}` has {} steps, of which the first {} are taken, which all step tensors have",
            tensor.name,
            Grouped(steps),
            Grouped(common)
        ));
        Some(Part {
            steps: (0..common).into(),
            ..Part::default()
        })
    }

    /// The tensors whose first axis is longer or shorter by one, where the file does not say which have steps.
    pub(super) fn off_by_one(&self, tensors: &[&TensorFacts], asked: &Asked) -> Vec<String> {
        let of_steps = tensors.iter().find(|tensor| self.has(tensor));
        let Some(steps) = of_steps
            .map(|tensor| tensor.shape[0])
            .filter(|_| !self.said)
        else {
            return Vec::new();
        };
        let others = tensors.iter().filter_map(|tensor| {
            let length = *tensor.shape.first()?;
            let is_off = length.abs_diff(steps) == 1 && steps > 2;
            (is_off && !asked.constants.contains(&tensor.name)).then(|| {
                let tensor = tensor.name.clone();
                Note::OffByOne {
                    tensor,
                    length,
                    steps,
                }
                .to_string()
            })
        });
        others.collect()
    }
}

/// The steps that all tensors have that the metadata of a file name as its step tensors, where some have more:
/// metadata can be older than the tensors. `None` where all have as many.
fn common_to_listed(
    facts: &FileFacts,
    chosen: &[&TensorFacts],
    names: &HashSet<String>,
    asked: &Asked,
) -> anyhow::Result<Option<u64>> {
    let path = facts.path.display();
    let listed = || {
        let listed = chosen.iter().filter(|tensor| names.contains(&tensor.name));
        listed.map(|tensor| (&tensor.name, tensor.shape.first().copied()))
    };
    if let Some((name, _)) = listed().find(|(_, steps)| steps.is_none()) {
        bail!(
            "`{name}` of {path} is a step tensor, as its metadata `{STEP_TENSORS}` say, and holds a single value; \
             --constant {name} takes it for a constant"
        );
    }
    let fewest = listed().min_by_key(|(_, steps)| *steps);
    let most = listed().max_by_key(|(_, steps)| *steps);
    let (Some((shorter, Some(fewest))), Some((longer, Some(most)))) = (fewest, most) else {
        return Ok(None);
    };
    if fewest == most {
        return Ok(None);
    }
    if fewest > 0 && (asked.common_steps || !asked.part.steps.is_all()) {
        return Ok(Some(fewest));
    }
    bail!(
        "the step tensors of {path}, as its metadata `{STEP_TENSORS}` name them, have not the same steps: \
         `{shorter}` has {} and `{longer}` {}; --common-steps takes those that all have, --constant TENSOR \
         takes one for a constant, and --tensor TENSOR one alone",
        Grouped(fewest),
        Grouped(most)
    )
}
