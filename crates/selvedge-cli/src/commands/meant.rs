//! What was meant by a file that is not there, of the commands that take several files.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use selvedge_base::text::{shell_path, shell_word};

use super::new_file::{HDF5, ending};
use crate::facts::{Assumptions, Unreadable, gather};
use crate::object;

/// The new file of a command, as its help has it, and how the name of one may end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    /// `the page`.
    pub(super) what: &'static str,
    pub(super) endings: &'static [&'static str],
}

/// The error of a file, with what its name was probably meant for where there is none: that of a new file, if
/// the command makes one and has no name for it; or that of a tensor in another one of the `files`.
pub(super) fn meant(
    error: impl Into<anyhow::Error>,
    files: &[PathBuf],
    output: Option<Output>,
) -> anyhow::Error {
    let error = error.into();
    let Some(Unreadable::Missing { path, instead, .. }) = error.downcast_ref() else {
        return error;
    };
    let name = path.display();
    let is_new = |output: &Output| {
        let ends = |endings: &[&str]| ending(path).is_some_and(|end| endings.contains(&&*end));
        // One that could be read as well may be mistyped.
        let is_sure = !ends(HDF5) || (instead.is_none() && files.last() == Some(path));
        files.len() > 1 && ends(output.endings) && is_sure
    };
    if let Some(Output { what, .. }) = output.filter(is_new) {
        let new = shell_path(path);
        return anyhow!("there is no {name}; `-o {new}` writes {what} into it");
    }
    let mut others = files.iter().filter(|&file| file != path);
    match others.find(|file| has_tensor(file, path)) {
        Some(file) => {
            let tensor = shell_word(path);
            // One that begins with a minus would be taken for a flag.
            let between = if tensor.starts_with('-') { '=' } else { ' ' };
            anyhow!(
                "there is no {name}, which is a tensor of {}; --tensor{between}{tensor} takes it",
                file.display()
            )
        }
        None => error,
    }
}

/// Whether there is a tensor of that name in a file of this machine.
fn has_tensor(file: &Path, name: &Path) -> bool {
    let names: Vec<String> = name.to_str().map(str::to_owned).into_iter().collect();
    object::url(file).is_none()
        && gather(file, &Assumptions::default())
            .is_ok_and(|(facts, file)| !names.is_empty() && facts.own_names(&file, &names).is_ok())
}
