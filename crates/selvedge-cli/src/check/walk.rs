//! Finding the files: notebooks as git sees them, and tensor files also where git ignores them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use ignore::{DirEntry, WalkBuilder, WalkState};

use super::{Failure, Scope, threads};

/// A file that is of interest.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Notebook,
    Safetensors,
    Hdf5,
    /// `.gitattributes`.
    GitAttributes,
    /// `.pre-commit-config.yaml`.
    PreCommit,
}

impl Kind {
    /// By its name: that is what says which format a file should have.
    fn of(name: &str) -> Option<Self> {
        match name {
            ".gitattributes" => return Some(Self::GitAttributes),
            ".pre-commit-config.yaml" => return Some(Self::PreCommit),
            _ if name.starts_with('.') => return None,
            _ => {}
        }
        let (_, extension) = name.rsplit_once('.')?;
        match extension {
            "ipynb" => Some(Self::Notebook),
            "safetensors" => Some(Self::Safetensors),
            "h5" | "hdf5" => Some(Self::Hdf5),
            _ => None,
        }
    }

    pub(super) fn is_tensor_file(self) -> bool {
        matches!(self, Self::Safetensors | Self::Hdf5)
    }
}

/// All files of interest below the root and the checked paths, in the order of their paths.
///
/// There are two walks at once: most repositories ignore tensor files, and no notebook that git
/// ignores is of interest.
pub(super) fn walk(scope: &Scope, failures: &mut Vec<Failure>) -> Vec<Found> {
    let (sender, receiver) = mpsc::channel();
    thread::scope(|threads| {
        for ignored in [false, true] {
            let sender = sender.clone();
            threads.spawn(move || walk_once(scope, ignored, &sender));
        }
        drop(sender);
        let mut files = BTreeMap::new();
        for entry in receiver {
            match entry {
                Ok(found) => {
                    files.insert(found.path.clone(), found);
                }
                Err(failure) => failures.push(failure),
            }
        }
        files.into_values().collect()
    })
}

/// One walk: of what git sees, for all but tensor files, or of everything, for tensor files.
fn walk_once(scope: &Scope, everything: bool, sender: &mpsc::Sender<Result<Found, Failure>>) {
    let mut builder = WalkBuilder::new(&scope.root);
    for path in &scope.checked {
        builder.add(path);
    }
    builder
        .standard_filters(!everything)
        // Those are left out below; two hidden files are of interest.
        .hidden(false)
        .require_git(false)
        .threads(threads())
        .filter_entry(is_entered);
    builder.build_parallel().run(|| {
        Box::new(|entry| {
            match entry {
                Ok(entry) => {
                    let name = entry.file_name().to_string_lossy();
                    let kind = Kind::of(&name);
                    if let Some(kind) = kind.filter(|kind| kind.is_tensor_file() == everything)
                        && let Some(bytes) = regular_file(&entry)
                    {
                        let path = entry.into_path();
                        let _ = sender.send(Ok(Found { path, bytes, kind }));
                    }
                }
                // Both walks meet it, and one tells.
                Err(error) if everything => {
                    let message = format!("cannot look through the files: {error}");
                    let _ = sender.send(Err(Failure(message)));
                }
                Err(_) => {}
            }
            WalkState::Continue
        })
    });
}

/// Its length, if the entry is a file or a link to one.
fn regular_file(entry: &DirEntry) -> Option<u64> {
    let metadata = if entry.path_is_symlink() {
        fs::metadata(entry.path()).ok()?
    } else {
        entry.metadata().ok()?
    };
    metadata.is_file().then_some(metadata.len())
}

/// Whether a folder is looked into: not a hidden one, nor one that programs fill. One that is named
/// on the command line always is.
fn is_entered(entry: &DirEntry) -> bool {
    if entry.depth() == 0 || !entry.file_type().is_some_and(|kind| kind.is_dir()) {
        return true;
    }
    let name = entry.file_name().to_string_lossy();
    let path = entry.path();
    let has = |file: &str| path.join(file).exists();
    let is_filled = name.starts_with('.')
        || matches!(&*name, "node_modules" | "__pycache__" | "site-packages")
        || (name == "target" && path.parent().is_some_and(has_cargo_toml))
        || has("CACHEDIR.TAG")
        || has("pyvenv.cfg")
        || has("conda-meta");
    !is_filled
}

fn has_cargo_toml(folder: &Path) -> bool {
    folder.join("Cargo.toml").exists()
}
