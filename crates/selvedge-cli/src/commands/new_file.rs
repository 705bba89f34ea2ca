//! Where a new file comes to lie, of all commands that write one.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use selvedge_base::{FileError, Partial, check_target, target};

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

    /// The same, where what is there may be replaced in any case.
    pub(super) fn replacing(self, what_is_there: bool) -> Self {
        Self {
            overwrite: self.overwrite || what_is_there,
            ..self
        }
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

/// Writes a file of these bytes, which gets its name when it is complete.
///
/// # Errors
///
/// What is in its way, and what the system refuses. The file that was there is still there then.
pub(super) fn write(path: &Path, bytes: &[u8], overwrite: bool) -> anyhow::Result<()> {
    let mut partial = Partial::create(path, overwrite)?;
    let written = (&mut &***partial.file()).write_all(bytes);
    written.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(partial.publish(true)?)
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

/// Endings that tell a format, and what writes values in it.
const TELLING: [(&[&str], Option<&str>); 4] = [
    (HDF5, Some("`selvedge convert`")),
    (&["safetensors", "npy"], Some("`selvedge convert`")),
    (&["csv", "txt"], Some("`selvedge show -o`")),
    (
        &[
            "html", "htm", "sarif", "xml", "ipynb", "py", "toml", "md", "json", "npz", "zarr",
            "pt", "pth", "pkl", "mat", "parquet", "pdf", "png", "svg", "gz", "zst", "bz2", "xz",
            "zip", "tar", "tgz",
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
/// That it does.
pub(super) fn check_ending(path: &Path, writes: &str, endings: &[&str]) -> anyhow::Result<()> {
    match other_format(path, endings) {
        None => Ok(()),
        Some((found, _)) => bail!(
            "{} ends in .{found}, and {writes}; end it in {}",
            path.display(),
            listed(endings)
        ),
    }
}

/// The same of a command that writes the values of tensors, as others do in other formats.
///
/// # Errors
///
/// That it does, and what writes values in the other format.
pub(super) fn check_ending_of_values(
    path: &Path,
    writes: &str,
    endings: &[&str],
) -> anyhow::Result<()> {
    let writer = other_format(path, endings).and_then(|(_, writer)| writer);
    let told = check_ending(path, writes, endings);
    match writer {
        Some(writer) => told.map_err(|error| anyhow!("{error}, or take {writer}")),
        None => told,
    }
}

/// Endings for people: `.h5, .hdf5 or .nc`.
pub(super) fn listed(endings: &[&str]) -> String {
    match endings {
        [rest @ .., last] if !rest.is_empty() => format!(".{} or .{last}", rest.join(", .")),
        _ => format!(".{}", endings.concat()),
    }
}

/// The ending of a name that tells another format than those with these endings, and what writes values in that.
fn other_format(path: &Path, endings: &[&str]) -> Option<(String, Option<&'static str>)> {
    let found = ending(path).unwrap_or_default();
    let telling = |(known, _): &&(&[&str], _)| known.contains(&&*found);
    let (_, writer) = TELLING.iter().find(telling)?;
    (!endings.contains(&&*found)).then_some((found, *writer))
}

/// The folder of a new file, if it is not there.
pub(super) fn missing_folder(path: &Path) -> Option<&Path> {
    let folder = path.parent()?;
    (!folder.as_os_str().is_empty() && !folder.exists()).then_some(folder)
}
