//! A thread that waits for the medium, so that the writer need not.

use std::io;
use std::sync::Arc;

use super::queue::{Queue, StopOnPanic};
use super::threads::{Builder, JoinHandle, SyncSender, sync_channel};
use crate::storage::Storage;

/// The thread. It ends when this is dropped.
pub(super) struct Syncer {
    requests: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// Starts the thread; `queue` is told the result of each sync.
    pub(super) fn start(storage: Arc<dyn Storage>, queue: Arc<Queue>) -> io::Result<Self> {
        let (requests, received) = sync_channel(1);
        let work = move || {
            let _guard = StopOnPanic(queue.clone());
            for () in received {
                queue.synced(storage.sync_data());
            }
        };
        let name = "selvedge-syncer".to_owned();
        Ok(Self {
            requests: Some(requests),
            thread: Some(Builder::new().name(name).spawn(work)?),
        })
    }

    /// Puts on the medium what was written before this call. There is no other sync under way.
    pub(super) fn sync(&self) {
        if let Some(requests) = &self.requests {
            // If the thread has panicked the queue is stopped.
            let _ = requests.send(());
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic has stopped the queue, where it is reported.
            let _ = thread.join();
        }
    }
}
