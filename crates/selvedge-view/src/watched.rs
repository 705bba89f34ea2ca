//! Files that are measured while they grow.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use selvedge_base::{Mutex, MutexGuard};
use selvedge_report::{
    File, Growing, Measurements, Sample, Shown, Slice, Tensor, TensorReport, Vocabulary, growing,
    next,
};
use serde::Serialize;

/// How often is looked for new steps.
const TICK: Duration = Duration::from_millis(500);
/// … where nobody records.
const IDLE: Duration = Duration::from_secs(2);
/// Bytes of new steps that are added while nobody else may look at a tensor.
const AT_ONCE: u64 = 64 << 20;

/// A file that is viewed, of whatever format.
pub trait Viewed: Sync {
    /// Looks for new steps.
    ///
    /// # Errors
    ///
    /// Why it cannot: the last steps stay as they are, and it is tried again.
    fn refresh(&self) -> Result<(), String>;

    /// What it is, as it was last looked at.
    fn about(&self) -> About;

    /// All that the program tells of it.
    fn told(&self) -> String;

    /// Does something with its tensors as they are now, which are always the same and in the same order.
    fn with(&self, work: &mut dyn FnMut(&[Tensor<'_>]));
}

/// What a file is, in texts that people may see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its name.
    pub name: String,
    /// A few short texts: how large it is, how many steps it has.
    pub lines: Vec<String>,
    /// Whether it may still get more steps.
    pub is_live: bool,
    /// Steps that it has.
    pub steps: u64,
    /// Steps that it is to have.
    pub planned: Option<u64>,
}

/// Files, and what was measured of them so far.
pub struct Watched<'a> {
    files: Vec<One<'a>>,
    made_by: String,
    vocabulary: Vocabulary,
    sample: Sample,
    /// It rises with each change.
    version: AtomicU64,
    /// One slice is read at a time, so that many requests take no more memory than one.
    slicing: Mutex<()>,
}

struct One<'a> {
    viewed: &'a dyn Viewed,
    /// The place of each measured tensor among those of the file.
    places: Vec<usize>,
    tensors: Vec<Measured>,
    left_out: u64,
    problem: Mutex<Option<String>>,
}

struct Measured {
    /// Locked as long as steps are read.
    growing: Mutex<Growing>,
    version: AtomicU64,
    /// What was told last, which is told again while steps are read.
    last: Mutex<Last>,
}

/// What was measured of a tensor, as of a version.
struct Last {
    version: u64,
    report: TensorReport,
    is_sampled: bool,
}

impl Measured {
    fn new(growing: Growing) -> Self {
        Self {
            last: Mutex::new(Last {
                version: 1,
                report: growing.report(),
                is_sampled: false,
            }),
            version: AtomicU64::new(1),
            growing: Mutex::new(growing),
        }
    }

    /// What was measured, at this moment, or as it was told last if steps are being read.
    fn last(&self) -> MutexGuard<'_, Last> {
        let mut last = self.last.lock();
        // The version rises when the steps can be seen, so nothing is missed.
        if last.version < self.version.load(Ordering::Acquire)
            && let Some(growing) = self.growing.try_lock()
        {
            *last = Last {
                version: self.version.load(Ordering::Acquire),
                report: growing.report(),
                is_sampled: growing.is_sampled(),
            };
        }
        last
    }
}

/// What a page is told.
#[derive(Serialize)]
pub(crate) struct News {
    made_by: String,
    version: u64,
    tokens: HashMap<u64, String>,
    files: Vec<FileNews>,
}

#[derive(Serialize)]
struct FileNews {
    #[serde(flatten)]
    file: File,
    /// Which of the tensors of the page these are.
    at: Vec<usize>,
    is_live: bool,
    steps: u64,
    planned: Option<u64>,
    problem: Option<String>,
}

