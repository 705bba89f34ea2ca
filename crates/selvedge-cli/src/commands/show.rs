//! `selvedge show`: the values of a tensor.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::ValueEnum;
use selvedge_base::text::{shell_path, shell_word};
use selvedge_base::{Indices, Partial};
use selvedge_hdf5::Note;

use super::new_file::{NewFile, check_apart, check_ending_of_values, ending, listed};
use super::other_files::OtherFiles;
use crate::facts::{Assumptions, OpenFile, Unreadable, gather};
use crate::outcome::Outcome;
use crate::output;
use crate::progress::Progress;
use crate::render::{self, Page};
use crate::show::{Asked, Elements, Shown};
use crate::source::{Array, npy};

const EXAMPLES: &str = "\
Examples:
  selvedge show thimble_7.h5 losses --step log:20
  selvedge show thimble_7.h5 W --step last --rows 0..5
  selvedge show thimble_7.h5 losses --format csv > losses.csv
  selvedge show thimble_7.h5 W --step 0,100,-1 --columns 3 -o W.npy

Indices are 7, -1 or last, 0..100, 100.., 0..6000:10 (every tenth), log:50 (fifty of all, ever farther \
apart), or some of these with commas; the end of a range is no part of it. Numbers have as few digits as \
give the same bits again. As text, only the ends of what has more than 1,000 values are shown; csv and \
.npy have all, a block of 16 MB or a step in memory at a time. Rows and columns are the axes of a step; of \
a tensor without steps they are its first and its second.";

/// Values that are shown as text without leaving any out.
const MOST: u64 = 1000;
/// … and so many at each end of an axis where there are more.
const ENDS: u64 = 3;

/// Show the values of a tensor: as numbers, as csv or as .npy.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An HDF5, safetensors, .npy or .npz file
    file: PathBuf,

    /// The tensor; it may be left out where there is only one
    tensor: Option<String>,

    /// The tensor, as other commands have it
    #[arg(
        long = "tensor",
        short = 't',
        value_name = "TENSOR",
        conflicts_with = "tensor"
    )]
    named: Option<String>,

    /// These steps, indices of the first axis
    #[arg(long, visible_alias = "steps", value_name = "INDICES")]
    step: Option<Indices>,

    /// These rows
    #[arg(long, value_name = "INDICES")]
    rows: Option<Indices>,

    /// These columns
    #[arg(long, value_name = "INDICES")]
    columns: Option<Indices>,

    /// How they are written; without it as the ending of -o says, or else as text
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// Leave nothing out of a text
    #[arg(long)]
    all: bool,

    /// Write to a file
    #[arg(long, short, value_name = "OUT")]
    output: Option<PathBuf>,

    #[command(flatten)]
    new_file: NewFile,

    /// Take uint16 without a marker for the bits of bfloat16
    #[arg(long)]
    assume_bf16: bool,

    #[command(flatten)]
    other_files: OtherFiles,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables for people
    Text,
    /// Lines with commas, each with the indices that it is of
    Csv,
    /// An array of NumPy
    Npy,
}

impl Format {
    /// What the ending of a name says, or else text.
    fn of(path: &Path) -> Self {
        match ending(path).as_deref() {
            Some("csv") => Self::Csv,
            Some("npy") => Self::Npy,
            _ => Self::Text,
        }
    }

