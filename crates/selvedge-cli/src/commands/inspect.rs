//! `selvedge inspect`: what is in tensor files.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use selvedge_base::natural;
use selvedge_base::text::escaped;
use selvedge_conventions::{Finding, Place};
use serde::{Serialize, Serializer};

use super::diff;
use super::meant::meant;
use super::other_files::OtherFiles;
use crate::check;
use crate::facts::{Assumptions, FileFacts, Format, TensorFacts, gather};
use crate::object;
use crate::outcome::Outcome;
use crate::output;
use crate::progress::Progress;
use crate::render::{self, Page};
use crate::stats::{self, TensorStats};

const EXAMPLES: &str = "\
Examples:
  selvedge inspect tensors/Thimble/thimble_7.h5
  selvedge inspect --stats 1.5d_cluster_mask.safetensors
  selvedge inspect --stats --tensor W thimble_7.h5
  selvedge inspect --json *.h5 | jq '.files[].tensors[].name'
  selvedge inspect --diff thimble_7.h5 thimble_8.h5

Without --stats only headers are read, whatever the size of the files. \
With --diff the exit code is 0 if the files are alike, 1 if they differ, 2 if one cannot be read \
or an attribute of both is of a type that is not read.";

/// How often `--watch` looks.
const WATCH: Duration = Duration::from_secs(1);

/// Show what is in HDF5, safetensors, .npy and .npz files: tensors, chunks, provenance, how to read
/// them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// HDF5, safetensors, .npy or .npz files, of Selvedge or of any other program
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Read all values too: NaN, Inf, least, greatest, mean, zeros, unchanged from step to step, standard
    /// deviation, norm, quantiles
    #[arg(long, group = "what")]
    stats: bool,

    /// Show these tensors, and not all
    #[arg(long = "tensor", short, value_name = "TENSOR")]
    tensors: Vec<String>,

    /// With --stats: tensors that cannot be read here, for a filter or a file that is not there, are told
    /// and change nothing of the exit code, if there are others; a damaged one does. With --diff: so are attributes
    /// that both files have and whose types are not read
    #[arg(long, requires = "what")]
    skip_unsupported: bool,

    /// Show each tensor on a line of its own, also of many that differ in the numbers of their names alone
    #[arg(long)]
    each: bool,

    /// Leave out what `selvedge check` finds in the files
    #[arg(long)]
    no_findings: bool,

    /// Compare two files: tensors, dtypes, shapes and attributes, but no values
    #[arg(long, group = "what")]
    diff: bool,

    /// Show it anew as steps come, until no file is being recorded; `selvedge view` draws them
    #[arg(long, conflicts_with_all = ["stats", "diff", "json"])]
    watch: bool,

    /// Take uint16 without a marker for the bits of bfloat16
    #[arg(long)]
    assume_bf16: bool,

    #[command(flatten)]
    other_files: OtherFiles,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    selvedge_version: &'static str,
    files: Vec<Inspected>,
    errors: Vec<Failure>,
}

#[derive(Serialize)]
struct Inspected {
    #[serde(flatten)]
    facts: FileFacts,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<Vec<TensorStats>>,
    /// The first dataset or group whose values were asked for, and that cannot be opened.
    #[serde(skip)]
    unread: Option<String>,
    /// What `selvedge check` finds in the file, sorted.
    #[serde(serialize_with = "found")]
    findings: Vec<Finding>,
}

/// A finding, under the names that `selvedge check --output-format json` gives.
#[derive(Serialize)]
struct Found<'f> {
    code: &'static str,
    name: &'static str,
    severity: &'static str,
    message: &'f str,
    tensor: Option<&'f str>,
    help: Option<&'f str>,
}

fn found<S: Serializer>(findings: &[Finding], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(findings.iter().map(|finding| Found {
        code: finding.code,
        name: finding.rule_name(),
        severity: finding.severity.as_str(),
        message: &finding.message,
        tensor: match &finding.place {
            Place::Tensor(name) => Some(name),
            _ => None,
        },
        help: finding.help.as_deref(),
    }))
}

