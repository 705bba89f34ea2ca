//! Options of a run.

use std::env;
use std::path::PathBuf;

use clap::Parser;

use crate::Result;
use crate::groups;

/// Selvedge beside its peers, as a report.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub struct Cli {
    /// A tenth of the data and five rounds, in under three minutes: to see that it works, and roughly how fast.
    #[arg(long)]
    pub quick: bool,

    /// Only the groups that begin with this: `read`, `record/small`. May be given several times.
    #[arg(long, value_name = "GROUP")]
    pub only: Vec<String>,

    /// Folder for report.json and report.html.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    pub out: PathBuf,

    /// Folder for the files that are written and read; the default is one in --out. Not a tmpfs: that is memory.
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,

    /// Rounds that count.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: Option<u16>,

    /// Without the Python peers.
    #[arg(long)]
    pub no_peers: bool,

    /// Also keep the report in benches/record/, and make docs/benchmarks.md and the README's figures from it.
    #[arg(long, conflicts_with_all = ["only", "no_peers"])]
    pub record: bool,

    /// Measure nothing: make docs/benchmarks.md and the README's figures from benches/record/report.json.
    #[arg(long, conflicts_with_all = ["quick", "record"])]
    pub docs: bool,

    /// Measure nothing: tell where two reports (report.json) disagree on who is faster.
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["quick", "record", "docs"])]
    pub compare: Option<Vec<PathBuf>>,

    /// List the groups.
    #[arg(long)]
    pub list: bool,

    /// A Python with torch and the package; `cargo xtask bench` makes it.
    #[arg(long, value_name = "PATH", hide = true)]
    pub torch: Option<PathBuf>,

    /// A trajectory of the demo; `cargo xtask bench` makes it.
    #[arg(long, value_name = "PATH", hide = true)]
    pub trajectory: Option<PathBuf>,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Files of 1.5 GB, many rounds.
    Full,
    /// A tenth of it.
    Quick,
    /// A few steps, for the checks alone: the tests.
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

    /// Its name in a report.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.pick("full", "quick", "smoke")
    }
}

/// What a run measures, and with whom.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much.
    pub scale: Scale,
    /// Rounds that count.
    pub rounds: usize,
    /// The folder in which files are written.
    pub scratch: PathBuf,
    /// The Python with the peers, where there is one.
    pub python: Option<PathBuf>,
    /// The Python with torch and the package, where there is one.
    pub torch: Option<PathBuf>,
    /// A trajectory of the demo, where there is one.
    pub trajectory: Option<PathBuf>,
    /// The beginnings of the groups that run; none for all.
    pub only: Vec<String>,
}

impl Options {
    /// The options of a command line; the Python with the peers is `SELVEDGE_PYTHON`.
    ///
    /// # Errors
    ///
    /// An `--only` that is the beginning of no group.
    pub fn of(cli: &Cli) -> Result<Self> {
        for only in &cli.only {
            if !groups::names().any(|name| name.starts_with(only.as_str())) {
                let all: Vec<&str> = groups::names().collect();
                return Err(format!(
                    "no group begins with `{only}`; there are {}",
                    all.join(", ")
                )
                .into());
            }
        }
        let scale = if cli.quick { Scale::Quick } else { Scale::Full };
        Ok(Self {
            scale,
            rounds: cli.rounds.map_or(scale.pick(9, 5, 1), usize::from),
            scratch: cli.scratch.clone().unwrap_or_else(|| cli.out.clone()),
            python: env::var_os("SELVEDGE_PYTHON")
                .filter(|path| !path.is_empty() && !cli.no_peers)
                .map(PathBuf::from),
            torch: cli.torch.clone().filter(|_| !cli.no_peers),
            trajectory: cli.trajectory.clone(),
            only: cli.only.clone(),
        })
    }

    /// Whether the group `name` runs.
    #[must_use]
    pub fn selects(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| name.starts_with(only.as_str()))
    }
}
