//! Which branch of a training the steps of a rank are of.
//!
//! A rank that gives steps up and goes on records a branch: steps of the same numbers and other values. A joined view
//! shows so many steps from the first one on. It shows what was joined as long as no rank gave one of these up, whatever
//! was given up after them.

use std::io;

use crate::Attribute;
use crate::provenance::BRANCHES;

/// How many branches a file remembers.
const MOST: usize = 8;
/// Numbers in the attribute: two for each branch.
pub(crate) const NUMBERS: usize = 2 * MOST;

/// The branches of the file of a rank, in the order in which they began, which is also that of the steps that they
/// begin at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Branches {
    branches: [Branch; MOST],
}

/// A branch; one without a number is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Branch {
    /// The first step that was recorded anew.
    first: i64,
    /// At random, and not 0.
    number: i64,
}

impl Branches {
    /// Those of a file that never gave steps up.
    pub(crate) const NONE: Self = Self {
        branches: [Branch {
            first: 0,
            number: 0,
        }; MOST],
    };

    /// What the numbers of the attribute say.
    pub(crate) fn from_values(values: [i64; NUMBERS]) -> Self {
        let mut branches = Self::NONE.branches;
        for (branch, pair) in branches.iter_mut().zip(values.chunks_exact(2)) {
            *branch = Branch {
                first: pair[0],
                number: pair[1],
            };
        }
        Self { branches }
    }

    /// What the attributes of a file say; `None` where they do not: it is of no rank, or of an earlier version.
    pub(crate) fn from_attributes(attributes: &[(String, Attribute)]) -> Option<Self> {
        let (_, value) = attributes.iter().find(|(name, _)| name == BRANCHES)?;
        match value {
            Attribute::Ints(values) => Some(Self::from_values(values[..].try_into().ok()?)),
            _ => None,
        }
    }

    /// The numbers of the attribute.
    pub(crate) fn values(self) -> [i64; NUMBERS] {
        let mut values = [0; NUMBERS];
        for (pair, branch) in values.chunks_exact_mut(2).zip(self.branches) {
            pair.copy_from_slice(&[branch.first, branch.number]);
        }
        values
    }

    /// The attribute that says it at the root of a file.
    pub(crate) fn attribute(self) -> (String, Attribute) {
        (BRANCHES.to_owned(), Attribute::Ints(self.values().to_vec()))
    }

    /// The number of the branch that the first `steps` steps end in; `None` where none of them was ever recorded anew.
    pub(crate) fn of_first(self, steps: u64) -> Option<i64> {
        let mut known = self.known().rev();
        let found = known.find(|branch| u64::try_from(branch.first).is_ok_and(|at| at < steps));
        found.map(|branch| branch.number)
    }

    /// Adds a branch that begins at `step`. Those that begin there or later are given up with their steps.
    ///
    /// Where there is no room the first two become one, of the number of the second: so views that end between the two
    /// are taken for changed, and none is taken for unchanged that is not.
    ///
    /// # Errors
    ///
    /// The system has no randomness.
    pub(crate) fn begin(&mut self, step: u64) -> io::Result<()> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes)?;
        self.add(step, i64::from_le_bytes(bytes) >> 1 | 1);
        Ok(())
    }

    fn add(&mut self, step: u64, number: i64) {
        let first = step.cast_signed();
        let mut kept: Vec<Branch> = self.known().filter(|branch| branch.first < first).collect();
        if kept.len() == MOST {
            kept[1].first = kept[0].first;
            kept.remove(0);
        }
        kept.push(Branch { first, number });
        kept.resize(MOST, Branch::default());
        self.branches.copy_from_slice(&kept);
    }

    fn known(&self) -> impl DoubleEndedIterator<Item = Branch> {
        let branches = self.branches.into_iter();
        branches.filter(|branch| branch.number != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the branches that the first steps end in, of as many steps as were asked for.
    fn numbers(branches: Branches, steps: [u64; 5]) -> [i64; 5] {
        steps.map(|steps| branches.of_first(steps).unwrap_or(0))
    }

    #[test]
    fn steps_before_a_branch_are_not_of_it() {
        const STEPS: [u64; 5] = [5, 6, 10, 11, 30];
        let mut branches = Branches::NONE;
        assert_eq!(numbers(branches, STEPS), [0; 5]);
        branches.add(10, 1);
        assert_eq!(numbers(branches, STEPS), [0, 0, 0, 1, 1]);
        branches.add(20, 2);
        assert_eq!(numbers(branches, STEPS), [0, 0, 0, 1, 2]);
        branches.add(5, 3);
        assert_eq!(numbers(branches, STEPS), [0, 3, 3, 3, 3]);
        assert_eq!(branches.values()[..4], [5, 3, 0, 0]);
        assert_eq!(Branches::from_values(branches.values()), branches);
        branches.add(0, 4);
        assert_eq!(numbers(branches, STEPS), [4; 5]);
        assert_eq!(branches.of_first(0), None);
    }

    #[test]
    fn more_branches_than_there_is_room_for_change_only_what_lies_before_the_second() {
        let mut branches = Branches::NONE;
        for number in 1..=9 {
            branches.add(10 * number as u64, number);
        }
        assert_eq!(numbers(branches, [10, 11, 21, 31, 91]), [0, 2, 2, 3, 9]);
        assert_eq!(branches.values()[..4], [10, 2, 30, 3]);
        assert_eq!(branches.values()[12..], [80, 8, 90, 9]);
    }

    #[test]
    fn no_branch_has_the_number_of_another() {
        let mut branches = Branches::NONE;
        let mut seen = std::collections::HashSet::new();
        for _ in 0..100 {
            branches.begin(3).unwrap();
            let number = branches.of_first(4).unwrap();
            assert!(number != 0 && seen.insert(number), "{number}");
        }
    }
}
