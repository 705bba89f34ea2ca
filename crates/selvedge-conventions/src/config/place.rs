//! Where a file lies: in which project, under which model.

use super::Config;
use crate::TreePath;

/// Where a tensor file lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TensorPlace<'p> {
    /// In a directory of a model or run: `<project>/tensors/<model>/`.
    Known {
        /// The directory that has the directory of tensors; empty for the root.
        project: &'p str,
        /// The directory of the model or run.
        model: &'p str,
    },
    /// In a directory of tensors, under a model or run that the configuration does not know.
    UnknownModel {
        /// The directory that has the directory of tensors; empty for the root.
        project: &'p str,
        /// The path from there to the file's directory.
        model: &'p str,
    },
    /// Directly in a directory of tensors.
    NoModel {
        /// The directory that has the directory of tensors; empty for the root.
        project: &'p str,
    },
    /// In no directory of tensors.
    Elsewhere,
}

impl Config {
    /// Where a tensor file lies, by its path.
    #[must_use]
    pub fn place<'p>(&self, path: &'p TreePath) -> TensorPlace<'p> {
        let Some(directory) = path
            .ancestors()
            .find(|directory| self.tensors.directories.matches(directory))
        else {
            return TensorPlace::Elsewhere;
        };
        let project = parent(directory);
        let model = path.parent()[directory.len()..].trim_start_matches('/');
        if model.is_empty() {
            TensorPlace::NoModel { project }
        } else if self.tensors.models.matches(model) {
            TensorPlace::Known { project, model }
        } else {
            TensorPlace::UnknownModel { project, model }
        }
    }

    /// The project that a notebook belongs to: the directory that has the directory of notebooks
    /// which it is in, and `None` if it is in none.
    #[must_use]
    pub fn project_of_notebook<'p>(&self, path: &'p TreePath) -> Option<&'p str> {
        path.ancestors()
            .find(|directory| self.notebooks.directories.matches(directory))
            .map(parent)
    }
}

fn parent(directory: &str) -> &str {
    directory.rsplit_once('/').map_or("", |(parent, _)| parent)
}
