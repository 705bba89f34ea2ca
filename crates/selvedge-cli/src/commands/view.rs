//! `selvedge view`: a run in the browser, or in the terminal, while it is recorded.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use selvedge_report::{Sample, Vocabulary};
use selvedge_view::{Server, Viewed, Watched};

use super::meant::meant;
use super::other_files::OtherFiles;
use super::report::{other_rows, vocabulary};
use super::steps::Files;
use crate::facts::Assumptions;
use crate::outcome::Outcome;
use crate::output;
use crate::render::terminal::Room;
use crate::render::{self, Page};
use crate::view::{Asked, Look};

const EXAMPLES: &str = "\
Examples:
  selvedge view thimble_7.h5
  selvedge view thimble_7.h5 thimble_8.h5
  selvedge view thimble_7.h5 --vocabulary vocab.json
  selvedge view --no-open --port 8080 thimble_7.h5
  selvedge view --term thimble_7.h5 --tensor W --steps -500..

The page follows a run that is being recorded: curves grow, the heat map fills. A step, or a row over all \
steps, is read when it is asked for. Only this machine can open it, and only by the address that is \
printed; the file is read and never changed. Of a large file, and of a run that is faster than 64 MB in \
half a second, some of the steps are read. Ctrl-C ends it. From another machine: \
`ssh -L 8080:127.0.0.1:8080`, with --port 8080.";

/// How often the terminal shows what is new.
const REDRAW: Duration = Duration::from_secs(1);

/// Look at a run in the browser, or in the terminal, also while it is being recorded.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    files: Files,

    /// Draw curves and heat maps in the terminal; of a run that has ended, once
    #[arg(long, conflicts_with_all = ["port", "no_open"])]
    term: bool,

    /// Take this tensor, and not all
    #[arg(long = "tensor", short, value_name = "TENSOR")]
    tensors: Vec<String>,

    /// Read all steps, however many there are
    #[arg(long)]
    all_steps: bool,

    /// Listen at this port, and not at any that is free
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    port: u16,

    /// Print the address, and open no browser
    #[arg(long)]
    no_open: bool,

    /// The tokens that rows are of: one in each line, a vocab.json or a tokenizer.json
    #[arg(long, value_name = "FILE")]
    vocabulary: Option<PathBuf>,

    /// Take uint16 without a marker for the bits of bfloat16
    #[arg(long)]
    assume_bf16: bool,

    #[command(flatten)]
    other_files: OtherFiles,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let assumptions = Assumptions {
        bf16: args.assume_bf16,
        reader: args.other_files.options(),
        ..Assumptions::default()
    };
    let sample = match args.all_steps {
        true => Sample::All,
        false => Sample::Quick,
    };
    let sample = args.files.sample(sample);
    let paths = args.files.paths()?;
    let looks = paths.iter().map(|path| {
        let asked = Asked {
            assumptions: assumptions.clone(),
            names: args.tensors.clone(),
            has_steps: args.files.has_steps(),
        };
        Look::new(path.clone(), asked, &sample).map_err(|error| meant(error, &paths, None))
    });
    let looks = looks.collect::<anyhow::Result<Vec<_>>>()?;
    let vocabulary = match &args.vocabulary {
        Some(path) => vocabulary(path)?,
        None => Vocabulary::default(),
    };
    let rows = looks.iter().flat_map(Look::rows);
    if let Some(note) = other_rows(args.vocabulary.as_deref(), &vocabulary, rows) {
        output::note(&format!("note: {note}"));
    }
    let files: Vec<&dyn Viewed> = looks.iter().map(|look| look as &dyn Viewed).collect();
    let made_by = concat!("selvedge ", env!("CARGO_PKG_VERSION"));
    let watched = Watched::new(made_by, &files, vocabulary, sample);
    match args.term {
        true => in_terminal(&watched),
        false => in_browser(&watched, args),
    }
}

fn in_browser(watched: &Watched<'_>, args: &Args) -> anyhow::Result<Outcome> {
    let server = Server::bind(args.port).map_err(|error| not_bound(args.port, error))?;
    let address = server.address();
    output::print(&format!("{address}\n"))?;
    output::note("Ctrl-C ends it");
    if !args.no_open {
        open(&address);
    }
    thread::scope(|scope| {
        scope.spawn(|| watched.go_on());
        server.serve(&|request| watched.answer(request));
    });
    Ok(Outcome::Success)
}

/// Why nothing can be served at the port, and what to do.
fn not_bound(port: u16, error: io::Error) -> anyhow::Error {
    let cannot = match port {
        0 => "cannot listen on this machine".to_owned(),
        port => format!("cannot listen at port {port} of this machine"),
    };
    match error.kind() {
        io::ErrorKind::AddrInUse => anyhow!(
            "{cannot}: another program does; name another one with --port, or leave --port out for one that is free"
        ),
        io::ErrorKind::PermissionDenied => anyhow!(
            "{cannot}: the system lets only an administrator; name one of 1024 or more with --port, or leave --port \
             out for one that is free"
        ),
        _ => anyhow::Error::new(error).context(cannot),
    }
}

/// Opens the address in the user's browser, where there is a screen for one.
fn open(address: &str) {
    let is_mac = cfg!(target_os = "macos");
    let has = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !is_mac && !has("DISPLAY") && !has("WAYLAND_DISPLAY") {
        return;
    }
    let program = if is_mac { "open" } else { "xdg-open" };
    let mut command = Command::new(program);
    let quiet = command
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Err(error) = quiet.spawn() {
        output::note(&format!("note: no browser was opened: {program}: {error}"));
    }
}

fn in_terminal(watched: &Watched<'_>) -> anyhow::Result<Outcome> {
    let is_terminal = std::io::stdout().is_terminal();
    let mut screen = output::Screen::default();
    loop {
        let is_live = watched.step();
        let room = Room {
            columns: Page::of_stdout().table.unwrap_or(80),
            // What is shown again has the screen, and no more of it.
            lines: is_live.then(output::lines).flatten(),
            has_colours: output::has_styles(),
        };
        screen.show(&render::terminal::files(&watched.reports(), room))?;
        if !is_live || !is_terminal {
            return Ok(Outcome::Success);
        }
        thread::sleep(REDRAW);
    }
}
