//! Who records: each contender writes one file, or one folder, of a workload, and it is checked.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytemuck::cast_slice;
use selvedge_hdf5::{Compression, Dtype, Reader, Recorder, RecorderBuilder, Tensor};

use super::peer::{Layout, Peer};
use super::workload::Workload;
use super::writers;
use crate::Result;
use crate::bench::Contender as Named;
use crate::meter::{self, Meter};
use crate::report::{Figure, Kind, Sample};

/// A contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// One `write` for each tensor into a plain file: the reference.
    Plain,
    /// One `write` for each step: the reference where tensors are many.
    PlainSteps,
    /// One `pwrite` for each tensor, into a file of its own.
    PlainAt,
    /// Selvedge, told the number of steps.
    Recorder,
    /// Selvedge, not told it.
    OpenEnded,
    /// Selvedge, compressing.
    Compressed,
    /// hdf5-metno as its documentation has it: one chunk, `write_slice`, its default fill time.
    Hdf5Crate,
    /// h5py as well as its interface allows: the recorder's chunks, without fill values.
    H5py,
    /// h5py as the document has it that Selvedge was made from: a chunk of the whole run, filled before the first
    /// step.
    H5pySeed,
    /// `ndarray.tofile`, a file for each tensor.
    ToFile,
    /// `numpy.memmap`, a file for each tensor.
    Memmap,
    /// zarr-python, a chunk for each step, without compression.
    Zarr,
}

impl Named for Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain write",
            Self::PlainSteps => "plain write of whole steps",
            Self::PlainAt => "plain pwrite",
            Self::Recorder => "Selvedge",
            Self::OpenEnded => "Selvedge, open-ended",
            Self::Compressed => "Selvedge, compressed",
            Self::Hdf5Crate => "hdf5-metno, naive",
            Self::H5py => "h5py, tuned",
            Self::H5pySeed => "h5py, the seed's way",
            Self::ToFile => "numpy, tofile",
            Self::Memmap => "numpy, memmap",
            Self::Zarr => "zarr-python",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Plain | Self::PlainSteps | Self::PlainAt => Kind::Plain,
            Self::Recorder | Self::OpenEnded | Self::Compressed => Kind::Ours,
            _ => Kind::Peer,
        }
    }
}

/// When a sample ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// When the file is closed: what it holds may be in the page cache.
    Cache,
    /// When `fdatasync` has returned for it, or for each file of a folder.
    Disk,
}

impl Contender {
    /// The contenders in Rust, and those in Python.
    const ALL: [Self; 12] = [
        Self::Plain,
        Self::PlainSteps,
        Self::PlainAt,
        Self::Recorder,
        Self::OpenEnded,
        Self::Compressed,
        Self::Hdf5Crate,
        Self::H5py,
        Self::H5pySeed,
        Self::ToFile,
        Self::Memmap,
        Self::Zarr,
    ];

    /// The contenders of a workload.
    #[must_use]
    pub fn of(workload: &Workload, medium: Medium, with_python: bool) -> Vec<Self> {
        let serves = |who: &Self| match who {
            Self::PlainSteps | Self::Compressed => workload.is_many(),
            // Others go by the tensors one by one, which takes a hundred times as long: the groups `python` have them.
            _ if workload.is_many() => matches!(who, Self::Plain | Self::Recorder),
            // An open-ended run differs in its chunks only.
            Self::OpenEnded => workload.name == "large",
            // A file for each tensor and step: not for small ones, and not with an fdatasync for each.
            Self::Zarr => matches!(workload.name, "large" | "wide") && medium == Medium::Cache,
            // A number is written as a number: nobody maps a file for it.
            Self::ToFile | Self::Memmap | Self::PlainAt => {
                workload.tensors.len() > 1 || workload.name == "wide"
            }
            _ => true,
        };
        let all = Self::ALL.into_iter().filter(serves);
        all.filter(|who| with_python || who.layout().is_none())
            .collect()
    }

    /// What Python is asked for; `None` of those that are not in Python.
    fn layout(self) -> Option<Layout> {
        match self {
            Self::H5py => Some(Layout::H5pyTuned),
            Self::H5pySeed => Some(Layout::H5pySeed),
            Self::ToFile => Some(Layout::ToFile),
            Self::Memmap => Some(Layout::Memmap),
            Self::Zarr => Some(Layout::Zarr),
            _ => None,
        }
    }

