//! Fixing what was found.

use std::io;
use std::path::Path;

use selvedge_base::{FileError, LockedFile, rename_new};
use selvedge_conventions::{Finding, Fix, FixAction, FixSafety};
use selvedge_hdf5::mark_bf16;

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
            // What is renamed of a link is the link. A file keeps its writer, and gets none meanwhile.
            let claimed = match path.is_symlink() {
                true => None,
                false => match LockedFile::claim(path) {
                    // It would take the file for one that was deleted.
                    Err(FileError::InUse { .. }) => anyhow::bail!("it is being recorded"),
                    claimed => Some(claimed?),
                },
            };
            let is_there = claimed.is_none_or(|file| file.is_named(path));
            anyhow::ensure!(is_there, "another file has got its name");
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
