//! Names that say where a tensor came from: validated, ordered as people count, and exact when they
//! are printed again.

mod id_pattern;
mod model;
mod notebook_id;
mod tensor_file;
#[cfg(test)]
mod tests;
mod trajectory;

pub use id_pattern::IdPattern;
pub use model::ModelName;
pub use notebook_id::NotebookId;
pub use tensor_file::TensorFileName;
pub use trajectory::TrajectoryName;

/// The characters that a name is made of, beside the separators that its kind gives a meaning:
/// what every file system stores and every shell takes unquoted.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '=')
}

/// Whether `text` can be a part of a name: plain characters, the first a letter or a digit.
fn is_plain_text(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_plain)
}

/// `text` with everything that is not plain made one `_`, and none at either end: what somebody
/// who typed a space or a bracket most likely wants.
pub(crate) fn made_plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if is_plain(c) && c != '_' {
            plain.push(c);
        } else if !plain.ends_with('_') {
            plain.push('_');
        }
    }
    plain
        .trim_matches(|c: char| !c.is_ascii_alphanumeric())
        .to_owned()
}
