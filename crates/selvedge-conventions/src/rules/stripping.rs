//! Commands that take the outputs out of notebooks.

/// The tool in the command that strips outputs, if there is one, and it is not told to keep them.
pub(super) fn stripping_tool(command: &str) -> Option<&'static str> {
    // What a command has in it, and the options with which the tool leaves outputs alone.
    const TOOLS: [(&str, &str, &[&str]); 8] = [
        ("nbstripout", "nbstripout", &["--keep-output", "--dry-run"]),
        ("nb-clean", "nb-clean", &["--preserve-cell-outputs", " -o"]),
        ("nb_clean", "nb-clean", &["--preserve-cell-outputs", " -o"]),
        ("--clear-output", "nbconvert", &[]),
        ("ClearOutputPreprocessor", "nbconvert", &[]),
        ("strip_notebook_output", "a script", &[]),
        ("strip-notebook-output", "a script", &[]),
        ("ipynb_output_filter", "ipynb_output_filter", &[]),
    ];
    let tool = TOOLS.iter().find(|(mark, _, keeping)| {
        command.contains(mark) && !keeping.iter().any(|option| command.contains(option))
    });
    // The filter that people write themselves: `jq '.cells[].outputs = []'`.
    let squeezed: String = command.chars().filter(|c| !c.is_whitespace()).collect();
    match tool {
        Some((_, name, _)) => Some(name),
        None if squeezed.contains("outputs=[]") || squeezed.contains("outputs|=[]") => Some("jq"),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::stripping_tool;

    #[test]
    fn tools_are_known_and_may_be_told_to_keep_outputs() {
        for (command, expected) in [
            ("nbstripout", Some("nbstripout")),
            ("\"python\" -m nbstripout", Some("nbstripout")),
            ("nbstripout --keep-output", None),
            ("nb-clean clean", Some("nb-clean")),
            ("nb-clean clean --preserve-cell-outputs", None),
            (
                "jupyter nbconvert --clear-output --inplace",
                Some("nbconvert"),
            ),
            (
                "jupyter nbconvert --ClearOutputPreprocessor.enabled=True",
                Some("nbconvert"),
            ),
            ("jq '.cells[].outputs = []'", Some("jq")),
            ("git lfs clean -- %f", None),
            ("ruff format", None),
        ] {
            assert_eq!(stripping_tool(command), expected, "{command}");
        }
    }
}
