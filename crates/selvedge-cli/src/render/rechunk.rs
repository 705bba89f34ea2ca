//! What `selvedge rechunk` says when it is done.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use selvedge_base::text::escaped;
use selvedge_hdf5::{Bytes, Compression, RechunkPlan, RechunkSummary};
use serde::Serialize;

use super::plan::{Tensor, pattern};
use super::text::{counted, shown};
use crate::words::of_program;

/// What `--json` prints: the plan, and what was made, if it was carried out. Sizes are in bytes.
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    selvedge_version: &'static str,
    input: String,
    output: String,
    steps: u64,
    /// The tensor whose first axis is taken for them, where the file does not say which tensors have steps.
    steps_of: Option<&'a str>,
    read: &'static str,
    compression: &'static str,
    tensors: Vec<Tensor<'a>>,
    constants: Vec<&'a str>,
    /// Names in groups, and what they become.
    renamed: &'a [(String, String)],
    /// float16 tensors that become bfloat16.
    converted: &'a [String],
    left_out: Vec<LeftOut<'a>>,
    checksums: bool,
    value_bytes: u64,
    /// From a sample, where the disk has no room for the values as they are.
    estimated_bytes: Option<u64>,
    free_bytes: Option<u64>,
    memory_bytes: u64,
    /// Null where it is only planned.
    made: Option<Made<'a>>,
}

#[derive(Serialize)]
struct LeftOut<'a> {
    what: &'a str,
    why: &'a str,
}

#[derive(Serialize)]
struct Made<'a> {
    file_bytes: u64,
    /// Bytes of values, each of which was read back and compared.
    verified_bytes: u64,
    seconds: f64,
    /// What float16 has cost, in words.
    converted: Vec<(&'a str, String)>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(plan: &'a RechunkPlan, summary: Option<&'a RechunkSummary>) -> Self {
        let path = |path: &Path| escaped(path.as_os_str().as_bytes());
        // Where damage was met, what was made is less than what was planned.
        let plan = summary.map_or(plan, |summary| &summary.plan);
        let left_out = plan.left_out.iter();
        let made = summary.map(|summary| {
            let converted = summary.converted.iter();
            let converted = converted.map(|(name, survey)| (name.as_str(), survey.to_string()));
            Made {
                file_bytes: summary.file_bytes,
                verified_bytes: summary.bytes,
                seconds: summary.elapsed.as_secs_f64(),
                converted: converted.collect(),
            }
        });
        Self {
            selvedge_version: env!("CARGO_PKG_VERSION"),
            input: path(&plan.input),
            output: path(&plan.output),
            steps: plan.steps,
            steps_of: plan.steps_of.as_deref(),
            read: pattern(plan.pattern),
            compression: match plan.compression {
                Compression::Fast => "fast",
                Compression::Temporal => "temporal",
                _ => "none",
            },
            tensors: plan.tensors.iter().map(Tensor::new).collect(),
            constants: plan
                .constants
                .iter()
                .map(|constant| &*constant.name)
                .collect(),
            renamed: &plan.renamed,
            converted: &plan.converted,
            left_out: left_out.map(|(what, why)| LeftOut { what, why }).collect(),
            checksums: plan.checksums,
            value_bytes: plan.bytes,
            estimated_bytes: plan.estimated_bytes,
            free_bytes: plan.free_disk,
            memory_bytes: plan.memory,
            made,
        }
    }
}

/// What was made, what became of tensors that were float16, and what was left out that the plan did not tell.
pub(crate) fn summary(summary: &RechunkSummary, plan: &RechunkPlan) -> String {
    let millis = u64::try_from(summary.elapsed.as_millis()).unwrap_or(u64::MAX);
    let speed = summary.bytes.saturating_mul(1000) / millis.max(1);
    let mut text = format!(
        "{}: {}, {} written and verified in {:.1} s, {}/s\n",
        shown(&summary.path),
        counted(summary.plan.steps, "step"),
        Bytes(summary.bytes),
        summary.elapsed.as_secs_f64(),
        Bytes(speed),
    );
    let saved = summary.saved();
    text.extend(saved.map(|saved| format!("  {saved}\n")));
    for (tensor, survey) in &summary.converted {
        let tensor = shown(tensor);
        text.push_str(&format!(
            "  `{tensor}` was float16 and is bfloat16 now: {survey}\n"
        ));
    }
    let left_out = summary.plan.left_out.iter();
    for (what, why) in left_out.filter(|one| !plan.left_out.contains(one)) {
        let why = of_program(why);
        text.push_str(&format!("  not kept: {}: {}\n", shown(what), shown(&why)));
    }
    text
}
