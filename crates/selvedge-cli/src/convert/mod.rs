//! Tensors from one format into another: HDF5, safetensors, and the arrays of `NumPy`.
//!
//! What is read is an [`Input`]: tensors or parts of them, and what the file says of itself. Each
//! format has a writer that takes it block by block, so that memory does not grow with the file.

mod input;
mod steps;
mod to_hdf5;
mod to_npy;
mod to_safetensors;

use std::error::Error;
use std::path::Path;

use anyhow::{anyhow, bail};
use selvedge_base::text::shell_word;
use selvedge_hdf5::{Comparison, Dtype, Float16Survey, f16};

pub(crate) use input::{Asked, open};
use input::{Input, LeftOut};

use crate::compare::Opened;
use crate::facts::{FileFacts, Format, Unreadable};
use crate::progress::Progress;
use crate::source::Kind;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Hdf5,
    Safetensors,
    Npy,
}

impl Target {
    const ALL: [Self; 3] = [Self::Hdf5, Self::Safetensors, Self::Npy];

    /// The format that the ending of a name tells.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let found = path.extension()?.to_str()?.to_ascii_lowercase();
        let mut all = Self::ALL.into_iter();
        all.find(|target| target.endings().contains(&&*found))
    }

    /// The endings that tell it.
    pub(crate) fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Hdf5 => &["h5", "hdf5"],
            Self::Safetensors => &["safetensors"],
            Self::Npy => &["npy"],
        }
    }

    /// The one that made this file, if a conversion did: an HDF5 file of another program can have anything.
    fn of_file(facts: &FileFacts) -> Option<Self> {
        match facts.format {
            Format::Hdf5 => facts.recording.as_ref().map(|_| Self::Hdf5),
            Format::Safetensors => Some(Self::Safetensors),
            Format::Npy => Some(Self::Npy),
            Format::Npz => None,
        }
    }

    /// Its name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hdf5 => "a trajectory",
            Self::Safetensors => "safetensors",
            Self::Npy => ".npy",
        }
    }

    /// Whether it has this dtype, or integers for its bits.
    fn holds(self, kind: &Kind) -> bool {
        match self {
            Self::Hdf5 => kind.hdf5.is_some(),
            Self::Safetensors => kind.safetensors.is_some(),
            Self::Npy => kind.to_numpy().is_some(),
        }
    }
}

/// Where a conversion goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output<'a> {
    pub(crate) path: &'a Path,
    pub(crate) target: Target,
    pub(crate) overwrite: bool,
}

/// What was made.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) tensors: u64,
    /// Bytes of values.
    pub(crate) bytes: u64,
    /// What there is to know of it, in sentences.
    pub(crate) notes: Vec<String>,
}

/// Takes out of what only one of two files has the tensors that a conversion into the format of the other leaves
/// out, and tells why.
pub(crate) fn leave_out(found: &mut Comparison, first: &Opened, second: &Opened) {
    for (names, opened, other) in [
        (&mut found.only_left, first, second),
        (&mut found.only_right, second, first),
    ] {
        let Some(target) = Target::of_file(&other.0).filter(|_| !names.is_empty()) else {
            continue;
        };
        let reasons = input::cannot_hold(opened, target);
        names.retain(|name| match reasons.get(name) {
            Some(why) => {
                let path = opened.0.path.display();
                let told = format!("tensor `{name}` of {path} {why}");
                found.left_out.push(told);
                false
            }
            None => true,
        });
    }
}

/// Writes what is asked for of an open file. Where a tensor turns out to be damaged, and such are to be left
/// out, all are read to find the others, and the output is begun anew.
///
/// # Errors
///
/// What cannot be asked for, and the errors of reading and writing. Then there is no new file, and the old one
/// if there was one.
pub(crate) fn convert(
    opened: &Opened,
    asked: &Asked,
    output: Output<'_>,
) -> anyhow::Result<Summary> {
    let may_skip = asked.skip_unsupported || asked.skip_damaged;
    if let Some(told) = opened.1.unread(&asked.tensors, may_skip) {
        bail!("{told}; --skip-damaged leaves it out");
    }
    let mut left_out = LeftOut::new();
    loop {
        let input = Input::new(opened, asked, output.target, &mut left_out)?;
        let total = input.tensors.iter().map(|tensor| tensor.source.bytes());
        let mut progress = Progress::new(total.fold(0, u64::saturating_add));
        let written = write(&input, output, &mut progress);
        progress.finish();
        let error = match written {
            Err(error) if is_damage(&error) => error,
            other => return other,
        };
        if !asked.skip_damaged {
            return Err(anyhow!("{error:#}; --skip-damaged leaves the tensor out"));
        }
        let damaged = input.damaged();
        if damaged.is_empty() {
            return Err(error);
        }
        left_out.extend(damaged);
    }
}

/// Whether a tensor could not be read since it is damaged.
fn is_damage(error: &anyhow::Error) -> bool {
    let unreadable = |cause: &(dyn Error + 'static)| {
        let cause = cause.downcast_ref::<Unreadable>();
        cause.is_some_and(Unreadable::is_damage)
    };
    error.chain().any(unreadable)
}

fn write(
    input: &Input<'_>,
    output: Output<'_>,
    progress: &mut Progress,
) -> anyhow::Result<Summary> {
    let mut watch = Watch {
        progress,
        surveys: Vec::new(),
    };
    let mut notes = match output.target {
        Target::Hdf5 => to_hdf5::write(input, output, &mut watch)?,
        Target::Safetensors => to_safetensors::write(input, output, &mut watch)?,
        Target::Npy => to_npy::write(input, output, &mut watch)?,
    };
    notes.extend(watch.notes());
    let bytes = input.tensors.iter().map(|tensor| tensor.source.bytes());
    Ok(Summary {
        tensors: input.tensors.len() as u64,
        bytes: bytes.fold(0, u64::saturating_add),
        notes,
    })
}

/// Looks at the values on their way.
struct Watch<'a> {
    progress: &'a mut Progress,
    /// What float16 has cost, for each float16 tensor.
    surveys: Vec<(String, Float16Survey)>,
}

impl Watch<'_> {
    /// `bytes` of tensor `name` go by.
    fn see(&mut self, name: &str, kind: &Kind, bytes: &[u8]) {
        self.progress.add(name, bytes.len() as u64);
        if kind.hdf5 != Some(Dtype::F16) {
            return;
        }
        if !self.surveys.iter().any(|(found, _)| found == name) {
            let survey = Float16Survey::default();
            self.surveys.push((name.to_owned(), survey));
        }
        if let Some((_, survey)) = self.surveys.iter_mut().find(|(found, _)| found == name) {
            let values = bytes.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
            let values: Vec<f16> = values.map(f16::from_le_bytes).collect();
            *survey += Float16Survey::of(&values);
        }
    }

    /// float16 whose values can all have been bfloat16 is the well-known accident.
    fn notes(self) -> impl Iterator<Item = String> {
        let suspects = self.surveys.into_iter();
        suspects
            .filter(|(_, survey)| survey.can_be_bf16() && survey.exact > 0)
            .map(|(name, survey)| {
                format!(
                    "`{name}` is float16: {survey}. If it was bfloat16, `selvedge rechunk --as-bf16 \
                     {}` makes an HDF5 file with its marker",
                    shell_word(&name)
                )
            })
    }
}