    /// What is written, and how the name of such a file may end.
    fn endings(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Text => ("text is written", &["txt"]),
            Self::Csv => ("csv is written", &["csv", "txt"]),
            Self::Npy => ("an array of NumPy is written", &["npy"]),
        }
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let by_name = args.output.as_deref().map_or(Format::Text, Format::of);
    let format = args.format.unwrap_or(by_name);
    if format == Format::Npy && args.output.is_none() && std::io::stdout().is_terminal() {
        bail!("an array of NumPy is not for a terminal; name a file with -o, or write into a pipe");
    }
    let assumptions = Assumptions {
        bf16: args.assume_bf16,
        reader: args.other_files.options(),
        ..Assumptions::default()
    };
    let gathered = gather(&args.file, &assumptions);
    let (facts, file) = gathered.map_err(|error| said(error, args))?;
    let asked = Asked {
        steps: args.step.clone(),
        rows: args.rows.clone(),
        columns: args.columns.clone(),
    };
    let values = Shown::find(
        &facts,
        &file,
        args.tensor.as_deref().or(args.named.as_deref()),
        &asked,
    )?;
    tell_changes(&file, &values.facts().name);
    match &args.output {
        None => args.new_file.check_none("-o")?,
        Some(path) => {
            let otherwise = ", or leave -o out, which prints values";
            args.new_file.check_or(path, otherwise)?;
            check_apart(path, [&args.file])?;
            let (writes, endings) = match args.format {
                Some(format) => format.endings(),
                None => (
                    "`selvedge show` writes text, csv or an array of NumPy",
                    &["txt", "csv", "npy"][..],
                ),
            };
            check_ending_of_values(path, writes, endings)?;
            let unknown = ending(path).filter(|found| !endings.contains(&&**found));
            if let (Some(found), None) = (unknown, args.format) {
                bail!(
                    "{} ends in .{found}, and {writes}; end it in {}, or say with --format what it is",
                    path.display(),
                    listed(endings),
                );
            }
        }
    }
    let mut out = Out::new(args)?;
    let shown = match format {
        Format::Text => text(&values, args, &mut out)?,
        Format::Csv => csv(&values, &mut out).map(|()| values.count())?,
        Format::Npy => array(&values, args, &mut out).map(|()| values.count())?,
    };
    if let Some(path) = &args.output {
        let bytes = out.finish()?;
        output::print(&render::show::written(path, (shown, values.count()), bytes))?;
    }
    Ok(Outcome::Success)
}

/// The error of a file that is not there, where the tensor is one: they were named the other way round.
fn said(error: Unreadable, args: &Args) -> anyhow::Error {
    let tensor = args.tensor.as_ref().map(Path::new);
    match (&error, tensor.filter(|tensor| tensor.is_file())) {
        (Unreadable::Missing { .. }, Some(tensor)) => {
            let (file, tensor) = (shell_path(tensor), shell_word(&args.file));
            anyhow!("{error}; the file comes first: `selvedge show {file} {tensor}`")
        }
        _ => error.into(),
    }
}

/// Tells that another program gave the tensor another number of steps than the run has, of which some are not shown,
/// and that something follows an array.
fn tell_changes(file: &OpenFile, name: &str) {
    let is_changed = |note: &&Note| matches!(note, Note::Appended { tensor, .. } | Note::Short { tensor, .. } if tensor == name);
    let told: Vec<String> = match file {
        OpenFile::Hdf5(reader) => {
            let notes = reader.notes().iter().filter(is_changed);
            notes.map(ToString::to_string).collect()
        }
        OpenFile::Safetensors(_) => Vec::new(),
        OpenFile::Arrays(arrays) => {
            let arrays = arrays.iter().filter(|array| array.name == name);
            arrays.filter_map(Array::rest).collect()
        }
    };
    for note in told {
        output::note(&format!("note: {}", render::shown(&note)));
    }
}

/// Where values go.
struct Out {
    partial: Option<Partial>,
}

impl Out {
    fn new(args: &Args) -> anyhow::Result<Self> {
        let path = args.output.as_deref();
        let partial = path
            .map(|path| Partial::create(path, args.new_file.overwrite))
            .transpose()?;
        Ok(Self { partial })
    }

    fn write(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let Some(partial) = &self.partial else {
            return output::print_values(bytes);
        };
        let file = &**partial.file();
        (&**file)
            .write_all(bytes)
            .with_context(|| format!("cannot write {}", partial.target().display()))
    }

    /// Text, with names in it.
    fn print(&self, text: &str) -> anyhow::Result<()> {
        match self.partial {
            Some(_) => self.write(output::plain(text).as_bytes()),
            None => output::print(text),
        }
    }

