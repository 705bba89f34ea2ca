//! The tools that take outputs out, with their options, and the commands that run another.

use super::settings::Settings;
use super::shell::UNSET;

/// What a tool does with outputs: its name, and whether it prints the notebook in place of changing it.
type Stripping = (&'static str, bool);

/// Commands that run the one behind them, with those of their options that have a value.
const RUNNERS: &[(&str, &[&str])] = &[
    ("exec", &["-a"]),
    ("command", &[]),
    ("builtin", &[]),
    ("nohup", &[]),
    ("setsid", &[]),
    ("chronic", &[]),
    ("time", &["-f", "-o"]),
    ("nice", &["-n"]),
    ("ionice", &["-c", "-n"]),
    ("stdbuf", &["-i", "-o", "-e"]),
    ("timeout", &["-s", "-k"]),
    ("env", &["-u", "-C"]),
    ("sudo", &["-u", "-g"]),
    (
        "xargs",
        &[
            "-I",
            "-n",
            "-P",
            "-L",
            "-d",
            "-a",
            "-s",
            "-E",
            "--max-args",
            "--max-procs",
            "--delimiter",
            "--arg-file",
        ],
    ),
    ("parallel", &["-j", "-I", "-n", "-N", "-a", "--jobs"]),
    ("uvx", UV),
    ("uv tool run", UV),
    ("uv run", UV),
    (
        "pipx run",
        &[
            "--spec",
            "--python",
            "--pip-args",
            "--index-url",
            "--fetch-python",
            "--with",
        ],
    ),
    ("poetry run", &["-C", "-P", "--directory", "--project"]),
    ("pdm run", &["-p", "-s", "--project"]),
    ("pipenv run", &[]),
    ("hatch run", &["-e", "--env"]),
    ("rye run", &["--pyproject"]),
    ("pixi run", &["-e", "--environment", "--manifest-path"]),
    ("pixi exec", &["-s", "--spec", "-c", "--channel"]),
    ("conda run", CONDA),
    ("mamba run", CONDA),
    ("micromamba run", CONDA),
    ("jupyter", &[]),
    ("npx", &["-p", "--package"]),
    ("bunx", &["-p", "--package"]),
    ("run-parts", &[]),
];
const CONDA: &[&str] = &["-n", "--name", "-p", "--prefix", "--cwd"];
const UV: &[&str] = &[
    "--from",
    "--with",
    "-w",
    "--with-editable",
    "--with-requirements",
    "-p",
    "--python",
    "-c",
    "--constraints",
    "--index",
    "--default-index",
    "--index-url",
    "-i",
    "--extra-index-url",
    "--extra",
    "--group",
    "--package",
    "--project",
    "--directory",
    "--env-file",
    "--cache-dir",
];

/// The command that this one runs, if it is one that does.
pub(super) fn run_by(words: &[String]) -> Option<&[String]> {
    RUNNERS.iter().find_map(|(names, options)| {
        let mut rest = words;
        for (number, name) in names.split(' ').enumerate() {
            let (word, behind) = rest.split_first()?;
            let found = if number == 0 { base(word) } else { word };
            if found != name {
                return None;
            }
            rest = after_options(behind, options, &[]);
        }
        if *names == "timeout" {
            rest = rest.get(1..)?;
        }
        Some(rest)
    })
}

/// What `xargs` puts the paths in the place of, by its own words.
pub(super) fn replaced(words: &[String]) -> Option<String> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-I" => return words.next().cloned(),
            "-i" | "--replace" => return Some("{}".to_owned()),
            word => {
                if let Some(sign) = word.strip_prefix("-I") {
                    return Some(sign.to_owned());
                }
            }
        }
    }
    None
}

