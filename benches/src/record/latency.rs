//! How long a single `append` keeps the training loop while the queue has room.
//!
//! Bursts of calls, each shorter than the queue, with a `commit` between two of them; after each
//! burst the same bytes are copied as often into memory like the queue's. The writer thread works
//! during a burst, as it does in a run, and not during the copies.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use memmap2::MmapMut;

use super::contender::{append, builder};
use super::workload::Workload;
use crate::Result;

/// The times of single calls, in seconds.
#[derive(Debug)]
pub struct Calls {
    /// Seconds of each `append`.
    pub append: Vec<f64>,
    /// Seconds of copying the same bytes.
    pub copy: Vec<f64>,
    /// Calls that found the queue full, which was not to happen.
    pub waits: u64,
}

/// Records `bursts` bursts of half the queue into `path`.
///
/// # Errors
///
/// The errors of the recorder.
pub fn measure(workload: &Workload, path: &Path, bursts: u64) -> Result<Calls> {
    // The queue of a long run: a short one is given fewer blocks.
    let queue = builder(workload, path).plan()?.queue;
    let burst = (queue.blocks * queue.steps_per_block / 2).max(1);
    // One burst more, which is not counted.
    let steps = burst * (bursts + 1);
    let mut run = builder(workload, path)
        .steps(steps.max(4 * burst))
        .start()?;
    let mut memory = pre_faulted(burst * workload.step_bytes)?;

    let capacity = usize::try_from(burst * bursts)?;
    let (mut appends, mut copies) = (Vec::with_capacity(capacity), Vec::with_capacity(capacity));
    for number in 0..=bursts {
        let first = number * burst;
        for step in first..first + burst {
            let begin = Instant::now();
            append(&mut run, workload, step)?;
            appends.push(begin.elapsed().as_secs_f64());
        }
        run.commit()?;
        let mut rest = &mut memory[..];
        for step in first..first + burst {
            let begin = Instant::now();
            for bytes in workload.step(step) {
                let (target, behind) = rest.split_at_mut(bytes.len());
                black_box(target).copy_from_slice(black_box(bytes));
                rest = behind;
            }
            copies.push(begin.elapsed().as_secs_f64());
        }
        if number == 0 {
            appends.clear();
            copies.clear();
        }
    }
    let summary = run.finish()?;
    if summary.recorded != steps {
        return Err(format!("{} steps, not {steps}", summary.recorded).into());
    }
    Ok(Calls {
        append: appends,
        copy: copies,
        waits: summary.append.waits,
    })
}

/// Memory as the recorder's queue has it: large pages where there are any, and every page touched.
fn pre_faulted(bytes: u64) -> Result<MmapMut> {
    let mut memory = MmapMut::map_anon(usize::try_from(bytes)?.max(1))?;
    #[cfg(target_os = "linux")]
    let _ = memory.advise(memmap2::Advice::HugePage);
    for page in memory.chunks_mut(4096) {
        page[0] = 1;
    }
    Ok(memory)
}
