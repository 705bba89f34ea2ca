//! What is told of an upload while it is under way.

use std::io;

/// What [`push`](crate::push) tells while it is at work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushEvent {
    /// So many bytes are there, sent and read back.
    Reached {
        /// The bytes that were sent, and those that were read back.
        done: u64,
        /// Twice those of the object.
        total: u64,
    },
    /// What an earlier call had sent is of no use: all is sent.
    Anew {
        /// Why.
        reason: String,
    },
    /// If this call is interrupted, the next one does not find what it sent from now on.
    NotResumable {
        /// Why.
        reason: String,
    },
}

/// Who is told of an upload, and how far it is.
pub(crate) struct Told<'a> {
    done: u64,
    total: u64,
    is_unwritten: bool,
    tell: Box<dyn FnMut(PushEvent) + Send + 'a>,
}

impl<'a> Told<'a> {
    /// What is told of an object of `size` bytes.
    pub(crate) fn new(size: u64, tell: impl FnMut(PushEvent) + Send + 'a) -> Self {
        Self {
            done: 0,
            total: 2 * size,
            is_unwritten: false,
            tell: Box::new(tell),
        }
    }

    /// So many bytes are there now.
    pub(crate) fn reach(&mut self, done: u64) {
        let total = self.total;
        self.done = done;
        (self.tell)(PushEvent::Reached { done, total });
    }

    /// So many more bytes are there.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.reach(self.done + bytes);
    }

    /// So many of the bytes are not there, after all.
    pub(crate) fn take_back(&mut self, bytes: u64) {
        self.reach(self.done.saturating_sub(bytes));
    }

    pub(crate) fn anew(&mut self, reason: String) {
        self.done = 0;
        (self.tell)(PushEvent::Anew { reason });
    }

    pub(crate) fn not_resumable(&mut self, reason: String) {
        (self.tell)(PushEvent::NotResumable { reason });
    }

    /// A journal that cannot be written is no reason to send nothing, and is told once.
    pub(crate) fn written(&mut self, written: io::Result<()>) {
        if let (Err(error), false) = (written, self.is_unwritten) {
            self.is_unwritten = true;
            self.not_resumable(format!("its journal cannot be written ({error})"));
        }
    }
}