    /// Records `workload` into `path`.
    ///
    /// # Errors
    ///
    /// The errors of the contender.
    pub fn record(
        self,
        workload: &Workload,
        path: &Path,
        medium: Medium,
        peer: Option<&mut Peer>,
    ) -> Result<Sample> {
        let mut sample = if let Some(layout) = self.layout() {
            let plan = builder(workload, path).steps(workload.steps).plan()?;
            let chunks: Vec<u64> = plan
                .tensors
                .iter()
                .map(|plan| plan.chunk_shape[0])
                .collect();
            let peer = peer.ok_or("no Python")?;
            peer.record(layout, path, workload.steps, &chunks, medium)?
        } else {
            let meter = Meter::start();
            let mut sample = match self {
                Self::Plain => writers::write(workload, path, medium)?,
                Self::PlainSteps => writers::write_steps(workload, path, medium)?,
                Self::PlainAt => writers::write_at(workload, path, medium)?,
                Self::Hdf5Crate => writers::hdf5_crate(workload, path, medium)?,
                Self::OpenEnded => {
                    writers::recorder(workload, builder(workload, path), path, medium)?
                }
                _ => {
                    let builder = builder(workload, path).steps(workload.steps);
                    let builder = match self {
                        Self::Compressed => builder.compression(Compression::Fast),
                        _ => builder,
                    };
                    writers::recorder(workload, builder, path, medium)?
                }
            };
            meter.stop(&mut sample);
            sample
        };
        sample.insert(Figure::OnDisk, meter::on_disk(path)?);
        Ok(sample)
    }

    /// Checks what was recorded: the number of steps, and the bytes of the first, the middle and the last.
    ///
    /// # Errors
    ///
    /// Where they are not those of the workload.
    pub fn check(self, workload: &Workload, path: &Path, peer: Option<&mut Peer>) -> Result<()> {
        match self {
            Self::Plain | Self::PlainSteps => check_plain(workload, path),
            Self::PlainAt => check_places(workload, path),
            Self::ToFile | Self::Memmap | Self::Zarr => {
                let layout = self.layout().ok_or("not of Python")?;
                peer.ok_or("no Python")?.check(layout, path, workload.steps)
            }
            _ => check_hdf5(workload, path),
        }
    }
}

/// Declares the tensors of `workload`.
pub fn builder(workload: &Workload, path: &Path) -> RecorderBuilder {
    let builder = Recorder::create(path);
    workload.tensors.iter().fold(builder, |builder, tensor| {
        builder.tensor_spec(tensor.clone())
    })
}

/// Appends step `step` of `workload`.
///
/// # Errors
///
/// The errors of the recorder.
#[inline]
pub fn append(
    run: &mut Recorder,
    workload: &Workload,
    step: u64,
) -> Result<u64, selvedge_hdf5::RecordError> {
    run.append(|target| {
        for (tensor, bytes) in workload.tensors.iter().zip(workload.step(step)) {
            target.put_bytes(&tensor.name, tensor.dtype, bytes)?;
        }
        Ok(target)
    })
}

fn check_hdf5(workload: &Workload, path: &Path) -> Result<()> {
    let reader = Reader::open(path)?;
    if reader.committed_steps() != workload.steps {
        let found = reader.committed_steps();
        return Err(format!("{found} steps, not {}", workload.steps).into());
    }
    for step in Workload::checked_steps(workload.steps) {
        for (tensor, expected) in workload.tensors.iter().zip(workload.step(step)) {
            // Other files name bfloat16 nowhere: it is read by its bits.
            let tensor = reader.tensor(&tensor.name)?;
            if read_bits(tensor, step)? != expected {
                let tensor = tensor.name();
                return Err(format!("other bytes in step {step} of {tensor}").into());
            }
        }
    }
    Ok(())
}

/// The steps, tensor by tensor, one after the other.
fn check_plain(workload: &Workload, path: &Path) -> Result<()> {
    let mut places = vec![0; workload.tensors.len()];
    let mut begin = 0;
    for (place, tensor) in places.iter_mut().zip(&workload.tensors) {
        *place = begin;
        begin += tensor.step_bytes()?;
    }
    check_file(workload, path, |tensor, step| {
        step * workload.step_bytes + places[tensor]
    })
}

/// The tensors one after the other, each with all of its steps.
fn check_places(workload: &Workload, path: &Path) -> Result<()> {
    let places = writers::places(workload)?;
    check_file(workload, path, |tensor, step| {
        let (begin, size) = places[tensor];
        begin + step * size
    })
}

fn check_file(workload: &Workload, path: &Path, place: impl Fn(usize, u64) -> u64) -> Result<()> {
    let file = File::open(path)?;
    let found = file.metadata()?.len();
    if found != workload.bytes() {
        return Err(format!("{found} bytes, not {}", workload.bytes()).into());
    }
    for step in Workload::checked_steps(workload.steps) {
        for (tensor, expected) in workload.step(step).enumerate() {
            let mut bytes = vec![0; expected.len()];
            file.read_exact_at(&mut bytes, place(tensor, step))?;
            if bytes != expected {
                return Err(format!("other bytes in step {step}").into());
            }
        }
    }
    Ok(())
}

fn read_bits(tensor: &Tensor, step: u64) -> Result<Vec<u8>> {
    Ok(match tensor.dtype()? {
        Dtype::F32 => cast_slice(&tensor.read_step::<f32>(step)?).to_vec(),
        _ => cast_slice(&tensor.read_step::<u16>(step)?).to_vec(),
    })
}
