//! Threads that encode the chunks of steps, while the writer commits the steps before them.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::block::Steps;
use super::queue::{Queue, StopOnPanic};
use super::threads::{Builder, Condvar, JoinHandle, Mutex, MutexGuard};
use crate::chunks::{ChunkEncoder, Written, to_usize};
use crate::plan::EncodingPlan;
use crate::trajectory::{Chunk, Packer};

/// A thread is woken for at least so many bytes: fewer are encoded before it has begun.
const WORTH_WAKING: usize = 512 << 10;

/// Steps whose chunks are being encoded.
pub(super) struct Packing {
    pub(super) steps: Steps,
    chunks: Vec<Chunk>,
    written: Mutex<Vec<Written>>,
}

impl Packing {
    /// The steps, and their chunks.
    pub(super) fn into_parts(self) -> (Steps, Vec<Written>) {
        let written = self.written.into_inner();
        (self.steps, written)
    }
}

/// A chunk of some steps.
struct Job {
    packing: Arc<Packing>,
    chunk: usize,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    closed: bool,
}

/// What the threads share.
struct Shared {
    jobs: Mutex<Jobs>,
    work: Condvar,
    packer: Packer,
    queue: Arc<Queue>,
}

/// The threads. They end when it is dropped, without the chunks that nobody has begun.
pub(super) struct Packers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Packers {
    /// Starts the threads, with their memory for chunks of at most `chunk_bytes` bytes. Steps that
    /// are done go to `queue`, and so does the first error.
    pub(super) fn start(
        plan: EncodingPlan,
        chunk_bytes: u64,
        packer: Packer,
        queue: Arc<Queue>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            jobs: Mutex::default(),
            work: Condvar::new(),
            packer,
            queue,
        });
        let mut packers = Self {
            shared,
            threads: Vec::new(),
        };
        for number in 0..plan.threads {
            let shared = packers.shared.clone();
            let mut encoder = ChunkEncoder::new(to_usize(chunk_bytes));
            let thread = Builder::new()
                .name(format!("selvedge-packer-{number}"))
                .spawn(move || shared.work(&mut encoder));
            match thread {
                Ok(thread) => packers.threads.push(thread),
                // One does all of it, only slower.
                Err(_) if number > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(packers)
    }

    /// Encodes `chunks`, all chunks of `steps`. When they are in the file the queue gets them back.
    pub(super) fn pack(&self, steps: Steps, chunks: Vec<Chunk>) {
        let bytes = chunks.iter().map(Chunk::len).sum::<usize>();
        let count = chunks.len();
        let packing = Arc::new(Packing {
            steps,
            written: Mutex::new(Vec::with_capacity(count)),
            chunks,
        });
        let jobs = (0..count).map(|chunk| Job {
            packing: packing.clone(),
            chunk,
        });
        self.shared.jobs().waiting.extend(jobs);
        let wake = (bytes / WORTH_WAKING).clamp(1, self.threads.len().max(1));
        for _ in 0..wake.min(count) {
            self.shared.work.notify_one();
        }
        self.shared.done_with(packing);
    }
}

impl Drop for Packers {
    fn drop(&mut self) {
        self.shared.close();
        for thread in self.threads.drain(..) {
            // A panic has stopped the queue, where it is reported.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// A panic elsewhere leaves the jobs whole: each change of them is complete.
    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock()
    }

    fn close(&self) {
        self.jobs().closed = true;
        self.work.notify_all();
    }

    fn next(&self) -> Option<Job> {
        let mut jobs = self.jobs();
        while !jobs.closed {
            if let Some(job) = jobs.waiting.pop_front() {
                return Some(job);
            }
            self.work.wait(&mut jobs);
        }
        None
    }

    fn work(&self, encoder: &mut ChunkEncoder) {
        let _guard = StopOnPanic(self.queue.clone());
        while let Some(Job { packing, chunk }) = self.next() {
            let chunk = &packing.chunks[chunk];
            let steps = packing.steps.of(chunk.tensor);
            match self.packer.pack(encoder, chunk, steps) {
                Ok(written) => {
                    packing.written.lock().push(written);
                }
                Err(error) => {
                    self.queue.stop(error);
                    return self.close();
                }
            }
            self.done_with(packing);
        }
    }

    /// Gives the steps to the queue, if nobody else has to do with them.
    fn done_with(&self, packing: Arc<Packing>) {
        if let Some(packing) = Arc::into_inner(packing) {
            self.queue.packed(packing);
        }
    }
}
