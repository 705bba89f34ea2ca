//! Threads that take one task after the other.
//!
//! They are started for a call and end with it: a thread starts in some 10 µs, so a task should take
//! longer. Where the system has no thread to give, there are fewer, and the calling one is always
//! among them.

use std::io::{self, Write as _};
use std::sync::OnceLock;
use std::thread;

use parking_lot::Mutex;

use crate::Process;

/// Processors that this process may use, at least 1.
///
/// The standard library reads some files of the system at each call, which takes longer than to read a
/// step; here they are read once in a process.
#[must_use]
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}

/// How many threads to take for work that is worth `work` of them, and at most `most`; at least 1.
#[must_use]
pub fn threads_for(work: usize, most: usize) -> usize {
    match work.min(most) {
        // Nobody asks for the processors, which would cost a small piece of work more than it takes.
        0 | 1 => 1,
        most => most.min(cores()),
    }
}

/// Works through `tasks`, in about their order, in at most `threads` threads, of which this is one.
///
/// # Errors
///
/// The first error ends all; of several, one is returned.
pub fn each<T, E: Send>(
    threads: usize,
    tasks: impl IntoIterator<Item = T, IntoIter: Send>,
    work: impl Fn(T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    each_with(threads, tasks, || Ok(()), |(), task| work(task))
}

/// The same, where each thread has a state of its own, such as a buffer.
///
/// # Errors
///
/// The errors of `state` and `work`: the first one ends all; of several, one is returned.
pub fn each_with<S, T, E: Send>(
    threads: usize,
    tasks: impl IntoIterator<Item = T, IntoIter: Send>,
    state: impl Fn() -> Result<S, E> + Sync,
    work: impl Fn(&mut S, T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let tasks = tasks.into_iter();
    let threads = threads.min(tasks.size_hint().1.unwrap_or(usize::MAX));
    // Without tasks that are left, after an error.
    let tasks = Mutex::new(Some(tasks));
    let next = || tasks.lock().as_mut()?.next();
    let one = || {
        let mut state = state()?;
        while let Some(task) = next() {
            work(&mut state, task)?;
        }
        Ok(())
    };
    together(threads, || one().inspect_err(|_| *tasks.lock() = None))
}

/// Calls `work` in `threads` threads at once, of which this one is the first, and waits for all.
///
/// A process that was forked within `work` has no other threads to wait for: there it is ended, where
/// `work` returns.
///
/// # Errors
///
/// One of several errors is returned. The others go on until they return.
pub fn together<E: Send>(threads: usize, work: impl Fn() -> Result<(), E> + Sync) -> Result<(), E> {
    let work = &work;
    if threads < 2 {
        return work();
    }
    let process = Process::current();
    thread::scope(|scope| {
        // A thread that cannot be started is one that helps less.
        let others: Vec<_> = (1..threads)
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, work).ok())
            .collect();
        let mut result = work();
        // The threads are those of another process, and what they borrow is in use until they end.
        if !process.is_current() {
            let why = b"a process that was forked within this work cannot go on with it\n";
            let _ = io::stderr().write_all(why);
            std::process::abort();
        }
        for other in others {
            let other = other
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            result = result.and(other);
        }
        result
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_task_is_done_once() {
        for threads in [0, 1, 3] {
            let mut done = vec![0; 1000];
            let states = AtomicUsize::new(0);
            each_with(
                threads,
                done.iter_mut().enumerate(),
                || Ok::<_, ()>(states.fetch_add(1, Ordering::Relaxed)),
                |_, (index, slot)| {
                    *slot += index + 1;
                    Ok(())
                },
            )
            .unwrap();
            assert!(done.into_iter().eq(1..=1000), "{threads} threads");
            let states = states.into_inner();
            assert!(states >= 1 && states <= threads.max(1), "{states}");
        }
    }

    #[test]
    fn an_error_is_told_and_ends_the_others() {
        for threads in [1, 4] {
            let done = AtomicUsize::new(0);
            let result = each(threads, 0_usize.., |task| {
                done.fetch_add(1, Ordering::Relaxed);
                if task == 30 { Err("the 31st") } else { Ok(()) }
            });
            assert_eq!(result, Err("the 31st"));
            assert!(done.into_inner() >= 31);
        }
    }

    #[test]
    fn a_panic_comes_through_and_the_lock_is_free() {
        let result = std::panic::catch_unwind(|| {
            each(2, 0..100, |task| {
                assert!(task != 7, "seven");
                Ok::<(), ()>(())
            })
        });
        assert!(result.is_err());
    }

    /// Each read of a step asked the system for the number of processors anew, which took 22 of 24 µs.
    #[test]
    fn the_number_of_processors_does_not_change() {
        assert!(cores() >= 1);
        assert_eq!(cores(), cores());
    }
}
