//! Finding the files: notebooks as git sees them, and tensor files also where git ignores them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use ignore::{DirEntry, WalkBuilder, WalkState};
use selvedge_base::{Abandoned, is_push_journal, name_when_complete, open_regular};

use super::git;
use super::ignored::Ignored;
use super::settings::GitSettings;
use super::{Failure, Scope, threads};
use crate::progress::Progress;
use crate::references;
use crate::show::beginning::{is_csv_head, is_title};
use crate::words::way_out;

/// What git is asked about: the files of interest that are left out where it ignores them.
const OF_INTEREST: [&str; 3] = ["*.ipynb", "*.gitattributes", "*.safetensors.index.json"];

/// Between two looks at whether somebody is to be told that files are looked for.
const PATIENCE: Duration = Duration::from_millis(100);

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
    /// `.npy`, `.npz`.
    Numpy,
    /// A tensor file that is being written, or was.
    Incomplete,
    /// `.gitattributes`.
    GitAttributes,
    /// `model.safetensors.index.json`: which file of a checkpoint has which tensor.
    Index,
}

impl Kind {
    /// By its name: that is what says which format a file should have.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            ".gitattributes" => return Some(Self::GitAttributes),
            _ if is_incomplete(name) => return Some(Self::Incomplete),
            _ if name.starts_with('.') => return None,
            _ if name.ends_with(".safetensors.index.json") => return Some(Self::Index),
            _ => {}
        }
        let (_, extension) = name.rsplit_once('.')?;
        match extension {
            "ipynb" => Some(Self::Notebook),
            "safetensors" => Some(Self::Safetensors),
            "h5" | "hdf5" => Some(Self::Hdf5),
            "npy" | "npz" => Some(Self::Numpy),
            _ => None,
        }
    }

    pub(super) fn is_tensor_file(self) -> bool {
        matches!(self, Self::Safetensors | Self::Hdf5 | Self::Numpy)
    }

    /// Whether git mostly ignores such files, which are of interest all the same.
    fn is_found_when_ignored(self) -> bool {
        self.is_tensor_file() || self == Self::Incomplete
    }
}

/// Whether a file of this name is to be a tensor file when it is complete.
fn is_incomplete(name: &str) -> bool {
    // Of a name as long as that the extension can have been cut.
    const LONG: usize = 200;
    name_when_complete(name)
        .is_some_and(|name| name.len() > LONG || Kind::of(name).is_some_and(Kind::is_tensor_file))
}

