//! Who saves a file.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use ::safetensors::tensor::TensorView;
use ::safetensors::{Dtype, serialize_to_file};
use half::bf16;
use selvedge_bf16::bf16_as_bytes;
use selvedge_safetensors::{Save, Writer};

use super::data::Workload;
use super::peer::Peer;
use crate::Result;
use crate::bench::Contender as Named;
use crate::report::Kind;

/// Bytes of a piece of the contenders that write in pieces.
const PIECE: usize = 1 << 20;

/// A contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// Header and tensors with `write_all` into a new file: the baseline.
    Plain,
    /// The same with all that a save does which is atomic: another name, `rename`, and with `sync`
    /// the folder's `fsync`.
    PlainRenamed,
    /// `Save::write`.
    Save,
    /// `Save::declare`, then `Writer::write` in pieces.
    Pieces,
    /// `Save::growing`, then `Writer::write` in pieces.
    Growing,
    /// `serialize_to_file` of the `safetensors` crate.
    Crate,
    /// `safetensors.numpy.save_file` of Python.
    Python,
}

impl Named for Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain write",
            Self::PlainRenamed => "plain write, renamed",
            Self::Save => "Save::write",
            Self::Pieces => "Writer, pieces of 1 MiB",
            Self::Growing => "Writer, growing",
            Self::Crate => "serialize_to_file",
            Self::Python => "Python, save_file",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Save | Self::Pieces | Self::Growing => Kind::Ours,
            Self::Plain | Self::PlainRenamed => Kind::Plain,
            _ => Kind::Peer,
        }
    }
}

impl Contender {
    /// Saves `workload` at `path`, where no file is, and returns the seconds that it took; with
    /// `sync` those until the file is on the disk.
    ///
    /// # Errors
    ///
    /// The errors of the contender.
    pub fn save(
        self,
        workload: &Workload,
        path: &Path,
        sync: bool,
        peer: Option<&mut Peer>,
    ) -> Result<f64> {
        let begin = Instant::now();
        match self {
            Self::Plain => plain(workload, path, sync),
            Self::PlainRenamed => renamed(workload, path, sync),
            Self::Save => save(workload, path, sync),
            Self::Pieces => pieces(workload, path, sync),
            Self::Growing => growing(workload, path, sync),
            Self::Crate => by_crate(workload, path, sync),
            Self::Python => return peer.ok_or("no Python")?.save(path, sync),
        }
        .map_err(|error| format!("{}: {error}", self.name()))?;
        Ok(begin.elapsed().as_secs_f64())
    }
}

fn plain(workload: &Workload, path: &Path, sync: bool) -> Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&workload.header)?;
    for (_, values) in workload.tensors() {
        file.write_all(bf16_as_bytes(values))?;
    }
    if sync {
        file.sync_all()?;
    }
    Ok(())
}

fn renamed(workload: &Workload, path: &Path, sync: bool) -> Result<()> {
    let partial = path.with_extension("partial");
    plain(workload, &partial, sync)?;
    fs::rename(&partial, path)?;
    if sync {
        let folder = path.parent().ok_or("a path without a folder")?;
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn save(workload: &Workload, path: &Path, sync: bool) -> Result<()> {
    workload.save(path).sync(sync).write()?;
    Ok(())
}

fn pieces(workload: &Workload, path: &Path, sync: bool) -> Result<()> {
    let save = Save::new(path).overwrite(true);
    let save = workload.names.iter().fold(save, |save, name| {
        save.declare::<bf16>(name, workload.shape)
    });
    stream(workload, save.sync(sync).start()?)
}

/// With the last tensor growing, and the others declared.
fn growing(workload: &Workload, path: &Path, sync: bool) -> Result<()> {
    let (last, others) = workload.names.split_last().ok_or("no tensors")?;
    let save = Save::new(path).overwrite(true);
    let save = others.iter().fold(save, |save, name| {
        save.declare::<bf16>(name, workload.shape)
    });
    let save = save.growing::<bf16>(last, &workload.shape[1..]);
    stream(workload, save.sync(sync).start()?)
}

fn stream(workload: &Workload, mut file: Writer) -> Result<()> {
    for (name, values) in workload.tensors() {
        for piece in values.chunks(PIECE / size_of::<bf16>()) {
            file.write(name, piece)?;
        }
    }
    file.finish()?;
    Ok(())
}

fn by_crate(workload: &Workload, path: &Path, sync: bool) -> Result<()> {
    let views = workload.tensors().map(|(name, values)| {
        let bytes = bf16_as_bytes(values);
        let view = TensorView::new(Dtype::BF16, workload.shape.to_vec(), bytes)?;
        Ok((name, view))
    });
    serialize_to_file(views.collect::<Result<Vec<_>>>()?, None, path)?;
    if sync {
        File::open(path)?.sync_all()?;
    }
    Ok(())
}