#[derive(Serialize)]
struct Failure {
    path: String,
    message: String,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let assumptions = Assumptions {
        bf16: args.assume_bf16,
        reader: args.other_files.options(),
        ..Assumptions::default()
    };
    if args.diff {
        let [one, two] = &args.files[..] else {
            anyhow::bail!("--diff compares two files, found {}", args.files.len());
        };
        return diff::run(
            [one, two],
            &args.tensors,
            &assumptions,
            args.skip_unsupported,
            args.json,
        );
    }
    if args.watch {
        return watch(args, &assumptions);
    }
    let mut report = Report {
        selvedge_version: env!("CARGO_PKG_VERSION"),
        files: Vec::new(),
        errors: Vec::new(),
    };
    let page = Page::of_stdout();
    let (mut first, mut unread) = (true, false);
    for path in &args.files {
        let inspected = inspect(path, &assumptions, args);
        // What was shown is not all that was asked for.
        let stats = inspected.as_ref().ok().and_then(|file| file.stats.as_ref());
        unread |= stats.is_some_and(|stats| is_unread(stats, args.skip_unsupported));
        let hidden = inspected.as_ref().ok().and_then(|file| file.unread.clone());
        match inspected {
            Ok(inspected) if args.json => report.files.push(inspected),
            Ok(Inspected {
                facts,
                stats,
                findings,
                ..
            }) => {
                let text =
                    render::inspect::file(&facts, stats.as_deref(), &findings, args.each, page);
                output::print(if first { "" } else { "\n" })?;
                output::print(&text)?;
                first = false;
            }
            Err(error) => {
                output::error(&error);
                report.errors.push(Failure {
                    path: escaped(path.as_os_str().as_bytes()),
                    message: format!("{error:#}"),
                });
            }
        }
        if let Some(told) = hidden {
            unread = true;
            output::error(&anyhow!("{told}; --skip-unsupported leaves it out"));
        }
    }
    if args.json {
        output::print_json(&report)?;
    }
    Ok(if report.errors.is_empty() && !unread {
        Outcome::Success
    } else {
        Outcome::Failed
    })
}

/// Shows files as steps come: where the text was, on a terminal; otherwise each that is another, below it.
fn watch(args: &Args, assumptions: &Assumptions) -> anyhow::Result<Outcome> {
    let mut screen = output::Screen::default();
    let mut before = String::new();
    loop {
        let page = Page::of_stdout();
        let (mut texts, mut is_live) = (Vec::new(), false);
        for path in &args.files {
            let Inspected {
                facts, findings, ..
            } = inspect(path, assumptions, args)?;
            is_live |= facts.is_live();
            texts.push(render::inspect::file(
                &facts, None, &findings, args.each, page,
            ));
        }
        let text = texts.join("\n");
        if text != before {
            screen.show(&text)?;
            before = text;
        }
        if !is_live {
            return Ok(Outcome::Success);
        }
        thread::sleep(WATCH);
    }
}

/// Whether values were not read, but for those that may be left out beside others.
fn is_unread(stats: &[TensorStats], skip_unsupported: bool) -> bool {
    let skip = skip_unsupported && stats.iter().any(|tensor| tensor.values.is_some());
    let mut unread = stats.iter().filter(|tensor| tensor.unread.is_some());
    unread.any(|tensor| !(skip && tensor.unsupported))
}

fn inspect(path: &Path, assumptions: &Assumptions, args: &Args) -> anyhow::Result<Inspected> {
    let gathered = gather(path, assumptions);
    let (mut facts, file) = gathered.map_err(|error| meant(error, &args.files, None))?;
    let tensors = facts.own_names(&file, &args.tensors)?;
    if facts.format == Format::Safetensors {
        let order = |one: &TensorFacts, two: &TensorFacts| natural::compare(&one.name, &two.name);
        facts.tensors.sort_by(order);
    }
    // A broken selvedge.toml is no reason to show nothing of the file.
    // An object has no folder, whose settings and neighbours the rules look at.
    let mut findings = if args.no_findings || object::url(path).is_some() {
        Vec::new()
    } else {
        check::one_file(&facts).unwrap_or_else(|error| {
            output::error(&error);
            Vec::new()
        })
    };
    if !tensors.is_empty() {
        facts
            .tensors
            .retain(|tensor| tensors.contains(&tensor.name));
        findings.retain(|finding| match &finding.place {
            Place::Tensor(name) => tensors.contains(name),
            _ => true,
        });
    }
    let unread = file.unread(&args.tensors, args.skip_unsupported || !args.stats);
    let stats = if args.stats {
        let mut progress = Progress::new(stats::bytes(&facts));
        let stats = stats::gather(&facts, &file, &mut progress);
        progress.finish();
        Some(stats?)
    } else {
        None
    };
    Ok(Inspected {
        facts,
        stats,
        unread,
        findings,
    })
}
