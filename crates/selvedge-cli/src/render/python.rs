//! The lines of Python that read a file.

use std::collections::HashSet;

use super::text::{counted, width};
use crate::facts::{FileFacts, TensorFacts, identifier};

/// More lines than this are for nobody: then there is one for each dtype.
const MOST: usize = 8;

/// The variable, or the first one numbered after it that no other tensor has: `layer.0` and `layer_0` would
/// both be `layer_0`.
fn unused(variable: String, taken: &mut HashSet<String>) -> String {
    let numbered = (2_u64..).map(|number| format!("{variable}_{number}"));
    let mut candidates = std::iter::once(variable.clone()).chain(numbered);
    let free = candidates.find(|candidate| !taken.contains(candidate));
    let free = free.unwrap_or(variable);
    taken.insert(free.clone());
    free
}

/// An assignment to a variable whose last call is one of its own: a line that the terminal breaks is not easily copied.
fn in_two(line: &str, variable: &str) -> Option<[String; 2]> {
    let calls = [").view(torch.", ").to(torch."].iter();
    let at = calls.filter_map(|call| line.rfind(call)).max()? + 1;
    let (value, call) = line.split_at(at);
    Some([value.to_owned(), format!("{variable} = {variable}{call}")])
}

/// The lines, indented by `indent` columns; none where there is nothing that they would read.
pub(super) fn lines(facts: &FileFacts, indent: usize, columns: usize) -> String {
    let mut tensors: Vec<&TensorFacts> = facts.tensors.iter().collect();
    tensors.retain(|tensor| !tensor.python.is_empty());
    let all = tensors.len();
    if all == 0 {
        return String::new();
    }
    if all > MOST {
        let mut kinds: Vec<(&str, &str, bool)> = Vec::new();
        tensors.retain(|tensor| {
            let single = tensor.shape.is_empty();
            let kind = (&*tensor.dtype, &*tensor.stored_dtype, single);
            let new = !kinds.contains(&kind);
            kinds.extend(new.then_some(kind));
            new
        });
        tensors.truncate(MOST);
    }
    let mut lines: Vec<String> = facts.python.clone();
    let mut taken = HashSet::new();
    for tensor in &tensors {
        let name = unused(identifier(&tensor.name), &mut taken);
        let line = format!("{name} = {}", tensor.python);
        let fits = |line: &String| indent + width(line) <= columns;
        match in_two(&line, &name).filter(|two| two.iter().all(fits)) {
            _ if fits(&line) => lines.push(line),
            Some(two) => lines.extend(two),
            // What is too long in any case has its name.
            None if fits(&tensor.python) => lines.push(tensor.python.clone()),
            None => lines.push(line),
        }
    }
    let left = (all - tensors.len()) as u64;
    if left > 0 {
        lines.push(format!("# and so on: {}", counted(left, "more tensor")));
    }
    let indent = " ".repeat(indent);
    lines
        .iter()
        .map(|line| format!("{indent}{line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{in_two, unused};

    #[test]
    fn a_long_line_is_two_assignments() {
        let line = r#"W = torch.from_numpy(f["W"][:]).view(torch.bfloat16)"#;
        let two = in_two(line, "W").unwrap();
        assert_eq!(two[0], r#"W = torch.from_numpy(f["W"][:])"#);
        assert_eq!(two[1], "W = W.view(torch.bfloat16)");
        assert_eq!(in_two(r#"x = f["x"][()]"#, "x"), None);
    }

    #[test]
    fn no_variable_replaces_another() {
        let mut taken = HashSet::new();
        let names = ["layer_0", "layer_0", "layer_0_2", "layer_0"];
        let names = names.map(|name| unused(name.to_owned(), &mut taken));
        assert_eq!(names, ["layer_0", "layer_0_2", "layer_0_2_2", "layer_0_3"]);
    }
}
