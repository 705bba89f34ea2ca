//! Tensors that differ in the numbers of their names alone, as the layers of a model do: a line for all of them.

use std::collections::{BTreeSet, HashMap};

use selvedge_hdf5::Grouped;

use crate::facts::TensorFacts;

/// Files of fewer tensors have a line for each.
const MANY: usize = 24;
/// Fewer than this are no family.
const LEAST: usize = 4;

/// Tensors with a line of their own, or a family.
pub(super) struct Family<'a> {
    /// The name, with the numbers that there are in place of one: `h.{0-11}.attn.weight`.
    pub(super) name: String,
    pub(super) tensors: Vec<&'a TensorFacts>,
}

/// The tensors of a file in the order of the first of each family.
/// With `each` every tensor has its own line, and where there are few.
pub(super) fn of(tensors: &[TensorFacts], each: bool) -> Vec<Family<'_>> {
    if each || tensors.len() < MANY {
        return tensors.iter().map(single).collect();
    }
    let mut families: Vec<Vec<&TensorFacts>> = Vec::new();
    let mut places: HashMap<(String, &str, &[u64], String), usize> = HashMap::new();
    for tensor in tensors {
        let storage = super::storage::word(&tensor.storage);
        let (pattern, _) = parts(&tensor.name);
        let key = (pattern, &*tensor.dtype, &tensor.shape[..], storage);
        let place = *places.entry(key).or_insert(families.len());
        match families.get_mut(place) {
            Some(family) => family.push(tensor),
            None => families.push(vec![tensor]),
        }
    }
    let families = families
        .into_iter()
        .flat_map(|family| match whole(&family) {
            Some(name) if family.len() >= LEAST => vec![Family {
                name,
                tensors: family,
            }],
            _ => family.into_iter().map(single).collect(),
        });
    families.collect()
}

fn single(tensor: &TensorFacts) -> Family<'_> {
    Family {
        name: tensor.name.clone(),
        tensors: vec![tensor],
    }
}

/// The name with `{}` for each number, and the numbers. What has braces of its own, or zeros before a number,
/// is of no family.
fn parts(name: &str) -> (String, Vec<u64>) {
    let mut pattern = String::new();
    let mut numbers = Vec::new();
    let mut rest = name;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| !c.is_ascii_digit());
        let (digits, after) = from.split_at(end.unwrap_or(from.len()));
        let number = digits
            .parse()
            .ok()
            .filter(|number: &u64| number.to_string() == digits);
        let Some(number) = number.filter(|_| !name.contains(['{', '}'])) else {
            return (name.to_owned(), Vec::new());
        };
        pattern.extend([before, "{}"]);
        numbers.push(number);
        rest = after;
    }
    pattern.push_str(rest);
    (pattern, numbers)
}

/// The name of a family, if it has a tensor for each choice of its numbers.
fn whole(family: &[&TensorFacts]) -> Option<String> {
    let (pattern, first) = parts(&family.first()?.name);
    let mut choices = vec![BTreeSet::new(); first.len()];
    for tensor in family {
        for (choices, number) in choices.iter_mut().zip(parts(&tensor.name).1) {
            choices.insert(number);
        }
    }
    let all = choices.iter().map(BTreeSet::len);
    if all.fold(1, usize::saturating_mul) != family.len() {
        return None;
    }
    let mut name = String::new();
    let mut pieces = pattern.split("{}");
    name.push_str(pieces.next()?);
    for (numbers, piece) in choices.iter().zip(pieces) {
        let (first, last) = (numbers.first()?, numbers.last()?);
        let without_gaps = last - first + 1 == numbers.len() as u64;
        name.push_str(&match numbers.len() {
            1 => first.to_string(),
            _ if without_gaps => format!("{{{first}-{last}}}"),
            count => format!("{{{} of {first}-{last}}}", Grouped(count as u64)),
        });
        name.push_str(piece);
    }
    Some(name)
}
