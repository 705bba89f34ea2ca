//! What `selvedge inspect` prints of a file.

use std::collections::HashMap;

use selvedge_base::text::shell_path;
use selvedge_conventions::Finding;
use selvedge_hdf5::{Bytes, Grouped, Shape};

use super::style::{GOOD, HEADING, TITLE, WARNING, styled};
use super::table::{Align, Table};
use super::text::{counted, shown, some, wrapped};
use super::{Page, attributes, families, python, stats, storage};
use crate::facts::{FileFacts, Format, Recording, RecordingState, Remedy, Storage, TensorFacts};
use crate::stats::TensorStats;

/// Everything below the path is indented.
const INDENT: usize = 2;

/// The text of one file; `stats` where the values were read. Tensors that differ in the numbers of their names
/// alone have one line, unless `each` is to have its own.
pub(crate) fn file(
    facts: &FileFacts,
    values: Option<&[TensorStats]>,
    findings: &[Finding],
    each: bool,
    page: Page,
) -> String {
    let path = shown(&facts.path);
    let mut text = format!("{}\n", styled(TITLE, path));
    for line in header(facts) {
        text.push_str(&format!("  {}\n", wrapped(&line, INDENT, page.text)));
    }
    let mut section = |heading: &str, body: &str| {
        if body.is_empty() {
            return;
        }
        text.push('\n');
        if !heading.is_empty() {
            text.push_str(&format!("  {}\n", styled(HEADING, heading)));
        }
        text.push_str(body);
    };
    if facts.tensors.is_empty() {
        section("", "  no tensors\n");
    } else {
        section("", &tensors(facts, each, page));
    }
    section("stored as", &stored_types(facts, page));
    section("axes", &axes(facts, page));
    let parts = facts.tensors.iter().filter_map(|tensor| {
        let part = tensor.part.as_ref()?;
        let (offset, whole) = (Shape(&part.offset), Shape(&part.global_shape));
        Some((format!("from {offset} of {whole}"), shown(&tensor.name)))
    });
    section("parts of a step", &grouped(parts, page));
    let chunks = storage::paragraphs(facts, INDENT + 2, page.text);
    section("chunks", &chunks);
    if let Some(values) = values {
        section("", &stats::tables(values, INDENT, page));
    }
    section(
        "attributes",
        &attributes::lines(
            &facts.attributes,
            &facts.unread_attributes,
            INDENT + 2,
            page,
        ),
    );
    for (lines, names) in attributes_of_tensors(facts, page) {
        section(&format!("attributes of {}", some(&names)), &lines);
    }
    section("notes", &notes(facts, page));
    let findings = super::findings::of_file(findings, INDENT + 2, page);
    section("findings", &findings);
    let lines = python::lines(facts, INDENT + 2, page.text);
    section("to read it in Python", &lines);
    text
}

/// Format and size; who recorded it and how that ended; where it came from.
pub(crate) fn header(facts: &FileFacts) -> Vec<String> {
    let mut size = format!("{}, {}", facts.format.name(), Bytes(facts.file_bytes));
    // Holes of less than a hundredth are of no interest, and neither are full last blocks.
    if facts.disk_bytes < facts.file_bytes / 100 * 99 {
        size.push_str(&format!(
            ", {} of them on the disk",
            Bytes(facts.disk_bytes)
        ));
    }
    let mut lines = vec![size];
    let version = &facts.provenance.selvedge_version;
    let by = match version {
        Some(version) => format!(" by Selvedge {}", shown(version)),
        None => String::new(),
    };
    if let Some(recording) = &facts.recording {
        lines.push(format!("recorded{by}, {}", state(recording)));
        if let Some(rank) = &recording.rank {
            let (run, world_size) = (shown(&rank.run), Grouped(rank.world_size));
            lines.push(format!(
                "rank {} of {world_size} of the run {run}",
                rank.rank
            ));
        }
        if !recording.sources.is_empty() {
            let sources: Vec<String> = recording.sources.iter().map(shown).collect();
            let ranks = counted(sources.len() as u64, "rank");
            lines.push(format!("a view of {ranks}: {}", some(&sources)));
        }
    }
    let made = if facts.recording.is_none() && version.is_some() {
        format!("made{by}")
    } else {
        String::new()
    };
    let created = facts.provenance.created.as_deref().map(shown);
    let created = created.map(|created| format!("created {created}"));
    let notebook = facts.provenance.notebook.as_deref().map(shown);
    let notebook = notebook.map(|notebook| format!("from {notebook}"));
    let provenance: Vec<String> = [
        Some(made).filter(|made| !made.is_empty()),
        created,
        notebook,
    ]
    .into_iter()
    .flatten()
    .collect();
    if !provenance.is_empty() {
        lines.push(provenance.join(", "));
    }
    lines
}

