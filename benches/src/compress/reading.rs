//! Reading back what was recorded with compression and without it, whole tensors.

use std::time::Instant;

use selvedge_hdf5::{Durability, Reader};

use super::data::{Recorded, STEP_BYTES, TENSORS};
use super::trajectory::{CONTENDERS, Recording, group, record, step_of};
use crate::Result;
use crate::bench::{Bench, Contender as _};
use crate::meter;
use crate::report::{Figure, Sample};
use crate::scratch::Scratch;

/// The names of the groups.
pub(super) const GROUPS: [&str; 3] = [
    "compress/reading",
    "compress/reading-new",
    "compress/reading-cold",
];

/// Where the values are, and where they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// From the page cache into memory that was there before.
    Again,
    /// From the page cache into new arrays.
    New,
    /// From the disk into memory that was there before.
    Cold,
}

/// Runs those that are selected, with the steps of `source`.
pub(super) fn run(bench: &mut Bench, scratch: &Scratch, source: &[Vec<u8>]) -> Result<()> {
    if !GROUPS.iter().any(|group| bench.selects(group)) {
        return Ok(());
    }
    let file = |who: Recording| scratch.file(&format!("{}_1.h5", who.name()));
    let wanted = bench.options.scale.pick(300, 40, 3);
    let mut recorded = false;
    for (name, title, what, way) in [
        (
            GROUPS[0],
            "Reading compressed tensors whole",
            "from the page cache into memory that is there.",
            Way::Again,
        ),
        (
            GROUPS[1],
            "Reading compressed tensors whole, into new arrays",
            "from the page cache, each into a new array.",
            Way::New,
        ),
        (
            GROUPS[2],
            "Reading compressed tensors whole, from the disk",
            "from the disk, as far as the system has no copy of its own, into memory that is there.",
            Way::Cold,
        ),
    ] {
        if !bench.selects(name) {
            continue;
        }
        let what = format!("All four, one after the other, {what}");
        let reference = CONTENDERS[0].name();
        let (steps, group) = group(scratch, wanted, (name, title, &what), reference)?;
        if !recorded {
            for who in CONTENDERS {
                let how = (who.0, Durability::Never);
                record(&file(who), source, steps, how, || ())?;
                meter::sync_data(&file(who))?;
            }
            recorded = true;
        }
        if way == Way::Cold && !bench.evicts(name, scratch, &file(CONTENDERS[0]))? {
            continue;
        }
        let mut memory = vec![1_u16; usize::try_from(steps)? * STEP_BYTES / 2];
        bench.rounds(group, &CONTENDERS, |who, round| {
            let path = file(who);
            if way == Way::Cold {
                scratch.evict(&path)?;
            }
            let mut seconds = 0.0;
            for (&Recorded { name, .. }, source) in TENSORS.iter().zip(source) {
                if way == Way::New {
                    memory = Vec::new();
                }
                let begin = Instant::now();
                let reader = Reader::open(&path)?;
                let tensor = reader.tensor(name)?;
                if way == Way::New {
                    memory = tensor.read()?;
                } else {
                    tensor.read_into(&mut memory)?;
                }
                seconds += begin.elapsed().as_secs_f64();
                let found = bytemuck::cast_slice::<u16, u8>(&memory).chunks(STEP_BYTES);
                // Every round a few, and all of them once.
                let every = if round == 0 { 1 } else { 29 };
                for (step, bytes) in found.enumerate().step_by(every) {
                    if bytes != step_of(source, step as u64) {
                        return Err(format!("other values in step {step} of {name}").into());
                    }
                }
            }
            Ok(Sample::from([(Figure::Seconds, seconds)]))
        });
    }
    if recorded {
        for who in CONTENDERS {
            scratch.settle(&file(who))?;
        }
    }
    Ok(())
}
