//! Paths of a project: where a tensor goes, before there is a file.

use std::path::{Path, PathBuf};

use crate::{ModelName, TensorFileName, TrajectoryName};

/// A project: a directory with a `tensors` and a `notebooks` directory.
///
/// ```
/// use std::path::Path;
/// use selvedge_conventions::Project;
///
/// let project = Project::new("box_3");
/// let model = "Qwen3-4B-Instruct-2507".parse()?;
/// let name = "1.5d_cluster_mask.safetensors".parse()?;
/// assert_eq!(
///     project.tensor_file(&model, &name),
///     Path::new("box_3/tensors/Qwen3-4B-Instruct-2507/1.5d_cluster_mask.safetensors")
/// );
/// assert_eq!(
///     project.trajectory(&"Thimble".parse()?, &"thimble_7.h5".parse()?),
///     Path::new("box_3/tensors/Thimble/thimble_7.h5")
/// );
/// # Ok::<(), selvedge_conventions::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    root: PathBuf,
}

impl Project {
    /// The project whose root is this directory.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The project that a folder belongs to: the nearest one from the folder upwards that has a
    /// `tensors` or a `notebooks` directory. For a program that runs in `box_3/notebooks` this is
    /// `box_3`.
    #[must_use]
    pub fn find(folder: &Path) -> Option<Self> {
        // A relative path has no ancestors above the working directory.
        std::path::absolute(folder)
            .ok()?
            .ancestors()
            .find(|folder| folder.join("tensors").is_dir() || folder.join("notebooks").is_dir())
            .map(Self::new)
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of tensors.
    #[must_use]
    pub fn tensors(&self) -> PathBuf {
        self.root.join("tensors")
    }

    /// The directory of notebooks.
    #[must_use]
    pub fn notebooks(&self) -> PathBuf {
        self.root.join("notebooks")
    }

    /// Where a tensor file of the model belongs.
    #[must_use]
    pub fn tensor_file(&self, model: &ModelName, name: &TensorFileName) -> PathBuf {
        self.tensors().join(model.as_str()).join(name.to_string())
    }

    /// Where a trajectory of the run belongs.
    #[must_use]
    pub fn trajectory(&self, run: &ModelName, name: &TrajectoryName) -> PathBuf {
        self.tensors().join(run.as_str()).join(name.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::Project;

    #[test]
    fn a_project_is_found_from_inside() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("box_3");
        std::fs::create_dir_all(root.join("tensors/Thimble")).unwrap();
        std::fs::create_dir_all(root.join("notebooks")).unwrap();
        let expected = Project::new(&root);
        assert_eq!(
            Project::find(&root.join("notebooks")),
            Some(expected.clone())
        );
        assert_eq!(
            Project::find(&root.join("tensors/Thimble")),
            Some(expected.clone())
        );
        assert_eq!(Project::find(&root), Some(expected));
        assert_eq!(Project::find(folder.path()), None);
    }
}
