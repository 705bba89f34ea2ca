//! What the public interface does, in one program, because each one links HDF5 and is large. Tests that measure their
//! process, limit it or kill it have a program each, beside this one.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/damage.rs"]
mod damage;

mod addresses;
mod archive;
mod branches;
mod checksums;
mod compare;
mod compressed;
mod constants;
mod damaged;
mod dtypes;
mod elsewhere;
mod filters;
mod foreign_programs;
mod golden;
mod inspecting;
mod integers;
mod live;
mod missing_parts;
mod mistakes;
mod naming;
mod open_step;
mod python;
mod ranks;
mod reading;
mod rechunk;
mod references;
mod refusals;
mod resources;
mod resume;
mod run;
mod selections;
mod steps;
mod texts;
mod unpacking;
mod virtual_sources;
