//! What is checked: the root, its configuration, and the files and folders below it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use selvedge_conventions::{Config, TreePath};

/// The root that paths are shown from, and what of it is checked.
pub(crate) struct Scope {
    /// Absolute. Paths of findings are relative to it.
    pub(crate) root: PathBuf,
    pub(crate) config: Config,
    /// Whether there is a file that the configuration is from.
    pub(crate) has_file: bool,
    /// Files and folders whose files are checked, absolute.
    pub(crate) checked: Vec<PathBuf>,
    /// Whether the whole root is checked, so that what belongs to no file is, too.
    pub(crate) whole: bool,
}

impl Scope {
    /// The scope of the paths on the command line; of none, that of the working directory.
    ///
    /// The root is the folder of the nearest `selvedge.toml`; without one, or with a configuration
    /// from elsewhere, the top of the git repository; or else the folder above a `tensors` or a
    /// `notebooks` folder that it is in, or the folder itself.
    ///
    /// # Errors
    ///
    /// A path that there is not, and a configuration that cannot be read.
    pub(crate) fn find(paths: &[PathBuf], config: Option<&Path>) -> anyhow::Result<Self> {
        let given = paths
            .iter()
            .map(|path| absolute(path))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let start = match given.first() {
            Some(path) if path.is_dir() => path.clone(),
            Some(path) => path.parent().unwrap_or(path).to_owned(),
            None => absolute(Path::new("."))?,
        };
        let found = Config::find(&start);
        let root = match (&found, config) {
            (Some(file), None) => file.parent().map(Path::to_owned),
            _ => None,
        };
        let root = root
            .or_else(|| top_of_git(&start))
            .or_else(|| above_its_kind(&start))
            .unwrap_or(start);
        let file = config.or(found.as_deref());
        let config = match file {
            Some(file) => Config::load(file)?,
            None => Config::default(),
        };
        let checked = if given.is_empty() {
            config
                .roots
                .iter()
                .map(|folder| absolute(&root.join(folder)))
                .collect::<anyhow::Result<_>>()
                .context("a folder in `roots` of selvedge.toml")?
        } else {
            given
        };
        let whole = paths.is_empty() || checked.iter().any(|path| root.starts_with(path));
        Ok(Self {
            root,
            config,
            has_file: file.is_some(),
            checked,
            whole,
        })
    }

    /// The path as findings have it.
    pub(crate) fn tree_path(&self, path: &Path) -> TreePath {
        TreePath::new(path.strip_prefix(&self.root).unwrap_or(path))
    }

    /// The path of a finding, to open.
    pub(crate) fn path(&self, tree_path: &TreePath) -> PathBuf {
        self.root.join(tree_path.as_str())
    }

    /// Whether the file is one of those that are checked.
    pub(crate) fn contains(&self, path: &Path) -> bool {
        self.checked.iter().any(|checked| path.starts_with(checked))
    }
}

/// The path without links in its folders. A file that is a link itself keeps its name.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    let resolved = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => {
            let parent = if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            };
            parent.canonicalize().map(|parent| parent.join(name))
        }
        _ => path.canonicalize(),
    };
    match resolved {
        Ok(resolved) if resolved.exists() => Ok(resolved),
        Ok(_) => bail!("there is no {}", path.display()),
        Err(error) => Err(error).with_context(|| format!("cannot find {}", path.display())),
    }
}

/// The folder above a folder of tensors or of notebooks that this one is in, or is.
fn above_its_kind(folder: &Path) -> Option<PathBuf> {
    let mut folders = folder.ancestors();
    let kind = folders.find(|folder| {
        let name = folder.file_name().unwrap_or_default();
        name == "tensors" || name == "notebooks"
    })?;
    kind.parent().map(Path::to_owned)
}

/// A worktree and a submodule have a file `.git`.
fn top_of_git(folder: &Path) -> Option<PathBuf> {
    folder
        .ancestors()
        .find(|folder| folder.join(".git").exists())
        .map(Path::to_owned)
}
