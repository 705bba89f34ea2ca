//! What a rule may ask beside the file that it checks.

use std::collections::{BTreeMap, HashSet};

use crate::{Config, NotebookId, TensorFileName, TensorPlace, TrajectoryName, Tree, TreePath};

/// Notebooks by their ids.
type Notebooks<'a> = BTreeMap<NotebookId, &'a TreePath>;

/// What a rule may ask beside the file that it checks.
pub struct Context<'a> {
    config: &'a Config,
    tree: &'a Tree,
    /// The notebooks of each project.
    notebooks: BTreeMap<&'a str, Notebooks<'a>>,
    /// The notebooks of all projects.
    all_notebooks: Notebooks<'a>,
    file_names: HashSet<&'a str>,
    names_are_meant: bool,
}

impl<'a> Context<'a> {
    pub(crate) fn new(config: &'a Config, tree: &'a Tree) -> Self {
        let mut notebooks: BTreeMap<_, Notebooks<'a>> = BTreeMap::new();
        let mut all_notebooks = Notebooks::new();
        for file in &tree.files {
            let file_name = file.path.file_name();
            if file_name.ends_with(".ipynb")
                && let Some(project) = config.project_of_notebook(&file.path)
                && let Some(id) = config.notebooks.id_pattern.id_of_notebook(file_name)
            {
                all_notebooks.insert(id.clone(), &file.path);
                let own = notebooks.entry(project).or_default();
                own.insert(id, &file.path);
            }
        }
        let mut tensor_files = tree.files.iter().map(|file| &file.path);
        // A folder of arrays has that name in many a repository.
        let is_tensor_file = |path: &TreePath| {
            let others = [".ipynb", ".npy", ".npz"];
            !others.iter().any(|end| path.file_name().ends_with(end))
        };
        let names_are_meant = tree.is_configured
            || tensor_files
                .any(|path| is_tensor_file(path) && is_a_sign(path, config, tree, &notebooks));
        let file_names = tree
            .files
            .iter()
            .map(|file| file.path.file_name())
            .collect();
        Self {
            config,
            tree,
            notebooks,
            all_notebooks,
            file_names,
            names_are_meant,
        }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &'a Config {
        self.config
    }

    /// The files of the tree, and the settings of git.
    #[must_use]
    pub fn tree(&self) -> &'a Tree {
        self.tree
    }

    /// The notebooks that may have made the files of a project: its own; where it has none, those
    /// of the nearest folder above that has some; and else all that there are.
    #[must_use]
    pub fn notebooks_of(&self, project: &str) -> &BTreeMap<NotebookId, &'a TreePath> {
        let mut folder = project;
        loop {
            if let Some(notebooks) = self.notebooks.get(folder) {
                return notebooks;
            }
            if folder.is_empty() {
                return &self.all_notebooks;
            }
            folder = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
    }

    /// Whether the conventions about names and places are meant for this file: the tree has a
    /// `selvedge.toml`; or, where the file is no part of tests or of a program, some safetensors or HDF5 file
    /// lies in a directory of tensors beside a notebook with an id, or has a name of the conventions there.
    #[must_use]
    pub fn names_are_meant(&self, path: &TreePath) -> bool {
        self.names_are_meant && (self.tree.is_configured || !is_of_a_program(path, self.tree))
    }

    /// Whether a file of this name lies anywhere in the tree.
    #[must_use]
    pub fn has_file_named(&self, file_name: &str) -> bool {
        self.file_names.contains(file_name)
    }
}

/// Whether a tensor file shows that somebody keeps to the conventions.
fn is_a_sign(
    path: &TreePath,
    config: &Config,
    tree: &Tree,
    notebooks: &BTreeMap<&str, Notebooks<'_>>,
) -> bool {
    let project = match config.place(path) {
        TensorPlace::Known { project, .. }
        | TensorPlace::UnknownModel { project, .. }
        | TensorPlace::NoModel { project } => project,
        TensorPlace::Elsewhere => return false,
    };
    let name = path.file_name();
    let is_named = || {
        name.parse::<TrajectoryName>().is_ok()
            // Without a notebook `1.5b` is the size of a model.
            || (!notebooks.is_empty()
                && TensorFileName::parse(name, &config.notebooks.id_pattern).is_ok())
    };
    !is_of_a_program(path, tree) && (notebooks.contains_key(project) || is_named())
}

/// Whether the file belongs to tests, or to the source of a program that has a module called `tensors`.
fn is_of_a_program(path: &TreePath, tree: &Tree) -> bool {
    const FOLDERS: [&str; 8] = [
        "src",
        "test",
        "tests",
        "testdata",
        "test_data",
        "test-data",
        "fixtures",
        "benches",
    ];
    let mut folders = path.parent().split('/');
    folders.any(|folder| FOLDERS.contains(&folder))
        || path
            .ancestors()
            .any(|folder| tree.packages.contains(folder))
}
