//! What `selvedge join` prints.

use std::path::Path;

use selvedge_hdf5::{Grouped, JoinPlan, JoinedTensor, Replicas, Role, RunState, Shape};

use super::Page;
use super::table::{Align, Table};
use super::text::{counted, folded, shown, some, wrapped};

/// Everything below the first line is indented.
const INDENT: usize = 2;

/// The ranks and how far each is, the tensors and where they come from, and what was written.
pub(crate) fn summary(plan: &JoinPlan, view: Option<&Path>, page: Page) -> String {
    let steps = counted(plan.steps, "common step");
    let mut text = format!(
        "run {}: {}, {steps}\n\n",
        shown(&plan.run),
        counted(plan.ranks.len() as u64, "rank")
    );
    text.push_str(&ranks(plan, page));
    text.push('\n');
    text.push_str(&tensors(plan, page));
    text.push_str(&paragraphs(notes(plan), page));
    match view {
        Some(view) => text.push_str(&format!("\n{}: a view of {steps}\n", shown(view))),
        None => {
            let said = "They go together. Nothing was written; --output VIEW.h5 writes a view\n";
            text.push_str(&format!("\n{}", folded(said, page)));
        }
    }
    text
}

/// What there is to know of the ranks, in sentences.
pub(super) fn notes(plan: &JoinPlan) -> Vec<String> {
    let changes = plan.ranks.iter().flat_map(|rank| {
        let notes = rank.notes.iter();
        notes.map(|note| format!("{}: {}", shown(&rank.path), shown(&note.to_string())))
    });
    let replicas = plan.tensors.iter().filter_map(|tensor| match &tensor.replicas {
        Replicas::Differ(ranks) => Some(differ(tensor, ranks)),
        Replicas::NotCompared => Some(format!(
            "{}: several ranks have all of it, and it is too large to be compared here; that of rank {} is taken",
            shown(&tensor.name),
            tensor.ranks[0]
        )),
        _ => None,
    });
    changes.chain(replicas).collect()
}

/// Each sentence below an empty line, indented.
pub(super) fn paragraphs(sentences: impl IntoIterator<Item = String>, page: Page) -> String {
    let indent = " ".repeat(INDENT);
    let lines = sentences.into_iter();
    lines
        .map(|line| format!("\n{indent}{}\n", wrapped(&line, INDENT, page.text)))
        .collect()
}

fn ranks(plan: &JoinPlan, page: Page) -> String {
    let mut table = Table::new([
        ("rank", Align::Right),
        ("steps", Align::Right),
        ("ahead", Align::Right),
        ("state", Align::Left),
        ("file", Align::Left),
    ]);
    for (number, rank) in plan.ranks.iter().enumerate() {
        let ahead = match rank.committed - plan.steps {
            0 => "–".to_owned(),
            ahead => Grouped(ahead).to_string(),
        };
        let state = match rank.state {
            RunState::Finished => "finished",
            RunState::Recovered => "recovered",
            _ => "not finished",
        };
        table.row([
            number.to_string(),
            Grouped(rank.committed).to_string(),
            ahead,
            state.to_owned(),
            shown(&rank.path),
        ]);
    }
    table.render(INDENT, page)
}

fn tensors(plan: &JoinPlan, page: Page) -> String {
    let mut table = Table::new([
        ("tensor", Align::Left),
        ("dtype", Align::Left),
        ("shape", Align::Left),
        ("from", Align::Left),
    ]);
    for tensor in &plan.tensors {
        let steps = (tensor.role == Role::Step).then_some(plan.steps);
        let shape: Vec<u64> = steps
            .into_iter()
            .chain(tensor.shape.iter().copied())
            .collect();
        let from = match (&tensor.ranks[..], &tensor.replicas) {
            ([rank], Replicas::Equal) => format!("rank {rank} = others"),
            ([rank], _) => format!("rank {rank}"),
            (ranks, _) => counted(ranks.len() as u64, "rank"),
        };
        table.row([
            shown(&tensor.name),
            tensor.dtype.name().to_owned(),
            Shape(&shape).to_string(),
            from,
        ]);
    }
    table.render(INDENT, page)
}

fn differ(tensor: &JoinedTensor, ranks: &[(u64, u64)]) -> String {
    let row = match tensor.role {
        Role::Step => "step",
        _ => "index",
    };
    let ranks: Vec<String> = ranks
        .iter()
        .map(|(rank, at)| format!("rank {rank} (from {row} {at} on)"))
        .collect();
    format!(
        "{}: other values in {}; those of rank {} are taken",
        shown(&tensor.name),
        some(&ranks),
        tensor.ranks[0]
    )
}
