//! safetensors for research: saves that are whole or not there, files larger than memory, tensors
//! that grow, loads without a copy, and where a file came from.
//!
//! | to do | use |
//! |---|---|
//! | save tensors that are in memory | [`Save`], [`Save::write`] |
//! | save tensors larger than memory, piece by piece | [`Save::declare`], [`Writer`] |
//! | append rows, of which the number turns out in the end | [`Save::growing`], [`Writer`]; after a kill [`recover`] |
//! | load, whole or some rows, into memory of your own | [`Reader`] |
//! | look at the data in place | [`Mapped`] |
//! | see what is in a file, and where it came from | [`Header`], [`Provenance`] |
//!
//! ```
//! use selvedge_safetensors::{Reader, Save, bf16};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("tensors/Flannel/1.5d_clusters.safetensors");
//! Save::new(&path)
//!     .tensor("centers", [2, 2], &[bf16::ONE, bf16::MAX, bf16::NEG_ZERO, bf16::INFINITY])
//!     .scalar("n_clusters", 2_i64)
//!     .notebook("1.5d_clusters.ipynb")
//!     .write()?;
//!
//! let file = Reader::open(&path)?;
//! let centers: Vec<bf16> = file.tensor("centers")?.read()?;
//! assert_eq!(centers[1], bf16::MAX);
//! assert_eq!(file.header().provenance().notebook.as_deref(), Some("1.5d_clusters.ipynb"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - Under the final name there is the old file, or none, or the whole new one: written beside it, put on the disk, renamed.
//! - Memory is constant however large the file; each call's values are in the file when it returns.
//! - A growing file whose writer was killed is finished by [`recover`], with every whole row.
//! - Tensors are aligned for their elements, so a mapped one is a `&[bf16]` at once.
//! - A damaged file is refused with the name of the tensor, and what was expected and found.
//! - Python reads the provenance with `safe_open(path, "np").metadata()`.
//!
//! # Larger than memory
//!
//! ```no_run
//! use selvedge_safetensors::{Error, Mapped, Reader, Save, bf16};
//!
//! fn main() -> Result<(), Error> {
//!     let path = "tensors/Flannel/1.5e_activations.safetensors";
//!     // Of a length that turns out in the end.
//!     let mut file = Save::new(path)
//!         .declare::<bf16>("embedding", [151_936, 2560])
//!         .growing::<bf16>("activations", [2560])
//!         .start()?;
//!     for _ in 0..151_936 {
//!         file.write("embedding", &[bf16::ONE; 2560])?;
//!     }
//!     while file.rows() < 1_000_000 {
//!         file.write("activations", &[bf16::ONE; 2560])?;
//!     }
//!     file.finish()?;
//!
//!     // A part of it, copied; and all of it, in place.
//!     let file = Reader::open(path)?;
//!     let some: Vec<bf16> = file.tensor("activations")?.gather(&[3, 1_000, 999_999])?;
//!     assert_eq!(some.len(), 3 * 2560);
//!     // SAFETY: nobody writes into this file; saves replace it by a rename.
//!     let file = unsafe { Mapped::open(path)? };
//!     let all: &[bf16] = file.tensor("activations")?.as_slice()?;
//!     assert_eq!(all.len(), 1_000_000 * 2560);
//!     Ok(())
//! }
//! ```
//!
//! # Trade-offs
//!
//! - The format is that of the [`safetensors`] crate, which gives the dtypes; the header is parsed
//!   and checked here, to name the tensor that is at fault, and to refuse names that are there twice.
//!   Every other file that the crate reads is read here, and what it refuses is refused.
//! - A save costs two calls of `fsync`, for the file and its folder. [`Save::sync`] turns that off.
//! - [`Mapped`] is `unsafe` to open, because nothing keeps another program from changing a file that
//!   is mapped. [`Reader`] copies, and needs no such promise.
//! - Unix only, little-endian only, as the format is.
//!
//! # Features
//!
//! Both are off unless asked for, and bring no dependency then.
//!
//! - `ndarray`: `Save::array` and `TensorView::array`.
//! - `candle`: `TensorView::to_candle` and `Tensor::to_candle`.
//!
//! `docs/safetensors.md` of the repository says what is in the files.

#[cfg(feature = "candle")]
mod candle;
mod element;
mod error;
mod header;
mod provenance;
mod read;
mod spec;
mod write;

pub use half::f16;
pub use safetensors::{Dtype, View};
pub use selvedge_base::FileError;
pub use selvedge_bf16::bf16;

pub use crate::element::Element;
pub use crate::error::{Error, MissingBytes, ReadError, SaveError, SizeError};
pub use crate::header::{Header, HeaderError, TensorInfo};
pub use crate::provenance::Provenance;
pub use crate::read::{Mapped, Reader, Tensor, TensorView};
pub use crate::spec::TensorSpec;
pub use crate::write::{Save, Summary, Writer, recover};
