//! What a rechunk has made.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::RechunkPlan;
use crate::Float16Survey;
use crate::plan::{Bytes, Grouped};

/// A file that was written anew. Its [`Display`](fmt::Display) is some lines for people.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RechunkSummary {
    /// The new file.
    pub path: PathBuf,
    /// What it was planned to be, and is.
    pub plan: RechunkPlan,
    /// Bytes of all values, each of which was read back and compared.
    pub bytes: u64,
    /// Length of the new file in bytes.
    pub file_bytes: u64,
    /// float16 tensors that became bfloat16, and what their values were.
    pub converted: Vec<(String, Float16Survey)>,
    /// All of it.
    pub elapsed: Duration,
    /// The part of it in which the file was put on the disk and got its name.
    pub sync: Duration,
}

impl RechunkSummary {
    /// Bytes of values per second, all of it included.
    #[must_use]
    pub fn bytes_per_second(&self) -> f64 {
        self.bytes as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// What compression came to, where a tensor was compressed: `1.28 MB -> 830.00 kB, 1.54 times smaller`.
    #[must_use]
    pub fn saved(&self) -> Option<String> {
        let (values, file) = (Bytes(self.bytes), Bytes(self.file_bytes));
        let saved = match self.ratio() {
            ratio if ratio >= 1.005 => format!("{ratio:.2} times smaller"),
            _ => "no smaller: these values do not compress".to_owned(),
        };
        self.plan
            .compresses()
            .then(|| format!("{values} -> {file}, {saved}"))
    }

    /// How many times smaller than its values the new file is.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.bytes as f64 / self.file_bytes.max(1) as f64
    }
}

impl fmt::Display for RechunkSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} steps, {} verified, in {:.1} s ({:.1} s of it for the disk)",
            self.path.display(),
            Grouped(self.plan.steps),
            Bytes(self.bytes),
            self.elapsed.as_secs_f64(),
            self.sync.as_secs_f64(),
        )?;
        if let Some(saved) = self.saved() {
            write!(f, "\n  {saved}")?;
        }
        for (tensor, survey) in &self.converted {
            write!(f, "\n  `{tensor}`, float16 to bfloat16: {survey}")?;
        }
        for (what, why) in &self.plan.left_out {
            write!(f, "\n  not kept: {what}: {why}")?;
        }
        Ok(())
    }
}
