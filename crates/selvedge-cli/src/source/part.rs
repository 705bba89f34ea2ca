//! A part of a tensor: some steps, and some rows of each.

use std::ops::Range;

use selvedge_hdf5::Grouped;

/// Which steps, and which rows of each. A step is what lies at one index of the first axis, a row
/// what lies at one index of the second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// `None` for all.
    pub(crate) steps: Option<Range<u64>>,
    /// Every so many of them.
    pub(crate) every: Option<u64>,
    /// `None` for all.
    pub(crate) rows: Option<Range<u64>>,
    /// Every so many of them.
    pub(crate) every_row: Option<u64>,
}

/// Some rows of each step: indices of the second axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(super) first: u64,
    pub(super) count: u64,
    /// From one row to the next.
    pub(super) stride: u64,
}

impl Rows {
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        let Self { first, stride, .. } = *self;
        (0..self.count).map(move |number| first + number * stride)
    }
}

/// A part that a tensor has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) first: u64,
    pub(super) count: u64,
    pub(super) stride: u64,
    /// `None` for all.
    pub(super) rows: Option<Rows>,
    /// The shape of the part in elements.
    pub(super) shape: Vec<u64>,
    /// Whether it is all of the tensor.
    pub(super) is_whole: bool,
}

impl Checked {
    /// All of a tensor of `shape`. A single value is one step.
    pub(super) fn all(shape: &[u64]) -> Self {
        Self {
            first: 0,
            count: shape.first().copied().unwrap_or(1),
            stride: 1,
            rows: None,
            shape: shape.to_vec(),
            is_whole: true,
        }
    }
}

/// A part that a tensor does not have.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoSuchPart {
    #[error(
        "tensor `{tensor}` has no {what} {}..{}: it has {}",
        Grouped(range.start), Grouped(range.end), Grouped(*found)
    )]
    Beyond {
        tensor: String,
        /// `steps` or `rows`.
        what: &'static str,
        range: Range<u64>,
        /// How many of them it has.
        found: u64,
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

impl Part {
    /// Whether it is all of a tensor.
    pub(crate) fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// The part of a tensor of `shape`.
    pub(super) fn check(&self, tensor: &str, shape: &[u64]) -> Result<Checked, NoSuchPart> {
        let mut shape = shape.to_vec();
        let within = |range: &Option<Range<u64>>, what, instead, axis: Option<&u64>| {
            let tensor = || tensor.to_owned();
            match (range, axis) {
                (None, found) => Ok(0..found.copied().unwrap_or(0)),
                (Some(_), None) => Err(NoSuchPart::NoAxis {
                    tensor: tensor(),
                    what,
                    instead,
                }),
                (Some(range), Some(&found)) if range.is_empty() || range.end > found => {
                    Err(NoSuchPart::Beyond {
                        tensor: tensor(),
                        what,
                        range: range.clone(),
                        found,
                    })
                }
                (Some(range), Some(_)) => Ok(range.clone()),
            }
        };
        let steps = within(&self.steps, "steps", "it is", shape.first())?;
        let rows = within(&self.rows, "rows", "each step is", shape.get(1))?;
        let stride = self.every.unwrap_or(1).max(1);
        // A single value is one step.
        let count = if shape.is_empty() {
            1
        } else {
            (steps.end - steps.start).div_ceil(stride)
        };
        if let Some(axis) = shape.first_mut() {
            *axis = count;
        }
        let each = self.every_row.unwrap_or(1).max(1);
        let rows = (self.rows.is_some() || each > 1).then(|| Rows {
            first: rows.start,
            count: (rows.end - rows.start).div_ceil(each),
            stride: each,
        });
        if let (Some(axis), Some(rows)) = (shape.get_mut(1), &rows) {
            *axis = rows.count;
        }
        Ok(Checked {
            first: steps.start,
            count,
            stride,
            rows,
            shape,
            is_whole: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Checked, Part};

    #[test]
    fn parts_have_shapes_or_are_refused() {
        let part = Part {
            steps: Some(1..8),
            every: Some(3),
            rows: Some(2..4),
            every_row: None,
        };
        let checked = part.check("W", &[8, 5, 2]).unwrap();
        assert_eq!((checked.first, checked.count), (1, 3));
        assert_eq!(checked.shape, [3, 2, 2]);
        let error = part.check("W", &[7, 5]).unwrap_err().to_string();
        assert_eq!(error, "tensor `W` has no steps 1..8: it has 7");
        let error = part.check("W", &[8]).unwrap_err().to_string();
        assert_eq!(error, "tensor `W` has no rows: each step is a single value");
        assert!(part.check("W", &[]).is_err());
        assert_eq!(Checked::all(&[]).count, 1);
        assert_eq!(Checked::all(&[0, 3]).shape, [0, 3]);
    }
}
