//! Holding a repository to the conventions: finding its files, gathering facts, running the rules.

mod artifact;
mod evidence;
pub(crate) mod fix;
mod git;
mod hashes;
mod ignored;
pub(crate) mod isolated;
pub(crate) mod reading;
mod repository;
mod scope;
mod settings;
pub(crate) mod walk;

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use selvedge_base::text::shown;
use selvedge_base::{LONGEST_TEXT, Mutex, read_regular};
use selvedge_conventions::{
    Abandoned, Artifact, Checker, Contents, Finding, Notebook, Project, Selection, Tree, TreeFile,
    TreePath,
};

use crate::facts::{FileFacts, Format};
use crate::progress::Progress;
use crate::words::with_way_out;
pub use isolated::Program;
use isolated::Worker;
use reading::Reading;
use walk::{Found, Kind};

pub(crate) use scope::Scope;

/// The longest notebook that is checked, in bytes.
const LONGEST_NOTEBOOK: u64 = 256 << 20;
/// Notebooks longer than this are read one after the other, in bytes.
const LARGE_NOTEBOOK: u64 = 16 << 20;
/// Headers of safetensors files longer than this are read one after the other, in bytes. What is known
/// of a million tensors takes 20 times as much.
const LARGE_HEADER: u64 = 4 << 20;

/// What could not be checked, in a sentence. It is no finding, since the file is not to blame.
pub(crate) struct Failure(pub(crate) String);

/// What a check found.
pub(crate) struct Checked {
    pub(crate) findings: Vec<Finding>,
    /// The files that were checked, with the paths that they have on the disk.
    pub(crate) files: HashMap<TreePath, PathBuf>,
    pub(crate) failures: Vec<Failure>,
}

/// The threads that walk and check. Files are opened and read more than computed with, so that even
/// one processor has use for two.
fn threads() -> usize {
    thread::available_parallelism()
        .map_or(2, NonZero::get)
        .clamp(2, 16)
}

/// Checks the files of the scope.
///
/// # Errors
///
/// What keeps all files from being checked.
pub(crate) fn run(
    scope: &Scope,
    selection: &Selection,
    program: &Program,
) -> anyhow::Result<Checked> {
    let mut failures = Vec::new();
    let (files, settings) = walk::walk(scope, &mut failures);
    let repository = repository::facts(scope, settings, &files, &mut failures);
    let (tensors, notebooks): (Vec<&Found>, Vec<&Found>) = files
        .iter()
        .filter(|file| file.kind == Kind::Notebook || file.kind.is_tensor_file())
        .partition(|file| file.kind.is_tensor_file());
    let tree_file = |file: &&Found| TreeFile::new(scope.tree_path(&file.path), file.bytes);
    let mut in_tree: Vec<TreeFile> = tensors.iter().map(tree_file).collect();
    if selection.contains("TEN006") {
        let paths: Vec<&Path> = tensors.iter().map(|file| &*file.path).collect();
        hashes::fill(&mut in_tree, &paths);
    }
    in_tree.extend(notebooks.iter().map(tree_file));
    let tree = Tree {
        files: in_tree,
        shards: shards(scope, &files),
        packages: packages(scope, &files),
        float16_folders: float16_folders(scope, &files),
        abandoned: abandoned(scope, &files, &mut failures),
        is_configured: scope.has_file,
        repository,
    };
    let checker = Checker::new(&scope.config, &tree, selection.clone());
    let checked: Vec<&Found> = tensors
        .into_iter()
        .chain(notebooks)
        .filter(|file| scope.contains(&file.path))
        .filter(|file| !scope.config.excludes(&scope.tree_path(&file.path)))
        .collect();
    let reading = Reading::new(&scope.config, selection);
    let mut findings = check_all(scope, &checker, &checked, &reading, program, &mut failures)?;
    findings.extend(
        checker
            .check_tree()
            .into_iter()
            .filter(|finding| scope.whole || scope.contains(&scope.path(&finding.path))),
    );
    Ok(Checked {
        findings,
        files: checked
            .iter()
            .map(|file| (scope.tree_path(&file.path), file.path.clone()))
            .collect(),
        failures,
    })
}

/// Why nothing was checked of some of the paths that were named, or of anything.
pub(crate) fn unchecked(named: &[PathBuf], scope: &Scope, checked: &Checked) -> Vec<String> {
    let found = checked
        .findings
        .iter()
        .map(|finding| scope.path(&finding.path));
    let seen: Vec<PathBuf> = checked.files.values().cloned().chain(found).collect();
    let why = |(named, path): (&PathBuf, &PathBuf)| {
        let kind = Kind::of(&path.file_name()?.to_string_lossy());
        let is_known = kind.is_some_and(|kind| kind.is_tensor_file() || kind == Kind::Notebook);
        let why = match (path.is_dir(), kind) {
            _ if scope.config.excludes(&scope.tree_path(path)) => {
                "`exclude` of the configuration leaves it out"
            }
            // That it cannot be looked through is told as what it is.
            (true, _) if path.read_dir().is_err() => return None,
            (true, _) => {
                "it has no tensor file and no notebook, or git or the configuration leaves them out"
            }
            (false, Some(_)) if is_known => "git ignores it",
            // What else has a place in a check.
            (false, Some(_)) => return None,
            (false, None) => "by its name it is no tensor file and no notebook",
        };
        Some(format!("nothing was checked of {}: {why}", shown(named)))
    };
    if named.is_empty() && seen.is_empty() {
        return vec![format!(
            "nothing was checked: there is no tensor file and no notebook in {}, or git or the configuration leaves \
             them out",
            shown(&scope.root)
        )];
    }
    let named = named.iter().zip(&scope.checked);
    let unseen = named.filter(|(_, path)| !seen.iter().any(|seen| seen.starts_with(path)));
    unseen.filter_map(why).collect()
}

