//! Loading a file: copied, or mapped into memory.

mod gather;
mod mapped;
mod parallel;
mod reader;
mod rows;

pub use mapped::{Mapped, TensorView};
pub use reader::{Reader, Tensor};
