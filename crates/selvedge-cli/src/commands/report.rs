//! `selvedge report`: a page about a run.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use selvedge_base::read_regular;
use selvedge_hdf5::Grouped;
use selvedge_report::{File, Page, Sample, Vocabulary};

use super::meant::{Output, meant};
use super::new_file::{self, NewFile, check_apart, check_ending, ending};
use super::other_files::OtherFiles;
use super::steps::Files;
use crate::check;
use crate::facts::{Assumptions, FileFacts, OpenFile, check_there, folder, gather};
use crate::outcome::Outcome;
use crate::output;
use crate::render;
use crate::report::{self, Unread};

const EXAMPLES: &str = "\
Examples:
  selvedge report thimble_7.h5              # makes thimble_7_report.html
  selvedge report thimble_7.h5 --quick -o look.html
  selvedge report thimble_7.h5 thimble_8.h5 -o seeds.html
  selvedge report thimble_7.h5 --tensor W --vocabulary vocab.json -o W.html
  selvedge report thimble_7.h5 --steps log:50 -o few.html

The values are read once, in at most 300 MB of memory, whatever the size of the file. The page is one \
file of less than 5 MB, which needs no network and shows: curves over the steps, how far values and rows \
moved, quantiles, exponents, the first NaN. With several files their curves lie in the same charts.";

/// How the name of a page may end.
const HTML: &[&str] = &["html", "htm"];

/// Bytes of a vocabulary at most.
const LONGEST_VOCABULARY: u64 = 64 << 20;

/// Make a page about a run: what moved, when, and where it stopped; for a browser.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    files: Files,

    /// The page to write; without it, FILE_report.html in the current folder
    #[arg(short, long, value_name = "PAGE")]
    output: Option<PathBuf>,

    /// Read some steps only, each with the one before it: some seconds, whatever the size of the files
    #[arg(long)]
    quick: bool,

    /// Take this tensor, and not all
    #[arg(long = "tensor", short, value_name = "TENSOR")]
    tensors: Vec<String>,

    /// The tokens that rows are of: one in each line, a vocab.json or a tokenizer.json
    #[arg(long, value_name = "FILE")]
    vocabulary: Option<PathBuf>,

    /// Take uint16 without a marker for the bits of bfloat16
    #[arg(long)]
    assume_bf16: bool,

    /// Tensors that cannot be read here, for a filter or a file that is not there, are told in the page and
    /// change nothing of the exit code, if there are others; a damaged one does
    #[arg(long)]
    skip_unsupported: bool,

    #[command(flatten)]
    other_files: OtherFiles,

    #[command(flatten)]
    new_file: NewFile,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let paths = args.files.paths()?;
    let sample = match (args.quick, args.files.sample(Sample::All)) {
        (false, sample) => sample,
        (true, Sample::All) => Sample::Quick,
        (true, _) => bail!("--quick chooses the steps itself, and --steps INDICES names them"),
    };
    let page = match &args.output {
        Some(page) => page.clone(),
        None => default_page(&paths[0])?,
    };
    args.new_file.check(&page)?;
    check_apart(&page, paths.iter().chain(&args.vocabulary))?;
    check_ending(&page, "`selvedge report` writes HTML", HTML)?;
    let assumptions = Assumptions {
        bf16: args.assume_bf16,
        reader: args.other_files.options(),
        ..Assumptions::default()
    };
    // All are opened before the first is read.
    let opened = paths.iter().map(|path| gather(path, &assumptions));
    let opened = opened.collect::<Result<Vec<_>, _>>();
    let new = args.output.is_none().then_some(Output {
        what: "the page",
        endings: HTML,
    });
    let mut opened = opened.map_err(|error| meant(error, &paths, new))?;
    let vocabulary = match &args.vocabulary {
        Some(path) => vocabulary(path)?,
        None => Vocabulary::default(),
    };
    let (mut files, mut missing, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for (facts, open) in &mut opened {
        let without = report::take_steps(facts, args.files.has_steps());
        let without = render::report::without_steps(&without);
        let names = facts.own_names(open, &args.tensors)?;
        let told = render::report::notes(without, facts, &names);
        let (file, unread) = measured(facts, open, &told, args, (&sample, paths.len()))?;
        notes.extend(told.into_iter().map(|note| match paths.len() {
            1 => note,
            _ => format!("{}: {note}", render::shown(&facts.path)),
        }));
        files.push(file);
        missing.extend(unread);
        missing.extend(open.unread(&args.tensors, false).map(|message| Unread {
            message,
            is_unsupported: true,
        }));
    }
    let rows = opened.iter().flat_map(|(facts, _)| report::rows(facts));
    notes.extend(other_rows(args.vocabulary.as_deref(), &vocabulary, rows));
    let is_sampled = files.iter().any(|file| file.is_sampled);
    let left_out = files.iter().map(|file| file.left_out).sum();
    let made_by = concat!("selvedge ", env!("CARGO_PKG_VERSION"));
    let html = Page::new(made_by, files, &vocabulary).html();
    new_file::write(&page, html.as_bytes(), args.new_file.overwrite)?;
    let columns = render::Page::of_stdout().text;
    let bytes = html.len() as u64;
    let said = render::report::summary(&page, bytes, is_sampled, left_out, &notes, columns);
    output::print(&said)?;
    Ok(outcome(&missing, args.skip_unsupported))
}

