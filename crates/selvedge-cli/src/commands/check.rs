//! `selvedge check`: a repository against the conventions.

use std::collections::{HashMap, HashSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use selvedge_base::open_regular;
use selvedge_base::text::{shell_path, shown};
use selvedge_conventions::{
    Baseline, Error, Finding, Fix, Format, Report, Selection, Selector, TreePath,
};

use super::new_file::{self, NewFile, check_apart, check_ending};
use crate::check::{self, Checked, Failure, Program, Scope, fix};
use crate::facts::check_there;
use crate::outcome::Outcome;
use crate::output;
use crate::render::{self, Page};

const EXAMPLES: &str = "\
Examples:
  selvedge check
  selvedge check --select TEN,TRJ --ignore TEN003 tensors/Thimble
  selvedge check --output-format sarif --output selvedge.sarif
  selvedge check --write-baseline
  selvedge check --baseline selvedge-baseline.toml
  selvedge check --diff
  selvedge check --statistics

Paths are shown from the working directory, and to programs from the root: the folder of the nearest \
selvedge.toml, or else the top of the git repository. Notebooks are files that end with `.ipynb`, in small \
letters, as Jupyter has it; those that git ignores and does not track are left out. Tensor files are found \
although it ignores them. `selvedge rules` lists the rules.

Exit codes:
  0  no findings
  1  there are findings, or entries of the
     baseline that are stale; with --diff:
     something would change
  2  something could not be checked, or the
     command line is wrong";

/// The baseline that is written where no name is given, in the root.
const BASELINE: &str = "selvedge-baseline.toml";

/// Check a repository of tensors and notebooks against the conventions.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Files and folders; without any, the roots that selvedge.toml names, or all of the repository
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// How findings are written: full, concise, json, github, gitlab, junit or sarif
    #[arg(long, value_name = "FORMAT", default_value = "full", value_parser = str::parse::<Format>)]
    output_format: Format,

    /// Write the findings to a file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Only these rules: codes, starts of codes or names; more than one with commas
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = str::parse::<Selector>)]
    select: Vec<Selector>,

    /// All but these rules
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = str::parse::<Selector>)]
    ignore: Vec<Selector>,

    /// Take this configuration, and look for no selvedge.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print the configuration as it is in effect, and check nothing
    #[arg(long)]
    print_config: bool,

    /// Hide the findings that this file knows
    #[arg(long, value_name = "FILE", conflicts_with = "write_baseline")]
    baseline: Option<PathBuf>,

    /// Write down what is found as known, in selvedge-baseline.toml of the root or in FILE, which may be a baseline
    /// already; what it knows of other files and rules is kept
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    #[allow(
        clippy::option_option,
        reason = "clap's form of a flag with an optional value"
    )]
    write_baseline: Option<Option<PathBuf>>,

    #[command(flatten)]
    new_file: NewFile,

    /// Fix what can be fixed without a doubt: mark bfloat16
    #[arg(long, conflicts_with = "write_baseline")]
    fix: bool,

    /// Fix also what needs a look, such as names: shows it and asks first
    #[arg(long, conflicts_with = "write_baseline")]
    unsafe_fixes: bool,

    /// With --fix or --unsafe-fixes: only say what would be done
    #[arg(long)]
    dry_run: bool,

    /// Show what --fix would change, and with --unsafe-fixes also that; change nothing
    #[arg(
        long,
        conflicts_with_all = ["dry_run", "output", "output_format", "statistics", "write_baseline"]
    )]
    diff: bool,

    /// With --unsafe-fixes: don't ask
    #[arg(long, short)]
    yes: bool,

    /// Print how many findings there are of each rule, in place of the findings
    #[arg(long, conflicts_with = "output")]
    statistics: bool,

    /// Exit with 0 also if there are findings
    #[arg(long)]
    exit_zero: bool,

    /// Print the findings and errors, and nothing else
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(args: &Args, program: &Program) -> anyhow::Result<Outcome> {
    let fixes_are_made = args.fix || args.unsafe_fixes;
    if args.dry_run && !fixes_are_made {
        bail!("--dry-run is for --fix and --unsafe-fixes");
    }
    let format = args.output_format;
    if args.statistics && !matches!(format, Format::Full | Format::Concise | Format::Json) {
        bail!("--statistics is written as full, concise or json, and {format} has no place for it");
    }
    if let Some(path) = &args.output {
        let endings: &[&str] = match format {
            Format::Json | Format::Gitlab => &["json"],
            Format::Sarif => &["sarif", "json"],
            Format::Junit => &["xml"],
            _ => &["txt"],
        };
        let writes = format!("--output-format {format} writes another format");
        check_ending(path, &writes, endings)?;
        args.new_file.check(path)?;
    } else if args.write_baseline.is_none() {
        let flags = "--output and --write-baseline";
        args.new_file.check_none(flags)?;
    }
    for path in args.config.iter().chain(&args.baseline) {
        check_there(path)?;
    }
    let scope = Scope::find(&args.paths, args.config.as_deref())?;
    if args.print_config {
        output::print(&scope.config.to_toml())?;
        return Ok(Outcome::Success);
    }
    let written = args.write_baseline.as_ref();
    let written = written.map(|path| path.clone().unwrap_or_else(|| scope.root.join(BASELINE)));
    if let Some(path) = &written {
        check_baseline(path, args.new_file)?;
    }
    let baseline = args.baseline.as_ref().map(Baseline::load).transpose()?;
    let selection = Selection::new(&scope.config, &args.select, &args.ignore);
    let checked = check::run(&scope, &selection, program)?;
    if !args.quiet {
        for note in check::unchecked(&args.paths, &scope, &checked) {
            output::note(&format!("note: {note}"));
        }
    }
    let files = checked.files.clone();
    if let Some(path) = args.output.as_ref().or(written.as_ref()) {
        check_apart(path, files.values())?;
    }
    if let Some(path) = &written {
        return write_baseline(args, &scope, &selection, path, &checked);
    }
    let (mut report, mut failures) = judged(&scope, &selection, baseline.as_ref(), checked);
    let mut refused = false;
    if args.diff {
        return show_fixes(args, &scope, &report, &failures);
    }
    if fixes_are_made {
        let fixes = fix::of(&report.findings, args.unsafe_fixes);
        let made = make_fixes(args, &files, &fixes)?;
        refused = made.refused;
        if made.changed {
            // What is left, as a new check finds it: a new name can be found fault with, too.
            let checked = check::run(&scope, &selection, program)?;
            (report, failures) = judged(&scope, &selection, baseline.as_ref(), checked);
        }
    }
    if args.statistics && args.output_format == Format::Json {
        output::print_program(&report.statistics_json())?;
    } else if args.statistics {
        output::print(&render::findings::statistics(&report))?;
        output::print(&render::findings::summary(&report, Page::of_stdout()))?;
    } else {
        write_report(args, &scope, &report)?;
    }
    tell_failures(&failures);
    if refused || !failures.is_empty() {
        return Ok(Outcome::Failed);
    }
    let clean = report.findings.is_empty() && report.stale.is_empty();
    Ok(if clean || args.exit_zero {
        Outcome::Success
    } else {
        Outcome::Negative
    })
}

