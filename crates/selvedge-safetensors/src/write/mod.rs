//! Writing a file: everything at once, in pieces, or growing.

mod layout;
mod recover;
mod save;
mod summary;
mod writeback;
mod writer;

pub use recover::recover;
pub use save::Save;
pub use summary::Summary;
pub use writer::Writer;
