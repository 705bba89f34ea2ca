//! `selvedge verify`: whether two files hold the same values, or a file those it was written with.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use selvedge_base::text::{escaped, shell_path};
use selvedge_hdf5::{
    ChecksumReport, Comparison, Note, Reader, Role, Verdict, verify_checksums,
    verify_tensor_checksums,
};
use serde::Serialize;

use super::meant::meant;
use super::other_files::OtherFiles;
use crate::compare::{self, FilesCompared, Opened, Options};
use crate::convert;
use crate::facts::{Assumptions, OpenFile, Recording, RecordingState, gather};
use crate::metadata;
use crate::object;
use crate::outcome::Outcome;
use crate::output;
use crate::progress::Progress;
use crate::render::{self, Page};
use crate::sizes;
use crate::stats;

const EXAMPLES: &str = "\
Examples:
  selvedge verify thimble_7.h5 thimble_7_tokens.h5   # whatever their chunks
  selvedge verify thimble_7.h5 thimble_7.safetensors --attributes
  selvedge verify thimble_7.h5                       # against its own checksums
  selvedge verify thimble_7.h5 W.npy --tensor W
  selvedge verify a.h5 b.h5 --json | jq '.tensors[].verdict'

The exit code is 0 if all is equal, 1 if something differs, 2 if it could not be told: a file cannot be \
read, a tensor was not compared, or nothing was.";

/// Compare the values of two files bit for bit, or of one with its checksums.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An HDF5, safetensors, .npy or .npz file
    #[arg(value_name = "A")]
    first: PathBuf,

    /// The file to compare it with; without it, A is held against its own checksums
    #[arg(value_name = "B")]
    second: Option<PathBuf>,

    /// Compare these tensors, and not all
    #[arg(long = "tensor", short, value_name = "TENSOR")]
    tensors: Vec<String>,

    /// Count all elements that differ, and do not stop at the first of a tensor
    #[arg(long, requires = "second")]
    count: bool,

    /// Compare attributes, too, but for times and versions
    #[arg(long, requires = "second")]
    attributes: bool,

    /// Take steps of two HDF5 files for equal that have equal checksums, without reading them
    #[arg(long, requires = "second")]
    trust_checksums: bool,

    /// Take uint16 without a marker for the bits of bfloat16
    #[arg(long, requires = "second")]
    assume_bf16: bool,

    /// Leave out tensors that cannot be read here, for their type, a filter or a file that is not there, or more
    /// memory than --memory allows, and those that only one file has and the format of the other cannot hold, and
    /// tell of each: the exit code is that of the others, if there are any; a damaged one stays an error
    #[arg(long)]
    skip_unsupported: bool,

    /// The most memory that a comparison takes
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = sizes::parse, requires = "second")]
    memory: u64,

    #[command(flatten)]
    other_files: OtherFiles,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints of two files.
#[derive(Serialize)]
struct Report<'a> {
    selvedge_version: &'static str,
    #[serde(flatten)]
    found: FilesCompared<'a>,
    /// What is no part of the run in each of them, or not as the run left it.
    first_notes: &'a [String],
    second_notes: &'a [String],
}

/// What `--json` prints of one file.
#[derive(Serialize)]
struct Checksums {
    selvedge_version: &'static str,
    path: String,
    clean: bool,
    /// Whether every value has a checksum.
    complete: bool,
    verified_bytes: u64,
    tensors: Vec<TensorChecksums>,
    /// What is no part of the run, or not as the run left it.
    notes: Vec<String>,
}

#[derive(Serialize)]
struct TensorChecksums {
    tensor: String,
    role: &'static str,
    present: bool,
    steps: u64,
    covered: u64,
    /// First step, and the one after the last.
    mismatched: Vec<[u64; 2]>,
    /// Why the first of these that is damaged cannot be read.
    reason: Option<String>,
    /// Why nothing of it can be read here.
    unread: Option<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    match &args.second {
        Some(second) => two(&args.first, second, args),
        None => one(&args.first, args),
    }
}

