//! How a file gets its name: once, when it is complete.
//!
//! 1. A link is followed: the *target* is the file that it leads to, and the link stays one.
//! 2. What is at the target is looked at. Without leave to replace it there must be nothing; with
//!    leave, a regular file that is not write-protected and that nobody is writing.
//! 3. The file is made under its *partial* name, in the same folder, and locked. Nothing is ever
//!    opened there through a link, and what a killed writer left there is removed.
//! 4. When it is complete, it takes over permissions and owner of the file that it replaces, is put
//!    on the disk, renamed, and the new names of folders are put on the disk, too.
//!
//! So under its own name there is at any moment, and after any kill, the old file, or none, or the
//! whole new one; after a power cut too, where the disk was waited for.

mod abandoned;
mod inherit;
mod interrupt;
mod name;
mod old;
mod partial;

pub use abandoned::{Abandoned, PULL_MARK, PUSH_MARK, is_pulled, is_push_journal};
pub use interrupt::remove_partials;
pub use name::{name_when_complete, rename_new, target};
pub use old::check_target;
pub use partial::{Leftover, Partial, sync_folder};
