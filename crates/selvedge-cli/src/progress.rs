//! The progress of a long read: a bar on standard error, on a terminal, and only after a second.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use selvedge_base::text::shown;

/// What is on the screen, of all of the program.
enum OnScreen {
    Nothing,
    Bar(ProgressBar),
    /// The program is about to end, and nothing is shown any more.
    Cleared,
}

static ON_SCREEN: Mutex<OnScreen> = Mutex::new(OnScreen::Nothing);

fn on_screen() -> MutexGuard<'static, OnScreen> {
    ON_SCREEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes what there is of progress off the screen, for good: what is told next begins a line.
pub(crate) fn clear() {
    let shown = mem::replace(&mut *on_screen(), OnScreen::Cleared);
    if let OnScreen::Bar(bar) = shown {
        bar.finish_and_clear();
        // The thread that reads goes on, and would draw it again.
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
}

/// Counts bytes or files.
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
    shown: bool,
}

impl Progress {
    /// Sooner than this there is nothing to be told.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// The progress of reading `bytes` bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        Self::with_template(
            bytes,
            "{msg:.bold} {wide_bar} {decimal_bytes}/{decimal_total_bytes}  \
             {decimal_bytes_per_sec}  {eta} left",
        )
    }

    /// The progress of looking at `files` files.
    pub(crate) fn of_files(files: u64) -> Self {
        Self::with_template(files, "{wide_bar} {pos}/{len} files  {eta} left")
    }

    /// The progress of looking for files, of which nobody knows how many there are.
    pub(crate) fn of_walk() -> Self {
        Self::with_template(0, "{spinner} {pos} files found")
    }

    fn with_template(total: u64, template: &str) -> Self {
        let style = ProgressStyle::with_template(template).expect("the template is well-formed");
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden())
            .with_style(style);
        Self {
            bar,
            started: Instant::now(),
            shown: false,
        }
    }

    /// One more file has been looked at.
    pub(crate) fn add_file(&mut self) {
        self.add("", 1);
    }

    /// Nothing has come for a while.
    pub(crate) fn wait(&mut self) {
        self.show("");
        self.bar.tick();
    }

    /// So many more bytes are read, of `name`.
    pub(crate) fn add(&mut self, name: &str, count: u64) {
        self.show(name);
        self.bar.inc(count);
    }

    /// What `selvedge-hdf5` tells of its work, which goes by `name`.
    pub(crate) fn follow(&mut self, name: &str, progress: selvedge_hdf5::Progress) {
        self.show(name);
        self.bar.set_length(progress.total);
        self.bar.set_position(progress.done);
    }

    /// So many bytes are done of so many.
    #[cfg(feature = "object-store")]
    pub(crate) fn reach(&mut self, name: &str, done: u64, total: u64) {
        self.show(name);
        self.bar.set_length(total);
        let is_first = self.bar.position() == 0;
        self.bar.set_position(done);
        if is_first {
            // What was there before says nothing of how fast the rest comes.
            self.bar.reset_eta();
        }
    }

    fn show(&mut self, name: &str) {
        if !self.shown && self.started.elapsed() >= Self::PATIENCE {
            let mut on_screen = on_screen();
            if !matches!(*on_screen, OnScreen::Cleared) {
                // Draws nothing where standard error is no terminal.
                self.bar.set_draw_target(ProgressDrawTarget::stderr());
                *on_screen = OnScreen::Bar(self.bar.clone());
            }
            self.shown = true;
        }
        let name = shown(name).to_string();
        if self.bar.message() != name {
            self.bar.set_message(name);
        }
    }

    /// Takes it off the screen, as also the end of its life does.
    pub(crate) fn finish(self) {}
}

impl Drop for Progress {
    fn drop(&mut self) {
        let mut on_screen = on_screen();
        if matches!(*on_screen, OnScreen::Bar(_)) {
            *on_screen = OnScreen::Nothing;
        }
        self.bar.finish_and_clear();
    }
}
