//! What `selvedge verify` says.

use selvedge_hdf5::{Bytes, ChecksumReport, Grouped, Shape};

use super::text::{counted, shown};
use crate::compare::{FilesCompared, TensorCompared, Verdict};

/// Whether two files are equal, and what differs.
pub(crate) fn files(found: &FilesCompared) -> String {
    let [first, second] = [&found.first, &found.second].map(|path| shown(path));
    if found.equal {
        let count = counted(found.tensors.len() as u64, "tensor");
        let bytes = Bytes(found.bytes);
        return format!("{first} and {second} are equal, bit for bit: {count}, {bytes}\n");
    }
    let mut text = if found.is_unknown() {
        format!("{first} and {second} are equal as far as they were compared\n")
    } else {
        format!("{first} and {second} differ\n")
    };
    for (names, path) in [
        (&found.only_in_first, &first),
        (&found.only_in_second, &second),
    ] {
        for name in names {
            text.push_str(&format!("  `{}`: only in {path}\n", shown(name)));
        }
    }
    for tensor in &found.tensors {
        if tensor.verdict != Verdict::Equal {
            let name = shown(&tensor.tensor);
            text.push_str(&format!("  `{name}`: {}\n", difference(tensor)));
        }
    }
    for attribute in &found.attributes {
        let [one, two] = [&attribute.first, &attribute.second].map(|value| match value {
            Some(value) => shown(&value.to_string()),
            None => "nothing".to_owned(),
        });
        let name = shown(&attribute.name);
        text.push_str(&format!("  attribute `{name}`: {one} and {two}\n"));
    }
    text
}

fn difference(tensor: &TensorCompared) -> String {
    let [one, two] = &tensor.dtypes;
    let shapes = &tensor.shapes;
    let values = match tensor.verdict {
        Verdict::Unreadable => return format!("holds {}, which is not compared", shown(one)),
        Verdict::Dtype => return format!("{} and {}", shown(one), shown(two)),
        Verdict::Shape => {
            return format!("shapes {} and {}", Shape(&shapes[0]), Shape(&shapes[1]));
        }
        Verdict::Equal | Verdict::Steps => "those that both have are equal".to_owned(),
        Verdict::Values => first_of(tensor),
    };
    let [one, two] = [0, 1].map(|file| shapes[file].first().copied().unwrap_or(1));
    if one == two {
        return values;
    }
    format!("{} and {} steps; {values}", Grouped(one), Grouped(two))
}

/// The first element that differs, and how many do.
fn first_of(tensor: &TensorCompared) -> String {
    let Some(first) = &tensor.first_difference else {
        return "values differ".to_owned();
    };
    let mut at = format!("step {}", Grouped(first.step));
    if !first.index.is_empty() {
        at.push_str(&format!(", index {}", Shape(&first.index)));
    }
    let bits = format!("{at}: {} and {}", first.first_bits, first.second_bits);
    match tensor.differing {
        Some(1) => format!("1 element differs, at {bits}"),
        Some(count) => format!("{} elements differ, the first at {bits}", Grouped(count)),
        None => format!("differs first at {bits}"),
    }
}

/// Whether the values are those that the checksums were made of.
pub(crate) fn checksums(report: &ChecksumReport) -> String {
    let lines: Vec<String> = report.to_string().lines().map(shown).collect();
    format!("{}\n", lines.join("\n"))
}
