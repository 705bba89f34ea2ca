//! Who records: each contender writes one file of a workload, and its file is checked.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use selvedge_hdf5::{Dtype, Reader, Recorder, RecorderBuilder, Tensor};

use crate::Result;
use crate::h5py::{Peer, Settings};
use crate::workload::Workload;

/// The run of the document that Selvedge was made from: 6,001 steps in chunks of 1,500.
const SEED_STEPS: u64 = 6001;
/// Steps of its chunks of 1.92 GB.
pub const SEED_CHUNK: u64 = 1500;

/// A contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// One `write` for each tensor into a plain file: the baseline.
    Plain,
    /// Selvedge, told the number of steps.
    Recorder,
    /// Selvedge, not told it.
    OpenEnded,
    /// h5py with the recorder's chunks and without fill values: as fast as its interface gets.
    H5py,
    /// h5py as people write it: chunks of about 2 GB, filled before the first data.
    H5pySeed,
}

/// What was measured of one file, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Creation of the file and its datasets, up to the first step.
    pub create: f64,
    /// From the first step to the end of `close`.
    pub total: f64,
    /// The same for each step.
    pub per_step: f64,
    /// The first step.
    pub first: Option<f64>,
    /// The longest step.
    pub longest: Option<f64>,
}

impl Sample {
    /// The time of `steps` steps, in which the first and the longest are not told.
    pub(crate) fn new(create: f64, total: f64, steps: u64) -> Self {
        Self {
            create,
            total,
            per_step: total / steps as f64,
            first: None,
            longest: None,
        }
    }

    /// A sample of the seed's settings, in which the first of `steps` steps filled the chunks, as it
    /// is for each step of a whole chunk.
    fn over_a_chunk(self, steps: u64) -> Self {
        let first = self.first.unwrap_or(0.0);
        let rest = (self.total - first) / (steps - 1) as f64;
        let chunk = SEED_CHUNK as f64;
        Self {
            per_step: (first + rest * (chunk - 1.0)) / chunk,
            ..self
        }
    }
}