fn state(recording: &Recording) -> String {
    let state = match recording.state {
        RecordingState::Live => styled(GOOD, "being recorded now").to_string(),
        RecordingState::Died => styled(WARNING, "its writer died").to_string(),
        RecordingState::LiveOrDied => {
            styled(WARNING, "being recorded now, or its writer died").to_string()
        }
        RecordingState::Finished => styled(GOOD, "finished").to_string(),
        RecordingState::Recovered => styled(WARNING, "recovered after its writer died").to_string(),
        RecordingState::Unknown => styled(WARNING, "in an unknown state").to_string(),
    };
    let steps = match recording.planned_steps {
        Some(planned) => format!(
            "{} of {} steps",
            Grouped(recording.committed_steps),
            Grouped(planned)
        ),
        None => format!(
            "{} of an open number",
            counted(recording.committed_steps, "step")
        ),
    };
    format!("{state}: {steps}")
}

/// The attributes of tensors, and which have just these.
fn attributes_of_tensors(facts: &FileFacts, page: Page) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    let mut places = HashMap::new();
    for tensor in &facts.tensors {
        let (read, unread) = (&tensor.attributes, &tensor.unread_attributes);
        let lines = attributes::lines(read, unread, INDENT + 2, page);
        let place = *places.entry(lines.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, names)) => names.push(shown(&tensor.name)),
            None => groups.push((lines, vec![shown(&tensor.name)])),
        }
    }
    groups
}

fn tensors(facts: &FileFacts, each: bool, page: Page) -> String {
    let mut table = Table::new([
        ("tensor", Align::Left),
        ("dtype", Align::Left),
        ("shape", Align::Left),
        ("size", Align::Right),
        ("storage", Align::Left),
    ]);
    let chunked = facts
        .tensors
        .iter()
        .any(|tensor| !matches!(tensor.storage, Storage::Contiguous { .. }));
    // What reads a pipe looks for whole names.
    let families = families::of(&facts.tensors, each || page.table.is_none());
    for family in &families {
        let Some(tensor) = family.tensors.first() else {
            continue;
        };
        let times = match family.tensors.len() {
            1 => String::new(),
            count => format!("{} × ", Grouped(count as u64)),
        };
        table.row([
            shown(&family.name),
            // What is no number is described below the table.
            match tensor.element_bits {
                Some(_) => shown(&tensor.dtype),
                None => "other".to_owned(),
            },
            Shape(&tensor.shape).to_string(),
            tensor.bytes.map_or_else(
                || "–".to_owned(),
                |bytes| format!("{times}{}", Bytes(bytes)),
            ),
            // All of a safetensors file is contiguous.
            if chunked {
                storage::word(&tensor.storage)
            } else {
                String::new()
            },
        ]);
    }
    let mut text = table.render(INDENT, page);
    if facts.tensors.len() > 1 {
        let bytes = facts.tensors.iter().filter_map(|tensor| tensor.bytes);
        let bytes = bytes.fold(0, u64::saturating_add);
        let elements = facts.tensors.iter().map(TensorFacts::elements);
        let elements = elements.fold(0, u64::saturating_add);
        text.push_str(&format!(
            "  {}, {} elements, {}\n",
            counted(facts.tensors.len() as u64, "tensor"),
            Grouped(elements),
            Bytes(bytes)
        ));
        if families.len() < facts.tensors.len() {
            let note = "one line for those that differ in numbers alone; --each shows each";
            text.push_str(&format!("  {}\n", wrapped(note, INDENT, page.text)));
        }
    }
    text
}

