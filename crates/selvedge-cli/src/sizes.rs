//! Sizes on the command line: `2GB`, `1.5 GiB`, `4096`, as `selvedge.toml` has them.

use selvedge_conventions::parse_size;

/// Reads a size in bytes, for clap.
///
/// # Errors
///
/// What is expected.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    parse_size(text).ok_or_else(|| {
        "expected a whole number of bytes, or one with a unit such as 2GB, 1.5GB or 64MiB"
            .to_owned()
    })
}
