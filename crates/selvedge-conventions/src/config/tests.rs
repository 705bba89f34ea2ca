use std::fs;

use proptest::prelude::*;

use super::*;
use crate::{Error, Severity, rule};

#[track_caller]
fn check_error(text: &str, expected: &str) {
    let error = Config::parse(text, "selvedge.toml").unwrap_err();
    assert_eq!(error.to_string(), expected);
}

/// Every key with a value that is not its default.
const FULL: &str = r#"
roots = ["box_3", "box_4"]
exclude = ["archive/**", "*.tmp.h5"]

[tensors]
directories = ["box_*/tensors"]
models = ["Qwen3-4B-Instruct-2507", "Flannel", "Thimble*"]

[notebooks]
directories = "box_*/notebooks"
id-pattern = '[0-9]{2}\.[0-9]+[a-z]'

[trajectories]
read-pattern = "single-steps"

[limits]
safetensors-size = "8 GB"
memory = 16_000_000_000
chunk-size = "1.5 GiB"
tail-waste = 0.02

[rules]
NBK = "note"
NBK003 = "error"
unmarked-bfloat16 = false
TEN006 = "on"

[per-file-ignores]
"box_3/tensors/old \"\\ü/**" = ["NAM", "chunk-far-from-plan"]
"draft.ipynb" = "ALL"
"#;

#[test]
fn every_key_is_read() {
    let config = Config::parse(FULL, "selvedge.toml").unwrap();
    assert_eq!(config.roots, ["box_3", "box_4"]);
    assert!(config.excludes(&TreePath::new("archive/1.ipynb")));
    assert!(config.tensors.models.matches("Thimble7"));
    assert!(config.notebooks.id_pattern.parse("01.1a").is_ok());
    assert_eq!(config.trajectories.read_pattern, ReadPattern::SingleSteps);
    assert_eq!(
        config.limits,
        Limits {
            safetensors_size: 8_000_000_000,
            memory: 16_000_000_000,
            chunk_size: 3 << 29,
            tail_waste: 0.02,
        }
    );
    let severity = |code: &str| config.severity(rule(code).unwrap());
    assert_eq!(severity("NBK002"), Some(Severity::Note));
    assert_eq!(severity("NBK003"), Some(Severity::Error));
    assert_eq!(severity("TEN003"), None);
    let draft = TreePath::new("box_3/notebooks/draft.ipynb");
    assert!(config.ignores(&draft, rule("NBK003").unwrap()));
    let old = TreePath::new("box_3/tensors/old \"\\ü/a/b.h5");
    assert!(!config.ignores(&old, rule("NBK003").unwrap()));
}

#[test]
fn what_is_printed_reads_back_to_the_same() {
    for config in [
        Config::default(),
        Config::parse("", "selvedge.toml").unwrap(),
        Config::parse(FULL, "selvedge.toml").unwrap(),
    ] {
        let printed = config.to_toml();
        let again = Config::parse(&printed, "printed.toml").unwrap_or_else(|error| {
            panic!("{error}\n{printed}");
        });
        assert_eq!(again, config, "{printed}");
    }
}

#[test]
fn a_rule_that_is_off_is_turned_on_by_name_only() {
    let on = |text: &str| {
        let config = Config::parse(text, "selvedge.toml").unwrap();
        config.severity(rule("TEN006").unwrap()).is_some()
    };
    assert!(!on(""));
    assert!(!on("rules.ALL = 'on'"));
    assert!(!on("rules.TEN = 'error'"));
    assert!(on("rules.TEN006 = 'warning'"));
    assert!(on("rules.duplicate-content = true"));
}

