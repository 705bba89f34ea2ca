//! Which steps are drawn, of the commands that draw them.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::bail;
use selvedge_base::{Indices, NoIndices};
use selvedge_report::Sample;

use crate::facts::{Format, Unreadable};
use crate::object;

/// The files, and which of their steps.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Files {
    /// HDF5, safetensors, .npy or .npz files, of Selvedge or of any other program
    #[arg(required_unless_present = "steps", value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Take the first axis for steps where the file does not say so: of the tensors where it is as long as that
    /// of the largest. With INDICES, such as 100.. or log:50, only these steps, each with the one before it
    #[arg(
        long,
        visible_alias = "step",
        value_name = "INDICES",
        num_args = 0..=1,
        default_missing_value = ".."
    )]
    steps: Option<Word>,
}

/// What may stand behind `--steps`.
#[derive(Clone, Debug)]
enum Word {
    Indices(Indices),
    /// The flag has no indices, and this is the first file; or it was to be indices, and these are none.
    File(PathBuf, NoIndices),
}

impl FromStr for Word {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.parse().map_or_else(
            |no_indices| Self::File(text.into(), no_indices),
            Self::Indices,
        ))
    }
}

impl Files {
    /// The files.
    ///
    /// # Errors
    ///
    /// That there are none; and that what follows `--steps` is neither indices nor a file.
    pub(super) fn paths(&self) -> anyhow::Result<Vec<PathBuf>> {
        let first = match &self.steps {
            Some(Word::File(file, no_indices)) => {
                let is_here = object::url(file).is_none();
                let missing = is_here.then(|| Format::detect(file).err()).flatten();
                match missing.filter(Unreadable::is_missing) {
                    Some(missing) if self.files.is_empty() => {
                        bail!("{missing}; as indices of --steps: {no_indices}")
                    }
                    Some(missing) => bail!("--steps: {no_indices}; and as a file: {missing}"),
                    None => Some(file),
                }
            }
            _ => None,
        };
        let paths: Vec<PathBuf> = first.into_iter().chain(&self.files).cloned().collect();
        if paths.is_empty() {
            bail!("which file? --steps INDICES says which steps of it");
        }
        Ok(paths)
    }

    /// Whether the first axis is taken for steps where a file does not say so.
    pub(super) fn has_steps(&self) -> bool {
        self.steps.is_some()
    }

    /// The steps that are named, or those that are taken where none are.
    pub(super) fn sample(&self, otherwise: Sample) -> Sample {
        match &self.steps {
            Some(Word::Indices(indices)) if !indices.is_all() => Sample::Steps(indices.clone()),
            _ => otherwise,
        }
    }
}
