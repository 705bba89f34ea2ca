//! A training run in the browser while it is recorded.
//!
//! [`Server`] answers one user on the own machine: it listens on the loopback interface alone, to requests that have
//! the random token of its address, and to those alone that a page of its own, or somebody who typed the address,
//! makes. It serves no file: what it answers is made by a function of the request. [`Watched`] is that of the program:
//! the page of `selvedge-report` about [`Viewed`] files, which measures new steps as they come, and slices that are
//! read when somebody asks for them.
//!
//! - **For one user.** It listens on the loopback interface alone. The address has a random token of 128 bits, and who has not
//!   that is told nothing; nor is a page of another site in the same browser, whatever its name leads to (`Host`, `Origin` and
//!   `Sec-Fetch-Site` are looked at). Nothing is written, and no file is served: answers are made of the tensors.
//! - **Bounded.** At most 16 connections of one request each, heads of 16 kB, 5 seconds to ask and 30 to listen; no body is read.
//! - **Live.** New steps are read once, in batches, and no more than 64 MB at a time, or one step with the one before it; what is
//!   drawn is bounded, as in the page of `selvedge-report`, whose charts these are. A step, or a row over all steps, is read when
//!   somebody wants to see it: at most 32 MB, and a picture of at most 1,000 × 1,000 cells.
//!
//! # Trade-offs
//!
//! - A connection is a thread and a request. That is enough for one user, and little to go wrong: no asynchronous
//!   runtime, no connection that is kept, no body that is read. HTTP is parsed by `httparse`.
//! - Of new steps as many are read as take 64 MB at a time, and at least one. Where a run is faster, some of them are, and
//!   the page says so.
//!
//! # Example
//!
//! ```
//! use selvedge_report::{Sample, Tensor, Vocabulary};
//! use selvedge_view::{About, Server, Viewed, Watched};
//!
//! /// 100 steps of 8 rows of 4 values, which could lie in any file.
//! struct Run;
//!
//! impl Viewed for Run {
//!     fn refresh(&self) -> Result<(), String> {
//!         Ok(())
//!     }
//!
//!     fn about(&self) -> About {
//!         About { name: "thimble_7.h5".to_owned(), steps: 100, ..About::default() }
//!     }
//!
//!     fn told(&self) -> String {
//!         String::new()
//!     }
//!
//!     fn with(&self, work: &mut dyn FnMut(&[Tensor<'_>])) {
//!         let tensor = Tensor {
//!             name: "W".to_owned(),
//!             dtype: "float32".to_owned(),
//!             shape: vec![100, 8, 4],
//!             has_steps: true,
//!             chunk: None,
//!             is_packed: false,
//!             values: Ok(Box::new(|steps, _, bytes| {
//!                 bytes.clear();
//!                 steps.for_each(|step| bytes.extend([(step as f32).to_le_bytes(); 32].as_flattened()));
//!                 Ok(())
//!             })),
//!         };
//!         work(&[tensor]);
//!     }
//! }
//!
//! let watched = Watched::new("an example", &[&Run], Vocabulary::default(), Sample::Quick);
//! watched.step();
//! assert_eq!(watched.reports()[0].1[0].measured, 100);
//! let server = Server::bind(0)?;
//! println!("{}", server.address());
//! # if false {
//! std::thread::scope(|scope| {
//!     scope.spawn(|| watched.go_on());
//!     server.serve(&|request| watched.answer(request));
//! });
//! # }
//! # Ok::<(), std::io::Error>(())
//! ```

#![forbid(unsafe_code)]

mod request;
mod server;
mod site;
mod watched;

pub use request::{Refused, Request};
pub use server::{Response, Server};
pub use watched::{About, Viewed, Watched};
