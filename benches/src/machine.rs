//! What a figure depends on: the day, processor, memory, kernel, file system, and how busy it all is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A line for each fact that the system tells: what, and its value.
pub(crate) fn describe(folder: &Path) -> Vec<(String, String)> {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZeroUsize::get);
    let known = |fact: Option<String>| fact.unwrap_or_else(|| "unknown".to_owned());
    let sysctl = |key: &str| output("sysctl", &["-n", key]);
    let processor = told("/proc/cpuinfo", "model name");
    let processor = known(processor.or_else(|| sysctl("machdep.cpu.brand_string")));
    let memory = number("/proc/meminfo", "MemTotal").map(|kib| kib * 1024.0);
    let memory = memory.or_else(|| sysctl("hw.memsize")?.parse().ok());
    let memory = memory.map(|bytes| format!("{:.0} GB", bytes / 1e9));
    let mut facts = vec![
        ("processor", format!("{processor}, {cores} cores")),
        ("memory", known(memory)),
        ("system", known(output("uname", &["-srm"]))),
        ("file system", known(file_system(folder))),
    ];
    // The load of the last minute: above 0, somebody else was measured too.
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next();
    facts.extend(load.map(|load| ("load before", load.to_owned())));
    let owned = |(what, value): (&str, String)| (what.to_owned(), value);
    facts.into_iter().map(owned).collect()
}

/// The commit that is measured.
pub(crate) fn commit() -> String {
    output("git", &["describe", "--always", "--dirty"]).unwrap_or_else(|| "unknown".to_owned())
}

/// The versions of what is measured in this process; those of the peers in Python come from there.
pub(crate) fn versions() -> BTreeMap<String, String> {
    let (major, minor, release) = hdf5::library_version();
    let rust = output("rustc", &["--version"]).unwrap_or_default();
    let rust = rust.split(' ').nth(1).unwrap_or("unknown");
    let versions = [
        ("Selvedge", env!("CARGO_PKG_VERSION").to_owned()),
        ("HDF5 of Selvedge", format!("{major}.{minor}.{release}")),
        ("Rust", rust.to_owned()),
    ];
    let owned = |(what, value): (&str, String)| (what.to_owned(), value);
    versions.map(owned).into()
}

/// What the processors have done since the start of the system, and what this process and its ended children have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Busy {
    /// Ticks in which any processor was busy, or taken away by the host.
    all: f64,
    /// Ticks of our own processes.
    ours: f64,
    /// Ticks of all processors.
    total: f64,
}

impl Busy {
    /// Up to now; `None` where the system does not tell.
    pub(crate) fn now() -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let ticks = numbers(stat.lines().next()?.strip_prefix("cpu")?);
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are in the first two.
        let total: f64 = ticks.iter().take(8).sum();
        let idle = ticks.get(3)? + ticks.get(4)?;
        let own = fs::read_to_string("/proc/self/stat").ok()?;
        // After the name, which may hold anything: utime, stime, cutime and cstime are numbers 12 to 15.
        let (_, behind) = own.rsplit_once(')')?;
        let fields: Vec<&str> = behind.split_whitespace().collect();
        let ours = numbers(&fields.get(11..15)?.join(" "));
        Some(Self {
            all: total - idle,
            ours: ours.iter().sum(),
            total,
        })
    }

    /// The part of all processors that others had since `begin`, from 0 to 1.
    pub(crate) fn of_others_since(self, begin: Self) -> f64 {
        let others = (self.all - begin.all) - (self.ours - begin.ours);
        (others / (self.total - begin.total).max(1.0)).clamp(0.0, 1.0)
    }
}

fn numbers(text: &str) -> Vec<f64> {
    let words = text.split_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
}

/// The value of the line `key: value` of a file of the system.
fn told(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let mut values = text.lines().filter_map(|line| line.strip_prefix(key));
    let value = values.find_map(|rest| rest.trim_start().strip_prefix(':'));
    value.map(|value| value.trim().to_owned())
}

/// The number that such a value begins with.
pub(crate) fn number(path: &str, key: &str) -> Option<f64> {
    told(path, key)?.split_whitespace().next()?.parse().ok()
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}

/// Type and device of the file system that `folder` is on; Linux only.
fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (device, point, kind) = (words.next()?, words.next()?, words.next()?);
        let is_below = folder.starts_with(point);
        is_below.then_some((point.len(), kind, device))
    });
    // The later one of two mounts on one point is seen.
    match mounts.max_by_key(|&(depth, ..)| depth)? {
        (_, "tmpfs", _) => {
            Some("tmpfs: MEMORY, NOT A DISK; choose another place with --scratch".to_owned())
        }
        (_, kind, device) => Some(format!("{kind} on {device}")),
    }
}

#[cfg(test)]
mod tests {
    use super::Busy;

    #[cfg(target_os = "linux")]
    #[test]
    fn what_this_process_does_is_not_of_others() {
        let begin = Busy::now().unwrap();
        let end = Busy {
            all: begin.all + 100.0,
            ours: begin.ours + 60.0,
            total: begin.total + 200.0,
        };
        assert!((end.of_others_since(begin) - 0.2).abs() < 1e-9);
        assert!(Busy::now().unwrap().total >= begin.total);
    }
}
