//! `selvedge inspect --diff`: what two files differ in.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use selvedge_base::text::escaped;
use serde::Serialize;

use super::meant::meant;
use crate::compare::{self, Opened};
use crate::facts::{Assumptions, Differences, gather};
use crate::metadata;
use crate::outcome::Outcome;
use crate::output;
use crate::render::{self, Page};

/// What `--diff --json` prints.
#[derive(Serialize)]
struct Report<'a> {
    selvedge_version: &'static str,
    first: String,
    second: String,
    equal: bool,
    #[serde(flatten)]
    differences: &'a Differences,
}

pub(super) fn run(
    [first, second]: [&PathBuf; 2],
    tensors: &[String],
    assumptions: &Assumptions,
    skip_unsupported: bool,
    json: bool,
) -> anyhow::Result<Outcome> {
    let files = [first, second].map(PathBuf::clone);
    // Both are looked into before anything is said, so that both errors are told.
    let read = |path: &Path| -> Option<Opened> {
        gather(path, assumptions)
            .map_err(|error| output::error(&meant(error, &files, None)))
            .ok()
    };
    let (one, two) = (read(first), read(second));
    let (Some(mut one), Some(mut two)) = (one, two) else {
        return Ok(Outcome::Failed);
    };
    compare::choose(&mut one, &mut two, tensors)?;
    let ((one, _), (two, _)) = (one, two);
    let attributes = metadata::differences(&one, &two)?;
    let differences = Differences::of(&one, &two, attributes)?;
    let equal = differences.count() == 0;
    // What is not read makes no difference where there is another.
    for told in metadata::not_compared(&one, &two, skip_unsupported || !equal)? {
        output::note(&told);
    }
    if json {
        let report = Report {
            selvedge_version: env!("CARGO_PKG_VERSION"),
            first: escaped(first.as_os_str().as_bytes()),
            second: escaped(second.as_os_str().as_bytes()),
            equal,
            differences: &differences,
        };
        output::print_json(&report)?;
    } else {
        output::print(&render::diff::files(
            &one,
            &two,
            &differences,
            Page::of_stdout(),
        ))?;
    }
    Ok(if equal {
        Outcome::Success
    } else {
        Outcome::Negative
    })
}
