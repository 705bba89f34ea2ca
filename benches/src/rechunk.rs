//! Writing a trajectory anew with other chunks: Selvedge beside a copy of the file and h5py.
//!
//! All end with their file on the disk. Selvedge has read its own back by then and compared it; what any of them has
//! made is compared outside of the time.

use selvedge_hdf5::{CompareOptions, ReadPattern, Reader, Rechunk, compare};

use crate::data::{STEP_BYTES, Trajectory};
use crate::prelude::*;

pub(crate) fn run(bench: &mut Bench, scratch: &Scratch, groups: &[Spec]) -> Result<()> {
    let spec = &groups[0];
    let (steps, note) = scratch.fit(spec.count, STEP_BYTES as u64, 16)?;
    let old = Trajectory::record(scratch.file("old.h5"), steps, 1)?.path;
    let new = scratch.file("new.h5");
    let mut peer = bench.python("read_peer.py");
    let size = steps * STEP_BYTES as u64;
    let group = spec.group(1, size, &Grouped(steps).to_string(), &note);
    bench.rounds(spec, group, peer.is_some(), |who, _| {
        scratch.settle(&new)?;
        let rechunk = |pattern| Rechunk::new(&old, &new).pattern(pattern);
        let pattern = match who.key {
            "single" => ReadPattern::SingleSteps,
            "subset" | "h5py_subset" => ReadPattern::TokenSubset,
            _ => ReadPattern::WholeTensor,
        };
        let begin = Instant::now();
        let sample = match (who.kind, &mut peer) {
            // The system copies, as for `cp`.
            (Kind::Plain, _) => {
                std::fs::copy(&old, &new)?;
                meter::synced(since(begin), &new)?
            }
            (Kind::Ours, _) => {
                rechunk(pattern).run(|_| {})?;
                since(begin)
            }
            // 64 steps at a time into the chunks that Selvedge plans for this way to read.
            (Kind::Peer, Some(peer)) => {
                let plan = rechunk(pattern).plan()?;
                let args = (&old, &new, &plan.tensors[0].chunk_shape);
                meter::synced(peer.call("rechunk", args)?, &new)?
            }
            _ => return unknown(who),
        };
        let (old, new) = (Reader::open(&old)?, Reader::open(&new)?);
        let found = compare(&old, &new, &CompareOptions::default(), |_| {})?;
        match found.is_equal() {
            true => Ok(sample),
            false => Err(format!("the new file differs: {found}").into()),
        }
    });
    scratch.settle(&new)?;
    scratch.settle(&old)
}
