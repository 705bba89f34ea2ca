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

/// Runs the README's example as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
