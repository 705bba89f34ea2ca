//! The names of axes, as xarray wants them: each of one length in all arrays of a group.

use std::collections::HashMap;

use super::ReferencedArray;

/// Lengths by group and name; `None` of a name that cannot be that of an axis: it has several lengths, or is
/// that of an array of another number of axes.
type Lengths<'a> = HashMap<(&'a str, String), Option<u64>>;

/// Names the axes of all arrays: by the names that the file has, which the arrays have already; the steps; and
/// others by their length.
pub(super) fn name_axes(arrays: &mut [ReferencedArray]) {
    let names: Vec<Vec<String>> = {
        let mut lengths = of_file(arrays);
        let arrays = arrays.iter();
        arrays.map(|array| named(array, &mut lengths)).collect()
    };
    for (array, names) in arrays.iter_mut().zip(names) {
        array.dimension_names = names;
    }
}

/// The group of an array, which ends with a `/` unless it is the root, and its name there.
fn split(name: &str) -> (&str, &str) {
    name.split_at(name.rfind('/').map_or(0, |at| at + 1))
}

/// The names that the file has.
fn of_file(arrays: &[ReferencedArray]) -> Lengths<'_> {
    let mut lengths = Lengths::new();
    for array in arrays {
        let (group, own) = split(&array.name);
        for (name, &length) in array.dimension_names.iter().zip(&array.shape) {
            let known = lengths.entry((group, name.clone()));
            let known = known.or_insert(Some(length));
            *known = known.filter(|&known| known == length);
        }
        if array.shape.len() != 1 {
            lengths.insert((group, own.to_owned()), None);
        }
    }
    lengths
}

/// The names of the axes of an array, which take their place among the others.
fn named<'a>(array: &'a ReferencedArray, lengths: &mut Lengths<'a>) -> Vec<String> {
    let (group, _) = split(&array.name);
    let mut names: Vec<String> = Vec::with_capacity(array.shape.len());
    for (axis, &length) in array.shape.iter().enumerate() {
        let own = array
            .dimension_names
            .get(axis)
            .filter(|name| !name.is_empty());
        let steps = (axis == 0 && array.has_steps()).then_some(["step", "steps"]);
        let by_length = format!("dim_{length}");
        let again = (2..).map(|nth| format!("{by_length}_{nth}"));
        let mut all = own
            .into_iter()
            .cloned()
            .chain(steps.into_iter().flatten().map(str::to_owned))
            .chain([by_length.clone()])
            .chain(again);
        let fits = |name: &String| {
            let known = lengths.get(&(group, name.clone()));
            known.is_none_or(|&known| known == Some(length)) && !names.contains(name)
        };
        if let Some(name) = all.find(fits) {
            lengths.insert((group, name.clone()), Some(length));
            names.push(name);
        }
    }
    names
}