fn two(first: &Path, second: &Path, args: &Args) -> anyhow::Result<Outcome> {
    let assumptions = Assumptions {
        bf16: args.assume_bf16,
        reader: args.other_files.options(),
        ..Assumptions::default()
    };
    let files = [first, second].map(Path::to_owned);
    // Both are opened before anything is said, so that both errors are told.
    let open = |path: &Path| -> Option<Opened> {
        gather(path, &assumptions)
            .map_err(|error| output::error(&meant(error, &files, None)))
            .ok()
    };
    let (one, two) = (open(first), open(second));
    let (Some(mut one), Some(mut two)) = (one, two) else {
        return Ok(Outcome::Failed);
    };
    compare::choose(&mut one, &mut two, &args.tensors)?;
    if args.attributes {
        for told in metadata::not_compared(&one.0, &two.0, args.skip_unsupported)? {
            output::note(&told);
        }
    }
    let options = Options {
        count: args.count,
        attributes: args.attributes,
        trust_checksums: args.trust_checksums,
        skip_unsupported: args.skip_unsupported,
        memory: args.memory,
    };
    let mut progress = Progress::new(stats::bytes(&one.0));
    let found = compare::files(&one, &two, options, &mut progress);
    progress.finish();
    let mut found = found?;
    if args.skip_unsupported {
        convert::leave_out(&mut found, &one, &two);
    }
    // Where nothing else differs than what was not compared, nobody knows; nor where all was left out.
    let others = found.count(Verdict::Equal) > 0 && found.count(Verdict::Damaged) == 0;
    let outcome = match found.is_undecided() {
        true if args.skip_unsupported && others => Outcome::Success,
        true => Outcome::Failed,
        false => answer(found.is_equal()),
    };
    let mut unread = [&one.1, &two.1].into_iter();
    let unread = unread.find_map(|file| file.unread(&args.tensors, args.skip_unsupported));
    let outcome = match (outcome, &unread) {
        (Outcome::Success, Some(_)) => Outcome::Failed,
        (outcome, _) => outcome,
    };
    if args.json {
        output::print_json(&Report {
            selvedge_version: env!("CARGO_PKG_VERSION"),
            found: FilesCompared::new(&found, outcome == Outcome::Success),
            first_notes: &one.0.notes,
            second_notes: &two.0.notes,
        })?;
    } else {
        let text = render::verify::files(found.clone(), Page::of_stdout());
        let text = text + &render::verify::notes([&one.0, &two.0]);
        output::print_folded(&text)?;
    }
    match unread {
        Some(told) if !found.is_undecided() && outcome == Outcome::Failed => {
            output::error(&anyhow!(
                "{told}, and was not compared; --skip-unsupported leaves it out"
            ));
        }
        _ if outcome == Outcome::Failed => output::error(&undecided(&found)),
        _ => {}
    }
    Ok(outcome)
}

/// That tensors were not compared, and what there is to do about it.
fn undecided(found: &Comparison) -> anyhow::Error {
    let all = found.tensors.len() + found.left_out.len();
    let reasons = found
        .tensors
        .iter()
        .filter_map(|tensor| tensor.reason.as_ref());
    let first = reasons.chain(&found.left_out).next();
    let first = first.map_or("unknown", String::as_str);
    let files = format!("{} and {}", found.left.display(), found.right.display());
    let (equal, damaged) = (found.count(Verdict::Equal), found.count(Verdict::Damaged));
    match (equal, damaged) {
        (0, _) => anyhow!("nothing of {files} was compared: {first}"),
        (_, 0) => anyhow!(
            "{} of {all} tensors of {files} were not compared: {first}; --skip-unsupported leaves them out",
            all - equal
        ),
        _ => anyhow!(
            "{} of {all} tensors of {files} were not compared, of which {damaged} are damaged: {first}",
            all - equal
        ),
    }
}

