//! What the libraries and the system say, in the words of the command line.

use std::io;

/// The text without the names that the libraries have for options and functions: of "(`follow_links`; `--follow-links`)"
/// the flag stays, of "(`recover`; `selvedge recover a.h5`)" the command, and of "(`discard(true)`)" nothing.
pub(crate) fn of_program(text: &str) -> String {
    let mut said = String::new();
    let mut rest = text;
    while let Some((before, option)) = rest.split_once("(`") {
        let (name, after) = option.split_once('`').unwrap_or_default();
        let bare = name.strip_suffix("(true)").unwrap_or(name);
        let is_option = !bare.is_empty() && bare.bytes().all(|c| matches!(c, b'a'..=b'z' | b'_'));
        said.push_str(before);
        let own = after.strip_prefix("; `").filter(|_| is_option);
        let own = own.filter(|own| own.starts_with("--") || own.starts_with("selvedge "));
        if let Some(own) = own {
            said.push_str("(`");
            rest = own;
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

/// An error with its causes, and what to do about what the system refused.
pub(crate) fn with_way_out(error: &anyhow::Error) -> String {
    let text = of_program(&format!("{error:#}"));
    let causes = error.chain();
    let kinds = causes.filter_map(|cause| Some(cause.downcast_ref::<io::Error>()?.kind()));
    match kinds.into_iter().find_map(way_out) {
        Some(way_out) if !text.contains("free some space") => format!("{text}; {way_out}"),
        _ => text,
    }
}

/// What to do where the system does not let a file be read or written.
pub(crate) fn way_out(kind: io::ErrorKind) -> Option<&'static str> {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("free some space, or name a file on another disk")
        }
        io::ErrorKind::FileTooLarge => Some(
            "raise the limit of a file's length (`ulimit -f`), or name one on a disk that takes such files",
        ),
        io::ErrorKind::ReadOnlyFilesystem => {
            Some("take a folder, or a copy of the file, on a disk that can be written")
        }
        io::ErrorKind::PermissionDenied => Some(
            "`ls -ld` tells who may: its owner can allow it by `chmod`, or take a path or a copy of your own",
        ),
        _ => None,
    }
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
                "put it in order (`recover`; `selvedge recover 'my run.h5'`)",
                "put it in order (`selvedge recover 'my run.h5'`)",
            ),
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
