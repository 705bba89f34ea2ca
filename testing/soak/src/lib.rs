//! Tries to break what Selvedge promises: whatever happens to the process, every step that was reported as committed
//! is in the file, and the file opens.
//!
//! `cargo xtask soak` runs it and writes the table of `docs/durability.md`; a short smoke of each group runs with the
//! tests. The product is not changed for it: calls are counted and made to fail by ptrace (`trace`), and the processes
//! that are killed are this program again (`victim`).

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

#[path = "../../../crates/selvedge-hdf5/tests/common/damage.rs"]
mod damage;
#[path = "../../../crates/selvedge-hdf5/tests/common/sample.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the run that the tests of selvedge-hdf5 record, of which a part is used here"
)]
mod sample;

mod budget;
mod cli;
mod groups;
mod result;
mod stock;
mod subject;
mod trace;
mod victim;

/// A number of bytes, or of whatever fits memory: the crate runs where `usize` has 64 bits.
fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

pub use budget::Budget;
pub use cli::{MARKERS, main};
pub use groups::{GROUPS, Group};
pub use result::{GroupRecord, Record, Row, render};
