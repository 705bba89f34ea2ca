//! Running rules over facts.

use std::collections::{BTreeMap, HashSet};

use crate::{Artifact, Config, Finding, NotebookId, Selection, Tree, TreePath};

/// Notebooks by their ids.
type Notebooks<'a> = BTreeMap<NotebookId, &'a TreePath>;

/// What a rule may ask beside the file that it checks.
pub struct Context<'a> {
    config: &'a Config,
    tree: &'a Tree,
    /// Of each project, its notebooks.
    notebooks: BTreeMap<&'a str, Notebooks<'a>>,
    /// Those of all projects.
    all_notebooks: Notebooks<'a>,
    file_names: HashSet<&'a str>,
}

impl<'a> Context<'a> {
    fn new(config: &'a Config, tree: &'a Tree) -> Self {
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

    /// Whether a file of this name lies anywhere in the tree.
    #[must_use]
    pub fn has_file_named(&self, file_name: &str) -> bool {
        self.file_names.contains(file_name)
    }
}

/// Runs rules over facts.
///
/// Each file is checked by itself, so facts need not be kept, and threads may share a checker. What
/// no single file shows is checked once, by [`check_tree`](Self::check_tree).
///
/// ```
/// use selvedge_conventions::{
///     Artifact, Checker, Config, Notebook, Selection, Tree, TreeFile, TreePath,
/// };
///
/// let config = Config::default();
/// let tree = Tree {
///     files: vec![TreeFile::new("notebooks/1.5d_clusters.ipynb", 12)],
///     ..Tree::default()
/// };
/// let checker = Checker::new(&config, &tree, Selection::new(&config, &[], &[]));
///
/// let notebook = Notebook::parse(b"{\"nbformat\":");
/// let artifact = Artifact::new("notebooks/1.5d_clusters.ipynb", 12, notebook);
/// let mut findings = checker.check(&artifact);
/// findings.extend(checker.check_tree());
/// assert_eq!(findings[0].code, "NBK001");
/// ```
pub struct Checker<'a> {
    context: Context<'a>,
    selection: Selection,
}

impl<'a> Checker<'a> {
    /// A checker of the files of a tree.
    #[must_use]
    pub fn new(config: &'a Config, tree: &'a Tree, selection: Selection) -> Self {
        let context = Context::new(config, tree);
        Self { context, selection }
    }

    /// What the rules find in one file. Nothing in one that the configuration excludes.
    #[must_use]
    pub fn check(&self, artifact: &Artifact) -> Vec<Finding> {
        let config = self.context.config;
        let mut findings = Vec::new();
        if config.excludes(&artifact.path) {
            return findings;
        }
        for (rule, severity) in self.selection.rules() {
            let diagnoses = rule.check(artifact, &self.context);
            if diagnoses.is_empty() || config.ignores(&artifact.path, rule) {
                continue;
            }
            findings.extend(
                diagnoses.into_iter().map(|diagnosis| {
                    Finding::new(artifact.path.clone(), rule, severity, diagnosis)
                }),
            );
        }
        findings
    }

    /// What the rules find that is not in one file: settings of git, and files that are the same.
    /// It is about the whole tree: whoever checks only a part of it keeps the paths that matter.
    #[must_use]
    pub fn check_tree(&self) -> Vec<Finding> {
        let config = self.context.config;
        self.selection
            .rules()
            .flat_map(|(rule, severity)| {
                rule.check_tree(&self.context)
                    .into_iter()
                    .filter(move |(path, _)| !config.excludes(path) && !config.ignores(path, rule))
                    .map(move |(path, diagnosis)| Finding::new(path, rule, severity, diagnosis))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    /// Threads share a checker.
    #[test]
    fn a_checker_can_be_shared() {
        fn shared<T: Send + Sync>() {}
        shared::<super::Checker<'_>>();
    }
}
