//! Which tensor of one file goes with which of another.

use std::collections::{HashMap, HashSet};

use crate::group_names::GroupNames;

/// Names of two files that could go together in several ways: they differ in `/` and `.` alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` could go with more than one tensor: {} are all one name where there are no groups; give \
     them names that differ in more than `/` and `.`", others.join(", ")
)]
#[non_exhaustive]
pub struct AmbiguousNames {
    /// A name of the first file.
    pub name: String,
    /// The other names of both files, quoted.
    pub others: Vec<String>,
}

/// The tensors of two files by their numbers: those that go together, and those that one file has
/// alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pairing {
    /// Numbers in the first and the second file, in the order of the first.
    pub pairs: Vec<(usize, usize)>,
    /// Those that only the first file has, in its order.
    pub only_left: Vec<usize>,
    /// Those that only the second file has, in its order.
    pub only_right: Vec<usize>,
}

/// The name that a tensor in a group gets at the root of a trajectory: `model.W` for `model/W`.
#[must_use]
pub fn root_name(name: &str) -> String {
    name.replace('/', ".")
}

/// Pairs the tensors of two files by their names, each of which a file has once.
///
/// Equal names go together. What is left goes together where it would have one name at the root of a
/// trajectory: `model/W` with the `model.W` that [`Rechunk`](crate::Rechunk) makes of it, and
/// `params/Dense_0/kernel` of Flax with its conversion. It takes a time that is linear in the number
/// of names.
///
/// # Errors
///
/// [`AmbiguousNames`] where several names that are left would have the same one at the root,
/// and the other file has one of that name, too.
pub fn pair_names<S: AsRef<str>>(left: &[S], right: &[S]) -> Result<Pairing, AmbiguousNames> {
    pair_listed_names(left, right, [None, None])
}

/// Pairs the tensors of two files as [`pair_names`] does, whose groups can have several names: one that the other file
/// does not list goes with what that has under this name, also if that has a partner already.
///
/// # Errors
///
/// Those of [`pair_names`].
pub fn pair_listed_names<S: AsRef<str>>(
    left: &[S],
    right: &[S],
    groups: [Option<&GroupNames>; 2],
) -> Result<Pairing, AmbiguousNames> {
    let numbered = |names: &'_ [S]| -> HashMap<String, usize> {
        let names = names.iter().map(|name| name.as_ref().to_owned());
        names.zip(0..).collect()
    };
    let (by_left, by_right) = (numbered(left), numbered(right));
    let found = |names: &HashMap<String, usize>, groups: Option<&GroupNames>, name: &S| {
        let listed = || names.get(&groups?.listed(name.as_ref())?);
        names.get(name.as_ref()).or_else(listed).copied()
    };
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (number, name) in left.iter().enumerate() {
        let other = found(&by_right, groups[1], name);
        pairs.extend(other.map(|other| (number, other)));
    }
    let taken: HashSet<usize> = pairs.iter().map(|(_, other)| *other).collect();
    // By the name at the root, those of the second file that have no partner yet.
    let mut rest: HashMap<String, Vec<usize>> = HashMap::new();
    for (number, name) in right.iter().enumerate() {
        if taken.contains(&number) {
            continue;
        }
        match found(&by_left, groups[0], name) {
            Some(one) => pairs.push((one, number)),
            None => {
                let numbers = rest.entry(root_name(name.as_ref())).or_default();
                numbers.push(number);
            }
        }
    }
    let paired: HashSet<usize> = pairs.iter().map(|(one, _)| *one).collect();
    let mut taken: HashMap<String, usize> = HashMap::new();
    for number in (0..left.len()).filter(|number| !paired.contains(number)) {
        let root = root_name(left[number].as_ref());
        let Some(candidates) = rest.get(&root) else {
            continue;
        };
        let other = taken.insert(root, number);
        if other.is_some() || candidates.len() > 1 {
            let other = other.into_iter().map(|other| left[other].as_ref());
            let candidates = candidates.iter().map(|&number| right[number].as_ref());
            let names = other.chain(candidates).map(|name| format!("`{name}`"));
            return Err(AmbiguousNames {
                name: left[number].as_ref().to_owned(),
                others: names.collect(),
            });
        }
        pairs.extend(candidates.first().map(|&other| (number, other)));
    }
    pairs.sort_unstable();
    let mut alone = [vec![true; left.len()], vec![true; right.len()]];
    for (one, two) in &pairs {
        alone[0][*one] = false;
        alone[1][*two] = false;
    }
    let [only_left, only_right] =
        alone.map(|alone| (0..alone.len()).filter(|&number| alone[number]).collect());
    Ok(Pairing {
        pairs,
        only_left,
        only_right,
    })
}

#[cfg(test)]
mod tests {
    use super::pair_names;

    #[test]
    fn names_in_groups_go_with_those_at_the_root() {
        let left = ["a", "model/W", "x/y", "alone"];
        let right = ["model.W", "x/y", "x.y", "a"];
        let found = pair_names(&left, &right).unwrap();
        assert_eq!(found.pairs, [(0, 3), (1, 0), (2, 1)]);
        assert_eq!(found.only_left, [3]);
        assert_eq!(found.only_right, [2]);
    }

    /// Two tensors of one file that would have the same name at the root: nobody knows which of them
    /// the other file has, so `verify` must not choose.
    #[test]
    fn what_could_go_with_several_is_refused_by_name() {
        for (left, right) in [
            (vec!["a/b/c"], vec!["a.b/c", "a/b.c"]),
            (vec!["a.b/c", "a/b.c"], vec!["a/b/c"]),
        ] {
            let error = pair_names(&left, &right).unwrap_err().to_string();
            for name in ["a/b/c", "a.b/c", "a/b.c"] {
                assert!(error.contains(&format!("`{name}`")), "{error}");
            }
        }
        // One of two has its partner by its own name, and the other has none.
        let found = pair_names(&["a/b", "a.b"], &["a.b"]).unwrap();
        assert_eq!((found.pairs, found.only_left), (vec![(1, 0)], vec![0]));
    }
}
