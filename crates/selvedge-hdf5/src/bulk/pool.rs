//! Threads that take one task after the other.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use selvedge_base::pool::{cores, together};

/// More threads than this are no faster: memory and the lock of the file written to are the limit.
const MOST_THREADS: usize = 4;

/// Threads for work that is worth `work` of them, at most `most`.
pub(crate) fn threads_for(work: usize, most: usize) -> usize {
    match work.min(most) {
        0 | 1 => 1,
        most => most.min(cores()),
    }
}

/// How many threads fit into `memory` bytes, of `each` bytes each; 0 where not even one does.
pub(crate) fn threads(memory: u64, each: u64) -> usize {
    let room = usize::try_from(memory / each.max(1)).unwrap_or(usize::MAX);
    cores().min(MOST_THREADS).min(room)
}

/// Works through `tasks` with `threads` threads, each with a state of its own, in about their order.
/// The first error ends all.
pub(crate) fn run<T: Sync, S, E: Send>(
    tasks: &[T],
    threads: usize,
    state: impl Fn() -> Result<S, E> + Sync,
    work: impl Fn(&mut S, &T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    let one = || -> Result<(), E> {
        let mut state = state()?;
        while !stopped.load(Ordering::Relaxed) {
            let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            work(&mut state, task)?;
        }
        Ok(())
    };
    let one = || {
        let result = one();
        if result.is_err() {
            stopped.store(true, Ordering::Relaxed);
        }
        result
    };
    together(threads.min(tasks.len()), one)
}
