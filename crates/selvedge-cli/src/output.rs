//! Standard output and standard error. Colours are written by `anstream`, which leaves them out
//! where they are not wanted: in a pipe, with `NO_COLOR`, with `--color never`.

use std::io::{self, Write as _};

use anyhow::Context as _;

use crate::render::shown;
use crate::render::style::{ERROR, styled};

/// Nobody reads the output any more. No error: the program ends.
#[derive(Debug, thiserror::Error)]
#[error("the output was closed")]
pub(crate) struct Closed;

/// Writes text to standard output.
///
/// # Errors
///
/// [`Closed`], or that the output is no place to write to.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = anstream::stdout().lock();
    settle(
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush()),
    )
}

/// Writes bytes to standard output as they are.
///
/// # Errors
///
/// The errors of [`print()`].
pub(crate) fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    settle(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

fn settle(written: io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        other => other.context("cannot write to standard output"),
    }
}

/// Says on standard error what went wrong, with its causes: in one line, whatever is in a name.
pub(crate) fn error(error: &anyhow::Error) {
    let text = shown(&format!("{error:#}"));
    line(&format!("{} {text}", styled(ERROR, "error:")));
}

/// Tells people something on standard error.
pub(crate) fn note(text: &str) {
    line(text);
}

/// There is nobody to tell that standard error is closed.
fn line(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}
