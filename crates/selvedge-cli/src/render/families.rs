//! Tensors that differ in the numbers of their names alone, as the layers of a model do, and what is said of them: a
//! line for all of them.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use selvedge_hdf5::Grouped;

use super::page::Page;
use super::text::width;
use crate::facts::TensorFacts;

/// Where there are fewer tensors, or lines, each has its own.
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
    let kind = |tensor: &TensorFacts| {
        let storage = super::storage::word(&tensor.storage);
        (tensor.dtype.clone(), tensor.shape.clone(), storage)
    };
    let families = families(tensors, |tensor| &tensor.name, kind);
    let families = families.into_iter();
    families
        .map(|(name, tensors)| Family { name, tensors })
        .collect()
}

fn single(tensor: &TensorFacts) -> Family<'_> {
    Family {
        name: tensor.name.clone(),
        tensors: vec![tensor],
    }
}

/// What is said of many tensors: of the lines that stand further in, those are one that differ in numbers alone. What
/// stands in columns does so again. In a pipe each has its own.
pub(super) fn lines(text: &str, page: Page) -> String {
    let (head, lines): (Vec<&str>, Vec<&str>) = {
        let lines = text.lines();
        lines.partition(|line| !line.starts_with("  "))
    };
    if page.table.is_none() || lines.len() < MANY {
        return text.to_owned();
    }
    let cells: Vec<String> = lines.iter().map(|line| cells(line).join("  ")).collect();
    let families = families(&cells, String::as_str, |_| ());
    if families.len() == lines.len() {
        return text.to_owned();
    }
    let rows = families.iter().map(|(line, _)| cells_of_row(line));
    let rows: Vec<Vec<&str>> = rows.collect();
    let mut columns = [0; COLUMNS - 1];
    for row in rows.iter().filter(|row| row.len() == COLUMNS) {
        for (column, cell) in columns.iter_mut().zip(row) {
            *column = width(cell).max(*column);
        }
    }
    let first = text.lines().position(|line| line.starts_with("  "));
    let (before, after) = head.split_at(first.unwrap_or(0));
    let mut folded = String::new();
    before
        .iter()
        .for_each(|line| folded.push_str(&format!("{line}\n")));
    for row in rows {
        folded.push_str("  ");
        for (nth, cell) in row.iter().enumerate() {
            let room = match row.len() {
                COLUMNS => columns.get(nth).map_or(0, |column| column + 2),
                _ => 0,
            };
            let space = room.saturating_sub(width(cell));
            folded.push_str(&format!("{cell}{:space$}", ""));
        }
        folded.push('\n');
    }
    folded.push_str(
        "  one line for those that differ in numbers alone; in a pipe each has its own\n",
    );
    after
        .iter()
        .for_each(|line| folded.push_str(&format!("{line}\n")));
    folded
}

/// Name, dtype, shape, and what becomes of it.
const COLUMNS: usize = 4;

/// What stands in a line with two spaces or more between it.
fn cells(line: &str) -> Vec<&str> {
    let cells = line.split("  ").map(str::trim);
    cells.filter(|cell| !cell.is_empty()).collect()
}

/// The cells of a row of a table, or a line as it is.
fn cells_of_row(line: &str) -> Vec<&str> {
    let found = cells(line);
    match found.len() {
        COLUMNS => found,
        _ => vec![line],
    }
}

/// Items of which those with names that differ in numbers alone, and of one kind, are a family, under the name of
/// that; in the order of the first of each.
fn families<'a, T, K: Hash + Eq>(
    items: &'a [T],
    name: impl Fn(&T) -> &str,
    kind: impl Fn(&T) -> K,
) -> Vec<(String, Vec<&'a T>)> {
    let mut families: Vec<Vec<&T>> = Vec::new();
    let mut places: HashMap<(String, K), usize> = HashMap::new();
    for item in items {
        let key = (parts(name(item)).0, kind(item));
        let place = *places.entry(key).or_insert(families.len());
        match families.get_mut(place) {
            Some(family) => family.push(item),
            None => families.push(vec![item]),
        }
    }
    let single = |item: &'a T| (name(item).to_owned(), vec![item]);
    let families = families.into_iter().flat_map(|family| {
        let names: Vec<&str> = family.iter().map(|item| name(item)).collect();
        match whole(&names).filter(|_| family.len() >= LEAST) {
            Some(name) => vec![(name, family)],
            None => family.into_iter().map(single).collect(),
        }
    });
    families.collect()
}

/// The name with `{}` for each number, and the numbers. One with zeros before it is text. What has braces of its own is
/// of no family.
fn parts(name: &str) -> (String, Vec<u64>) {
    let mut pattern = String::new();
    let mut numbers = Vec::new();
    if name.contains(['{', '}']) {
        return (name.to_owned(), numbers);
    }
    let mut rest = name;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| !c.is_ascii_digit());
        let (digits, after) = from.split_at(end.unwrap_or(from.len()));
        let number = digits
            .parse()
            .ok()
            .filter(|number: &u64| number.to_string() == digits);
        pattern.extend([before, number.map_or(digits, |_| "{}")]);
        numbers.extend(number);
        rest = after;
    }
    pattern.push_str(rest);
    (pattern, numbers)
}

/// The name of a family, if it has one for each choice of its numbers. A number that stands in all of its names twice, as
/// in what becomes of them, is chosen once.
fn whole(family: &[&str]) -> Option<String> {
    let (pattern, first) = parts(family.first()?);
    let mut columns = vec![Vec::new(); first.len()];
    for name in family {
        for (column, number) in columns.iter_mut().zip(parts(name).1) {
            column.push(number);
        }
    }
    let choices: Vec<BTreeSet<u64>> = columns
        .iter()
        .map(|column| column.iter().copied().collect())
        .collect();
    let is_new = |nth: &usize| !columns[..*nth].contains(&columns[*nth]);
    let all = (0..columns.len())
        .filter(is_new)
        .map(|nth| choices[nth].len());
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