impl<'a> Watched<'a> {
    /// Starts with files of which nothing is measured yet, and of which these steps will be.
    #[must_use]
    pub fn new(
        made_by: &str,
        files: &[&'a dyn Viewed],
        vocabulary: Vocabulary,
        sample: Sample,
    ) -> Self {
        let count = files.len() as u64;
        Self {
            files: files
                .iter()
                .map(|viewed| One::new(*viewed, count))
                .collect(),
            made_by: made_by.to_owned(),
            vocabulary,
            sample,
            version: AtomicU64::new(1),
            slicing: Mutex::new(()),
        }
    }

    /// Measures what there is, and what comes, for ever: what has ended may go on.
    pub fn go_on(&self) {
        loop {
            let began = Instant::now();
            let tick = if self.step() { TICK } else { IDLE };
            // Those who train and those who look have the machine at least as long.
            let took = began.elapsed();
            thread::sleep(tick.saturating_sub(took).max(took.min(TICK)));
        }
    }

    /// Looks for new steps, and measures them. Returns whether there may be more.
    pub fn step(&self) -> bool {
        let mut is_live = false;
        for file in &self.files {
            // Whether it goes on is asked first: what came until it ended is seen afterwards.
            is_live |= file.viewed.about().is_live;
            let found = file.viewed.refresh().err();
            let is_new = {
                let mut problem = file.problem.lock();
                let is_new = *problem != found;
                *problem = found;
                is_new
            };
            if is_new {
                self.changed();
            }
            self.measure(file);
        }
        is_live
    }

    fn changed(&self) -> u64 {
        self.version.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn measure(&self, file: &One<'_>) {
        let mut wanted = Vec::new();
        file.viewed.with(&mut |tensors| {
            let mut so_far = vec![None; tensors.len()];
            for (&place, measured) in file.places.iter().zip(&file.tensors) {
                let growing = measured.growing.lock();
                so_far[place] = (!growing.is_unread()).then(|| growing.end());
            }
            wanted = next(tensors, &so_far, &self.sample);
        });
        for (&place, measured) in file.places.iter().zip(&file.tensors) {
            for steps in wanted.get(place).into_iter().flatten() {
                let mut first = steps.start;
                while first < steps.end {
                    let before = first;
                    // Others may look at the file and the tensor in between.
                    file.viewed.with(&mut |tensors| {
                        let tensor = &tensors[place];
                        let end = (first + steps_at_once(tensor)).min(steps.end);
                        measured.growing.lock().add(tensor, first..end);
                        measured.version.store(self.changed(), Ordering::Release);
                        first = end;
                    });
                    // It cannot be read at this moment.
                    if first == before {
                        return;
                    }
                }
            }
        }
    }

    /// What has changed since a version: everything since 0. Pictures of tensors are there for those that `is_open`
    /// says, by the number of the file and of the tensor.
    pub(crate) fn news(&self, since: u64, is_open: &dyn Fn(usize, usize) -> bool) -> News {
        // What changes meanwhile is told again.
        let version = self.version.load(Ordering::Relaxed);
        let mut tokens = HashMap::new();
        let files = self.files.iter().enumerate().map(|(number, file)| {
            let news = file.news(since, |at| is_open(number, at));
            tokens.extend(self.vocabulary.tokens(&news.file.tensors));
            news
        });
        News {
            files: files.collect(),
            made_by: self.made_by.clone(),
            version,
            tokens,
        }
    }

    /// The token of a row.
    pub(crate) fn token(&self, row: u64) -> Option<String> {
        self.vocabulary.token(row)
    }

    /// The title of a page.
    pub(crate) fn title(&self) -> String {
        let names: Vec<String> = self
            .files
            .iter()
            .map(|file| file.viewed.about().name)
            .collect();
        names.join(", ")
    }

    /// What was measured so far of each file.
    #[must_use]
    pub fn reports(&self) -> Vec<(About, Vec<TensorReport>)> {
        let each = self.files.iter().map(|file| {
            let tensors = file.tensors.iter();
            let reports = tensors.map(|tensor| tensor.growing.lock().report());
            let mut about = file.viewed.about();
            about.lines.extend(file.problem.lock().clone());
            (about, reports.collect())
        });
        each.collect()
    }

    /// A step of a tensor, as a picture, and which step it is: the last one where none is named.
    pub(crate) fn slice(
        &self,
        (file, tensor): (usize, usize),
        what: What,
    ) -> Result<(u64, Slice), String> {
        let none = || "there is no such tensor".to_owned();
        let file = self.files.get(file).ok_or_else(none)?;
        let place = *file.places.get(tensor).ok_or_else(none)?;
        let _one = self.slicing.lock();
        let mut found = Err(none());
        file.viewed.with(&mut |tensors| {
            let tensor = &tensors[place];
            let last = tensor.steps().saturating_sub(1);
            found = match what {
                What::Step(step, shown) => {
                    let step = step.unwrap_or(last);
                    Slice::step(tensor, step, shown).map(|slice| (step, slice))
                }
                What::Row(row, from) => Slice::row(tensor, row, from).map(|slice| (row, slice)),
            };
        });
        found
    }
}

/// What is wanted of a tensor.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    Step(Option<u64>, Shown),
    /// This row, of all steps from that one on.
    Row(u64, u64),
}

/// Steps that are added while nobody else may look.
fn steps_at_once(tensor: &Tensor<'_>) -> u64 {
    let steps = AT_ONCE / tensor.step_bytes().max(1);
    let chunk = tensor
        .chunk
        .as_ref()
        .and_then(|chunk| chunk.first().copied());
    let packed = if tensor.is_packed {
        chunk.unwrap_or(1)
    } else {
        1
    };
    steps.max(packed).max(1)
}

impl<'a> One<'a> {
    fn new(viewed: &'a dyn Viewed, files: u64) -> Self {
        let (mut places, mut tensors, mut left_out) = (Vec::new(), Vec::new(), 0);
        viewed.with(&mut |found| {
            for (place, growing) in growing(found, files).into_iter().enumerate() {
                match growing {
                    Some(growing) => {
                        places.push(place);
                        tensors.push(Measured::new(growing));
                    }
                    None => left_out += 1,
                }
            }
        });
        Self {
            viewed,
            places,
            tensors,
            left_out,
            problem: Mutex::new(None),
        }
    }

    fn news(&self, since: u64, is_open: impl Fn(usize) -> bool) -> FileNews {
        let about = self.viewed.about();
        let (mut at, mut tensors, mut is_sampled) = (Vec::new(), Vec::new(), false);
        for (number, measured) in self.tensors.iter().enumerate() {
            let last = measured.last();
            is_sampled |= last.is_sampled;
            if last.version > since {
                at.push(number);
                let mut report = last.report.clone();
                if !is_open(number) {
                    report.heat = None;
                }
                tensors.push(report);
            }
        }
        // A page is told once.
        let told = if since == 0 {
            self.viewed.told()
        } else {
            String::new()
        };
        let measured = Measurements {
            tensors,
            left_out: self.left_out,
            is_sampled,
        };
        FileNews {
            file: File::new(&about.name, &about.lines, &told, measured),
            at,
            is_live: about.is_live,
            steps: about.steps,
            planned: about.planned,
            problem: self.problem.lock().clone(),
        }
    }
}
