//! Some values of one tensor, in their order, block by block.

pub(crate) mod beginning;
mod elements;

use anyhow::{Context as _, anyhow, bail};
pub(crate) use elements::Elements;
use selvedge_base::{Indices, Stride};

use crate::facts::{FileFacts, OpenFile, Role, TensorFacts};
use crate::source::{Kind, NoSuchPart, Part, Source};

/// Which values are asked for; all where nothing is said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) steps: Option<Indices>,
    pub(crate) rows: Option<Indices>,
    pub(crate) columns: Option<Indices>,
}

/// An axis of what is shown.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// What one index of it is called: `step`, `row`, `column` or `axis 3`.
    pub(crate) name: String,
    /// Those that are taken.
    pub(crate) strides: Vec<Stride>,
    /// Whether some of these are left out, between the first half of them and the second.
    pub(crate) has_gap: bool,
}

impl Axis {
    pub(crate) fn len(&self) -> u64 {
        Stride::total(&self.strides)
    }

    pub(crate) fn indices(&self) -> impl Iterator<Item = u64> {
        self.strides.iter().flat_map(Stride::iter)
    }

    /// The same without what lies between so many at each end.
    fn shortened(&self, ends: u64) -> Self {
        let len = self.len();
        if len <= 2 * ends {
            return self.clone();
        }
        let mut strides = Stride::parts(&self.strides, 0, ends);
        strides.extend(Stride::parts(&self.strides, len - ends, ends));
        Self {
            name: self.name.clone(),
            strides,
            has_gap: true,
        }
    }
}

/// Values that a tensor has.
pub(crate) struct Shown<'a> {
    whole: Source<'a>,
    pub(crate) kind: &'static Kind,
    pub(crate) axes: Vec<Axis>,
}

impl<'a> Shown<'a> {
    /// What is asked for of a tensor of an open file; without a name of its only one.
    ///
    /// # Errors
    ///
    /// That there is no such tensor, or that it does not have these indices; why it cannot be read.
    pub(crate) fn find(
        facts: &'a FileFacts,
        file: &'a OpenFile,
        tensor: Option<&str>,
        asked: &Asked,
    ) -> anyhow::Result<Self> {
        let path = facts.path.display();
        let name = match (tensor, &facts.tensors[..]) {
            (Some(name), _) => name,
            (None, [one]) => &one.name,
            (None, []) => bail!("{path} has no tensors"),
            (None, many) => bail!(
                "{path} has {} tensors, name one: {}",
                many.len(),
                facts.names()
            ),
        };
        let own = facts.own_names(file, &[name.to_owned()])?;
        let sources = Source::all(facts, file, true)?;
        let mut sources = sources.into_iter();
        let found = sources.find(|source| own.contains(&source.facts().name));
        let whole = found.ok_or_else(|| anyhow!("{path} has no tensor `{name}`"))?;
        let kind = whole.kind()?;
        if kind.bits % 8 != 0 {
            bail!(
                "`{name}` of {path} holds {}, elements of {} bits, which are not shown",
                kind.name,
                kind.bits
            );
        }
        let axes = axes(whole.facts(), asked);
        let axes = axes.with_context(|| path.to_string())?;
        Ok(Self { whole, kind, axes })
    }

