//! The tensor files that code names.

use super::python::literals;

/// A tensor file that a string in code names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The line of the cell, from 1.
    pub line: usize,
    /// What the code says, without its folders: `1.5d_{name}.safetensors`.
    pub file_name: String,
    /// What the code says, whole.
    pub path: String,
    /// Whether `{…}` in it stands for a value.
    pub formatted: bool,
}

impl Mention {
    /// Whether this may be the name of the file: where values stand anything may be.
    #[must_use]
    pub fn may_be(&self, file_name: &str) -> bool {
        if !self.formatted {
            return self.file_name == file_name;
        }
        let parts = fixed_parts(&self.file_name);
        let [first, middle @ .., last] = &parts[..] else {
            return parts.concat() == file_name;
        };
        let Some(mut rest) = file_name.strip_prefix(&**first) else {
            return false;
        };
        for part in middle {
            let Some(at) = rest.find(&**part) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(&**last)
    }

    /// Whether the name is nothing but values and an extension, so that it may be any.
    pub(crate) fn may_be_anything(&self) -> bool {
        self.formatted
            && fixed_parts(&self.file_name)
                .concat()
                .trim_start_matches('.')
                .split('.')
                .count()
                <= 1
    }
}

/// The parts of an f-string between its values: `a_{x}.h5` has `a_` and `.h5`. A doubled brace is
/// one that is meant.
fn fixed_parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let doubled = depth == 0 && matches!(c, '{' | '}') && characters.peek() == Some(&c);
        if doubled {
            characters.next();
        }
        match c {
            '{' if !doubled => depth += 1,
            '}' if !doubled => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    parts.push(String::new());
                }
            }
            _ if depth == 0 => parts.last_mut().expect("it starts with one").push(c),
            _ => {}
        }
    }
    parts
}

/// The tensor files that the code names, in order.
pub(super) fn find(code: &str) -> Vec<Mention> {
    literals(code)
        .into_iter()
        .filter_map(|literal| {
            let path = literal.text.trim();
            let named = [".safetensors", ".h5", ".hdf5"]
                .iter()
                .any(|extension| path.len() > extension.len() && path.ends_with(extension));
            // A text of several lines is prose, and one with a `*` a glob.
            if !named || path.contains(['\n', '*', '?']) || path.contains("://") {
                return None;
            }
            let file_name = last_part(path, literal.formatted);
            Some(Mention {
                line: literal.line,
                file_name: file_name.to_owned(),
                path: path.to_owned(),
                formatted: literal.formatted,
            })
        })
        .filter(|mention| !mention.file_name.starts_with('.'))
        .collect()
}

/// What follows the last `/` that does not stand inside of a value.
fn last_part(path: &str, formatted: bool) -> &str {
    let mut depth = 0_usize;
    let mut start = 0;
    for (at, c) in path.char_indices() {
        match c {
            '{' if formatted => depth += 1,
            '}' if formatted => depth = depth.saturating_sub(1),
            '/' | '\\' if depth == 0 => start = at + 1,
            _ => {}
        }
    }
    &path[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_in_code() {
        let code = "\
load_file(f\"../tensors/{MODEL}/1.5d_cluster_mask.safetensors\")
h5py.File('thimble_7.h5') # 'thimble_8.h5'
glob('*.h5'); name.endswith('.safetensors')
f\"{ROOT}/{name}.safetensors\"
";
        let names: Vec<_> = find(code)
            .into_iter()
            .map(|mention| (mention.line, mention.file_name))
            .collect();
        assert_eq!(
            names,
            [
                (1, "1.5d_cluster_mask.safetensors".to_owned()),
                (2, "thimble_7.h5".to_owned()),
                (4, "{name}.safetensors".to_owned()),
            ]
        );
    }

    #[test]
    fn a_value_may_be_anything() {
        let mention = |text: &str| find(&format!("f\"{text}\"")).remove(0);
        let some = mention("1.5d_{a}_mask_{b['/']}.h5");
        assert!(some.may_be("1.5d_x_mask_y.h5"));
        assert!(!some.may_be("1.5d_x_mask.h5") && !some.may_be("1.5e_x_mask_y.h5"));
        assert!(!some.may_be_anything());
        assert!(mention("{name}.h5").may_be_anything());
        assert!(!mention("1.5d_{name}.h5").may_be_anything());
        assert!(mention("a{{b}}_1.h5").may_be("a{b}_1.h5"));
    }
}