fn one(path: &Path, args: &Args) -> anyhow::Result<Outcome> {
    let assumptions = Assumptions {
        reader: args.other_files.options(),
        ..Assumptions::default()
    };
    let (facts, file) = gather(path, &assumptions)?;
    let OpenFile::Hdf5(reader) = file else {
        bail!(
            "{} is {}, which has no checksums; name a second file to compare it with",
            path.display(),
            facts.format.name()
        );
    };
    let name = render::shown(path);
    let mut progress = Progress::new(0);
    let follow = |done| progress.follow(&name, done);
    let report = match &args.tensors[..] {
        [] => verify_checksums(&reader, follow),
        chosen => verify_tensor_checksums(&reader, chosen, follow),
    };
    progress.finish();
    let mut report = report?;
    let hidden = reader.unread().filter(|_| args.tensors.is_empty());
    let unread = report
        .tensors
        .iter()
        .find_map(|tensor| tensor.unread.clone())
        .or(hidden.as_ref().map(ToString::to_string));
    if args.skip_unsupported {
        let left_out = report
            .tensors
            .extract_if(.., |tensor| tensor.unread.is_some());
        for why in left_out.filter_map(|tensor| tensor.unread) {
            output::note(&format!("left out: {why}"));
        }
    }
    if !report.has_checksums() {
        bail!(
            "{name} has no checksums; {}",
            what_adds_them(&shell_path(path), facts.recording.as_ref(), &reader, "")
        );
    }
    // Those that cannot be read are no reason to believe the values.
    let is_broken =
        |tensor: &selvedge_hdf5::TensorChecksums| tensor.covered == 0 && tensor.damaged.is_some();
    let flag = match report.tensors.iter().any(is_broken) {
        true => " --trust-values",
        false => "",
    };
    let outcome = match (report.is_clean(), report.is_complete()) {
        (true, false) => Outcome::Failed,
        (true, true) if hidden.is_some() && !args.skip_unsupported => Outcome::Failed,
        (clean, _) => answer(clean),
    };
    if args.json {
        output::print_json(&Checksums::new(&report))?;
    } else {
        let text = render::verify::checksums(report);
        output::print_folded(&text)?;
    }
    if let (Outcome::Failed, false, Some(why)) = (outcome, args.skip_unsupported, unread) {
        output::error(&anyhow!(
            "not all of {name} was read: {why}; --skip-unsupported leaves such out"
        ));
    } else if outcome == Outcome::Failed {
        output::error(&anyhow!(
            "not all of {name} has checksums; {}",
            what_adds_them(&shell_path(path), facts.recording.as_ref(), &reader, flag)
        ));
    }
    Ok(outcome)
}

/// What gives a file checksums: it is not the same for every file. With `flag` it does so whatever the values
/// are. The `name` of the file is as a shell takes it.
fn what_adds_them(
    name: &str,
    recording: Option<&Recording>,
    reader: &Reader,
    flag: &str,
) -> String {
    if object::url(reader.path()).is_some() {
        return format!(
            "an object is not changed: `selvedge pull {name} FILE` fetches it, and `selvedge checksum FILE` adds them"
        );
    }
    let mut notes = reader.notes().iter();
    if notes.any(|note| matches!(note, Note::Appended { .. })) {
        return format!(
            "give the step tensors the same number of steps, or \
             `selvedge rechunk {name} new.h5 --common-steps --checksums{flag}` takes those that all have"
        );
    }
    let in_place = || reader.check_in_place().is_ok();
    match recording.map(|recording| recording.state) {
        Some(RecordingState::Finished | RecordingState::Recovered) if in_place() => {
            format!("`selvedge checksum {name}{flag}` adds them")
        }
        Some(RecordingState::Died) if in_place() => format!(
            "its writer died: `selvedge recover {name}` puts it in order, and then `selvedge checksum` \
             adds them"
        ),
        Some(RecordingState::Live | RecordingState::LiveOrDied) => {
            "`selvedge checksum` adds them when it is finished".to_owned()
        }
        _ => format!(
            "`selvedge rechunk {name} new.h5 --checksums{flag}` writes a trajectory that has them"
        ),
    }
}

fn answer(equal: bool) -> Outcome {
    if equal {
        Outcome::Success
    } else {
        Outcome::Negative
    }
}

impl Checksums {
    fn new(report: &ChecksumReport) -> Self {
        let tensors = report.tensors.iter().map(|tensor| TensorChecksums {
            tensor: tensor.tensor.clone(),
            role: match tensor.role {
                Role::Step => "step",
                _ => "constant",
            },
            present: tensor.present,
            steps: tensor.steps,
            covered: tensor.covered,
            mismatched: tensor
                .mismatched
                .iter()
                .map(|range| [range.start, range.end])
                .collect(),
            reason: tensor.damaged.clone(),
            unread: tensor.unread.clone(),
        });
        Self {
            selvedge_version: env!("CARGO_PKG_VERSION"),
            path: escaped(report.path.as_os_str().as_bytes()),
            clean: report.is_clean(),
            complete: report.is_complete(),
            verified_bytes: report.verified,
            tensors: tensors.collect(),
            notes: report.notes.iter().map(ToString::to_string).collect(),
        }
    }
}
