//! `cargo xtask bench`: see the library's documentation, and `benches/README.md`.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

use clap::Parser as _;
use selvedge_benches::bench::Bench;
use selvedge_benches::options::{Cli, Options, Scale};
use selvedge_benches::report::{self, Kind, Report};
use selvedge_benches::scratch::Scratch;
use selvedge_benches::{Result, groups};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match (&cli.compare, cli.docs, cli.list) {
        (Some(reports), _, _) => compare(&reports[0], &reports[1]),
        (None, true, _) => docs(),
        (None, false, true) => list(&cli),
        (None, false, false) => measure(&cli),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the groups, of those that are asked for.
fn list(cli: &Cli) -> Result<bool> {
    let options = Options::of(cli)?;
    let chosen = groups::names().filter(|name| options.selects(name));
    chosen.for_each(|name| println!("{name}"));
    Ok(true)
}

/// Measures, and writes the report. `false` where one of ours failed; a peer that fails is told.
fn measure(cli: &Cli) -> Result<bool> {
    let options = Options::of(cli)?;
    fs::create_dir_all(&cli.out)?;
    let scratch = Scratch::new(&options.scratch, options.scale == Scale::Full)?;
    let mut bench = Bench::new(options, scratch.path());
    let complete = groups::run(&mut bench, &scratch, |report| {
        save(report, &cli.out).map(drop)
    })?;
    drop(scratch);
    let report = save(&bench.finish(), &cli.out)?;
    for sentence in report::conclusions(&report) {
        println!("- {sentence}");
    }
    println!("\nThe report: {}", cli.out.join("report.html").display());
    println!(
        "  with all samples: {}",
        cli.out.join("report.json").display()
    );
    if cli.record {
        report::write(&report, &root().join("benches/record/report.json"))?;
        docs()?;
    }
    let mut ours_failed = false;
    for (group, row, why) in report.failures() {
        eprintln!("FAILED: {group}, {}: {why}", row.name);
        ours_failed |= row.kind != Kind::Peer;
    }
    Ok(complete && !ours_failed)
}

fn save(report: &Report, folder: &Path) -> Result<Report> {
    let report = report::write(report, &folder.join("report.json"))?;
    fs::write(folder.join("report.html"), report::page(&report))?;
    Ok(report)
}

/// Makes what is made from the committed report.
fn docs() -> Result<bool> {
    let root = root();
    let report = report::read(&root.join("benches/record/report.json"))?;
    let readme = fs::read_to_string(root.join("README.md"))?;
    for (path, text) in [
        ("benches/record/report.html", report::page(&report)),
        ("docs/benchmarks.md", report::benchmarks(&report)),
        ("README.md", report::replace_region(&readme, &report)?),
    ] {
        let path = root.join(path);
        match fs::read_to_string(&path) {
            Ok(found) if found == text => {}
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {
                fs::write(&path, text)?;
                println!("wrote {}", path.display());
            }
        }
    }
    Ok(true)
}

/// Tells where two reports disagree. `false` if they do.
fn compare(a: &Path, b: &Path) -> Result<bool> {
    let agreements = report::compare(&report::read(a)?, &report::read(b)?);
    let claimed = agreements.iter().filter(|row| row.is_claimed()).count();
    let mut contradictions = 0;
    for row in &agreements {
        let [a, b] = row.verdicts.map(|verdict| {
            let ratio = verdict.ratio().map(|ratio| ratio.to_string());
            format!("{} {}", ratio.unwrap_or_default(), verdict.word())
        });
        if row.is_contradiction() {
            contradictions += 1;
            println!("CONTRADICTION  {}: {a} | {b}", row.row);
        } else if row.is_doubt() {
            println!("doubt          {}: {a} | {b}", row.row);
        }
    }
    println!(
        "{} rows in both, {claimed} claim a ratio beyond 1.3, {contradictions} of them are contradicted",
        agreements.len()
    );
    Ok(contradictions == 0)
}

fn root() -> std::path::PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}
