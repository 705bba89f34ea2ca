//! How the files of `show` begin, to know one that its writer left unfinished: `render/show.rs` writes these lines.

use crate::source::Kind;

/// Whether a line is the first of values as text: what they are, their dtype and their shape.
pub(crate) fn is_title(line: &str) -> bool {
    let of = line.rsplit_once(": ").and_then(|(what, of)| {
        let (kind, shape) = of.split_once(", ")?;
        let axes = shape.strip_prefix('(')?;
        let is_shape = axes.starts_with(|first: char| first.is_ascii_digit() || first == ')');
        Some(what.contains(" of ") && Kind::named(kind).is_some() && is_shape)
    });
    of == Some(true)
}

/// Whether a line, or the beginning of it, is the first of values as csv.
pub(crate) fn is_csv_head(line: &str) -> bool {
    let is_name = |field: &str| {
        matches!(field, "step" | "row" | "column")
            || field.strip_prefix("axis ").is_some_and(is_number)
    };
    let mut fields = line
        .split(',')
        .skip_while(|field| is_name(field))
        .peekable();
    let is_named = line.split(',').next().is_some_and(is_name);
    let is_value = fields.peek() == Some(&"value");
    is_named && (is_value && fields.by_ref().count() == 1 || !is_value && fields.all(is_number))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
