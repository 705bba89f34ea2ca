//! What the program does, in one test program, because each one links HDF5 and is large. Tests that stop it or time it
//! have a program each, beside this one.

#[path = "../common/mod.rs"]
mod common;

mod attributes;
mod bad_files;
mod check;
mod check_files;
mod check_fix;
mod clean;
mod compressed;
mod convert;
mod hostile_text;
mod inspect;
mod join;
mod left_out;
mod mistaken;
mod numpy;
mod objects;
mod other_files;
mod page;
mod plan;
mod program;
mod rechunk;
mod recover;
mod references;
mod report;
mod rules;
mod show;
mod steps;
mod unread;
mod verify;
mod view;
mod view_others;
mod ways_out;
