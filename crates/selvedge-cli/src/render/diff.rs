//! What `selvedge inspect --diff` prints.

use super::Page;
use super::style::{GOOD, TITLE, WARNING, styled};
use super::table::{Align, Table};
use super::text::{counted, shortened, shown};
use crate::facts::{AttributeDifference, Differences, FileFacts, TensorDifference, Value};

/// Values longer than this are cut.
const LONGEST: usize = 28;

/// The two files, and a line for each difference.
pub(crate) fn files(
    first: &FileFacts,
    second: &FileFacts,
    differences: &Differences,
    page: Page,
) -> String {
    let path = |facts: &FileFacts| shown(&facts.path);
    let mut text = format!(
        "first   {}\nsecond  {}\n\n",
        styled(TITLE, path(first)),
        styled(TITLE, path(second))
    );
    if differences.count() == 0 {
        let tensors = counted(first.tensors.len() as u64, "tensor");
        text.push_str(&format!(
            "{}: {tensors}; values were not compared\n",
            styled(GOOD, "alike")
        ));
        return text;
    }
    let mut table = Table::new([
        ("tensor", Align::Left),
        ("differs in", Align::Left),
        ("first", Align::Left),
        ("second", Align::Left),
    ])
    .named_by(2);
    let no = || "–".to_owned();
    let there = || "there".to_owned();
    for name in &differences.only_in_first {
        table.row([shown(name), "presence".to_owned(), there(), no()]);
    }
    for name in &differences.only_in_second {
        table.row([shown(name), "presence".to_owned(), no(), there()]);
    }
    for TensorDifference {
        tensor,
        property,
        first,
        second,
    } in &differences.tensors
    {
        table.row([shown(tensor), shown(property), shown(first), shown(second)]);
    }
    for AttributeDifference {
        tensor,
        name,
        first,
        second,
    } in &differences.attributes
    {
        let owner = tensor.as_deref().unwrap_or("(file)");
        table.row([
            shown(owner),
            shown(name),
            value(first.as_ref()),
            value(second.as_ref()),
        ]);
    }
    text.push_str(&table.render(0, page));
    let count = counted(differences.count() as u64, "difference");
    text.push_str(&format!("\n{}\n", styled(WARNING, count)));
    text
}

fn value(value: Option<&Value>) -> String {
    value.map_or_else(
        || "–".to_owned(),
        |value| shortened(&shown(&value.to_string()), LONGEST),
    )
}