    pub(crate) fn facts(&self) -> &'a TensorFacts {
        self.whole.facts()
    }

    /// Its shape in elements.
    pub(crate) fn shape(&self) -> Vec<u64> {
        self.axes.iter().map(Axis::len).collect()
    }

    /// How many values these are.
    pub(crate) fn count(&self) -> u64 {
        self.shape()
            .iter()
            .fold(1, |all, &axis| all.saturating_mul(axis))
    }

    /// Bytes of all of them.
    pub(crate) fn bytes(&self) -> u64 {
        self.count().saturating_mul(self.kind.bytes())
    }

    /// The same without what lies between so many indices at each end of an axis.
    pub(crate) fn shortened(&self, ends: u64) -> Self {
        Self {
            whole: self.whole.clone(),
            kind: self.kind,
            axes: self.axes.iter().map(|axis| axis.shortened(ends)).collect(),
        }
    }

    /// Calls `take` with the bytes of all values, row-major, in pieces of whole elements.
    ///
    /// # Errors
    ///
    /// The errors of reading, and of `take`.
    pub(crate) fn blocks(
        &self,
        mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if self.count() == 0 {
            return Ok(());
        }
        let axis = |number: usize| self.axes.get(number);
        let indices = |number: usize| {
            let strides = axis(number).map(|axis| Indices::from(&axis.strides[..]));
            strides.unwrap_or_default()
        };
        let facts = self.whole.facts();
        let part = Part {
            steps: indices(0),
            rows: indices(1),
            every: None,
        };
        let source = self.whole.clone().take(&part)?;
        // What is beyond the second axis is chosen from what was read.
        let lengths = facts.shape.iter().skip(2);
        let inner: Vec<(&[Stride], u64)> = self
            .axes
            .iter()
            .skip(2)
            .zip(lengths)
            .map(|(axis, &length)| (&axis.strides[..], length))
            .collect();
        let is_all = |&(strides, length): &(&[Stride], u64)| *strides == [Stride::of(0..length)];
        let element = self.kind.bytes();
        source.blocks::<anyhow::Error>(|bytes| {
            if inner.iter().all(is_all) {
                return take(bytes);
            }
            let row = inner.iter().fold(element, |all, (_, length)| all * length);
            let mut chosen = Vec::new();
            for row in bytes.chunks_exact(size(row)) {
                choose(row, &inner, &mut chosen);
            }
            take(&chosen)
        })
    }
}

/// What fits memory, as this does.
fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX).max(1)
}

/// Adds what is chosen along each of the axes of an array.
fn choose(array: &[u8], axes: &[(&[Stride], u64)], chosen: &mut Vec<u8>) {
    let Some(((strides, length), inner)) = axes.split_first() else {
        chosen.extend_from_slice(array);
        return;
    };
    let each = array.len() / size(*length);
    for index in strides.iter().flat_map(Stride::iter) {
        let start = usize::try_from(index).unwrap_or(usize::MAX) * each;
        choose(&array[start..start + each], inner, chosen);
    }
}

/// The axes of a tensor, with the indices that are asked for.
fn axes(tensor: &TensorFacts, asked: &Asked) -> anyhow::Result<Vec<Axis>> {
    let name = &tensor.name;
    if asked.steps.is_some() && (tensor.role == Role::Constant || tensor.is_constant) {
        bail!("tensor `{name}` has no steps: it is a constant; --rows takes some of it");
    }
    let has_steps = tensor.role == Role::Step || asked.steps.is_some() || tensor.is_of_steps;
    let all = [
        ("step", "steps", &asked.steps),
        ("row", "rows", &asked.rows),
        ("column", "columns", &asked.columns),
    ];
    let named = &all[usize::from(!has_steps)..];
    if let Some(&(_, what, _)) = named
        .iter()
        .skip(tensor.shape.len())
        .find(|(_, _, asked)| asked.is_some())
    {
        let instead = match tensor.shape.len() {
            0 => "it is",
            1 if has_steps => "each step is",
            _ => "each row is",
        };
        let tensor = name.clone();
        return Err(NoSuchPart::NoAxis {
            tensor,
            what,
            instead,
        }
        .into());
    }
    let axes = (0..)
        .zip(&tensor.shape)
        .map(|(number, &length): (usize, _)| {
            let (one, what, indices) = match named.get(number) {
                Some((one, what, indices)) => ((*one).to_owned(), *what, indices.as_ref()),
                None => (format!("axis {number}"), "", None),
            };
            let all = Indices::all();
            Ok(Axis {
                name: one,
                strides: NoSuchPart::or(indices.unwrap_or(&all), length, name, what)?,
                has_gap: false,
            })
        });
    axes.collect()
}

#[cfg(test)]
mod tests {
    use selvedge_base::Stride;

    use super::choose;

    #[test]
    fn values_are_chosen_along_each_axis() {
        let array: Vec<u8> = (0..24).collect();
        let last = [Stride::of(3..4), Stride::of(0..1)];
        let rows = [Stride {
            first: 0,
            count: 2,
            stride: 2,
        }];
        let all = [Stride::of(0..2)];
        let mut chosen = Vec::new();
        choose(&array, &[(&all, 2), (&rows, 3), (&last, 4)], &mut chosen);
        assert_eq!(chosen, [3, 0, 11, 8, 15, 12, 23, 20]);
    }
}
