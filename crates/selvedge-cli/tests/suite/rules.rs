//! `selvedge rules`, and findings beside the item in `selvedge inspect`.

use crate::common::Place;
use crate::common::tree::{safetensors, sound};

#[test]
fn rules_are_listed_as_they_are_in_effect() {
    let place = Place::new();
    let list = place.print(&["rules"]);
    assert!(list.lines().all(|line| line.len() <= 80));
    insta::assert_snapshot!(list);
    place.write(
        "selvedge.toml",
        "rules.NBK001 = 'note'\nrules.TEN002 = 'off'\n",
    );
    let list = place.print(&["rules"]);
    let level = |code: &str| {
        let line = list.lines().find(|line| line.starts_with(code)).unwrap();
        line.split_whitespace().nth(2).unwrap().to_owned()
    };
    assert_eq!((&*level("NBK001"), &*level("TEN002")), ("note", "off"));
}

#[test]
fn a_rule_is_explained_by_its_code_or_name() {
    let place = Place::new();
    let page = place.print(&["rules", "NAM001"]);
    assert!(
        page.starts_with("# missing-notebook-id (NAM001)\n\n"),
        "{page}"
    );
    assert_eq!(place.print(&["rules", "missing-notebook-id"]), page);
    assert!(place.print(&["rules", "NAM"]).contains("(NAM004)"));
    let run = place.run(&["rules", "NAN001"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("did you mean `NAM001`?"),
        "{}",
        run.stderr
    );
}

#[test]
fn programs_get_the_rules_as_json() {
    let json = Place::new().print(&["rules", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let rules = json["rules"].as_array().unwrap();
    let rule = rules.iter().find(|rule| rule["code"] == "TEN006").unwrap();
    assert_eq!(
        (&rule["on"], &rule["reads_contents"]),
        (&false.into(), &true.into())
    );
    assert!(
        rule["page"]
            .as_str()
            .unwrap()
            .starts_with("# duplicate-content")
    );
}

#[test]
fn inspect_shows_findings_beside_the_item() {
    let place = sound();
    place.write("tensors/Flannel/mask.safetensors", safetensors("F16"));
    let shown = place.print(&["inspect", "tensors/Flannel/mask.safetensors"]);
    assert!(shown.contains("warning[NAM001]: "), "{shown}");
    assert!(
        shown.contains("warning[TEN002]: mask: stored as float16"),
        "{shown}"
    );
    let json = place.print(&["inspect", "--json", "tensors/Flannel/mask.safetensors"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["files"][0]["findings"][1]["tensor"], "mask");

    // A download has no name to be held to.
    let place = Place::new();
    place.write("model.safetensors", safetensors("BF16"));
    assert!(
        !place
            .print(&["inspect", "model.safetensors"])
            .contains("findings")
    );
    // A broken configuration hides no file.
    place.write("selvedge.toml", "[limit]\n");
    let run = place.run(&["inspect", "model.safetensors"]);
    assert_eq!(run.code, 0);
    assert!(run.stderr.contains("unknown key `limit`"), "{}", run.stderr);
}
