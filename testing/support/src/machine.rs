//! What a figure depends on: processor, memory, kernel, file system, and how busy it all is.

use std::fs;
use std::path::Path;
use std::process::Command;

/// What the system tells of itself and of the file system that `folder` is on: for each fact what, and its value.
#[must_use]
pub fn machine(folder: &Path) -> Vec<(String, String)> {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZeroUsize::get);
    let known = |fact: Option<String>| fact.unwrap_or_else(|| "unknown".to_owned());
    let sysctl = |key: &str| printed("sysctl", &["-n", key]);
    let processor = system_text("/proc/cpuinfo", "model name");
    let processor = known(processor.or_else(|| sysctl("machdep.cpu.brand_string")));
    let memory = system_number("/proc/meminfo", "MemTotal").map(|kib| kib * 1024.0);
    let memory = memory.or_else(|| sysctl("hw.memsize")?.parse().ok());
    let memory = memory.map(|bytes| format!("{:.0} GB", bytes / 1e9));
    let facts = [
        ("processor", format!("{processor}, {cores} cores")),
        ("memory", known(memory)),
        ("system", known(printed("uname", &["-srm"]))),
        ("file system", known(file_system(folder))),
    ];
    facts.map(|(what, value)| (what.to_owned(), value)).into()
}

/// What a program prints, where it succeeds and prints anything.
#[must_use]
pub fn printed(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}

/// The number that the line `key: number` of a file of the system has, such as `/proc/self/status`.
pub(crate) fn system_number(path: &str, key: &str) -> Option<f64> {
    let text = system_text(path, key)?;
    text.split_whitespace().next()?.parse().ok()
}

fn system_text(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let mut values = text.lines().filter_map(|line| line.strip_prefix(key));
    let value = values.find_map(|rest| rest.trim_start().strip_prefix(':'));
    value.map(|value| value.trim().to_owned())
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
        (_, "tmpfs", _) => Some("tmpfs: MEMORY, NOT A DISK".to_owned()),
        (_, kind, device) => Some(format!("{kind} on {device}")),
    }
}

/// What the processors have done since the start of the system, and what this process and its ended children have.
#[derive(Clone, Copy, Debug)]
pub struct Busy {
    /// Ticks in which any processor was busy, or taken away by the host.
    all: f64,
    /// Ticks of our own processes.
    ours: f64,
    /// Ticks of all processors.
    total: f64,
}

impl Busy {
    /// Up to now; `None` where the system does not tell.
    #[must_use]
    pub fn now() -> Option<Self> {
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
    #[must_use]
    pub fn of_others_since(self, begin: Self) -> f64 {
        let others = (self.all - begin.all) - (self.ours - begin.ours);
        (others / (self.total - begin.total).max(1.0)).clamp(0.0, 1.0)
    }
}

fn numbers(text: &str) -> Vec<f64> {
    let words = text.split_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
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
