//! What a comparison found.

use std::fmt;
use std::path::PathBuf;

use crate::Attribute;
use crate::plan::{Bytes, Grouped, Shape};

/// The first element that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// Its step; of a constant its index along the first axis.
    pub step: u64,
    /// Its index along each axis of the step.
    pub index: Vec<u64>,
    /// Its bits in the first file.
    pub left: u128,
    /// Its bits in the second file.
    pub right: u128,
    /// Bytes of an element.
    pub element: usize,
}

/// How two tensors of one name compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// They are equal, bit for bit, or as their [trusted](super::CompareOptions::trust_checksums) checksums say.
    Equal,
    /// One has more steps; those that both have are equal.
    Steps,
    /// Values differ; the number of steps may, too.
    Values,
    /// Their dtypes differ: the values were not compared.
    Dtype,
    /// The shapes of their steps differ: the values were not compared.
    Shape,
    /// The values of one, or of both, cannot be read here, or not in the memory that there may be, which was known
    /// before: they were not compared.
    Unreadable,
    /// Reading values failed, and nothing else differs.
    Damaged,
}

/// What was found of one tensor that both files have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorComparison {
    /// Its name.
    pub tensor: String,
    /// The names of its dtypes, in the first and the second file.
    pub dtypes: [String; 2],
    /// Its shapes in elements: of a step tensor the steps first.
    pub shapes: [Vec<u64>; 2],
    /// Whether both files say that it is a constant, whose first axis is no steps.
    pub is_constant: bool,
    /// The result.
    pub verdict: Verdict,
    /// Why values were not compared, or not all.
    pub reason: Option<String>,
    /// The first element that differs, in row-major order.
    pub first: Option<Difference>,
    /// How many elements differ, among the steps that both have; where that was asked for.
    pub differing: Option<u64>,
}

/// What [`compare`](super::compare) found. Its [`Display`](fmt::Display) is some lines for people.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// The first file.
    pub left: PathBuf,
    /// The second file.
    pub right: PathBuf,
    /// Tensors that only the first has.
    pub only_left: Vec<String>,
    /// Tensors that only the second has.
    pub only_right: Vec<String>,
    /// Tensors that only one has and that cannot be read, where such are
    /// [left out](super::CompareOptions::skip_unsupported): why.
    pub left_out: Vec<String>,
    /// Tensors that both have, in the order of their names.
    pub tensors: Vec<TensorComparison>,
    /// Attributes that differ, where that was asked for: name (of a tensor's `tensor: name`), and
    /// the values in both files.
    pub attributes: Vec<(String, [Option<Attribute>; 2])>,
    /// Bytes of the tensors that were compared, of one file.
    pub bytes: u64,
    /// Bytes of these that were not read, since their checksums are equal and
    /// [trusted](super::CompareOptions::trust_checksums).
    pub trusted: u64,
}

impl Comparison {
    /// Whether both files have the same tensors with the same values, and the same attributes where
    /// those were compared. A tensor that could not be compared is none of those, and files of which nothing
    /// was compared for what was left out are not equal.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        let equal = |tensor: &TensorComparison| tensor.verdict == Verdict::Equal;
        self.only_left.is_empty()
            && self.only_right.is_empty()
            && self.attributes.is_empty()
            && self.tensors.iter().all(equal)
            && (self.left_out.is_empty() || !self.tensors.is_empty())
    }

    /// Whether nothing differs that was compared, and something was not.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        let known = [Verdict::Equal, Verdict::Unreadable, Verdict::Damaged];
        !self.is_equal()
            && self.only_left.is_empty()
            && self.only_right.is_empty()
            && self.attributes.is_empty()
            && self.tensors.iter().all(|t| known.contains(&t.verdict))
    }

    /// How many tensors have this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        let tensors = self.tensors.iter();
        tensors.filter(|tensor| tensor.verdict == verdict).count()
    }
}

impl Verdict {
    /// Its name: `equal`, `steps`, and so on.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Steps => "steps",
            Self::Values => "values",
            Self::Dtype => "dtype",
            Self::Shape => "shape",
            Self::Unreadable => "unreadable",
            Self::Damaged => "damaged",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}", Grouped(self.step))?;
        if !self.index.is_empty() {
            write!(f, ", index {}", Shape(&self.index))?;
        }
        f.write_str(&self.bits())
    }
}

