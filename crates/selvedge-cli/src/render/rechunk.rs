//! What `selvedge rechunk` says when it is done.

use selvedge_hdf5::{Bytes, RechunkPlan, RechunkSummary};

use super::text::{counted, shown};

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
    if summary.plan.compresses() {
        text.push_str(&format!(
            "  {} -> {}, {:.2} times smaller\n",
            Bytes(summary.bytes),
            Bytes(summary.file_bytes),
            summary.ratio(),
        ));
    }
    for (tensor, survey) in &summary.converted {
        let tensor = shown(tensor);
        text.push_str(&format!(
            "  `{tensor}` was float16 and is bfloat16 now: {survey}\n"
        ));
    }
    let left_out = summary.plan.left_out.iter();
    for (what, why) in left_out.filter(|one| !plan.left_out.contains(one)) {
        text.push_str(&format!("  not kept: {}: {}\n", shown(what), shown(why)));
    }
    text
}