/// The report, without what the baseline knows.
fn judged(
    scope: &Scope,
    selection: &Selection,
    baseline: Option<&Baseline>,
    checked: Checked,
) -> (Report, Vec<Failure>) {
    // Settings of git are found fault with, too.
    let paths = checked.findings.iter().map(|finding| &finding.path);
    let all: HashSet<&TreePath> = checked.files.keys().chain(paths).collect();
    let files = all.len();
    let report = Report::new(checked.findings, files);
    let Some(baseline) = baseline else {
        return (report, checked.failures);
    };
    let report = report.with_baseline(baseline, was_checked(scope, selection, &checked.files));
    (report, checked.failures)
}

/// Whether a check would have told of what a rule finds in a file.
fn was_checked(
    scope: &Scope,
    selection: &Selection,
    files: &HashMap<TreePath, PathBuf>,
) -> impl Fn(&TreePath, &str) -> bool {
    let known = |code: &str| selvedge_conventions::rule(code).is_some();
    move |path, code| {
        let on_disk = scope.path(path);
        let is_in_scope = scope.whole || scope.contains(&on_disk);
        let file =
            files.contains_key(path) || (is_in_scope && (!on_disk.exists() || !is_data(&on_disk)));
        file && (selection.contains(code) || !known(code))
    }
}

