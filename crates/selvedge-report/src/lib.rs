//! A recorded training run as one page: what moved, when, and where it stopped.
//!
//! [`measure`] goes through the values of a file once, in bounded memory, with both a step and the one before it
//! in the cache: norms, the size of each update, how many values it changed and by how many ULPs, quantiles, the
//! first NaN, and how far each row moved at each step. [`Page`] puts that into one HTML file that needs no
//! network, with the charts of [uPlot](https://github.com/leeoniya/uPlot). [`growing()`] does the same for a file
//! that is still being written, and [`Slice`] is a step, or a row over all steps, as a picture.
//!
//! What is read is a [`Tensor`] and what reads it, whatever the format; the program `selvedge` has them for HDF5,
//! safetensors and the arrays of `NumPy`.
//!
//! # Trade-offs
//!
//! - A page is smaller than 5 MB, whatever the run. So curves have at most 2,000 points, each of which has the
//!   least and the greatest number of its steps, and pictures have some hundred rows and columns, each cell of
//!   which has the greatest.
//! - What a stranger's file holds, its names above all, is text in the page, and never HTML or a script.
//! - Sums are taken in `f64`, in an order that does not depend on the number of threads.
//!
//! # Example
//!
//! ```
//! use selvedge_report::{File, Page, Sample, Stride, Tensor, Vocabulary, measure};
//!
//! // 100 steps of 8 rows of 4 values, which could lie in any file.
//! let value = |step: u64, row: u64| (step * (row + 1)) as f32;
//! let tensor = Tensor {
//!     name: "W".to_owned(),
//!     dtype: "float32".to_owned(),
//!     shape: vec![100, 8, 4],
//!     has_steps: true,
//!     chunk: None,
//!     is_packed: false,
//!     values: Ok(Box::new(move |steps, rows, bytes| {
//!         bytes.clear();
//!         for step in steps {
//!             for row in rows.unwrap_or(&[Stride::of(0..8)]).iter().flat_map(Stride::iter) {
//!                 bytes.extend([value(step, row).to_le_bytes(); 4].as_flattened());
//!             }
//!         }
//!         Ok(())
//!     })),
//! };
//! let measured = measure(&[tensor], &Sample::All, 1, &mut |name, bytes| println!("{bytes} bytes of {name}"));
//! let heat = measured.tensors[0].heat.as_ref().expect("it has rows");
//! assert_eq!(heat.top[0], 7, "the last row moves most");
//!
//! let file = File::new("thimble_7.h5", &["100 steps".to_owned()], "", measured);
//! let html = Page::new("an example", vec![file], &Vocabulary::default()).html();
//! assert!(html.starts_with("<!doctype html>"));
//! ```

#![forbid(unsafe_code)]

mod element;
mod encode;
mod growing;
mod heat;
mod model;
mod page;
mod pass;
mod plan;
mod readable;
mod report;
mod scalar;
mod series;
mod slice;
mod spread;
mod sums;
mod values;

pub use element::{E4M3, Element, Moves};
pub use encode::{Counts, Doubles, Shades, Singles};
pub use growing::{Growing, growing, next};
pub use heat::{Heat, Picture};
pub use model::{Curves, Ends, Kind, Place, TensorReport};
pub use page::{BEGINNING, File, Page, Vocabulary, assets, document, in_script};
pub use plan::Sample;
pub use report::{Measurements, bytes, chosen, measure};
pub use selvedge_base::{Indices, Stride};
pub use series::Band;
pub use slice::{Shown, Slice};
pub use spread::Spread;
pub use values::{Read, Tensor};