/// `thimble_7_report.html` for `runs/thimble_7.h5`.
fn default_page(file: &Path) -> anyhow::Result<PathBuf> {
    if file.is_dir() {
        return Err(folder(file).into());
    }
    let stem = file.file_stem().with_context(|| {
        let file = file.display();
        format!("{file} has no name to call the page by; name one with --output")
    })?;
    let mut name = stem.to_owned();
    name.push("_report.html");
    Ok(name.into())
}

pub(super) fn vocabulary(path: &Path) -> anyhow::Result<Vocabulary> {
    check_there(path)?;
    let mut text = Vec::new();
    let read = read_regular(path, LONGEST_VOCABULARY, &mut text);
    read.with_context(|| format!("cannot read {}", path.display()))?;
    let read = match String::from_utf8(text) {
        Ok(text) => Vocabulary::read(&text, ending(path).as_deref() == Some("json")),
        Err(_) => Err("it is no text in UTF-8".to_owned()),
    };
    let read = read.map_err(anyhow::Error::msg);
    read.with_context(|| format!("{} is no vocabulary", path.display()))
}

/// That no tensor has as many rows as the vocabulary that was given, of tensors that have these numbers of them: an embedding
/// may have rows without tokens behind the others, and of another model's vocabulary it names the wrong ones.
pub(super) fn other_rows(
    path: Option<&Path>,
    vocabulary: &Vocabulary,
    rows: impl Iterator<Item = u64>,
) -> Option<String> {
    let (path, tokens) = (path?, vocabulary.rows());
    let rows: Vec<u64> = rows.collect();
    if rows.contains(&tokens) {
        return None;
    }
    let (path, has) = (render::shown(path), render::counted(tokens, "row"));
    // The least that has room for all.
    let padded = rows.iter().copied().filter(|&rows| rows > tokens).min();
    Some(match (padded, rows.iter().max()) {
        (Some(rows), _) => format!(
            "{path} has tokens for {has}; of a tensor of {} the last {} have none",
            render::counted(rows, "row"),
            Grouped(rows - tokens)
        ),
        (None, Some(&most)) => format!(
            "{path} has tokens for {has}, and no tensor has more than {}: it may be the vocabulary of another model",
            render::counted(most, "row")
        ),
        (None, None) => format!("{path} has tokens for {has}, and no tensor has rows"),
    })
}

fn measured(
    facts: &FileFacts,
    file: &OpenFile,
    notes: &[String],
    args: &Args,
    (sample, files): (&Sample, usize),
) -> anyhow::Result<(File, Vec<Unread>)> {
    let (measured, unread) = report::measure(facts, file, &args.tensors, sample, files as u64)?;
    // A broken selvedge.toml is no reason for no page.
    let findings = check::one_file(facts).unwrap_or_default();
    let told = render::inspect::file(facts, None, &findings, false, render::Page::of_text());
    let lines = render::inspect::header(facts);
    let lines = lines.iter().chain(notes);
    let lines: Vec<String> = lines.map(|line| output::plain(line)).collect();
    let name = render::shown(&facts.path);
    let file = File::new(&name, &lines, &output::plain(&told), measured);
    Ok((file, unread))
}

/// Tells of the tensors that are missing in the page, and whether that is a failure.
fn outcome(missing: &[Unread], skip_unsupported: bool) -> Outcome {
    let mut outcome = Outcome::Success;
    for unread in missing {
        if skip_unsupported && unread.is_unsupported {
            output::note(&format!("note: {}", render::shown(&unread.message)));
        } else {
            output::error(&anyhow::Error::msg(unread.message.clone()));
            outcome = Outcome::Failed;
        }
    }
    outcome
}
