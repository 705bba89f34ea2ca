//! The figures of a sample: its times, what it costs besides, and what its files take.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Instant;

use selvedge_testing::Meter;

use crate::numbers::percentile;
use crate::report::{Figure, Sample};

/// The sample with what it has cost by now.
pub(crate) fn metered(mut sample: Sample, meter: &Meter) -> Sample {
    sample.extend(meter.memory().map(|memory| (Figure::PeakMemory, memory)));
    sample.extend(meter.written().map(|written| (Figure::Written, written)));
    sample
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

/// The same, in the time of the sample.
pub(crate) fn synced(mut sample: Sample, path: &Path) -> io::Result<Sample> {
    let begin = Instant::now();
    sync_data(path)?;
    *sample.entry(Figure::Seconds).or_default() += begin.elapsed().as_secs_f64();
    Ok(sample)
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
