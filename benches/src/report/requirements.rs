//! What the project asks of itself, next to what a run has. Nothing fails by it: a figure depends on the machine.

use super::{Ratio, Report};

/// A ratio that the project asks for.
struct Requirement {
    group: &'static str,
    who: &'static str,
    over: &'static str,
    asked: &'static str,
}

/// The speed of `who` over that of `over`, in `group`.
const fn speed(
    group: &'static str,
    who: &'static str,
    over: &'static str,
    asked: &'static str,
) -> Requirement {
    Requirement {
        group,
        who,
        over,
        asked,
    }
}

const REQUIREMENTS: &[Requirement] = &[
    speed(
        "record/large",
        "Selvedge",
        "plain write",
        "at least 0.80, aim 0.95",
    ),
    speed(
        "record/small",
        "Selvedge",
        "h5py, tuned",
        "at least 5, aim 20",
    ),
    speed(
        "record/many-300-small",
        "Selvedge",
        "plain write of whole steps",
        "at least 0.50, aim 0.80",
    ),
    speed(
        "record/many-1000-small",
        "Selvedge",
        "plain write of whole steps",
        "at least 0.50, aim 0.80",
    ),
    speed(
        "record/many-300",
        "Selvedge",
        "plain write of whole steps",
        "at least 0.50, aim 0.80",
    ),
    speed("record/append-large", "append", "memcpy", "at least 0.67"),
    speed("record/append-small", "append", "memcpy", "at least 0.67"),
    speed(
        "read/whole",
        "Selvedge",
        "plain pread",
        "at least 0.63, aim 0.80",
    ),
    speed(
        "read/rows",
        "Selvedge",
        "h5py, d[:][:, mask]",
        "at least 2, aim 3",
    ),
    speed("read/rows", "Selvedge", "h5py, d[:, rows]", "at least 20"),
    speed("read/strided", "Selvedge", "h5py, d[::10]", "at least 10"),
    speed("read/steps-500", "Selvedge", "plain pread", "at least 0.63"),
    speed("read/steps-500", "Selvedge", "h5py, d[i]", "at least 6"),
    speed(
        "read/steps-compressed-250",
        "Selvedge",
        "h5py, d[i]",
        "at least 1",
    ),
    speed(
        "read/steps-compressed-4000",
        "Selvedge",
        "h5py, d[i]",
        "at least 2.5",
    ),
    speed(
        "read/steps-compressed-16000",
        "Selvedge",
        "h5py, d[i]",
        "at least 2.5",
    ),
    speed("read/steps-large", "Selvedge", "h5py, d[i]", "at least 1.3"),
    speed("read/steps-first", "Selvedge", "h5py, d[i]", "at least 1"),
    speed("python/append-large", "Selvedge", "memcpy", "at least 0.77"),
    speed(
        "python/append-large",
        "Selvedge",
        "h5py, tuned",
        "at least 2, aim 3.5",
    ),
    speed(
        "python/append-small",
        "Selvedge",
        "h5py, tuned",
        "at least 50",
    ),
    speed(
        "python/append-many",
        "Selvedge, watch",
        "h5py, tuned",
        "at least 100",
    ),
    speed(
        "python/large",
        "Selvedge",
        "Selvedge, from Rust",
        "at least 0.95",
    ),
    speed(
        "python/read-whole",
        "Selvedge",
        "Selvedge, from Rust",
        "at least 0.90",
    ),
    speed(
        "python/read-rows",
        "Selvedge",
        "Selvedge, from Rust",
        "at least 0.90",
    ),
    speed(
        "python/read-steps",
        "Selvedge",
        "Selvedge, from Rust",
        "at least 0.90",
    ),
    speed(
        "rechunk/whole-file",
        "Rechunk, whole tensors",
        "copy of the file",
        "at least 0.50, aim 0.80",
    ),
    speed(
        "compress/recording",
        "compressed",
        "uncompressed",
        "at least 1",
    ),
    speed(
        "compress/recording-long",
        "compressed",
        "uncompressed",
        "at least 1",
    ),
    speed(
        "compress/recording-sync",
        "compressed",
        "uncompressed",
        "at least 1",
    ),
    speed(
        "compress/training",
        "compressed",
        "uncompressed",
        "at least 1",
    ),
    speed(
        "compress/reading",
        "compressed",
        "uncompressed",
        "at least 0.50",
    ),
    speed(
        "compress/reading-new",
        "compressed",
        "uncompressed",
        "at least 0.50",
    ),
    speed(
        "compress/reading-cold",
        "compressed",
        "uncompressed",
        "at least 0.50",
    ),
    speed(
        "safetensors/save-large",
        "Save::write",
        "plain write",
        "at least 0.80, aim 0.95",
    ),
    speed(
        "safetensors/save-sync-large",
        "Save::write",
        "plain write",
        "at least 0.80, aim 0.95",
    ),
    speed(
        "safetensors/save-small",
        "Save::write",
        "plain write",
        "at least 0.80, aim 0.95",
    ),
    speed(
        "safetensors/load-many",
        "Reader, read",
        "Python, load_file",
        "at least 2",
    ),
    speed(
        "safetensors/load-sum",
        "Mapped",
        "Reader, read_into",
        "above 1",
    ),
    speed(
        "safetensors/rows",
        "Mapped, gather",
        "Reader, read all",
        "above 1",
    ),
    speed(
        "check/notebooks",
        "selvedge check",
        "nbformat, validating each",
        "at least 20",
    ),
];

/// Whether a run has less than what is asked.
pub(super) fn is_missed(asked: &str, found: Ratio) -> bool {
    let words = asked.split([' ', ',']);
    let least = words.filter_map(|word| word.parse::<f64>().ok()).next();
    least.is_some_and(|least| found.median < least)
}

/// The requirements of the groups that ran: which ratio, what is asked, and what the run has.
pub(super) fn requirements(report: &Report) -> Vec<(String, &'static str, Ratio)> {
    let found = |requirement: &Requirement| {
        let group = report.group(requirement.group)?;
        let (who, over) = (group.row(requirement.who)?, group.row(requirement.over)?);
        let name = format!("{}: {} over {}", group.name, who.name, over.name);
        Some((name, requirement.asked, who.speed_over(over)?))
    };
    REQUIREMENTS.iter().filter_map(found).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{REQUIREMENTS, is_missed, requirements};
    use crate::report::Ratio;

    /// A requirement of a contender that was renamed would be left out in silence.
    #[test]
    fn the_committed_report_has_all_of_them() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("record/report.json");
        let report = crate::report::read(&path).unwrap();
        let ran = REQUIREMENTS
            .iter()
            .filter(|asked| report.group(asked.group).is_some());
        assert_eq!(requirements(&report).len(), ran.count());
    }

    #[test]
    fn less_than_the_first_number_is_a_miss() {
        for (median, is_missed_) in [(0.49, true), (0.5, false), (0.6, false)] {
            let ratio = Ratio {
                median,
                low: median,
                high: median,
                pairs: 1,
                t: 0.0,
            };
            assert_eq!(is_missed("at least 0.50, aim 0.80", ratio), is_missed_);
        }
    }

    #[test]
    fn each_requirement_has_a_number() {
        let asked = REQUIREMENTS.iter().map(|requirement| requirement.asked);
        let nothing = Ratio {
            median: 0.0,
            low: 0.0,
            high: 0.0,
            pairs: 1,
            t: 0.0,
        };
        asked.for_each(|asked| assert!(is_missed(asked, nothing), "{asked}"));
    }
}