/// The types of bytes that the dtype does not tell, with the tensors that have them.
fn stored_types(facts: &FileFacts, page: Page) -> String {
    let numpy = matches!(facts.format, Format::Npy | Format::Npz);
    let types = facts.tensors.iter().filter_map(|tensor| {
        let told = tensor.element_bits.is_some()
            && (facts.format == Format::Safetensors
                || tensor.stored_dtype == tensor.dtype
                || (numpy && !tensor.stored_dtype.starts_with('>'))
                || (tensor.logical_dtype.is_some() && tensor.stored_dtype == "uint16"));
        (!told).then(|| (shown(&tensor.stored_dtype), shown(&tensor.name)))
    });
    grouped(types, page)
}

fn axes(facts: &FileFacts, page: Page) -> String {
    let named = facts
        .tensors
        .iter()
        .filter(|tensor| !tensor.axes.is_empty());
    let axes = named.map(|tensor| {
        let axes = (0..)
            .zip(&tensor.axes)
            .filter_map(|(axis, name): (u64, _)| {
                let name = shown(name.as_deref()?);
                Some(format!("axis {axis} is {name}"))
            });
        let axes: Vec<String> = axes.collect();
        (axes.join(", "), shown(&tensor.name))
    });
    grouped(axes, page)
}

/// A line for each property, with the names that have it.
fn grouped(pairs: impl Iterator<Item = (String, String)>, page: Page) -> String {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (property, name) in pairs {
        match groups.iter_mut().find(|(found, _)| *found == property) {
            Some((_, names)) => names.push(name),
            None => groups.push((property, vec![name])),
        }
    }
    groups
        .iter()
        .map(|(property, names)| {
            let line = format!("{}: {property}", some(names));
            let line = wrapped(&line, INDENT + 4, page.text);
            format!("{}{line}\n", " ".repeat(INDENT + 2))
        })
        .collect()
}

/// What people trip over.
fn notes(facts: &FileFacts, page: Page) -> String {
    let mut notes = Vec::new();
    if let Some(recording) = &facts.recording {
        let path = shell_path(&facts.path);
        let remedy = recording.remedy.map(|remedy| match remedy {
            Remedy::Recover => format!(
                "its committed steps are all there; `selvedge recover {path}` puts it in order"
            ),
            Remedy::Rechunk => format!(
                "its committed steps are all there; another program wrote it anew, and `selvedge rechunk {path} new.h5` makes a finished \
                 trajectory of it"
            ),
            Remedy::SameSteps => "another program shortened step tensors or appended to others; give all the \
                 same number of steps there, as h5py's `resize` does, or delete those that it changed"
                .to_owned(),
        });
        notes.extend(remedy);
    }
    for tensor in &facts.tensors {
        let remarks = tensor.remarks.iter();
        notes.extend(remarks.map(|remark| format!("{}: {}", shown(&tensor.name), shown(remark))));
    }
    notes.extend(facts.notes.iter().map(shown));
    let unmarked: Vec<String> = facts.unmarked().map(shown).collect();
    if !unmarked.is_empty() {
        let are = if unmarked.len() == 1 { "is" } else { "are" };
        notes.push(format!(
            "{} {are} uint16 and not marked as anything else; if these are the bits of bfloat16, \
             add `.view(torch.bfloat16)`, and pass --assume-bf16 here",
            some(&unmarked)
        ));
    }
    notes
        .iter()
        .map(|note| {
            let note = wrapped(note, INDENT + 4, page.text);
            format!("{}{note}\n", " ".repeat(INDENT + 2))
        })
        .collect()
}
