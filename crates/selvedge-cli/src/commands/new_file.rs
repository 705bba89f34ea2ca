//! Where a new file comes to lie, of all commands that write one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::bail;
use selvedge_base::{FileError, check_target, target};

use crate::object;

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
    /// That it is a URL, what is in its way, and that its name has a folder which is not there: it may be mistyped.
    pub(super) fn check(self, path: &Path) -> anyhow::Result<()> {
        self.check_or(path, "")
    }

    /// The same of a command that can do without a file: what there is to do `otherwise`.
    pub(super) fn check_or(self, path: &Path, otherwise: &str) -> anyhow::Result<()> {
        // A folder `s3:` would be made for it, and that would be told as done.
        object::check_written_here(path)?;
        let is_special = |found: fs::Metadata| !found.is_file() && !found.is_dir();
        if path == Path::new("-") || fs::metadata(path).is_ok_and(is_special) {
            bail!(
                "{} is no name for a file, which a new one gets when it is complete; name one{otherwise}",
                path.display()
            );
        }
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

/// The endings of HDF5.
pub(super) const HDF5: &[&str] = &["h5", "hdf5", "hdf", "he5", "nc"];

/// Endings that tell a format, and what writes it.
const TELLING: [(&[&str], Option<&str>); 6] = [
    (HDF5, Some("`selvedge convert`")),
    (&["safetensors", "npy"], Some("`selvedge convert`")),
    (&["csv", "txt"], Some("`selvedge show -o`")),
    (&["html", "htm"], Some("`selvedge report`")),
    (&["sarif", "xml"], Some("`selvedge check --output-format`")),
    (
        &[
            "json", "npz", "zarr", "pt", "pth", "pkl", "mat", "parquet", "pdf", "png", "svg", "gz",
            "zst", "bz2", "xz", "zip", "tar", "tgz",
        ],
        None,
    ),
];

/// The ending of a name, in small letters.
pub(crate) fn ending(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

/// Checks that the name of a new file does not tell another format than is written, by what `writes` says. These are
/// its endings.
///
/// # Errors
///
/// That it does, and what writes the other format.
pub(super) fn check_ending(path: &Path, writes: &str, endings: &[&str]) -> anyhow::Result<()> {
    let found = ending(path).unwrap_or_default();
    let telling = |(known, _): &&(&[&str], _)| known.contains(&&*found);
    let Some((_, other)) = TELLING.iter().find(telling) else {
        return Ok(());
    };
    if endings.contains(&&*found) {
        return Ok(());
    }
    let other = other.map_or_else(String::new, |other| format!(", or take {other}"));
    bail!(
        "{} ends in .{found}, and {writes}; end it in .{}{other}",
        path.display(),
        endings.join(" or ."),
    )
}

/// The folder of a new file, if it is not there.
pub(super) fn missing_folder(path: &Path) -> Option<&Path> {
    let folder = path.parent()?;
    (!folder.as_os_str().is_empty() && !folder.exists()).then_some(folder)
}
