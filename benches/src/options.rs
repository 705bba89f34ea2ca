//! Options of a run, from the arguments and the environment.
//!
//! cargo hands the same arguments to every bench, and most of them are criterion's. So this takes
//! from them what concerns the rounds too, and leaves the judgement of the rest to criterion; what
//! is ours alone comes from the environment.

use std::env;
use std::path::PathBuf;

use crate::Result;

/// Options of criterion that are followed by a value, which is no filter.
const WITH_VALUE: &[&str] = &[
    "-b",
    "-c",
    "--baseline",
    "--baseline-lenient",
    "--color",
    "--colour",
    "--confidence-level",
    "--format",
    "--load-baseline",
    "--logfile",
    "--measurement-time",
    "--noise-threshold",
    "--nresamples",
    "--output-format",
    "--plotting-backend",
    "--profile-time",
    "--sample-size",
    "--save-baseline",
    "--significance-level",
    "--warm-up-time",
];

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// `cargo bench`: samples of 1.5 GB, several rounds.
    Full,
    /// `--quick`: a tenth of it, to see that everything works. No figures to quote.
    Quick,
    /// `cargo test`: a few steps, for the checks alone. No report is written.
    Smoke,
}

impl Scale {
    /// `full`, or less of it.
    #[must_use]
    pub fn pick<T>(self, full: T, quick: T, smoke: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
            Self::Smoke => smoke,
        }
    }
}

/// Options of the rounds.
#[derive(Debug)]
pub struct Options {
    /// How much is measured.
    pub scale: Scale,
    /// Rounds that count.
    pub rounds: usize,
    /// Where the files are written; `None` for a folder under the target directory.
    pub folder: Option<PathBuf>,
    /// The Python with the peers, where there is one.
    pub python: Option<PathBuf>,
    /// Whether the rounds run at all: not when criterion only lists or profiles its benches.
    pub enabled: bool,
    filter: Option<String>,
}

impl Options {
    /// Reads `--quick`, `--test`, `--list`, `--profile-time` and the filter from the arguments, and
    /// `SELVEDGE_BENCH_DIR`, `SELVEDGE_BENCH_ROUNDS` and `SELVEDGE_PYTHON` from the environment.
    ///
    /// # Errors
    ///
    /// A number of rounds that is none.
    pub fn read() -> Result<Self> {
        let mut args = env::args().skip(1);
        let mut scale = Scale::Smoke;
        let (mut quick, mut test, mut enabled, mut filter) = (false, false, true, None);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--bench" => scale = Scale::Full,
                "--test" => test = true,
                "--quick" | "-n" => quick = true,
                "--list" => enabled = false,
                option if option.starts_with('-') => {
                    let (name, value) = option.split_once('=').unzip();
                    let name = name.unwrap_or(option);
                    enabled &= name != "--profile-time" && name != "--load-baseline";
                    if value.is_none() && WITH_VALUE.contains(&name) {
                        args.next();
                    }
                }
                _ => filter = Some(arg),
            }
        }
        if test {
            scale = Scale::Smoke;
        } else if quick && scale == Scale::Full {
            scale = Scale::Quick;
        }
        let rounds = match env::var("SELVEDGE_BENCH_ROUNDS") {
            Ok(rounds) => rounds
                .parse::<usize>()
                .ok()
                .filter(|&rounds| rounds > 0)
                .ok_or_else(|| {
                    format!("SELVEDGE_BENCH_ROUNDS is {rounds:?}, not a number of rounds")
                })?,
            Err(_) => scale.pick(9, 2, 1),
        };
        let path = |name| env::var_os(name).filter(|path| !path.is_empty());
        Ok(Self {
            scale,
            rounds,
            folder: path("SELVEDGE_BENCH_DIR").map(PathBuf::from),
            python: path("SELVEDGE_PYTHON").map(PathBuf::from),
            enabled,
            filter,
        })
    }

    /// Whether the group `name`, which is that of its bench and its own, runs.
    #[must_use]
    pub fn selects(&self, name: &str) -> bool {
        self.enabled
            && self
                .filter
                .as_ref()
                .is_none_or(|filter| name.contains(filter))
    }
}
