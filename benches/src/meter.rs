//! What a sample costs besides its time: memory, bytes handed to the system, room on the disk.
//!
//! As Linux counts them; elsewhere a sample is without these figures.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Instant;

use crate::machine::number;
use crate::numbers::percentile;
use crate::report::{Figure, Sample};

/// What the process had when the sample began.
#[derive(Debug)]
pub(crate) struct Meter {
    memory: Option<f64>,
    written: Option<f64>,
}

impl Meter {
    /// Begins: the peak of the memory is what there is now.
    pub(crate) fn start() -> Self {
        let reset = fs::write("/proc/self/clear_refs", "5").is_ok();
        Self {
            memory: status("VmRSS").filter(|_| reset),
            written: written(),
        }
    }

    /// Adds the figures since the start to `sample`.
    pub(crate) fn stop(self, sample: &mut Sample) {
        for (figure, begin, end) in [
            (Figure::PeakMemory, self.memory, status("VmHWM")),
            (Figure::Written, self.written, written()),
        ] {
            let since = begin.zip(end).map(|(begin, end)| (end - begin).max(0.0));
            sample.extend(since.map(|since| (figure, since)));
        }
    }
}

/// A number of `/proc/self/status`, in bytes.
fn status(key: &str) -> Option<f64> {
    number("/proc/self/status", key).map(|kib| kib * 1024.0)
}

/// Bytes that this process gave to `write` calls, or dirtied pages for where those are more: a map has no calls.
fn written() -> Option<f64> {
    let [calls, pages] = ["wchar", "write_bytes"].map(|key| number("/proc/self/io", key));
    Some(calls?.max(pages?))
}

/// What the file at `path`, or all files of the folder, take on the disk.
pub(crate) fn on_disk(path: &Path) -> io::Result<f64> {
    let mut bytes = 0;
    for_each_file(path, &mut |file| {
        bytes += file.symlink_metadata()?.blocks() * 512;
        Ok(())
    })?;
    Ok(bytes as f64)
}

/// Waits until the file at `path`, or all files of the folder, are on the disk.
pub(crate) fn sync_data(path: &Path) -> io::Result<()> {
    for_each_file(path, &mut |file| fs::File::open(file)?.sync_data())
}

fn for_each_file(path: &Path, call: &mut impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    if !path.is_dir() {
        return call(path);
    }
    for entry in path.read_dir()? {
        for_each_file(&entry?.path(), call)?;
    }
    Ok(())
}

/// The times for which single steps kept the caller, in seconds, as figures.
pub(crate) fn blocked(mut times: Vec<f64>, sample: &mut Sample) {
    times.sort_by(f64::total_cmp);
    for (figure, percent) in [
        (Figure::BlockedP50, 50),
        (Figure::BlockedP99, 99),
        (Figure::BlockedMax, 100),
    ] {
        sample.extend(percentile(&times, percent).map(|time| (figure, time)));
    }
}

/// A sample of single calls, whose median is what counts.
pub(crate) fn of_calls(times: Vec<f64>) -> Sample {
    let mut sample = Sample::new();
    blocked(times, &mut sample);
    let middle = sample.get(&Figure::BlockedP50).copied();
    sample.extend(middle.map(|middle| (Figure::Seconds, middle)));
    sample
}

/// A sample of its seconds alone.
pub(crate) fn timed(seconds: f64) -> Sample {
    Sample::from([(Figure::Seconds, seconds)])
}

/// A sample of the seconds since `begin`.
pub(crate) fn since(begin: Instant) -> Sample {
    timed(begin.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::{Meter, on_disk};
    use crate::report::{Figure, Sample};

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_and_bytes_are_those_of_the_sample() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let meter = Meter::start();
        let bytes = vec![1_u8; 64 << 20];
        std::fs::write(&path, &bytes).unwrap();
        drop(bytes);
        let mut sample = Sample::new();
        meter.stop(&mut sample);
        let size = f64::from(64 << 20);
        // Other tests of this process have their memory and their files, too.
        assert!(sample[&Figure::PeakMemory] > 0.9 * size, "{sample:?}");
        assert!(sample[&Figure::Written] >= size, "{sample:?}");
        std::fs::File::open(&path).unwrap().sync_all().unwrap();
        assert!(on_disk(folder.path()).unwrap() >= size);
    }
}
