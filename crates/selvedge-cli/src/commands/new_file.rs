//! Where a new file comes to lie, of all commands that write one.

use std::path::{Path, PathBuf};

use anyhow::bail;
use selvedge_base::{FileError, check_target, target};

/// What a new file may replace, and whether folders are made for it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct NewFile {
    /// Replace a file that is there
    #[arg(long)]
    pub(super) overwrite: bool,

    /// Make the folders of the new file that are not there
    #[arg(long)]
    parents: bool,
}

impl NewFile {
    /// Checks that nothing is in the way of a new file, and that it has a folder.
    ///
    /// # Errors
    ///
    /// What is in its way, and that its name has a folder which is not there: it may be mistyped.
    pub(super) fn check(self, path: &Path) -> anyhow::Result<()> {
        let target = target(path)?;
        match check_target(&target, self.overwrite) {
            Err(FileError::AlreadyExists { .. }) => {
                let path = path.display();
                bail!("{path} exists already; another name keeps it, --overwrite replaces it");
            }
            other => other.map(|_| ())?,
        }
        if let Some(folder) = missing_folder(&target)
            && !self.parents
        {
            bail!(
                "there is no folder {}, to write {} into; --parents makes it",
                folder.display(),
                path.display()
            );
        }
        Ok(())
    }

    /// Checks that there is a file that the flags are for.
    ///
    /// # Errors
    ///
    /// The flag that is for none.
    pub(super) fn check_none(self, flag: &str) -> anyhow::Result<()> {
        match (self.overwrite, self.parents) {
            (true, _) => bail!("--overwrite is for {flag}"),
            (_, true) => bail!("--parents is for {flag}"),
            _ => Ok(()),
        }
    }
}

/// Checks that the new file `path` replaces none of those that it is made of.
///
/// # Errors
///
/// That it would.
pub(super) fn check_apart<'a>(
    path: &Path,
    sources: impl IntoIterator<Item = &'a PathBuf>,
) -> anyhow::Result<()> {
    let located = path.canonicalize().ok();
    let is_source = |file: &PathBuf| located.is_some() && file.canonicalize().ok() == located;
    if sources.into_iter().any(is_source) {
        bail!(
            "{} is one of the files that are read; give what is made of it a name of its own",
            path.display()
        );
    }
    Ok(())
}

/// The folder of a new file, if it is not there.
pub(super) fn missing_folder(path: &Path) -> Option<&Path> {
    let folder = path.parent()?;
    (!folder.as_os_str().is_empty() && !folder.exists()).then_some(folder)
}
