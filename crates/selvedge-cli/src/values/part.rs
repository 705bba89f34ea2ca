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
}

/// A part that a tensor has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) first: u64,
    pub(super) count: u64,
    pub(super) stride: u64,
    pub(super) rows: Option<Range<u64>>,
    /// The shape of the part in elements.
    pub(super) shape: Vec<u64>,
}

/// A part that a tensor does not have.
#[derive(Debug, thiserror::Error)]
#[error("tensor `{tensor}` has no {what} {}..{}: it has {}", Grouped(*start), Grouped(*end), Grouped(*found))]
pub(super) struct NoSuchPart {
    tensor: String,
    /// `steps` or `rows`.
    what: &'static str,
    start: u64,
    end: u64,
    /// How many of them it has.
    found: u64,
}

impl Part {
    /// Whether it is all of a tensor.
    pub(crate) fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// The part of a tensor of `shape`.
    pub(super) fn check(&self, tensor: &str, shape: &[u64]) -> Result<Checked, NoSuchPart> {
        let mut shape = shape.to_vec();
        let within = |range: &Option<Range<u64>>, what, axis: Option<&u64>| {
            let found = axis.copied().unwrap_or(0);
            match range {
                Some(range) if range.start >= range.end || range.end > found => Err(NoSuchPart {
                    tensor: tensor.to_owned(),
                    what,
                    start: range.start,
                    end: range.end,
                    found,
                }),
                Some(range) => Ok(range.clone()),
                None => Ok(0..found),
            }
        };
        let steps = within(&self.steps, "steps", shape.first())?;
        let rows = within(&self.rows, "rows", shape.get(1))?;
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
        let rows = self.rows.is_some().then_some(rows);
        if let (Some(axis), Some(rows)) = (shape.get_mut(1), &rows) {
            *axis = rows.end - rows.start;
        }
        Ok(Checked {
            first: steps.start,
            count,
            stride,
            rows,
            shape,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Part;

    #[test]
    fn parts_have_shapes_or_are_refused() {
        let part = Part {
            steps: Some(1..8),
            every: Some(3),
            rows: Some(2..4),
        };
        let checked = part.check("W", &[8, 5, 2]).unwrap();
        assert_eq!((checked.first, checked.count), (1, 3));
        assert_eq!(checked.shape, [3, 2, 2]);
        let error = part.check("W", &[7, 5]).unwrap_err().to_string();
        assert_eq!(error, "tensor `W` has no steps 1..8: it has 7");
        let error = part.check("W", &[8]).unwrap_err().to_string();
        assert_eq!(error, "tensor `W` has no rows 2..4: it has 0");
        assert!(part.check("W", &[]).is_err());
        let all = Part::default();
        assert_eq!(all.check("x", &[]).unwrap().count, 1);
        assert_eq!(all.check("x", &[0, 3]).unwrap().shape, [0, 3]);
    }
}
