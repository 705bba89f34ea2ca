//! Standard output and standard error: all that the program prints goes through here.
//!
//! Names and texts of files can hold anything, and each is [`shown`] where it is put into words. What
//! was forgotten there does not reach a screen either: the functions here let nothing pass but lines
//! and styles. Styles are left out where they are not wanted: in a pipe, with `NO_COLOR`, with
//! `--color never`.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::panic::PanicHookInfo;

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use anyhow::{Context as _, bail};
use selvedge_base::text::{json, screen, shown};
use serde::Serialize;
use terminal_size::{Height, terminal_size_of};

use crate::render::style::{ERROR, styled};
use crate::render::{Page, folded};
use crate::words::{of_program, with_way_out};

/// In help, a space at which no line is broken.
pub(crate) const UNBROKEN: &str = "\u{a0}";

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
    let stdout = io::stdout();
    write(screen(&styled_for(&stdout, text), false).as_bytes())
}

/// Writes text whose long lines are broken at spaces, where the output has an edge.
///
/// # Errors
///
/// The errors of [`print()`].
pub(crate) fn print_folded(text: &str) -> anyhow::Result<()> {
    print(&folded(text, Page::of_stdout()))
}

/// Text that is shown again, in the place of the one before, on a terminal; otherwise below it.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    was_shown: bool,
}

impl Screen {
    /// Shows the text.
    ///
    /// # Errors
    ///
    /// The errors of [`print()`].
    pub(crate) fn show(&mut self, text: &str) -> anyhow::Result<()> {
        let stdout = io::stdout();
        let text = screen(&styled_for(&stdout, text), false);
        let is_again = std::mem::replace(&mut self.was_shown, true) && stdout.is_terminal();
        // From the first line on, each without what was behind it, and nothing below.
        let text = match is_again {
            true => format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n")),
            false if stdout.is_terminal() => format!("\x1b[H\x1b[2J{text}"),
            false => text,
        };
        write(text.as_bytes())
    }
}

/// Lines of the terminal that standard output is.
pub(crate) fn lines() -> Option<usize> {
    let (_, Height(lines)) = terminal_size_of(io::stdout())?;
    Some(lines.into())
}

/// Whether standard output shows styles.
pub(crate) fn has_styles() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// Writes commands for a build server to standard output, a line each.
///
/// # Errors
///
/// The errors of [`print()`].
pub(crate) fn print_commands(text: &str) -> anyhow::Result<()> {
    write(screen(text, true).as_bytes())
}

/// Writes a value to standard output as JSON.
///
/// # Errors
///
/// The errors of [`print()`].
pub(crate) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    // Piece by piece: of a file with a million tensors it is longer than all that is known of them.
    let mut stdout = Json(BufWriter::new(io::stdout().lock()));
    let written = serde_json::to_writer_pretty(&mut stdout, value).map_err(io::Error::from);
    settle(written.and_then(|()| {
        stdout.0.write_all(b"\n")?;
        stdout.0.flush()
    }))
}

/// Standard output, for JSON that comes in pieces of whole characters.
struct Json<W>(W);

impl<W: io::Write> io::Write for Json<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_all(json(text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes a text that programs read, and that is JSON, to standard output.
///
/// # Errors
///
/// The errors of [`print()`].
pub(crate) fn print_program(text: &str) -> anyhow::Result<()> {
    write(json(text).as_bytes())
}

/// Writes to standard output what is made of the command line of this program alone, as it is.
///
/// # Errors
///
/// The errors of [`print()`].
pub(crate) fn print_own(bytes: &[u8]) -> anyhow::Result<()> {
    write(bytes)
}

/// Writes values to standard output, as numbers or as an array: there is no name in them.
///
/// # Errors
///
/// The errors of [`print()`].
pub(crate) fn print_values(bytes: &[u8]) -> anyhow::Result<()> {
    write(bytes)
}

/// Text as a file gets it: without styles.
pub(crate) fn plain(text: &str) -> String {
    screen(&anstream::adapter::strip_str(text).to_string(), false)
}

fn write(bytes: &[u8]) -> anyhow::Result<()> {
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
    let text = with_way_out(error);
    // In one line, which people copy.
    told(&format!(
        "{}\n",
        of_program(&format!("{} {}", styled(ERROR, "error:"), shown(&text)))
    ));
}

/// Tells people something on standard error, in lines that are broken at spaces where it has an edge.
pub(crate) fn note(text: &str) {
    told(&folded(
        &format!("{}\n", of_program(text)),
        Page::of_stderr(),
    ));
}

/// Asks whoever sits at the terminal, on standard error.
///
/// # Errors
///
/// That nobody does, or that the answer cannot be read.
pub(crate) fn agreed(question: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        bail!("nobody is there to be asked: look at the list with --dry-run, and pass --yes");
    }
    told(&format!("{question} [y/N] "));
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.context("cannot read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// There is nobody to tell that standard error is closed.
fn told(text: &str) {
    let stderr = io::stderr();
    let text = screen(&styled_for(&stderr, text), false);
    let _ = stderr.lock().write_all(text.as_bytes());
}

/// What clap has to say: that is help, on standard output, or an error in which arguments stand as
/// they were given.
///
/// # Errors
///
/// The errors of [`print()`], of help.
pub(crate) fn command_line(said: &clap::Error) -> anyhow::Result<()> {
    let text = said.render();
    if !said.use_stderr() {
        return print(&text.ansi().to_string().replace(UNBROKEN, " "));
    }
    // Without clap's styles: an argument could have some, too.
    let text = text.to_string();
    match text.strip_prefix("error:") {
        Some(rest) => told(&format!("{}{rest}", styled(ERROR, "error:"))),
        None => told(&text),
    }
    Ok(())
}

/// Tells of a panic, which is a mistake of the program.
pub(crate) fn panicked(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let text = format!(
        "selvedge panicked at {}: {}; this is a mistake of Selvedge, please report it",
        place.as_deref().unwrap_or("an unknown place"),
        panic.payload_as_str().unwrap_or("no message")
    );
    error(&anyhow::Error::msg(text));
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        told(&format!("{backtrace}\n"));
    }
}

/// The text, without its styles where those are not wanted on the stream.
fn styled_for(stream: &impl RawStream, text: &str) -> String {
    match AutoStream::choice(stream) {
        ColorChoice::Never => anstream::adapter::strip_str(text).to_string(),
        _ => text.to_owned(),
    }
}
