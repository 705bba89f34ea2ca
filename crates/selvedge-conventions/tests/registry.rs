//! What holds of all rules: documented, unique, well named, in order, each in its own file.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use selvedge_conventions::{Config, RULES, Selector, rule};

/// Codes that were in use once, and are never used again.
const RETIRED: &[&str] = &[];

const GROUPS: [&str; 5] = ["GIT", "NAM", "NBK", "TEN", "TRJ"];

#[test]
fn codes_are_a_group_and_a_number_sorted_and_unique() {
    let codes: Vec<_> = RULES.iter().map(|rule| rule.code()).collect();
    assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
    for code in codes {
        let (group, number) = code.split_at(3);
        assert!(GROUPS.contains(&group), "{code}: a new group?");
        assert!(
            number.len() == 3 && number.parse::<u16>().unwrap() > 0,
            "{code}"
        );
        assert!(!RETIRED.contains(&code), "{code} was in use once");
    }
}

#[test]
fn names_are_lower_case_with_hyphens_and_unique() {
    let names: BTreeSet<_> = RULES.iter().map(|rule| rule.name()).collect();
    assert_eq!(names.len(), RULES.len());
    for name in names {
        let words = name.split('-');
        for word in words {
            assert!(
                !word.is_empty()
                    && word
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()),
                "{name}"
            );
        }
        assert!(!name.starts_with("no-unused"), "{name}: say what is wrong");
    }
}

#[test]
fn a_rule_is_found_by_its_code_and_its_name() {
    for known in RULES {
        assert_eq!(rule(known.code()).unwrap().code(), known.code());
        assert_eq!(rule(known.name()).unwrap().code(), known.code());
        let by_name: Selector = known.name().parse().unwrap();
        let by_code: Selector = known.code().to_lowercase().parse().unwrap();
        assert_eq!(by_name, by_code);
        assert!(by_name.is_exact());
    }
    assert!(rule("NAM999").is_none());
}

#[test]
fn every_rule_is_documented_with_all_sections() {
    for rule in RULES {
        let name = rule.name();
        let summary = rule.summary();
        assert!(
            summary.ends_with('.') && summary.matches(". ").count() == 0 && summary.len() < 120,
            "{name}: the first paragraph is one sentence: {summary}"
        );
        for title in ["What it does", "Why is this bad?", "Example", "Use instead"] {
            assert!(
                rule.section(title).is_some(),
                "{name}: no section `{title}`"
            );
        }
        let titles: Vec<_> = rule
            .page()
            .lines()
            .filter_map(|line| line.strip_prefix("## ").map(str::to_owned))
            .collect();
        let order = [
            "What it does",
            "Why is this bad?",
            "Example",
            "Use instead",
            "Configuration",
        ];
        assert_eq!(titles, &order[..titles.len()], "{name}");
        assert_eq!(rule.page().matches("```").count() % 2, 0, "{name}");
        assert!(
            rule.page()
                .starts_with(&format!("# {name} ({})\n\n", rule.code()))
        );
    }
}

#[test]
fn what_reads_contents_is_off_by_default_and_says_so() {
    for rule in RULES {
        if rule.reads_contents() {
            assert!(!rule.is_on_by_default(), "{}", rule.name());
        }
        let says_so = rule.page().contains("This rule is off by default");
        assert_eq!(says_so, !rule.is_on_by_default(), "{}", rule.name());
    }
    assert!(RULES.iter().any(|rule| rule.reads_contents()));
}

/// A page that names a key which there is not sends its reader on a search.
#[test]
fn the_keys_that_pages_name_are_keys() {
    let printed: toml::Table = Config::default().to_toml().parse().unwrap();
    for rule in RULES {
        let section = rule.section("Configuration").unwrap_or_default();
        for line in section.lines().filter(|line| line.starts_with("- `")) {
            let key = line.split('`').nth(1).unwrap();
            let (table, key) = key.split_once('.').unwrap();
            let known = printed.get(table).and_then(|table| table.get(key));
            assert!(known.is_some(), "{}: {line}", rule.name());
        }
    }
}

#[test]
fn every_rule_is_in_the_file_of_its_name_and_every_file_is_a_rule() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rules");
    let mut files: BTreeSet<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(files.remove("mod.rs") && files.remove("stripping"));
    for rule in RULES {
        let file = format!("{}.rs", rule.name().replace('-', "_"));
        assert!(
            files.remove(&file),
            "{} is not in src/rules/{file}",
            rule.name()
        );
        let text = fs::read_to_string(folder.join(&file)).unwrap();
        assert!(
            text.starts_with(&format!("//! {}", &rule.summary()[..20])),
            "{file}"
        );
    }
    assert!(files.is_empty(), "not in RULES: {files:?}");
}
