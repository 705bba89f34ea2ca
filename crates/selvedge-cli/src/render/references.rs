//! What `selvedge references` prints.

use std::path::Path;

use selvedge_hdf5::{Bytes, Grouped, References, Shape};

use super::table::{Align, Table};
use super::text::{counted, shown};
use super::{Page, join};
use crate::words::of_program;

/// Everything below the first line is indented.
const INDENT: usize = 2;

/// The arrays and how they are cut, and what was written.
pub(crate) fn summary(references: &References, written: Option<&Path>, page: Page) -> String {
    let mut table = Table::new([
        ("array", Align::Left),
        ("dtype", Align::Left),
        ("shape", Align::Left),
        ("piece", Align::Left),
        ("bytes", Align::Right),
        ("pieces", Align::Right),
    ]);
    let mut all = 0;
    for array in references.arrays() {
        let pieces: u64 = array.grid_shape().iter().product();
        let elements: u64 = array.chunk_shape().iter().product();
        all += pieces;
        let bytes = Bytes(elements * array.dtype().size() as u64);
        table.row([
            shown(array.name()),
            array.dtype().name().to_owned(),
            Shape(array.shape()).to_string(),
            Shape(array.chunk_shape()).to_string(),
            match array.codecs() {
                [] => bytes.to_string(),
                _ => format!("{bytes} compressed"),
            },
            Grouped(pieces).to_string(),
        ]);
    }
    let mut text = format!(
        "{} of {}, in {}\n\n{}",
        counted(references.arrays().len() as u64, "array"),
        counted(references.steps(), "step"),
        counted(references.files().len() as u64, "file"),
        table.render(INDENT, page)
    );
    let left_out = references.left_out().iter();
    let left_out = left_out.map(|why| format!("left out: {}", shown(&of_program(why))));
    let notes = references.notes().iter();
    let notes = notes.map(|note| shown(&of_program(&note.to_string())));
    let ranks = references.joined().map(join::notes).unwrap_or_default();
    text.push_str(&join::paragraphs(left_out.chain(notes).chain(ranks), page));
    let all = counted(all, "reference");
    text.push_str(&match written {
        Some(path) => format!("\n{}: {all}\n", shown(path)),
        None => format!("\n{all}. Nothing was written; -o FILE.json writes them\n"),
    });
    text
}
