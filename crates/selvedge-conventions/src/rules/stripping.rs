//! Commands that take the outputs out of notebooks.

/// The tool in the command that strips outputs, if there is one, and it is not told to keep them.
pub(super) fn stripping_tool(command: &str) -> Option<&'static str> {
    in_command(command, 0)
}

/// The tool in a command or in one of the scripts that it calls.
pub(super) fn in_command_or_scripts(command: &str, scripts: &[String]) -> Option<&'static str> {
    let lines = scripts.iter().flat_map(|script| script.lines());
    let lines = lines.map(str::trim).filter(|line| !line.starts_with('#'));
    stripping_tool(command).or_else(|| lines.into_iter().find_map(stripping_tool))
}

fn in_command(command: &str, depth: usize) -> Option<&'static str> {
    // `sh -c '…'` in a line of a script of a hook.
    const DEEPEST: usize = 4;
    // What is between quotes may not end on this line.
    let words = shlex::split(command)
        .unwrap_or_else(|| command.split_whitespace().map(str::to_owned).collect());
    let is_between = |word: &String| matches!(&**word, "|" | "||" | "&&" | ";" | "&");
    let found = words.split(is_between).find_map(in_simple_command);
    let nested = || {
        let texts = words
            .iter()
            .filter(|word| word.contains(char::is_whitespace));
        (depth < DEEPEST)
            .then(|| {
                texts
                    .into_iter()
                    .find_map(|text| in_command(text, depth + 1))
            })
            .flatten()
    };
    found.or_else(nested)
}

/// The tool in one command with its arguments.
fn in_simple_command(words: &[String]) -> Option<&'static str> {
    // These speak of a tool, and do not run it.
    const SPEAKING: [&str; 9] = [
        "echo", "printf", "which", "type", "command", "git", "pip", "pip3", "conda",
    ];
    let first = words.first().map_or("", |word| base(word));
    if SPEAKING.contains(&first) || words.iter().any(|word| word == "install") {
        return None;
    }
    let found = words
        .iter()
        .enumerate()
        .find_map(|(at, word)| of_tool(base(word), &words[at + 1..]));
    if found.is_some() {
        return found;
    }
    // nbconvert has many ways in which it is called.
    let has = |mark: &str| words.iter().any(|word| word.contains(mark));
    let takes_out = |word: &String| {
        word.starts_with("--clear-output")
            || word.starts_with("--ClearOutputPreprocessor.enabled=True")
    };
    if has("nbconvert") && words.iter().any(takes_out) {
        return Some("nbconvert");
    }
    // The filter that people write themselves: `jq '.cells[].outputs = []'`.
    let squeezed: String = words.concat().split_whitespace().collect();
    let empties = [
        "outputs=[]",
        "outputs|=[]",
        ".outputs)|=[]",
        "del(.cells[].outputs",
    ];
    let empties = empties.iter().any(|mark| squeezed.contains(mark));
    empties.then_some("jq")
}

/// A word without its folders, its version and what Windows puts behind it.
fn base(word: &str) -> &str {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    let name = name.split(['@', '=']).next().unwrap_or(name);
    let name = name.strip_suffix(".exe").unwrap_or(name);
    name.strip_suffix(".py").unwrap_or(name)
}

