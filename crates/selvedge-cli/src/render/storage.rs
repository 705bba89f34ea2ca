//! How tensors lie in their file: one word for the table, and a paragraph for those that are
//! chunked alike.

use selvedge_hdf5::{Bytes, Grouped, Shape};

use super::numbers::percent;
use super::text::{counted, shown, some, wrapped};
use crate::facts::{FileFacts, Role, Storage, TensorFacts};

const SHUFFLE: i32 = 2;
const FLETCHER32: i32 = 3;

/// For a cell of a table.
pub(super) fn word(storage: &Storage) -> String {
    match storage {
        Storage::Compact => "compact".to_owned(),
        Storage::Contiguous { .. } => "contiguous".to_owned(),
        Storage::Virtual => "virtual".to_owned(),
        Storage::Chunked {
            chunks,
            encoder: Some(_),
            ..
        } => format!("{}, compressed", counted(*chunks, "chunk")),
        Storage::Chunked {
            chunks, filters, ..
        } => {
            // What moves bytes or checks them is in the paragraph.
            let packed = filters
                .iter()
                .find(|filter| !matches!(filter.id, SHUFFLE | FLETCHER32));
            let packed =
                packed.map_or_else(String::new, |filter| format!(", {}", shown(&filter.name)));
            format!("{}{packed}", counted(*chunks, "chunk"))
        }
    }
}

/// A paragraph for each way of chunking: the tensors, and what their chunks are like.
pub(super) fn paragraphs(facts: &FileFacts, indent: usize, columns: usize) -> String {
    let recording = facts.recording.as_ref();
    let open_ended = recording.is_some_and(|recording| recording.planned_steps.is_none());
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for tensor in &facts.tensors {
        let open_ended = open_ended && tensor.role == Role::Step;
        let Some(description) = description(tensor, open_ended) else {
            continue;
        };
        match groups.iter_mut().find(|(found, _)| *found == description) {
            Some((_, names)) => names.push(&tensor.name),
            None => groups.push((description, vec![&tensor.name])),
        }
    }
    let mut text = String::new();
    for (description, names) in groups {
        let names: Vec<String> = names.iter().map(shown).collect();
        let paragraph = format!("{}: {description}", some(&names));
        text.push_str(&" ".repeat(indent));
        text.push_str(&wrapped(&paragraph, indent + 2, columns));
        text.push('\n');
    }
    text
}

/// `4 of (1501, 10000, 64), 1.92 GB each; tail 3 steps (0.05 %)`.
///
/// The rest of the last chunk of a run of unknown length is no waste, but room.
fn description(tensor: &TensorFacts, open_ended: bool) -> Option<String> {
    let Storage::Chunked {
        chunk_shape,
        chunk_bytes,
        chunks,
        stored_chunks,
        tail_steps,
        waste,
        filters,
        encoder,
    } = &tensor.storage
    else {
        return None;
    };
    let mut text = format!("{} of {}", Grouped(*chunks), Shape(chunk_shape));
    if let Some(bytes) = chunk_bytes {
        let each = if *chunks == 1 { "" } else { " each" };
        text.push_str(&format!(", {}{each}", Bytes(*bytes)));
    }
    // What is more than the data is a number of times as much.
    let share = |waste: f64| match waste > 1.0 {
        true => format!("{waste:.1} times the data"),
        false => percent(waste),
    };
    match (*tail_steps, *waste) {
        (0, 0.0) => {}
        (0, waste) => text.push_str(&format!("; {} unused", share(waste))),
        (tail, _) if open_ended => {
            text.push_str(&format!("; room for {}", counted(tail, "more step")));
        }
        (tail, waste) => {
            let tail = counted(tail, "step");
            text.push_str(&format!("; tail {tail} ({})", share(waste)));
        }
    }
    if stored_chunks < chunks {
        text.push_str(&format!("; {} written", Grouped(*stored_chunks)));
    }
    if !filters.is_empty() {
        let names: Vec<String> = filters.iter().map(|filter| shown(&filter.name)).collect();
        text.push_str(&format!("; {}", names.join(", ")));
        if let Some(encoder) = encoder {
            text.push_str(&format!(" by {}", shown(encoder)));
        }
        if let (Some(bytes), 1..) = (tensor.bytes, tensor.stored_bytes) {
            let ratio = bytes as f64 / tensor.stored_bytes as f64;
            text.push_str(&format!(
                ": {} in the file, {ratio:.2} to 1",
                Bytes(tensor.stored_bytes)
            ));
        }
    }
    Some(text)
}