/// What writers that died left behind.
fn abandoned(scope: &Scope, files: &[Found], failures: &mut Vec<Failure>) -> Vec<Abandoned> {
    let incomplete = files.iter().filter(|file| file.kind == Kind::Incomplete);
    let incomplete: Vec<&Path> = incomplete.map(|file| &*file.path).collect();
    let found = selvedge_base::Abandoned::find_all(&incomplete);
    let mut looked_at = |(file, found): (&Path, _)| {
        let path = scope.tree_path(file);
        match still_there(found) {
            Ok(found) => {
                let found: selvedge_base::Abandoned = found??;
                Some(Abandoned {
                    path,
                    bytes: found.bytes,
                    is_recoverable: found.is_recoverable,
                    is_whole: reading::is_whole(file),
                })
            }
            Err(error) => {
                failures.push(Failure(format!("cannot look at {path}: {error}")));
                None
            }
        }
    };
    let all = incomplete.into_iter().zip(found);
    all.filter_map(&mut looked_at).collect()
}

/// The files that indexes of checkpoints name. An index that cannot be read names none.
fn shards(scope: &Scope, files: &[Found]) -> HashSet<TreePath> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: HashMap<String, String>,
    }
    let indexes = files.iter().filter(|file| file.kind == Kind::Index);
    indexes
        .filter_map(|file| {
            let mut json = Vec::new();
            read_regular(&file.path, LONGEST_TEXT, &mut json).ok()?;
            let index: Index = serde_json::from_slice(&json).ok()?;
            Some((scope.tree_path(&file.path), index))
        })
        .flat_map(|(path, index)| {
            let names: HashSet<String> = index.weight_map.into_values().collect();
            names
                .into_iter()
                .map(move |name| path.with_file_name(&name))
        })
        .collect()
}

/// The folders of safetensors files beside which a configuration says that they are float16.
fn float16_folders(scope: &Scope, files: &[Found]) -> HashSet<String> {
    let files = files.iter().filter(|file| file.kind == Kind::Safetensors);
    let folders: HashSet<&Path> = files.filter_map(|file| file.path.parent()).collect();
    let folders = folders.into_iter().filter(|folder| says_float16(folder));
    folders
        .map(|folder| scope.tree_path(folder).to_string())
        .collect()
}

/// Whether the configuration of a model, as transformers writes it, says that its weights are float16, in
/// itself or in that of a part.
fn says_float16(folder: &Path) -> bool {
    use serde_json::Value;
    let mut json = Vec::new();
    let config = match read_regular(&folder.join("config.json"), LONGEST_TEXT, &mut json) {
        Ok(()) => serde_json::from_slice(&json).unwrap_or(Value::Null),
        Err(_) => Value::Null,
    };
    let is_float16 = |config: &Value| {
        let mut dtypes = ["dtype", "torch_dtype"]
            .iter()
            .filter_map(|key| config.get(key));
        dtypes.any(|dtype| matches!(dtype.as_str(), Some("float16" | "torch.float16")))
    };
    let parts = config
        .as_object()
        .into_iter()
        .flat_map(|config| config.values());
    is_float16(&config) || parts.into_iter().any(is_float16)
}

/// The directories of tensors that are modules of a program.
fn packages(scope: &Scope, files: &[Found]) -> HashSet<String> {
    const MODULES: [&str; 4] = ["__init__.py", "mod.rs", "lib.rs", "Cargo.toml"];
    let tensors = files.iter().filter(|file| file.kind.is_tensor_file());
    let paths: Vec<TreePath> = tensors.map(|file| scope.tree_path(&file.path)).collect();
    let folders: HashSet<&str> = paths
        .iter()
        .flat_map(TreePath::ancestors)
        .filter(|folder| scope.config.tensors.directories.matches(folder))
        .collect();
    let is_module = |folder: &&&str| {
        let folder = scope.root.join(folder);
        MODULES.iter().any(|name| folder.join(name).is_file())
    };
    folders
        .iter()
        .filter(is_module)
        .map(|folder| (*folder).to_owned())
        .collect()
}

