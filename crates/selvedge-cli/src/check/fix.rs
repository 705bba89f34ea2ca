//! Fixing what was found.

use std::io;
use std::path::Path;

use selvedge_base::rename_new;
use selvedge_conventions::{Finding, Fix, FixAction, FixSafety};
use selvedge_hdf5::{Reader, mark_bf16};

/// The fixes of the findings: those that are safe, and with `all` the others.
pub(crate) fn of(findings: &[Finding], all: bool) -> Vec<(&Finding, &Fix)> {
    let fixes = findings.iter();
    fixes
        .filter_map(|finding| Some((finding, finding.fix.as_ref()?)))
        .filter(|(_, fix)| all || fix.safety == FixSafety::Safe)
        .collect()
}

/// Fixes one finding, in the file at `path`.
///
/// # Errors
///
/// Why it was left as it was.
pub(crate) fn apply(path: &Path, fix: &Fix) -> anyhow::Result<()> {
    match &fix.action {
        FixAction::AddBf16Marker { tensor } => {
            mark_bf16(path, tensor)?;
        }
        FixAction::Rename { to } => {
            // Its recorder would take the file for one that was deleted.
            let is_recorded = path.extension().is_some_and(|end| end != "safetensors")
                && Reader::open(path).is_ok_and(|file| file.has_recorder().unwrap_or(true));
            anyhow::ensure!(!is_recorded, "it is being recorded");
            match rename_new(path, &path.with_file_name(to.file_name())) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    anyhow::bail!("there is a `{}` already", to.file_name());
                }
                other => other?,
            }
        }
        other => anyhow::bail!("this version cannot {other}"),
    }
    Ok(())
}
