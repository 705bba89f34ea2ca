//! The lines of Python that read a file.

use super::text::{counted, width};
use crate::facts::{FileFacts, TensorFacts, identifier};

/// More lines than this are for nobody: then there is one for each dtype.
const MOST: usize = 8;

/// The lines, indented by `indent` columns.
pub(super) fn lines(facts: &FileFacts, indent: usize, columns: usize) -> String {
    let mut tensors: Vec<&TensorFacts> = facts.tensors.iter().collect();
    let all = tensors.len();
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
    for tensor in &tensors {
        let line = format!("{} = {}", identifier(&tensor.name), tensor.python);
        lines.push(if indent + width(&line) <= columns {
            line
        } else {
            tensor.python.clone()
        });
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