#[test]
fn mistakes_are_told_with_their_line() {
    check_error(
        "roots = ['.']\n[tensor]\n",
        "selvedge.toml:2:2: unknown key `tensor`; did you mean `tensors`? (valid here: roots, \
         exclude, tensors, notebooks, trajectories, limits, rules, per-file-ignores)",
    );
    check_error(
        "[limits]\n\n  safetensor-size = 1\n",
        "selvedge.toml:3:3: unknown key `safetensor-size` in [limits]; did you mean \
         `safetensors-size`? (valid there: safetensors-size, memory, chunk-size, tail-waste)",
    );
    check_error(
        "[limits]\nmemory = '24 apples'\n",
        "selvedge.toml:2:10: `limits.memory` is `24 apples`: expected a size, such as \"24 GB\", \
         \"2 GiB\" or a number of bytes",
    );
    check_error(
        "[limits]\nmemory = -1\n",
        "selvedge.toml:2:10: `limits.memory` is `-1`: expected a size, such as \"24 GB\", \"2 GiB\" \
         or a number of bytes",
    );
    check_error(
        "limits.tail-waste = 5",
        "selvedge.toml:1:21: `limits.tail-waste` is `5`: expected a share from 0.0 to 1.0, such as \
         0.05",
    );
    check_error(
        "[rules]\nNBK003 = 'warn'\n",
        "selvedge.toml:2:10: `rules.NBK003` is `warn`: expected one of off, on, note, warning, \
         error",
    );
    check_error(
        "[rules]\nmissing-notebok-id = 'off'\n",
        "selvedge.toml:2:1: `rules` is for `missing-notebok-id`: expected rules, by a code such as \
         NAM001, the start of some, a name, or ALL; did you mean `missing-notebook-id`?",
    );
    check_error(
        "exclude = ['a',\n 'b/{c']\n",
        "selvedge.toml:2:2: `exclude` is `b/{c`: expected a glob, and unclosed alternate group; \
         missing '}' (maybe escape '{' with '[{]'?)",
    );
    check_error(
        "roots = 3",
        "selvedge.toml:1:9: `roots` is `3`: expected a string or a list of strings",
    );
    check_error(
        "limits = []",
        "selvedge.toml:1:10: `limits` is a list: expected a table",
    );
    let error = Config::parse("[tensors\n", "selvedge.toml").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("selvedge.toml:1:9: not TOML: "),
        "{error}"
    );
}

#[test]
fn a_file_is_found_in_its_project() {
    let config = Config::default();
    let place = |path: &'static str| {
        let path: &'static TreePath = Box::leak(Box::new(TreePath::new(path)));
        config.place(path)
    };
    let (project, model) = ("box_3", "Flannel");
    assert_eq!(
        place("box_3/tensors/Flannel/a.h5"),
        TensorPlace::Known { project, model }
    );
    assert_eq!(
        place("tensors/Flannel/a.h5"),
        TensorPlace::Known { project: "", model }
    );
    assert_eq!(
        place("box_3/tensors/a.h5"),
        TensorPlace::NoModel { project }
    );
    assert_eq!(
        place("box_3/tensors/Flannel/deep/a.h5"),
        TensorPlace::UnknownModel {
            project,
            model: "Flannel/deep"
        }
    );
    assert_eq!(place("box_3/a.h5"), TensorPlace::Elsewhere);
    assert_eq!(place("a.h5"), TensorPlace::Elsewhere);
    let notebook = TreePath::new("box_3/notebooks/drafts/1.5d.ipynb");
    assert_eq!(config.project_of_notebook(&notebook), Some("box_3"));
    assert_eq!(config.project_of_notebook(&TreePath::new("a.ipynb")), None);
}

#[test]
fn the_file_of_the_nearest_folder_holds() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b");
    fs::create_dir_all(&deep).unwrap();
    let file = folder.path().join(Config::FILE_NAME);
    let error = Config::load(&file).unwrap_err();
    assert!(matches!(error, Error::Read { .. }), "{error}");
    fs::write(&file, "roots = 'a'\n").unwrap();
    assert_eq!(Config::find(&deep), Some(file.clone()));
    assert_eq!(Config::load(&file).unwrap().roots, ["a"]);
    let nearer = folder.path().join("a").join(Config::FILE_NAME);
    fs::write(&nearer, "").unwrap();
    assert_eq!(Config::find(&deep), Some(nearer));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,80}") {
        let _ = Config::parse(&text, "selvedge.toml");
    }

    #[test]
    fn no_change_of_a_file_makes_it_panic_and_what_is_read_prints_and_reads_back(
        at in 0..FULL.len(), length in 0..40_usize, insert in "[\\[\\]\"'=.,a-z0-9\\n -]{0,6}",
    ) {
        let bytes = FULL.as_bytes();
        let mut changed = bytes[..at].to_vec();
        changed.extend(insert.bytes());
        changed.extend(&bytes[(at + length).min(bytes.len())..]);
        if let Ok(config) = Config::parse(&String::from_utf8_lossy(&changed), "selvedge.toml") {
            prop_assert_eq!(Config::parse(&config.to_toml(), "printed.toml").unwrap(), config);
        }
    }
}
