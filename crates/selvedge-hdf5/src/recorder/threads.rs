//! What the recorder's threads run and wait by. `tests/schedules.rs` puts other things in their place, by
//! which it tries many orders of everything that the threads do.

pub(super) use std::sync::atomic::{AtomicU64, Ordering};
pub(super) use std::sync::mpsc::{SyncSender, sync_channel};
pub(super) use std::thread::{Builder, JoinHandle};
pub(super) use std::time::Instant;

pub(super) use selvedge_base::{Condvar, Mutex, MutexGuard};
