//! A training run in the browser while it is recorded.
//!
//! [`Server`] answers one user on the own machine: it listens on the loopback interface alone, to requests that have
//! the random token of its address, and to those alone that a page of its own, or somebody who typed the address,
//! makes. It serves no file: what it answers is made by a function of the request. [`Watched`] is that of the program:
//! the page of `selvedge-report` about [`Viewed`] files, which measures new steps as they come, and slices that are
//! read when somebody asks for them.
//!
//! # Trade-offs
//!
//! - A connection is a thread and a request. That is enough for one user, and little to go wrong: no asynchronous
//!   runtime, no connection that is kept, no body that is read. HTTP is parsed by `httparse`.
//! - Of new steps as many are read as take 64 MB at a time. Where a run is faster, some of them are, and the page
//!   says so.

#![forbid(unsafe_code)]

mod request;
mod server;
mod site;
mod watched;

pub use request::{Refused, Request};
pub use server::{Response, Server};
pub use watched::{About, Viewed, Watched};

/// Runs the README's example as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