/// What stands behind the options of a command, and behind the variables that it sets. Some of the
/// options are wanted.
pub(super) fn after_options<'w>(
    words: &'w [String],
    with_value: &[&str],
    wanted: &[&str],
) -> &'w [String] {
    let mut rest = words;
    while let Some((word, behind)) = rest.split_first() {
        let is_module = word.starts_with("-m") && wanted.contains(&"-m");
        if is_module || wanted.contains(&word.as_str()) {
            break;
        }
        rest = if word == "--" {
            return behind;
        } else if with_value.contains(&word.as_str()) {
            behind.get(1..).unwrap_or_default()
        } else if word.starts_with('-')
            || word
                .split_once('=')
                .is_some_and(|(name, _)| is_variable(name))
        {
            behind
        } else {
            break;
        };
    }
    rest
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// A word without its folders, its version and what Windows puts behind it.
pub(super) fn base(word: &str) -> &str {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    let name = name.split(['@', '=']).next().unwrap_or(name);
    let name = name.strip_suffix(".exe").unwrap_or(name);
    name.strip_suffix(".py").unwrap_or(name)
}

/// `python`, `python3.13`, and the launcher of Windows.
pub(super) fn is_python(name: &str) -> bool {
    let version = name
        .strip_prefix("python")
        .or_else(|| name.strip_prefix("pypy"));
    let version = version.or_else(|| name.strip_prefix("py"));
    version.is_some_and(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

pub(super) fn is_jq(name: &str) -> bool {
    matches!(name, "jq" | "gojq" | "jaq" | "yq")
}

/// Where the program of a call of `jq` is.
pub(super) enum Program<'w> {
    Text(&'w str),
    File(&'w str),
}

pub(super) fn program_of_jq(options: &[String]) -> Option<Program<'_>> {
    const WITH_VALUES: [(&str, usize); 8] = [
        ("--arg", 2),
        ("--argjson", 2),
        ("--slurpfile", 2),
        ("--rawfile", 2),
        ("--indent", 1),
        ("-L", 1),
        ("-o", 1),
        ("-p", 1),
    ];
    let mut words = options.iter();
    while let Some(word) = words.next() {
        if word == "--from-file"
            || word.starts_with('-') && !word.starts_with("--") && word.ends_with('f')
        {
            return words.next().map(|file| Program::File(file));
        }
        match WITH_VALUES.iter().find(|(name, _)| name == word) {
            Some((_, values)) => {
                words.nth(values - 1);
            }
            None if word.starts_with('-') => {}
            // The other `yq` has commands of its own.
            None if matches!(&**word, "e" | "eval") => {}
            None => return Some(Program::Text(word)),
        }
    }
    None
}

/// What the tool does with these options, to files that may be put behind them.
pub(super) fn stripping(
    name: &str,
    options: &[String],
    is_given_files: bool,
    settings: &Settings,
) -> Option<Stripping> {
    let has = |names: &[&str]| {
        options
            .iter()
            .any(|option| names.contains(&option.as_str()))
    };
    let begins = |start: &str| options.iter().any(|option| option.starts_with(start));
    // The words that name files.
    let files = |with_value: &[&str]| -> Vec<&String> {
        let mut is_value = false;
        let is_file = |word: &&String| {
            // A variable that nobody sets is no word.
            let is_there = !word.chars().all(|c| c == UNSET);
            let is_file = !is_value && !word.starts_with('-') && is_there;
            is_value = with_value.contains(&word.as_str());
            is_file
        };
        options.iter().filter(is_file).collect()
    };
    match base(name) {
        // `--keep-output-type` keeps some, and takes out the others.
        "nbstripout" | "nbstripout-fast" => {
            const LOOKS: [&str; 9] = [
                "--dry-run",
                "--verify",
                "--is-installed",
                "--status",
                "--version",
                "--install",
                "--uninstall",
                "--help",
                "-h",
            ];
            const WITH_VALUE: [&str; 8] = [
                "--extra-keys",
                "--keep-metadata-keys",
                "--drop-tagged-cells",
                "--max-size",
                "--keep-output-type",
                "--drop-output-type",
                "--mode",
                "-m",
            ];
            let files = files(&WITH_VALUE);
            // It passes by folders and files of other names, unless it is forced to.
            let is_other = |word: &&String| {
                let is_plain = |c: char| c.is_alphanumeric() || "./-_".contains(c);
                word.chars().all(is_plain) && !word.ends_with(".ipynb")
            };
            if !is_given_files
                && !files.is_empty()
                && files.iter().all(is_other)
                && !has(&["-f", "--force"])
            {
                return None;
            }
            let prints = has(&["-t", "--textconv"]) || files.is_empty() && !is_given_files;
            let keeps = has(&["--keep-output"]) && !begins("--drop-output-type");
            (!keeps && !has(&LOOKS)).then_some(("nbstripout", prints))
        }
        "nb-clean" | "nb_clean" => {
            const LOOKS: [&str; 8] = [
                "check",
                "add-filter",
                "remove-filter",
                "version",
                "--help",
                "-h",
                "install",
                "--version",
            ];
            let keeps = options
                .iter()
                .any(|option| option.starts_with("--preserve-cell-o") || has_letter(option, 'o'));
            let files = options
                .iter()
                .filter(|word| !word.starts_with('-') && *word != "clean")
                .count();
            (!keeps && !has(&LOOKS)).then_some(("nb-clean", files == 0 && !is_given_files))
        }
        // They clean metadata, and outputs where they are told to.
        "nbdev-clean" | "nbdev_clean" | "nbdev_clean_nbs" => {
            let clears = options
                .iter()
                .any(|option| option.replace('_', "-").starts_with("--clear-all"));
            let clears = clears || settings.nbdev == Some(true);
            clears.then_some(("nbdev", has(&["--stdin"])))
        }
        "databooks" | "databooks-meta" => {
            let clears = (has(&["--rm-outs"]) || settings.databooks == Some(true))
                && !has(&["--check", "--no-rm-outs"])
                && !begins("--prefix")
                && !begins("--suffix");
            clears.then_some(("databooks", false))
        }
        "nbwipers" | "nbwipers-clean" => {
            let clears = base(name) == "nbwipers-clean" || has(&["clean", "clean-all"]);
            let keeps = has(&["--keep-output", "--dry-run", "--help", "-h"]);
            let keeps =
                keeps || settings.nbwipers == Some(false) && !has(&["--drop-output", "--isolated"]);
            (clears && !keeps).then_some(("nbwipers", has(&["-", "-t", "--textconv"])))
        }
        "jupyter-notebook-cleanup" => Some(("jupyter-notebook-cleanup", false)),
        "jupyter-nb-clear-output" | "nbconvert-clear-output" => Some(("nbconvert", false)),
        "strip_notebook_output" | "strip-notebook-output" => Some(("a script", false)),
        "ipynb_output_filter" => Some(("ipynb_output_filter", true)),
        "nbconvert" | "jupyter-nbconvert" => nbconvert(options),
        _ => None,
    }
}

/// Whether the tool leaves the outputs of cells and notebooks that say so: by `keep_output`.
pub(super) fn heeds_notebooks(tool: &str) -> bool {
    matches!(tool, "nbstripout" | "nbwipers")
}

fn nbconvert(options: &[String]) -> Option<Stripping> {
    // `--to notebook` and `--to=notebook`.
    let value = |name: &str| {
        let with_sign = options
            .iter()
            .find_map(|option| option.strip_prefix(name)?.strip_prefix('='));
        let behind = || {
            let at = options.iter().position(|option| option == name)?;
            options.get(at + 1).map(String::as_str)
        };
        with_sign.or_else(behind)
    };
    let is_true = |text: &str| matches!(&*text.to_ascii_lowercase(), "true" | "1");
    let has = |name: &str| options.iter().any(|option| option == name);
    let clears =
        has("--clear-output") || value("--ClearOutputPreprocessor.enabled").is_some_and(is_true);
    // What is made anew is there, and a page or a script is no notebook.
    let is_notebook = value("--to").is_none_or(|to| to == "notebook");
    if !clears || has("--execute") || !is_notebook {
        return None;
    }
    let is_in_place = has("--clear-output") || has("--inplace");
    Some(("nbconvert", has("--stdout") || !is_in_place))
}

/// Whether the option is one of one letter, or of several in one word, and has this one: `-co`.
fn has_letter(option: &str, letter: char) -> bool {
    let letters = option
        .strip_prefix('-')
        .filter(|rest| !rest.starts_with('-'));
    letters.is_some_and(|letters| letters.contains(letter))
}
