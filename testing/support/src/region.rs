//! Parts of documents that programs write.

/// `text` with `new` between the first of two markers and the second; `None` where it lacks them.
#[must_use]
pub fn with_region(text: &str, [begin, end]: [&str; 2], new: &str) -> Option<String> {
    let (before, rest) = text.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}{new}{end}{after}"))
}
