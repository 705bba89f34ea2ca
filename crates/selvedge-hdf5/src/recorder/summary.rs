//! What `finish` tells of a run.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::plan::{Bytes, Grouped};

/// How long [`append`](crate::Recorder::append) kept the training loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppendTimes {
    /// All calls together.
    pub total: Duration,
    /// The longest call.
    pub longest: Duration,
    /// The part of the total that was spent waiting for room in the queue.
    pub waited: Duration,
    /// Number of steps that had to wait for room.
    pub waits: u64,
    /// Whether the last call gave up waiting, and so the next one waits for the same step.
    gave_up: bool,
}

impl AppendTimes {
    /// Adds a call that recorded a step.
    pub(crate) fn add(&mut self, took: Duration, waited: Duration) {
        self.add_call(took, waited);
        self.waits += u64::from(self.gave_up || waited > Duration::ZERO);
        self.gave_up = false;
    }

    /// Adds a call that gave up waiting.
    pub(crate) fn gave_up(&mut self, took: Duration, waited: Duration) {
        self.add_call(took, waited);
        self.gave_up = true;
    }

    fn add_call(&mut self, took: Duration, waited: Duration) {
        self.total += took;
        self.longest = self.longest.max(took);
        self.waited += waited;
    }
}

/// A finished run. Its [`Display`](fmt::Display) is a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The file.
    pub path: PathBuf,
    /// Committed steps of the file.
    pub steps: u64,
    /// Steps that this recorder appended: fewer than `steps` in a resumed run.
    pub recorded: u64,
    /// Bytes of those steps.
    pub bytes: u64,
    /// From the start of the recorder to the end of `finish`.
    pub elapsed: Duration,
    /// How long `append` kept the training loop.
    pub append: AppendTimes,
}

impl Summary {
    /// Recorded bytes per second of the whole run, the training included.
    #[must_use]
    pub fn bytes_per_second(&self) -> f64 {
        self.bytes as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mean = self.append.total.as_secs_f64() / (self.recorded.max(1) as f64);
        write!(
            f,
            "{} steps, {} in {:.1} s; append took {:.3} ms a step, at most {:.3} ms, and waited \
             for the disk {} time{} ({:.1} s)",
            Grouped(self.recorded),
            Bytes(self.bytes),
            self.elapsed.as_secs_f64(),
            mean * 1e3,
            self.append.longest.as_secs_f64() * 1e3,
            Grouped(self.append.waits),
            if self.append.waits == 1 { "" } else { "s" },
            self.append.waited.as_secs_f64(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest call was "0.0 ms" where the mean was 0.006 ms.
    #[test]
    fn the_longest_call_is_no_shorter_than_the_mean() {
        let mut append = AppendTimes::default();
        append.add(Duration::from_micros(6), Duration::ZERO);
        let summary = Summary {
            path: PathBuf::new(),
            steps: 1,
            recorded: 1,
            bytes: 4,
            elapsed: Duration::ZERO,
            append,
        };
        let text = summary.to_string();
        assert!(
            text.contains("append took 0.006 ms a step, at most 0.006 ms,"),
            "{text}"
        );
    }
}
