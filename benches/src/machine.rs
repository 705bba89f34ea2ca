//! What a figure depends on: the day, processor, memory, kernel, file system, and how busy it all is.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

/// The head of a report: a line for each fact that the system tells.
#[must_use]
pub fn describe(folder: &Path) -> Vec<(&'static str, String)> {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZeroUsize::get);
    let now = humantime::format_rfc3339_seconds(SystemTime::now());
    let mut facts = vec![
        ("date", now.to_string()),
        (
            "processor",
            format!("{}, {cores} cores", processor().unwrap_or_else(unknown)),
        ),
        ("memory", memory().unwrap_or_else(unknown)),
        ("system", output("uname", &["-srm"]).unwrap_or_else(unknown)),
        (
            "file system",
            file_system(folder).map_or_else(unknown, |(kind, device)| {
                if kind == "tmpfs" {
                    "tmpfs: MEMORY, NOT A DISK; set SELVEDGE_BENCH_DIR".to_owned()
                } else {
                    format!("{kind} on {device}")
                }
            }),
        ),
    ];
    // Of the last minute: above 0, somebody else was measured too.
    if let Some(load) = read("/proc/loadavg").and_then(|text| first_word(&text)) {
        facts.push(("load before", load));
    }
    if let Some(commit) = output("git", &["describe", "--always", "--dirty"]) {
        facts.push(("commit", commit));
    }
    facts
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn first_word(text: &str) -> Option<String> {
    text.split_whitespace().next().map(str::to_owned)
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}

/// The value of a line `key : value`.
fn value_of(text: &str, key: &str) -> Option<String> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(':'))
        .map(|value| value.trim().to_owned())
}

fn processor() -> Option<String> {
    read("/proc/cpuinfo")
        .and_then(|text| value_of(&text, "model name"))
        .or_else(|| output("sysctl", &["-n", "machdep.cpu.brand_string"]))
}

fn memory() -> Option<String> {
    let kib = read("/proc/meminfo").and_then(|text| value_of(&text, "MemTotal"));
    let bytes = match kib {
        Some(kib) => first_word(&kib)?.parse::<f64>().ok()? * 1024.0,
        None => output("sysctl", &["-n", "hw.memsize"])?.parse().ok()?,
    };
    Some(format!("{:.0} GB", bytes / 1e9))
}

/// Type and device of the file system that `folder` is on; Linux only.
fn file_system(folder: &Path) -> Option<(String, String)> {
    let folder = folder.canonicalize().ok()?;
    let mounts = read("/proc/self/mounts")?;
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (device, point, kind) = (words.next()?, words.next()?, words.next()?);
            folder
                .starts_with(point)
                .then(|| (point.len(), kind.to_owned(), device.to_owned()))
        })
        // Of two mounts on one point the later one is seen.
        .max_by_key(|&(depth, ..)| depth)
        .map(|(_, kind, device)| (kind, device))
}