/// What the tool of this name strips with these options.
fn of_tool(name: &str, options: &[String]) -> Option<&'static str> {
    let has = |names: &[&str]| {
        options
            .iter()
            .any(|option| names.contains(&option.as_str()))
    };
    match name {
        // `--keep-output-type` keeps some, and takes out the others.
        "nbstripout" => {
            let looks = [
                "--keep-output",
                "--dry-run",
                "--verify",
                "--is-installed",
                "--status",
                "--version",
                "--install",
                "--uninstall",
                "--help",
            ];
            (!has(&looks)).then_some("nbstripout")
        }
        "nb-clean" | "nb_clean" => {
            let looks = ["check", "add-filter", "remove-filter", "version", "--help"];
            let keeps = options
                .iter()
                .any(|option| option.starts_with("--preserve-cell-o") || has_letter(option, 'o'));
            (!keeps && !has(&looks)).then_some("nb-clean")
        }
        // They clean metadata, and outputs where they are told to.
        "nbdev-clean" | "nbdev_clean" | "nbdev_clean_nbs" => {
            let clears = options
                .iter()
                .any(|option| option.replace('_', "-").starts_with("--clear-all"));
            clears.then_some("nbdev")
        }
        "databooks" | "databooks-meta" => {
            let clears = has(&["--rm-outs"]) && !has(&["--check", "--no-rm-outs"]);
            clears.then_some("databooks")
        }
        "nbwipers" => {
            let clears = has(&["clean", "clean-all"]) && !has(&["--keep-output"]);
            clears.then_some("nbwipers")
        }
        "nbwipers-clean" => (!has(&["--keep-output"])).then_some("nbwipers"),
        "jupyter-notebook-cleanup" => Some("jupyter-notebook-cleanup"),
        "jupyter-nb-clear-output" | "nbconvert-clear-output" => Some("nbconvert"),
        "strip_notebook_output" | "strip-notebook-output" => Some("a script"),
        "ipynb_output_filter" => Some("ipynb_output_filter"),
        _ => None,
    }
}

/// Whether the option is one of one letter, or of several in one word, and has this one: `-co`.
fn has_letter(option: &str, letter: char) -> bool {
    let letters = option
        .strip_prefix('-')
        .filter(|rest| !rest.starts_with('-'));
    letters.is_some_and(|letters| letters.contains(letter))
}

#[cfg(test)]
mod tests {
    use super::stripping_tool;

    #[test]
    fn tools_are_known_and_may_be_told_to_keep_outputs() {
        for (command, expected) in [
            ("nbstripout", Some("nbstripout")),
            ("\"python\" -m nbstripout", Some("nbstripout")),
            (
                "'C:\\Python\\Scripts\\nbstripout.exe' -t",
                Some("nbstripout"),
            ),
            ("uvx nbstripout@0.9.1 {staged_files}", Some("nbstripout")),
            ("sh -c 'nbstripout \"$@\"'", Some("nbstripout")),
            ("cat a && nbstripout --keep-count a", Some("nbstripout")),
            ("nbstripout --keep-output", None),
            ("nbstripout --keep-output-type stream", Some("nbstripout")),
            ("nbstripout --keep-output --drop-output-type error", None),
            ("nbstripout --verify a", None),
            ("pip install nbstripout", None),
            ("git config filter.nbstripout.clean", None),
            ("command -v nbstripout", None),
            ("nb-clean clean", Some("nb-clean")),
            ("nb-clean", Some("nb-clean")),
            ("nb-clean clean --preserve-cell-outputs", None),
            ("nb-clean -o", None),
            ("nb-clean -co", None),
            ("nb-clean -c -n", Some("nb-clean")),
            ("nb-clean check a", None),
            ("nbdev_clean", None),
            ("nbdev-clean --clear-all", Some("nbdev")),
            ("nbdev_clean --clear_all", Some("nbdev")),
            ("nbwipers clean -", Some("nbwipers")),
            ("nbwipers clean-all --keep-output .", None),
            ("nbwipers check-all .", None),
            ("nbwipers-clean", Some("nbwipers")),
            (
                "jupyter-notebook-cleanup --pin-patterns '[pin]'",
                Some("jupyter-notebook-cleanup"),
            ),
            ("databooks meta --overwrite", None),
            ("databooks meta --rm-outs a", Some("databooks")),
            ("databooks-meta --rm-outs", Some("databooks")),
            (
                "jupyter nbconvert --clear-output --inplace",
                Some("nbconvert"),
            ),
            (
                "jupyter nbconvert --ClearOutputPreprocessor.enabled=True",
                Some("nbconvert"),
            ),
            ("jq '.cells[].outputs = []'", Some("jq")),
            (
                "jq --indent 1 '(.cells[] | .outputs) |= []' \"$1\"",
                Some("jq"),
            ),
            ("git lfs clean -- %f", None),
            ("ruff format", None),
        ] {
            assert_eq!(stripping_tool(command), expected, "{command}");
        }
    }
}
