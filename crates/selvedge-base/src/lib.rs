//! What the formats of Selvedge stand on, and no format itself.
//!
//! [`Partial`] is the one way in which a file gets its name: it is written under another one, put on
//! the disk, and renamed when it is complete. Every writer of the project goes through it, and
//! passes the suite of tests that `selvedge-testing` has for it. [`LockedFile`] is a file that one
//! writer has to itself, and [`Process`] the one that may use it. [`pool`] runs work in several threads, [`buffer`] allocates large memory
//! without a panic, [`disk`] has the system calls that the standard library lacks, [`units`] and
//! [`shape`] put numbers into words, [`Indices`] names some of an axis, [`natural`] orders names with numbers in them, [`clock`] says what time it is, [`text`] makes text of bytes, and of text what a screen may be
//! given. [`open_regular`] and its like read what somebody else made, and wait for nobody.
//!
//! ```
//! use std::os::unix::fs::FileExt as _;
//! use selvedge_base::Partial;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("W.npy");
//! let overwrite = true;
//! let mut partial = Partial::create(&path, overwrite)?;   // `.W.npy.partial`, locked
//! partial.file().write_all_at(b"values", 0)?;
//! partial.publish(true)?;                                 // synced, renamed, and the folder synced
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A file that is replaced hands down its permissions, and its owner where this user may give it away. A link is followed.
//! What is write-protected, a pipe or a device, or written by somebody else is not replaced, although a rename could.
//!
//! This crate is made for the other crates of Selvedge; its interface follows their needs.

pub mod buffer;
pub mod clock;
pub mod disk;
mod error;
mod file;
mod indices;
mod limit;
mod lock;
pub mod natural;
mod nearest;
pub mod pool;
mod process;
mod regular;
pub mod shape;
mod sys;
pub mod text;
pub mod units;

pub use error::{Chain, FileError};
pub use file::{
    Abandoned, Leftover, PULL_MARK, PUSH_MARK, Partial, check_target, is_pulled, is_push_journal,
    name_when_complete, remove_partials, rename_new, sync_folder, target,
};
pub use indices::{Indices, NoIndices, OutsideAxis, Stride};
pub use limit::{limit_memory, raise_open_files};
pub use lock::LockedFile;
pub use nearest::{did_you_mean, nearest, nearest_tensor};
pub use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
pub use process::{AtWork, InUse, Process};
pub use regular::{LONGEST_TEXT, Pointer, open_regular, read_regular, read_text, reopen_regular};