/// Whether a check of the files tells something about it. The settings of git are always checked.
fn is_data(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    ["ipynb", "safetensors", "h5", "hdf5", "npy", "npz"]
        .iter()
        .any(|known| extension == *known)
}

/// Checks that a baseline may be written at `path`: it replaces a baseline, and another file where that is wanted.
fn check_baseline(path: &Path, new_file: NewFile) -> anyhow::Result<()> {
    check_ending(path, "`--write-baseline` writes TOML", &["toml"])?;
    new_file.replacing(was_baseline(path)).check(path)
}

/// Whether the file is a baseline, or what a merge has left of one.
fn was_baseline(path: &Path) -> bool {
    let head = Baseline::default().to_toml();
    let head = head.lines().next().unwrap_or_default();
    let mut start = Vec::new();
    let read = open_regular(path).and_then(|file| file.take(64 << 10).read_to_end(&mut start));
    let mut lines = start.split(|&byte| byte == b'\n');
    // What has the name of a baseline was one, whatever the merge has left.
    let is_there = path.ends_with(BASELINE) || lines.any(|line| line == head.as_bytes());
    let is_first = start.starts_with(head.as_bytes());
    read.is_ok() && (is_first || (start.starts_with(b"<<<<<<<") && is_there))
}

fn write_baseline(
    args: &Args,
    scope: &Scope,
    selection: &Selection,
    path: &Path,
    checked: &Checked,
) -> anyhow::Result<Outcome> {
    let is_all = scope.whole && args.select.is_empty() && args.ignore.is_empty();
    let known = match Baseline::load(path) {
        Ok(known) => known,
        // What is left over of a merge may be written anew, if nothing in it is needed.
        Err(_) if is_all || !path.exists() => Baseline::default(),
        Err(error) => return Err(error.into()),
    };
    let baseline = Baseline::of(&checked.findings)
        .keeping(&known, was_checked(scope, selection, &checked.files));
    let new_file = args.new_file.replacing(was_baseline(path));
    new_file::write(path, baseline.to_toml().as_bytes(), new_file.overwrite)?;
    if !args.quiet {
        let findings = render::counted(baseline.findings(), "finding");
        let here = std::env::current_dir().and_then(|here| here.canonicalize());
        let near = here.ok().and_then(|here| path.strip_prefix(here).ok());
        let path = near.unwrap_or(path);
        output::note(&format!(
            "{} knows {findings} now; `--baseline {}` hides them",
            shown(path),
            shell_path(path)
        ));
    }
    tell_failures(&checked.failures);
    Ok(if checked.failures.is_empty() {
        Outcome::Success
    } else {
        Outcome::Failed
    })
}

fn write_report(args: &Args, scope: &Scope, report: &Report) -> anyhow::Result<()> {
    let format = args.output_format;
    // People and editors open a path from where they are; programs know it from the root.
    let seen_from_here;
    let report = if matches!(format, Format::Full | Format::Concise) && args.output.is_none() {
        seen_from_here = from_here(scope, report);
        &seen_from_here
    } else {
        report
    };
    let page = Page::of_stdout();
    // The summary is for people, and goes to them where the rest does not.
    let is_apart = format.is_for_programs() || args.output.is_some();
    let summary = render::findings::summary(report, page);
    let text = match format {
        Format::Full if args.quiet || is_apart => render::findings::report(report, page),
        Format::Full => render::findings::report(report, page) + &summary,
        _ if args.quiet && !format.is_for_programs() => without_summary(&report.render(format)),
        _ => report.render(format),
    };
    match &args.output {
        Some(path) => {
            let text = match format {
                Format::Full => output::plain(&text),
                _ => text,
            };
            new_file::write(path, text.as_bytes(), args.new_file.overwrite)?;
        }
        None => match format {
            Format::Github => output::print_commands(&text)?,
            _ if format.is_for_programs() => output::print_program(&text)?,
            _ => output::print(&text)?,
        },
    }
    if is_apart && !args.quiet {
        output::note(summary.trim_end());
    }
    Ok(())
}

