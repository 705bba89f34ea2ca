//! What the public interface does, in one program. Tests that measure their process, limit it or kill it have a program
//! each, beside this one.

#[path = "../common/mod.rs"]
mod common;

mod integrations;
mod loading;
mod malformed;
mod naming;
mod python;
mod races;
mod replacing;
mod saving;
mod streaming;
