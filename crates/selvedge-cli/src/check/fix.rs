//! Fixing what was found.

use std::path::Path;

use selvedge_base::{FileError, LockedFile, rename_new};
use selvedge_conventions::{Finding, Fix, FixAction, FixSafety};
use selvedge_hdf5::mark_bf16;

/// The fixes of the findings: those that are safe, and with `all` the others. New names come last, since
/// the other fixes go by the old ones.
pub(crate) fn of(findings: &[Finding], all: bool) -> Vec<(&Finding, &Fix)> {
    let fixes = findings.iter();
    let mut fixes: Vec<_> = fixes
        .filter_map(|finding| Some((finding, finding.fix.as_ref()?)))
        .filter(|(_, fix)| all || fix.safety == FixSafety::Safe)
        .collect();
    fixes.sort_by_key(|(_, fix)| matches!(fix.action, FixAction::Rename { .. }));
    fixes
}

/// Checks of a fix of the file at `path` what can be told without making it.
///
/// # Errors
///
/// Why it would not be made.
pub(crate) fn check(path: &Path, fix: &Fix) -> anyhow::Result<()> {
    if let FixAction::Rename { to } = &fix.action {
        let name = to.file_name();
        let is_taken = path.with_file_name(name).symlink_metadata().is_ok();
        anyhow::ensure!(!is_taken, "there is a `{name}` already");
    }
    Ok(())
}

/// Fixes one finding, in the file at `path`.
///
/// # Errors
///
/// Why it was left as it was.
pub(crate) fn apply(path: &Path, fix: &Fix) -> anyhow::Result<()> {
    check(path, fix)?;
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
            rename_new(path, &path.with_file_name(to.file_name()))?;
        }
        other => anyhow::bail!("this version cannot {other}"),
    }
    Ok(())
}
