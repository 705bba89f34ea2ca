//! `docs/conventions.md` against the code: every rule, and every key of `selvedge.toml`.

use std::fs;
use std::path::Path;

use selvedge_conventions::{Config, RULES};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conventions.md");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// What stands between the two markers of this name.
#[track_caller]
fn between<'p>(page: &'p str, name: &str) -> &'p str {
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (_, rest) = page.split_once(&start).expect("the start is marked");
    rest.split_once(&end).expect("the end is marked").0
}

#[test]
fn the_table_of_rules_is_that_of_the_registry() {
    let mut expected = String::from("\n| code | name | | what it finds |\n|---|---|---|---|\n");
    for rule in RULES {
        let level = match (rule.is_on_by_default(), rule.reads_contents()) {
            (true, _) => rule.severity().to_string(),
            (false, false) => format!("{}, off", rule.severity()),
            (false, true) => format!("{}, off: reads the data", rule.severity()),
        };
        let summary = rule.summary();
        let (code, name) = (rule.code(), rule.name());
        expected.push_str(&format!("| `{code}` | `{name}` | {level} | {summary} |\n"));
    }
    expected.push('\n');
    let page = page();
    let found = between(&page, "rules");
    assert_eq!(found, expected, "the table should be:\n{expected}");
}

/// The example is the effective configuration, so every key is in it with its default.
#[test]
fn the_example_has_every_key_with_its_default() {
    let page = page();
    let text = between(&page, "defaults");
    let text = text
        .trim()
        .trim_start_matches("```toml")
        .trim_end_matches("```");
    let shown: toml::Table = text.parse().unwrap();
    let mut printed: toml::Table = Config::default().to_toml().parse().unwrap();
    // The table of rules is the other one.
    printed.insert("rules".to_owned(), toml::Table::new().into());
    assert_eq!(shown, printed);
    assert_eq!(
        Config::parse(text, "conventions.md").unwrap(),
        Config::default()
    );
}

#[test]
fn the_other_example_is_a_configuration() {
    let page = page();
    let text = between(&page, "example");
    let text = text
        .trim()
        .trim_start_matches("```toml")
        .trim_end_matches("```");
    Config::parse(text, "conventions.md").unwrap();
}
