//! Writing a trajectory anew with other chunks: Selvedge beside a copy of the file and h5py.
//!
//! All end with their file on the disk. Selvedge has read its own back by then and compared it; what any of them has
//! made is compared outside of the time.

use std::path::Path;
use std::time::Instant;

use selvedge_hdf5::{CompareOptions, ReadPattern, Reader, Rechunk, compare};

use crate::Result;
use crate::bench::{Bench, Contender as Named};
use crate::meter::sync_data;
use crate::peer::{Python, text};
use crate::read::data::{Data, STEP_BYTES};
use crate::report::{Figure, Group, Kind, Sample};
use crate::scratch::Scratch;
use crate::table::{bytes, grouped};

/// The names of the groups.
pub const GROUPS: &[&str] = &["rechunk/whole-file"];

/// Who makes a new file of the trajectory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Contender {
    /// `std::fs::copy`, which has the system copy as `cp` has, and `fdatasync`.
    Copy,
    /// Selvedge, for this way to read.
    Rechunk(ReadPattern),
    /// h5py, 64 steps at a time into the chunks that Selvedge plans for this way to read.
    H5py(ReadPattern),
}

const CONTENDERS: [Contender; 6] = [
    Contender::Copy,
    Contender::Rechunk(ReadPattern::WholeTensor),
    Contender::Rechunk(ReadPattern::SingleSteps),
    Contender::Rechunk(ReadPattern::TokenSubset),
    Contender::H5py(ReadPattern::WholeTensor),
    Contender::H5py(ReadPattern::TokenSubset),
];

impl Named for Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Copy => "copy of the file",
            Self::Rechunk(ReadPattern::SingleSteps) => "Rechunk, single steps",
            Self::Rechunk(ReadPattern::TokenSubset) => "Rechunk, token subsets",
            Self::Rechunk(_) => "Rechunk, whole tensors",
            Self::H5py(ReadPattern::TokenSubset) => "h5py, token subsets",
            Self::H5py(_) => "h5py, whole tensors",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Copy => Kind::Plain,
            Self::Rechunk(_) => Kind::Ours,
            Self::H5py(_) => Kind::Peer,
        }
    }
}

impl Contender {
    /// Seconds until `new` is on the disk.
    fn make(self, old: &Path, new: &Path, peer: Option<&mut Python>) -> Result<f64> {
        let begin = Instant::now();
        match self {
            Self::Copy => {
                std::fs::copy(old, new)?;
                sync_data(new)?;
            }
            Self::Rechunk(pattern) => {
                Rechunk::new(old, new).pattern(pattern).run(|_| {})?;
            }
            Self::H5py(pattern) => {
                let plan = Rechunk::new(old, new).pattern(pattern).plan()?;
                let shape = plan.tensors[0].chunk_shape.iter().map(u64::to_string);
                let shape: Vec<String> = shape.collect();
                let mut command = vec!["rechunk", text(old)?, text(new)?];
                command.extend(shape.iter().map(String::as_str));
                let [seconds] = peer.ok_or("no Python")?.numbers(&command)?;
                return Ok(seconds);
            }
        }
        Ok(begin.elapsed().as_secs_f64())
    }
}

/// Runs it.
///
/// # Errors
///
/// The errors of recording the file that is rechunked.
pub fn run(bench: &mut Bench, scratch: &Scratch) -> Result<()> {
    let (old, new) = (scratch.file("old.h5"), scratch.file("new.h5"));
    let count = bench.options.scale.pick(3_200, 100, 64);
    let (steps, note) = scratch.fit(count, STEP_BYTES as u64, 16)?;
    Data::record(&old, steps, 1)?;
    sync_data(&old)?;
    let mut peer = bench.python("rechunk_peer.py", &[]);
    let size = steps * STEP_BYTES as u64;
    let words = format!(
        "A bfloat16 tensor ({}, 10000, 64), {}, until the new file is on the disk.",
        grouped(steps),
        bytes(size as f64),
    );
    let mut group = Group::new(
        GROUPS[0],
        "A trajectory written anew with other chunks",
        words,
        (1, "file"),
        size,
        Contender::Copy.name(),
    );
    group.notes.extend(note);
    let contenders: Vec<Contender> = CONTENDERS
        .into_iter()
        .filter(|who| peer.is_some() || !matches!(who, Contender::H5py(_)))
        .collect();
    bench.rounds(group, &contenders, |who, _| {
        scratch.settle(&new)?;
        let seconds = who.make(&old, &new, peer.as_mut())?;
        check(&old, &new)?;
        Ok(Sample::from([(Figure::Seconds, seconds)]))
    });
    scratch.settle(&new)?;
    scratch.settle(&old)
}

/// The new file has the values of the old one.
fn check(old: &Path, new: &Path) -> Result<()> {
    let (old, new) = (Reader::open(old)?, Reader::open(new)?);
    let found = compare(&old, &new, &CompareOptions::default(), |_| {})?;
    if found.is_equal() {
        return Ok(());
    }
    Err(format!("the new file differs: {found}").into())
}
