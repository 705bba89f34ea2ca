//! Options of a run.

use std::env;
use std::path::{Path, PathBuf};

use clap::Parser;

use crate::Result;
use crate::sections::names;

/// Selvedge beside its peers, as a report.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub struct Options {
    /// A tenth of the data and five rounds, in under three minutes: to see that it works, and roughly how fast.
    #[arg(long)]
    pub quick: bool,
    /// A few steps and one round, for the checks alone: the tests.
    #[arg(long, hide = true, conflicts_with = "quick")]
    pub smoke: bool,
    /// Only the groups that begin with this: `read`, `record/small`. May be given several times.
    #[arg(long, value_name = "GROUP", value_parser = known)]
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
    /// Also keep the report in benches/record/, and make docs/generated/benchmarks.md and the README's figures from it.
    #[arg(long, conflicts_with_all = ["only", "no_peers", "smoke"])]
    pub record: bool,
    /// Measure nothing: make docs/generated/benchmarks.md and the README's figures from benches/record/report.json.
    #[arg(long, conflicts_with_all = ["quick", "record"])]
    pub docs: bool,
    /// Measure nothing: tell where two reports (report.json) disagree on who is faster.
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["quick", "record", "docs"])]
    pub compare: Option<Vec<PathBuf>>,
    /// List the groups.
    #[arg(long)]
    pub list: bool,
    /// A Python with the peers; the default is `SELVEDGE_PYTHON`.
    #[arg(long, value_name = "PATH", hide = true)]
    pub python: Option<PathBuf>,
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
    /// A few steps.
    Smoke,
}

impl Scale {
    /// `full`, or less of it.
    pub fn pick<T>(self, full: T, quick: T, smoke: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
            Self::Smoke => smoke,
        }
    }
}

impl Options {
    /// How much is measured.
    pub fn scale(&self) -> Scale {
        match (self.quick, self.smoke) {
            (true, _) => Scale::Quick,
            (_, true) => Scale::Smoke,
            _ => Scale::Full,
        }
    }

    pub(crate) fn rounds(&self) -> usize {
        let default = || self.scale().pick(9, 5, 1);
        self.rounds.map_or_else(default, usize::from)
    }

    /// The Python with the peers, where there is one.
    pub(crate) fn python(&self) -> Option<PathBuf> {
        let default = || env::var_os("SELVEDGE_PYTHON").map(PathBuf::from);
        let python = self.python.clone().or_else(default);
        python.filter(|path| !path.as_os_str().is_empty() && !self.no_peers)
    }

    /// The folder in which files are written.
    pub fn scratch(&self) -> &Path {
        self.scratch.as_deref().unwrap_or(&self.out)
    }

    /// Whether the group `name` runs.
    pub fn selects(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| name.starts_with(only.as_str()))
    }
}

/// The beginning of a group.
fn known(only: &str) -> Result<String, String> {
    if names().any(|name| name.starts_with(only)) {
        return Ok(only.to_owned());
    }
    let all = names().collect::<Vec<&str>>().join(", ");
    Err(format!("no group begins with it; there are {all}"))
}
