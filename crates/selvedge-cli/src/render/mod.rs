//! Facts put into words. Nothing here opens a file or prints; all of it returns text, with ANSI
//! styles that `output` leaves out where they are not wanted.

mod attributes;
pub(crate) mod convert;
pub(crate) mod diff;
mod families;
pub(crate) mod findings;
pub(crate) mod inspect;
pub(crate) mod join;
mod numbers;
pub(crate) mod objects;
mod page;
pub(crate) mod plan;
mod python;
pub(crate) mod rechunk;
pub(crate) mod references;
pub(crate) mod report;
pub(crate) mod rules;
pub(crate) mod show;
mod sparkline;
mod stats;
mod storage;
pub(crate) mod style;
mod table;
pub(crate) mod terminal;
mod text;
pub(crate) mod verify;

pub(crate) use page::Page;
pub(crate) use text::{counted, folded, shown};