/// All files of interest below the root and the checked paths, in the order of their paths.
///
/// Most repositories ignore tensor files, which are of interest, and no notebook that git ignores is, unless
/// it tracks it all the same: so everything is walked through while git is asked, and what it does not see is left out then.
pub(super) fn walk(scope: &Scope, failures: &mut Vec<Failure>) -> (Vec<Found>, GitSettings) {
    let (sender, receiver) = mpsc::channel();
    thread::scope(|threads| {
        threads.spawn(move || walk_everything(scope, &sender));
        let asked = threads.spawn(|| GitSettings::ask(&scope.root));
        let mut files = BTreeMap::new();
        let mut progress = Progress::of_walk();
        loop {
            // What is of interest can be far between.
            match receiver.recv_timeout(PATIENCE) {
                Ok(Ok(found)) => {
                    files.insert(found.path.clone(), found);
                    progress.add_file();
                }
                Ok(Err(failure)) => failures.push(failure),
                Err(RecvTimeoutError::Timeout) => progress.wait(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        progress.finish();
        let settings = asked.join().unwrap_or_default();
        let files: Vec<Found> = files.into_values().collect();
        let roots: Vec<&Path> = roots(scope).map(PathBuf::as_path).collect();
        let mut ignored = Ignored::new(&scope.root, &roots, &settings.ignore_files);
        let mut is_seen =
            |file: &Found| file.kind.is_found_when_ignored() || ignored.sees(&file.path);
        let (mut files, unseen): (Vec<Found>, Vec<Found>) =
            files.into_iter().partition(|file| is_seen(file));
        if !unseen.is_empty() && settings.failure.is_none() {
            // What git tracks it does not ignore, whatever its globs say.
            let tracked = git::tracked_and_ignored(&scope.root, &OF_INTEREST).unwrap_or_default();
            files.extend(
                unseen
                    .into_iter()
                    .filter(|file| tracked.contains(&file.path) && !ignored.leaves_out(&file.path)),
            );
            files.sort_by(|one, other| one.path.cmp(&other.path));
        }
        failures.extend(ignored.failures());
        (files, settings)
    })
}

/// What is walked through: the root, and what of the checked paths lies elsewhere or can be left out below it.
fn roots(scope: &Scope) -> impl Iterator<Item = &PathBuf> {
    let checked = scope.checked.iter().filter(|path| **path != scope.root);
    std::iter::once(&scope.root).chain(checked)
}

fn walk_everything(scope: &Scope, sender: &mpsc::Sender<Result<Found, Failure>>) {
    let mut builder = WalkBuilder::new(&scope.root);
    for path in roots(scope).skip(1) {
        builder.add(path);
    }
    builder
        // The crate's own would read whatever lies under the names of ignore files.
        .standard_filters(false)
        .threads(threads())
        .filter_entry(is_entered);
    builder.build_parallel().run(|| {
        Box::new(|entry| {
            match entry {
                Ok(entry) => {
                    if let Some(kind) = Kind::of(&entry.file_name().to_string_lossy())
                        && let Some(bytes) = regular_file(&entry)
                    {
                        let path = entry.into_path();
                        let _ = sender.send(Ok(Found { path, bytes, kind }));
                    }
                }
                Err(error) => {
                    let _ = sender.send(Err(Failure(not_walked(&error))));
                }
            }
            WalkState::Continue
        })
    });
}

/// Why something of the files was not looked through, in words that name it.
fn not_walked(error: &ignore::Error) -> String {
    let (path, system) = parts(error);
    let path = path.map_or_else(|| "the files".to_owned(), |path| path.display().to_string());
    match system {
        None => format!("cannot look through {path}: {error}"),
        Some(system) => {
            let way_out = way_out(system.kind()).map(|out| format!("; {out}"));
            format!(
                "cannot look through {path}: {system}{}",
                way_out.unwrap_or_default()
            )
        }
    }
}

/// The path that an error of the walk is about, and what the system said.
fn parts(error: &ignore::Error) -> (Option<&Path>, Option<&io::Error>) {
    match error {
        ignore::Error::WithPath { path, err } => (Some(path), parts(err).1),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            parts(err)
        }
        ignore::Error::Io(system) => {
            // The walk wraps what the system said, in words of its own.
            let inner = system.get_ref().and_then(|inner| inner.source());
            (
                None,
                Some(
                    inner
                        .and_then(|inner| inner.downcast_ref())
                        .unwrap_or(system),
                ),
            )
        }
        _ => (None, None),
    }
}

/// Whether a file without its name yet, which is not called a tensor file, is one of this program: it begins as a page, as
/// references, as values in csv or text, or as the journal of an upload. Programs that download or copy give files such names, too, which are theirs.
fn is_ours(path: &Path, name: &str) -> bool {
    const MOST: u64 = 4096;
    let whole = name_when_complete(name);
    if whole.is_some() && !name.starts_with('.') {
        return is_push_journal(path);
    }
    let Some(whole) = whole.map(Path::new) else {
        return false;
    };
    let mut begins = Vec::new();
    let read = open_regular(path).and_then(|file| file.take(MOST).read_to_end(&mut begins));
    let begins = String::from_utf8_lossy(&begins);
    let line = begins.lines().next().unwrap_or_default();
    let is_ours = match whole.extension().and_then(OsStr::to_str) {
        Some("html" | "htm") => begins.starts_with(selvedge_report::BEGINNING),
        Some("json") => begins.starts_with(references::BEGINNING),
        Some("csv" | "txt") => is_csv_head(line) || is_title(line),
        // Other endings of HDF5, whose files begin with anything until they are complete.
        Some("hdf" | "he5" | "nc") => true,
        _ => false,
    };
    read.is_ok() && is_ours
}

/// What writers that died left behind below these files and folders, in the order of the paths.
pub(crate) fn abandoned(roots: &[PathBuf]) -> (Vec<Abandoned>, Vec<Failure>) {
    let (mut paths, mut failures) = (Vec::new(), Vec::new());
    let mut roots = roots.iter();
    let mut builder = WalkBuilder::new(roots.next().map_or(Path::new("."), PathBuf::as_path));
    for root in roots {
        builder.add(root);
    }
    builder.standard_filters(false).filter_entry(is_entered);
    for entry in builder.build() {
        match entry {
            Ok(entry) => {
                let name = entry.file_name().to_string_lossy();
                if is_incomplete(&name) || is_ours(entry.path(), &name) {
                    paths.push(entry.into_path());
                }
            }
            Err(error) => failures.push(Failure(not_walked(&error))),
        }
    }
    paths.sort();
    paths.dedup();
    let mut found = Vec::new();
    for (path, looked_at) in paths.iter().zip(Abandoned::find_all(&paths)) {
        match looked_at {
            Ok(file) => found.extend(file),
            Err(error) => {
                let path = path.display();
                failures.push(Failure(format!("cannot look at {path}: {error}")));
            }
        }
    }
    (found, failures)
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::not_walked;

    /// "IO error for operation on locked: Permission denied" was all that was said.
    #[test]
    fn a_folder_that_may_not_be_read_is_told_with_a_way_out() {
        let system = io::Error::from_raw_os_error(13);
        let error = ignore::Error::WithPath {
            path: "locked".into(),
            err: Box::new(ignore::Error::WithDepth {
                depth: 1,
                err: Box::new(ignore::Error::Io(system)),
            }),
        };
        let told = not_walked(&error);
        assert!(
            told.starts_with(
                "cannot look through locked: Permission denied (os error 13); `ls -ld` tells"
            ),
            "{told}"
        );
    }
}