    /// The progress of so many bytes, where the values themselves are not to be seen.
    fn progress(&self, bytes: u64) -> Option<Progress> {
        let is_seen = self.partial.is_none() && std::io::stdout().is_terminal();
        (!is_seen).then(|| Progress::new(bytes))
    }

    /// The file gets its name. Returns its length in bytes.
    fn finish(self) -> anyhow::Result<u64> {
        let Some(mut partial) = self.partial else {
            return Ok(0);
        };
        partial.publish(true)?;
        Ok(partial.file().metadata().map_or(0, |found| found.len()))
    }
}

/// The elements of a tensor as texts.
fn elements(values: &Shown<'_>) -> anyhow::Result<Elements> {
    Elements::of(values.kind).with_context(|| {
        format!(
            "`{}` holds {}, whose values are not known here; --format npy writes their bits",
            values.facts().name,
            values.kind.name
        )
    })
}

/// Returns how many values are in the text.
fn text(values: &Shown<'_>, args: &Args, out: &mut Out) -> anyhow::Result<u64> {
    let mut elements = elements(values)?;
    let is_all = args.all || values.count() <= MOST;
    let short = values.shortened(if is_all { u64::MAX / 2 } else { ENDS });
    let path = args.file.display().to_string();
    let page = match out.partial {
        Some(_) => Page::unlimited(),
        None => Page::of_stdout(),
    };
    let title = render::show::title(values, &path);
    out.print(&render::folded(&title, page))?;
    let mut tables = render::show::Tables::new(&short.axes, &values.facts().name, page);
    let size = element_size(values);
    pieces(&short, out, |bytes| {
        let mut text = String::new();
        for element in bytes.chunks_exact(size) {
            let mut value = String::new();
            elements.push(element, &mut value);
            tables.push(&mut text, value);
        }
        out.print(&text)
    })?;
    if values.count() == 0 {
        out.print("no values\n")?;
    }
    if short.count() < values.count() {
        let told = render::show::left_out(&short, values);
        out.print(&render::folded(&told, page))?;
    }
    Ok(short.count())
}

fn csv(values: &Shown<'_>, out: &mut Out) -> anyhow::Result<()> {
    let mut elements = elements(values)?;
    let mut csv = render::show::Csv::new(&values.axes);
    render::show::Csv::head(&values.axes, |text| out.write(text.as_bytes()))?;
    let size = element_size(values);
    pieces(values, out, |bytes| {
        let mut text = String::new();
        for element in bytes.chunks_exact(size) {
            csv.push(&mut text, |text| elements.push(element, text));
        }
        out.write(text.as_bytes())
    })
}

fn array(values: &Shown<'_>, args: &Args, out: &mut Out) -> anyhow::Result<()> {
    let (descr, _) = values
        .kind
        .to_numpy()
        .context("a dtype that NumPy has not")?;
    out.write(&npy::header(&descr, &values.shape()))?;
    pieces(values, out, |bytes| out.write(bytes))?;
    let path = args.output.as_deref().unwrap_or(Path::new("FILE"));
    let path = path.display().to_string();
    if let Some(note) = npy::bits_note(&values.facts().name, values.kind, &path) {
        output::note(&format!("note: {}", render::shown(&note)));
    }
    Ok(())
}

fn element_size(values: &Shown<'_>) -> usize {
    usize::try_from(values.kind.bytes()).unwrap_or(1)
}

/// Goes through all values, with a progress bar.
fn pieces(
    values: &Shown<'_>,
    out: &Out,
    mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // Pieces of text are longer than the values.
    const PIECE: usize = 1 << 20;
    let mut progress = out.progress(values.bytes());
    values.blocks(|bytes| {
        for piece in bytes.chunks(PIECE) {
            take(piece)?;
            if let Some(progress) = &mut progress {
                progress.add(&values.facts().name, piece.len() as u64);
            }
        }
        Ok(())
    })?;
    if let Some(progress) = progress {
        progress.finish();
    }
    Ok(())
}
