//! What the tests of several crates share: the Python that they are held against, processes that
//! are killed, limited or copied, threads whose calls fail, the contracts of all that write files and of all errors, what
//! a piece of work costs (the peak of its memory, its allocations, its system calls, the files that it opens), on
//! which machine, and numbers without a pattern.
//!
//! A dev-dependency of crates in this workspace, and never published. Everything here panics where
//! it fails: it serves tests only.

mod allocations;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod calls;
mod child;
mod errors;
mod faults;
mod fork;
mod limits;
mod machine;
mod memory;
pub mod naming;
pub mod objects;
pub mod python;
mod random;
mod region;
mod repository;
mod special;

pub use allocations::{Counted, allocations};
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub use calls::{opened_files, system_calls, traced};
pub use child::{Guard, again, is_child, setting, tell, told, within};
pub use errors::check_messages;
pub use faults::{Fault, in_folder, with_fault, without_privileges};
pub use fork::{Copied, End, Forked, Voice, fork, in_fork};
pub use limits::{Limit, limited, on_small_file_system, run_limited, with_file_limit};
pub use machine::{Busy, machine, printed};
pub use memory::{Meter, bytes_read, peak, resident};
pub use random::{Random, seed};
pub use region::with_region;
pub use repository::make_repository;
pub use special::make_pipe;