impl Contender {
    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain write",
            Self::Recorder => "recorder",
            Self::OpenEnded => "recorder, open-ended",
            Self::H5py => "h5py, fill never",
            Self::H5pySeed => "h5py, seed's settings*",
        }
    }

    /// Whether it needs Python.
    #[must_use]
    pub fn is_h5py(self) -> bool {
        matches!(self, Self::H5py | Self::H5pySeed)
    }

    /// Bytes that its file takes on the disk.
    #[must_use]
    pub fn file_bytes(self, workload: &Workload) -> u64 {
        match self {
            Self::H5pySeed => SEED_CHUNK * workload.step_bytes,
            _ => workload.bytes(),
        }
    }

    /// Steps that it records: of the seed's settings a fifth, for their time is in the fill values.
    #[must_use]
    pub fn steps(self, workload: &Workload) -> u64 {
        match self {
            Self::H5pySeed => (workload.steps / 5).max(2),
            _ => workload.steps,
        }
    }

    /// Records `workload` into `path`.
    ///
    /// # Errors
    ///
    /// Those of the contender.
    pub fn record(
        self,
        workload: &Workload,
        path: &Path,
        peer: Option<&mut Peer>,
    ) -> Result<Sample> {
        match self {
            Self::Plain => plain_write(workload, path),
            Self::Recorder => recorder(workload, builder(workload, path).steps(workload.steps)),
            Self::OpenEnded => recorder(workload, builder(workload, path)),
            Self::H5py | Self::H5pySeed => {
                let settings = self.settings(workload, path)?;
                let sample = peer.ok_or("no Python")?.record(path, &settings);
                if self == Self::H5pySeed {
                    sample.map(|sample| sample.over_a_chunk(settings.steps))
                } else {
                    sample
                }
            }
        }
        .map_err(|error| format!("{}: {error}", self.name()).into())
    }

    fn settings(self, workload: &Workload, path: &Path) -> Result<Settings> {
        let steps = self.steps(workload);
        if self == Self::H5pySeed {
            return Ok(Settings {
                steps,
                extent: SEED_STEPS,
                chunks: vec![SEED_CHUNK; workload.tensors.len()],
                fill: "ifset",
            });
        }
        let plan = builder(workload, path).steps(steps).plan()?;
        Ok(Settings {
            steps,
            extent: steps,
            chunks: plan
                .tensors
                .iter()
                .map(|plan| plan.chunk_shape[0])
                .collect(),
            fill: "never",
        })
    }

    /// Checks the file of a sample: the number of steps, and the bytes of the first, the middle and
    /// the last.
    ///
    /// # Errors
    ///
    /// Where they are not those of the workload.
    pub fn check(self, workload: &Workload, path: &Path) -> Result<()> {
        let steps = self.steps(workload);
        let extent = match self {
            Self::Plain => return check_plain(workload, path),
            Self::H5pySeed => SEED_STEPS,
            _ => steps,
        };
        let reader = Reader::open(path)?;
        if reader.committed_steps() != extent {
            let found = reader.committed_steps();
            return Err(format!("{}: {found} steps, not {extent}", self.name()).into());
        }
        for step in Workload::checked_steps(steps) {
            for (tensor, expected) in workload.tensors.iter().zip(workload.step(step)) {
                // h5py's files name bfloat16 nowhere: it is read by its bits.
                let tensor = reader.tensor(&tensor.name)?;
                if read_bits(tensor, step)? != expected {
                    let (who, tensor) = (self.name(), tensor.name());
                    return Err(format!("{who}: other bytes in step {step} of {tensor}").into());
                }
            }
        }
        Ok(())
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
/// Those of the recorder.
#[inline]
pub fn append(
    run: &mut Recorder,
    workload: &Workload,
    step: u64,
) -> Result<u64, selvedge_hdf5::Error> {
    run.append(|target| {
        for (tensor, bytes) in workload.tensors.iter().zip(workload.step(step)) {
            target.put_bytes(&tensor.name, tensor.dtype, bytes)?;
        }
        Ok(target)
    })
}

fn recorder(workload: &Workload, builder: RecorderBuilder) -> Result<Sample> {
    let begin = Instant::now();
    let mut run = builder.start()?;
    let created = Instant::now();
    for step in 0..workload.steps {
        append(&mut run, workload, step)?;
    }
    let summary = run.finish()?;
    let total = created.elapsed().as_secs_f64();
    let create = (created - begin).as_secs_f64();
    Ok(Sample {
        longest: Some(summary.append.longest.as_secs_f64()),
        ..Sample::new(create, total, workload.steps)
    })
}

fn plain_write(workload: &Workload, path: &Path) -> Result<Sample> {
    let begin = Instant::now();
    let mut file = File::create(path)?;
    let created = Instant::now();
    // To ask for the time costs a tenth of writing a number.
    let watched = workload.step_bytes >= 4096;
    let (mut last, mut longest) = (created, 0.0_f64);
    for step in 0..workload.steps {
        for bytes in workload.step(step) {
            file.write_all(bytes)?;
        }
        if watched {
            let now = Instant::now();
            longest = longest.max((now - last).as_secs_f64());
            last = now;
        }
    }
    drop(file);
    let total = created.elapsed().as_secs_f64();
    let create = (created - begin).as_secs_f64();
    Ok(Sample {
        longest: watched.then_some(longest),
        ..Sample::new(create, total, workload.steps)
    })
}

fn check_plain(workload: &Workload, path: &Path) -> Result<()> {
    let file = File::open(path)?;
    let found = file.metadata()?.len();
    if found != workload.bytes() {
        return Err(format!("plain write: {found} bytes, not {}", workload.bytes()).into());
    }
    for step in Workload::checked_steps(workload.steps) {
        let mut offset = step * workload.step_bytes;
        for expected in workload.step(step) {
            let mut bytes = vec![0; expected.len()];
            file.read_exact_at(&mut bytes, offset)?;
            if bytes != expected {
                return Err(format!("plain write: other bytes in step {step}").into());
            }
            offset += expected.len() as u64;
        }
    }
    Ok(())
}

fn read_bits(tensor: &Tensor, step: u64) -> Result<Vec<u8>> {
    Ok(match tensor.dtype()? {
        Dtype::F32 => tensor
            .read_step::<f32>(step)?
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
        _ => tensor
            .read_step::<u16>(step)?
            .iter()
            .flat_map(|bits| bits.to_le_bytes())
            .collect(),
    })
}