/// The report with the paths of its findings as they are from the working directory.
fn from_here(scope: &Scope, report: &Report) -> Report {
    let mut report = report.clone();
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    if let Ok(here) = here
        && here != scope.root
    {
        for finding in &mut report.findings {
            let path = scope.path(&finding.path);
            let mut up = PathBuf::new();
            for folder in here.ancestors() {
                if let Ok(below) = path.strip_prefix(folder) {
                    // With nothing in common but the top of all a path from there is shorter.
                    let has_more = folder.parent().is_some();
                    let path = if has_more { up.join(below) } else { path };
                    finding.path = TreePath::new(path);
                    break;
                }
                up.push("..");
            }
        }
    }
    report
}

/// The summary is the last line.
fn without_summary(text: &str) -> String {
    let lines = text.trim_end().rsplit_once('\n');
    lines.map_or_else(String::new, |(rest, _)| format!("{rest}\n"))
}

fn tell_failures(failures: &[Failure]) {
    for Failure(message) in failures {
        output::error(&anyhow::anyhow!("{message}"));
    }
}

/// Shows what fixes would change, in the form that git gives a change.
fn show_fixes(
    args: &Args,
    scope: &Scope,
    report: &Report,
    failures: &[Failure],
) -> anyhow::Result<Outcome> {
    let seen_from_here = from_here(scope, report);
    let mut shown = 0;
    let mut refused = false;
    for (finding, fix) in fix::of(&seen_from_here.findings, args.unsafe_fixes) {
        match fix::check(Path::new(finding.path.as_str()), fix) {
            Ok(()) => {
                output::print(&render::findings::diff(&finding.path, &fix.action))?;
                shown += 1;
            }
            Err(error) => {
                output::error(&error.context(format!("cannot fix {}", finding.path)));
                refused = true;
            }
        }
    }
    tell_failures(failures);
    if shown > 0 && !args.quiet {
        let changes = render::counted(shown, "change");
        output::note(&format!("{changes} would be made"));
    }
    Ok(match (refused || !failures.is_empty(), shown) {
        (true, _) => Outcome::Failed,
        (false, 1..) if !args.exit_zero => Outcome::Negative,
        _ => Outcome::Success,
    })
}

/// What came of the fixes.
struct FixesMade {
    /// Whether files were changed.
    changed: bool,
    /// Whether one could not be fixed.
    refused: bool,
}

fn make_fixes(
    args: &Args,
    files: &HashMap<TreePath, PathBuf>,
    fixes: &[(&Finding, &Fix)],
) -> anyhow::Result<FixesMade> {
    let mut made = FixesMade {
        changed: false,
        refused: false,
    };
    if fixes.is_empty() {
        return Ok(made);
    }
    let told = |(finding, fix): &(&Finding, &Fix)| {
        shown(&format!("{}: {}", finding.path, fix.action)).to_string()
    };
    if args.dry_run {
        for fix in fixes {
            output::note(&format!("would fix {}", told(fix)));
        }
        return Ok(made);
    }
    let needs_a_look =
        |(_, fix): &(&Finding, &Fix)| fix.safety != selvedge_conventions::FixSafety::Safe;
    if args.unsafe_fixes && !args.yes && fixes.iter().any(needs_a_look) {
        for fix in fixes {
            output::note(&format!("will fix {}", told(fix)));
        }
        let changes = render::counted(fixes.len() as u64, "change");
        let question = format!("Make {changes}? What refers to a renamed file stays as it is.");
        if !output::agreed(&question)? {
            output::note("nothing was changed");
            return Ok(made);
        }
    }
    for (finding, fix) in fixes {
        let path = files
            .get(&finding.path)
            .context("it is not among the files that were checked");
        match path.and_then(|path| fix::apply(path, fix)) {
            Ok(()) => {
                made.changed = true;
                if !args.quiet {
                    output::note(&format!("fixed {}", told(&(*finding, *fix))));
                }
            }
            Err(error) => {
                made.refused = true;
                output::error(&error.context(format!("cannot fix {}", finding.path)));
            }
        }
    }
    Ok(made)
}

/// The configuration that holds in the working directory.
pub(super) fn configuration(file: Option<&Path>) -> Result<selvedge_conventions::Config, Error> {
    use selvedge_conventions::Config;
    match file {
        Some(file) => Config::load(file),
        None => Config::find(Path::new(".")).map_or_else(|| Ok(Config::default()), Config::load),
    }
}
