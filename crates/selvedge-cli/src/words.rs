//! What the libraries say, in the words of the command line.

/// The text without the names that the libraries have for options: of "(`follow_links`; `--follow-links`)" the flag
/// stays, and of "(`discard(true)`)" nothing.
pub(crate) fn of_program(text: &str) -> String {
    let mut said = String::new();
    let mut rest = text;
    while let Some((before, option)) = rest.split_once("(`") {
        let (name, after) = option.split_once('`').unwrap_or_default();
        let bare = name.strip_suffix("(true)").unwrap_or(name);
        let is_option = !bare.is_empty() && bare.bytes().all(|c| matches!(c, b'a'..=b'z' | b'_'));
        said.push_str(before);
        if let Some(flag) = after.strip_prefix("; `--").filter(|_| is_option) {
            said.push_str("(`--");
            rest = flag;
        } else if let Some(after) = after
            .strip_prefix(')')
            .filter(|_| is_option && bare != name)
        {
            said.truncate(said.trim_end().len());
            rest = after;
        } else {
            said.push_str("(`");
            rest = option;
        }
    }
    said + rest
}

#[cfg(test)]
mod tests {
    use super::of_program;

    #[test]
    fn options_are_flags() {
        for (text, expected) in [
            (
                "are read only (`follow_links`; `--follow-links[=DIR]`); (`load_plugins`; `--load-plugins`)",
                "are read only (`--follow-links[=DIR]`); (`--load-plugins`)",
            ),
            ("or (`trust(true)`; `--trust`) so", "or (`--trust`) so"),
            ("delete it (`discard(true)`)", "delete it"),
            (
                "a limit (`ulimit -n`), of `a (`b`",
                "a limit (`ulimit -n`), of `a (`b`",
            ),
            ("(`W`) (`", "(`W`) (`"),
        ] {
            assert_eq!(of_program(text), expected);
        }
    }
}