impl Difference {
    /// Where it is in a constant, whose first axis is no steps, and what is there.
    fn in_constant(&self) -> String {
        let index: Vec<u64> = [&[self.step][..], &self.index].concat();
        format!("index {}{}", Shape(&index), self.bits())
    }

    /// What is there in both files.
    fn bits(&self) -> String {
        let digits = 2 + 2 * self.element;
        format!(": {:#0digits$x} and {:#0digits$x}", self.left, self.right)
    }
}

impl fmt::Display for TensorComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: ", self.tensor)?;
        let [left, right] = &self.shapes;
        match self.verdict {
            Verdict::Equal => return f.write_str("equal"),
            Verdict::Unreadable | Verdict::Damaged => {
                let (dtype, why) = (&self.dtypes[0], self.reason.as_deref().unwrap_or("unknown"));
                return write!(f, "its values ({dtype}) are not compared: {why}");
            }
            Verdict::Dtype => return write!(f, "{} and {}", self.dtypes[0], self.dtypes[1]),
            Verdict::Shape => return write!(f, "shapes {} and {}", Shape(left), Shape(right)),
            Verdict::Steps | Verdict::Values => {}
        }
        if left.first() != right.first() {
            let steps = [left, right].map(|shape| Grouped(shape.first().copied().unwrap_or(0)));
            let axis = if self.is_constant { "rows" } else { "steps" };
            write!(f, "{} and {} {axis}", steps[0], steps[1])?;
            f.write_str(match self.verdict {
                Verdict::Steps => "; those that both have are equal",
                _ => "; ",
            })?;
        }
        let first = self.first.as_ref();
        let first = first.map(|first| match self.is_constant {
            true => first.in_constant(),
            false => first.to_string(),
        });
        match (&first, self.differing) {
            (Some(first), Some(1)) => write!(f, "1 element differs, at {first}"),
            (Some(first), Some(count)) => {
                write!(
                    f,
                    "{} elements differ, the first at {first}",
                    Grouped(count)
                )
            }
            (Some(first), None) => write!(f, "differs first at {first}"),
            (None, _) => Ok(()),
        }?;
        match &self.reason {
            Some(why) => write!(f, "; not all is compared: {why}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, right) = (self.left.display(), self.right.display());
        let (equal, all) = (self.count(Verdict::Equal), self.tensors.len());
        match equal {
            _ if self.is_equal() => {
                let (bytes, tensors) = (Bytes(self.bytes), Grouped(all as u64));
                let plural = if all == 1 { "" } else { "s" };
                let how = match self.trusted {
                    0 => ", bit for bit",
                    _ => "",
                };
                write!(
                    f,
                    "{left} and {right} are equal{how}: {tensors} tensor{plural}, {bytes}"
                )
            }
            _ if !self.is_undecided() => write!(f, "{left} and {right} differ"),
            0 => write!(f, "nothing of {left} and {right} was compared"),
            equal => write!(
                f,
                "{left} and {right} are equal as far as they were compared: {} of {} tensors, {}",
                Grouped(equal as u64),
                Grouped(all as u64),
                Bytes(self.bytes)
            ),
        }?;
        if self.trusted > 0 {
            let read = self.bytes.saturating_sub(self.trusted);
            write!(
                f,
                "\n  by checksums alone, which were trusted: {}; compared bit for bit: {}",
                Bytes(self.trusted),
                Bytes(read)
            )?;
        }
        for (names, path) in [(&self.only_left, &left), (&self.only_right, &right)] {
            for name in names {
                write!(f, "\n  `{name}`: only in {path}")?;
            }
        }
        let differs = |tensor: &&TensorComparison| tensor.verdict != Verdict::Equal;
        for tensor in self.tensors.iter().filter(differs) {
            write!(f, "\n  {tensor}")?;
        }
        for why in &self.left_out {
            write!(f, "\n  only one file has it, and it is left out: {why}")?;
        }
        for (name, values) in &self.attributes {
            let [left, right] = values.each_ref().map(|value| match value {
                Some(value) => value.to_string(),
                None => "nothing".to_owned(),
            });
            write!(f, "\n  attribute `{name}`: {left} and {right}")?;
        }
        Ok(())
    }
}
