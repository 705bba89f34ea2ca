//! All groups, in the order in which they run.

use crate::bench::Bench;
use crate::report::{Report, markdown_of_group};
use crate::scratch::Scratch;
use crate::{Result, check, compress, convert, encode, python, read, rechunk, record, safetensors};

/// A section: the names of its groups, and what runs those that are selected.
type Section = (
    &'static [&'static str],
    fn(&mut Bench, &Scratch) -> Result<()>,
);

const SECTIONS: &[Section] = &[
    (record::GROUPS, record::run),
    (compress::GROUPS, compress::run),
    (encode::GROUPS, encode::run),
    (read::GROUPS, read::run),
    (read::steps::GROUPS, read::steps::run),
    (python::GROUPS, python::run),
    (rechunk::GROUPS, rechunk::run),
    (safetensors::GROUPS, safetensors::run),
    (convert::GROUPS, convert::run),
    (check::GROUPS, check::run),
];

/// The names of `parts`, which are `N` together: else it does not compile, so none is forgotten.
pub(crate) const fn joined<const N: usize>(parts: &[&[&'static str]]) -> [&'static str; N] {
    let mut names = [""; N];
    let (mut count, mut part) = (0, 0);
    while part < parts.len() {
        let mut nth = 0;
        while nth < parts[part].len() {
            names[count] = parts[part][nth];
            count += 1;
            nth += 1;
        }
        part += 1;
    }
    assert!(count == N, "another number of names");
    names
}

/// The names of all groups.
pub fn names() -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().flat_map(|(names, _)| names.iter().copied())
}

/// Runs the groups that are selected, and calls `after` with the report so far after each section, so that a run that
/// is interrupted has one.
///
/// What keeps a section from going on is told in the report, and the others run. Returns whether there was none.
///
/// # Errors
///
/// The errors of `after`.
pub fn run(
    bench: &mut Bench,
    scratch: &Scratch,
    mut after: impl FnMut(&Report) -> Result<()>,
) -> Result<bool> {
    let mut complete = true;
    for (names, section) in SECTIONS {
        if !names.iter().any(|name| bench.selects(name)) {
            continue;
        }
        let known = bench.report.groups.len();
        if let Err(error) = section(bench, scratch) {
            let section = names[0].split('/').next().unwrap_or_default();
            bench.note(format!("**`{section}` ended early:** {error}"));
            complete = false;
        }
        for group in &bench.report.groups[known..] {
            println!("\n{}", markdown_of_group(group, 2));
        }
        after(&bench.report)?;
    }
    Ok(complete)
}
