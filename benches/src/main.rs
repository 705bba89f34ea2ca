//! `cargo xtask bench`: see the library's documentation, and `benches/README.md`.

#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;
use selvedge_benches::report::{self, Kind, Report};
use selvedge_benches::{Bench, Options, Result, Scale, Scratch, sections};

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match (&options.compare, options.docs, options.list) {
        (Some(reports), ..) => compare(&reports[0], &reports[1]),
        (_, true, _) => docs(),
        (_, _, true) => {
            let chosen = sections::names().filter(|name| options.selects(name));
            chosen.for_each(|name| println!("{name}"));
            Ok(true)
        }
        _ => measure(options),
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

/// Measures, and writes the report. `false` where one of ours failed; a peer that fails is told.
fn measure(options: Options) -> Result<bool> {
    let (out, keeps) = (options.out.clone(), options.record);
    fs::create_dir_all(&out)?;
    let scratch = Scratch::new(options.scratch(), options.scale() == Scale::Full)?;
    let mut bench = Bench::new(options, scratch.path());
    let complete = sections::run(&mut bench, &scratch, |report| save(report, &out))?;
    drop(scratch);
    let report = bench.finish();
    save(&report, &out)?;
    for asked in report::asked(&report) {
        let Some(found) = asked.found.filter(|_| asked.is_missed()) else {
            continue;
        };
        println!(
            "missed: {}: {found}, and {} is asked",
            asked.name, asked.asked
        );
    }
    println!("\nThe report: {}", out.join("report.html").display());
    println!("  with all samples: {}", out.join("report.json").display());
    if keeps {
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

fn save(report: &Report, folder: &Path) -> Result<()> {
    report::write(report, &folder.join("report.json"))?;
    Ok(fs::write(folder.join("report.html"), report::page(report))?)
}

/// Makes what is made from the committed report.
fn docs() -> Result<bool> {
    let root = root();
    let report = report::read(&root.join("benches/record/report.json"))?;
    let readme = fs::read_to_string(root.join("README.md"))?;
    for (path, text) in [
        ("benches/record/report.html", report::page(&report)),
        ("docs/generated/benchmarks.md", report::benchmarks(&report)),
        ("README.md", report::replace_region(&readme, &report)?),
    ] {
        let path = root.join(path);
        if fs::read(&path).ok() != Some(text.clone().into_bytes()) {
            fs::write(&path, text)?;
            println!("wrote {}", path.display());
        }
    }
    Ok(true)
}

/// Tells where two reports disagree. `false` if they do.
fn compare(a: &Path, b: &Path) -> Result<bool> {
    let pairs = report::compare(&report::read(a)?, &report::read(b)?);
    let (mut claimed, mut contradicted) = (0, 0);
    for pair in &pairs {
        let Some(what) = pair.verdict() else {
            continue;
        };
        claimed += 1;
        contradicted += usize::from(what == report::CONTRADICTION);
        if what != "agreed" {
            let [a, b] = pair.ratios.map(|ratio| format!("{ratio} {}", ratio.word()));
            println!("{what:<13}  {}: {a} | {b}", pair.row);
        }
    }
    println!(
        "{} rows in both, {claimed} claim a ratio beyond 1.3, {contradicted} of them are contradicted",
        pairs.len()
    );
    Ok(contradicted == 0)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