fn check_all(
    scope: &Scope,
    checker: &Checker<'_>,
    files: &[&Found],
    reading: &Reading,
    program: &Program,
    failures: &mut Vec<Failure>,
) -> anyhow::Result<Vec<Finding>> {
    let mut progress = Progress::of_files(files.len() as u64);
    let mut findings = Vec::new();
    let next = AtomicUsize::new(0);
    let large = Mutex::new(());
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scoped| {
        for _ in 0..threads().min(files.len()) {
            let (sender, next) = (sender.clone(), &next);
            let mut thread = Checking {
                scope,
                checker,
                reading,
                worker: Worker::new(program.clone()),
                buffer: Vec::new(),
                large: &large,
            };
            scoped.spawn(move || {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let checked = catch_unwind(AssertUnwindSafe(|| thread.check(file)));
                    let checked = checked.unwrap_or_else(|panic| Err(panicked(&*panic)));
                    let _ = sender.send((*file, checked));
                }
            });
        }
        drop(sender);
        for (file, checked) in receiver {
            progress.add_file();
            match checked {
                Ok(found) => findings.extend(found),
                Err(error) => failures.push(Failure(format!(
                    "cannot check {}: {}",
                    scope.tree_path(&file.path),
                    with_way_out(&error)
                ))),
            }
        }
    });
    progress.finish();
    failures.sort_by(|one, two| one.0.cmp(&two.0));
    Ok(findings)
}

/// What one thread has.
struct Checking<'a> {
    scope: &'a Scope,
    checker: &'a Checker<'a>,
    reading: &'a Reading,
    worker: Worker,
    /// The bytes of a notebook; used again, since fresh memory is slow.
    buffer: Vec<u8>,
    /// Held while a large notebook or header is read, so that one is in memory and not one for each
    /// thread.
    large: &'a Mutex<()>,
}

impl Checking<'_> {
    fn check(&mut self, file: &Found) -> anyhow::Result<Vec<Finding>> {
        let is_large = match file.kind {
            Kind::Notebook => file.bytes > LARGE_NOTEBOOK,
            Kind::Safetensors => {
                file.bytes > LARGE_HEADER && reading::data_start(&file.path) > LARGE_HEADER
            }
            _ => false,
        };
        let _alone = is_large.then(|| self.large.lock());
        let contents = match file.kind {
            Kind::Notebook => {
                let read = read_regular(&file.path, LONGEST_NOTEBOOK, &mut self.buffer);
                // One that was removed meanwhile is no failure.
                if still_there(read)?.is_none() {
                    return Ok(Vec::new());
                }
                let notebook = Notebook::parse(&self.buffer);
                if is_large {
                    self.buffer = Vec::new();
                }
                Contents::from(notebook)
            }
            Kind::Hdf5 => {
                if still_there(file.path.metadata())?.is_none() {
                    return Ok(Vec::new());
                }
                let read = self.worker.read(&file.path, file.bytes, self.reading);
                Contents::from(read?)
            }
            kind => {
                if still_there(file.path.metadata())?.is_none() {
                    return Ok(Vec::new());
                }
                match kind {
                    Kind::Numpy => Contents::from(reading::numpy(&file.path, self.reading)?),
                    _ => Contents::from(reading::safetensors(&file.path, self.reading)?),
                }
            }
        };
        let path = self.scope.tree_path(&file.path);
        let artifact = Artifact::new(path, file.bytes, contents);
        Ok(self.checker.check(&artifact))
    }
}

fn still_there<T>(result: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn panicked(panic: &(dyn Any + Send)) -> anyhow::Error {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    anyhow::anyhow!("a mistake of Selvedge ({message}); please report it")
}

/// What the rules find in one file whose facts are gathered already, without a look at any other:
/// so it cannot be told whether its notebook exists. Of a file that lies in no project, such as a
/// download, nobody expects a name or a place.
pub(crate) fn one_file(facts: &FileFacts) -> anyhow::Result<Vec<Finding>> {
    let scope = Scope::find(std::slice::from_ref(&facts.path), None)?;
    let folder = facts.path.parent().unwrap_or(&facts.path);
    let project = Project::find(folder);
    let in_project = scope.has_file || project.is_some();
    let ignored = if in_project { "NAM002" } else { "NAM" };
    let selection = Selection::new(&scope.config, &[], &[ignored.parse()?]);
    let reading = Reading::new(&scope.config, &selection);
    let contents = match facts.format {
        Format::Hdf5 => Contents::from(artifact::hdf5(facts, &reading)),
        Format::Safetensors => Contents::from(artifact::safetensors(facts)),
        Format::Npy | Format::Npz => Contents::from(artifact::numpy(facts)),
    };
    let path: PathBuf = scope.checked.first().cloned().unwrap_or_default();
    let artifact = Artifact::new(scope.tree_path(&path), facts.file_bytes, contents);
    let mut files = vec![TreeFile::new(artifact.path.clone(), artifact.bytes)];
    // Notebooks beside its directory of tensors say that names are meant.
    let beside = project.and_then(|project| project.notebooks().read_dir().ok());
    let notebooks = beside
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    files.extend(notebooks.map(|path| TreeFile::new(scope.tree_path(&path), 0)));
    let tree = Tree {
        files,
        is_configured: scope.has_file,
        float16_folders: says_float16(folder)
            .then(|| artifact.path.parent().to_owned())
            .into_iter()
            .collect(),
        ..Tree::default()
    };
    Ok(Checker::new(&scope.config, &tree, selection).check(&artifact))
}
