//! The program `selvedge`, which is the library beside it.

#![forbid(unsafe_code)]

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().collect();
    let program = selvedge_cli::Program::current();
    ExitCode::from(selvedge_cli::run(&arguments, &program))
}
