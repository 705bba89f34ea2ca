//! A part of a tensor: some steps, and some rows of each.

use selvedge_base::{Indices, Stride};
use selvedge_hdf5::Grouped;

/// Which steps, and which rows of each. A step is what lies at one index of the first axis, a row
/// what lies at one index of the second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) steps: Indices,
    /// Every so many of them.
    pub(crate) every: Option<u64>,
    pub(crate) rows: Indices,
}

/// A part that a tensor has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) steps: Vec<Stride>,
    /// `None` for all.
    pub(super) rows: Option<Vec<Stride>>,
    /// The shape of the part in elements.
    pub(super) shape: Vec<u64>,
    /// Whether it is all of the tensor.
    pub(super) is_whole: bool,
}

impl Checked {
    /// All of a tensor of `shape`. A single value is one step.
    pub(super) fn all(shape: &[u64]) -> Self {
        Self {
            steps: vec![Stride::of(0..shape.first().copied().unwrap_or(1))],
            rows: None,
            shape: shape.to_vec(),
            is_whole: true,
        }
    }
}

/// A part that a tensor does not have.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSuchPart {
    #[error("tensor `{tensor}` has no {} {asked}: {why}", counted(what, asked))]
    NotThere {
        tensor: String,
        /// `steps` or `rows`.
        what: &'static str,
        asked: String,
        why: String,
    },
    #[error("tensor `{tensor}` has no {what}: {instead} a single value")]
    NoAxis {
        tensor: String,
        what: &'static str,
        /// What is a single value.
        instead: &'static str,
    },
    #[error("of tensor `{tensor}` no part can be taken: its elements are less than a byte")]
    LessThanByte { tensor: String },
}

fn there_are(found: u64) -> String {
    match found {
        0 => "it has none".to_owned(),
        1 => "it has 1 of them, 0".to_owned(),
        _ => format!(
            "it has {} of them, 0 to {}",
            Grouped(found),
            Grouped(found - 1)
        ),
    }
}

/// `steps`, or `step` of a single index.
fn counted<'a>(what: &'a str, asked: &str) -> &'a str {
    let is_one = asked.parse::<i64>().is_ok();
    what.strip_suffix('s').filter(|_| is_one).unwrap_or(what)
}

impl NoSuchPart {
    /// The indices of an axis of `length` elements that are asked for, at least one unless all are.
    pub(crate) fn or(
        indices: &Indices,
        length: u64,
        tensor: &str,
        what: &'static str,
    ) -> Result<Vec<Stride>, Self> {
        let not_there = |asked: String, why: String| Self::NotThere {
            tensor: tensor.to_owned(),
            what,
            asked,
            why,
        };
        let strides = indices.of(length).map_err(|outside| {
            // A range without an end begins behind the last one.
            let is_open = outside.asked.ends_with("..") || outside.asked.contains("..:");
            let why = match outside.is_backward && !is_open {
                true => "the range ends before it begins".to_owned(),
                false => there_are(length),
            };
            not_there(outside.asked, why)
        })?;
        if Stride::total(&strides) == 0 && !indices.is_all() {
            let asked = indices.to_string();
            let why = match length {
                0 => there_are(0),
                // It begins behind the last one.
                _ if asked.ends_with("..") => there_are(length),
                _ => "the end of a range is no part of it".to_owned(),
            };
            return Err(not_there(asked, why));
        }
        Ok(strides)
    }
}

impl Part {
    /// Whether it is all of a tensor.
    pub(crate) fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// The part of a tensor of `shape`.
    pub(super) fn check(&self, tensor: &str, shape: &[u64]) -> Result<Checked, NoSuchPart> {
        let mut shape = shape.to_vec();
        let within = |indices: &Indices, what, instead, axis: Option<&u64>| match axis {
            Some(&length) => NoSuchPart::or(indices, length, tensor, what),
            None if indices.is_all() => Ok(vec![Stride::of(0..1)]),
            None => Err(NoSuchPart::NoAxis {
                tensor: tensor.to_owned(),
                what,
                instead,
            }),
        };
        let steps = within(&self.steps, "steps", "it is", shape.first())?;
        let steps = match self.every {
            Some(every) if !shape.is_empty() => Stride::every(&steps, every),
            _ => steps,
        };
        let rows = within(&self.rows, "rows", "each step is", shape.get(1))?;
        let rows = Some(rows).filter(|_| !self.rows.is_all());
        if let Some(axis) = shape.first_mut() {
            *axis = Stride::total(&steps);
        }
        if let (Some(axis), Some(rows)) = (shape.get_mut(1), &rows) {
            *axis = Stride::total(rows);
        }
        Ok(Checked {
            steps,
            rows,
            shape,
            is_whole: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use selvedge_base::Stride;

    use super::{Checked, Part};

    #[test]
    fn parts_have_shapes_or_are_refused() {
        let part = |steps: &str, rows: &str| Part {
            steps: steps.parse().unwrap(),
            every: Some(3),
            rows: rows.parse().unwrap(),
        };
        let checked = part("1..8", "2..4").check("W", &[8, 5, 2]).unwrap();
        assert_eq!(
            checked.steps,
            [Stride {
                first: 1,
                count: 3,
                stride: 3
            }]
        );
        assert_eq!(checked.shape, [3, 2, 2]);
        for (steps, rows, shape, expected) in [
            (
                "1..8",
                "..",
                &[7, 5][..],
                "tensor `W` has no steps 1..8: it has 7 of them, 0 to 6",
            ),
            (
                "-8",
                "..",
                &[7, 5],
                "tensor `W` has no step -8: it has 7 of them, 0 to 6",
            ),
            (
                "3..3",
                "..",
                &[7, 5],
                "tensor `W` has no steps 3..3: the end of a range is no part of it",
            ),
            (
                "5..2",
                "..",
                &[7, 5],
                "tensor `W` has no steps 5..2: the range ends before it begins",
            ),
            (
                "7..",
                "..",
                &[7, 5],
                "tensor `W` has no steps 7..: it has 7 of them, 0 to 6",
            ),
            (
                "9..",
                "..",
                &[7, 5],
                "tensor `W` has no steps 9..: it has 7 of them, 0 to 6",
            ),
            (
                "..",
                "0, 5",
                &[7, 5],
                "tensor `W` has no row 5: it has 5 of them, 0 to 4",
            ),
            (
                "1",
                "..",
                &[1],
                "tensor `W` has no step 1: it has 1 of them, 0",
            ),
            (
                "..",
                "0",
                &[7],
                "tensor `W` has no rows: each step is a single value",
            ),
            (
                "0",
                "..",
                &[],
                "tensor `W` has no steps: it is a single value",
            ),
        ] {
            let error = part(steps, rows).check("W", shape).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        assert_eq!(Checked::all(&[]).steps, [Stride::of(0..1)]);
        assert_eq!(Checked::all(&[0, 3]).shape, [0, 3]);
    }
}
