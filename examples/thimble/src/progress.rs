//! The progress of the training: a bar on a terminal, elsewhere a line now and then.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Goes to stderr, so that stdout has the plan and the outcome alone.
pub(crate) struct Progress {
    bar: ProgressBar,
    step_bytes: u64,
    started: Instant,
    last_line: Instant,
}

impl Progress {
    const BETWEEN_LINES: Duration = Duration::from_secs(2);

    /// The progress of `steps` steps, each of which records `step_bytes` bytes.
    pub(crate) fn new(steps: u64, step_bytes: u64) -> Self {
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len}  {msg}  {eta} left")
            .expect("the template is well-formed");
        let bar = ProgressBar::new(steps).with_style(style);
        let started = Instant::now();
        Self {
            bar,
            step_bytes,
            started,
            last_line: started,
        }
    }

    /// Another step is done.
    pub(crate) fn step(&mut self, loss: f32) {
        self.bar.inc(1);
        let done = self.bar.position();
        let speed = done as f64 / self.started.elapsed().as_secs_f64();
        let megabytes = speed * self.step_bytes as f64 / 1e6;
        let message = format!("loss {loss:.3}  {speed:.1} steps/s  {megabytes:.0} MB/s");
        if self.bar.is_hidden() && self.last_line.elapsed() >= Self::BETWEEN_LINES {
            let all = self.bar.length().unwrap_or(done);
            let left = all.saturating_sub(done) as f64 / speed;
            eprintln!("step {done}/{all}  {message}  {left:.0} s left");
            self.last_line = Instant::now();
        }
        self.bar.set_message(message);
    }

    pub(crate) fn finish(self) {
        self.bar.finish();
    }
}
