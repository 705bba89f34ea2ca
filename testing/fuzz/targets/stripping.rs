//! What filters and hooks do, by their text: the readers of the shell, of Python, `jq`, `make`, JSON and YAML take
//! any text, without a panic and in bounded time and memory.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use selvedge_conventions::{
    Checker, Config, Filtered, GitFilter, Hook, RepositoryFacts, Selection, Tree, TreeFile, TreePath,
};

fuzz_target!(|text: &str| {
    let path = TreePath::new("hook");
    let script = |first: &str| Hook::of_script(&path, format!("{first}{text}"));
    let mut hooks = vec![
        script(""),
        script("#!/usr/bin/env python3\n"),
        Hook::of_script(&path, "make; just; npm run strip; lint-staged; tools/a.sh\n".to_owned()),
    ];
    hooks.extend(Hook::parse_package(&path, text));
    hooks.extend(Hook::parse_overcommit(&path, text));
    let files = ["Makefile", "justfile", "package.json", ".lintstagedrc", "pyproject.toml", "tools/a.sh"];
    let quoted = text.replace('\'', "");
    let repository = RepositoryFacts {
        filters: GitFilter::parse(&format!(
            "filter.a.clean\n{text}\0filter.b.clean\njq '{quoted}'\0filter.c.clean\nperl -pe '{quoted}'\0"
        )),
        filtered: Some(Filtered::parse("a.ipynb\0filter\0a\0a.ipynb\0filter\0b\0a.ipynb\0filter\0c\0")),
        hooks,
        scripts: files
            .into_iter()
            .map(|file| (file.to_owned(), text.to_owned()))
            .collect::<BTreeMap<_, _>>(),
        ..RepositoryFacts::default()
    };
    let tree = Tree {
        files: vec![TreeFile::new("a.ipynb", 1)],
        repository,
        ..Tree::default()
    };
    let config = Config::default();
    let selection = Selection::new(&config, &["GIT".parse().expect("a group")], &[]);
    let _ = Checker::new(&config, &tree, selection).check_tree();
});
