use selvedge_conventions::{GitAttribute, GitFilter, Hook, RepositoryFacts, Tree};

use super::fixtures::Fixture;
use super::{World, path};

fn attributes(text: &str, filter: Option<(&str, &str)>) -> World {
    let filter = filter.map(|(name, clean)| GitFilter {
        name: name.to_owned(),
        clean: clean.to_owned(),
    });
    repository(RepositoryFacts {
        attributes: GitAttribute::parse(&path(".gitattributes"), text),
        filters: filter.into_iter().collect(),
        ..RepositoryFacts::default()
    })
}

fn hooks(hooks: Vec<Hook>) -> World {
    repository(RepositoryFacts {
        hooks,
        ..RepositoryFacts::default()
    })
}

fn repository(repository: RepositoryFacts) -> World {
    World {
        tree: Tree {
            repository,
            ..Tree::default()
        },
        ..World::default()
    }
}

fn pre_commit(args: &str) -> World {
    let text = format!(
        "repos:\n  - repo: https://example.org/nbstripout\n    hooks:\n      - id: nbstripout\n{args}"
    );
    hooks(Hook::parse_pre_commit(
        &path(".pre-commit-config.yaml"),
        &text,
    ))
}

pub(super) fn fixtures() -> Vec<Fixture> {
    let script = "#!/bin/sh\n# nbstripout was here\njq --indent 1 '.cells[].outputs = []' \"$1\"\n";
    vec![
        Fixture {
            code: "GIT001",
            passing: vec![
                ("no attributes", World::default()),
                (
                    "another filter",
                    attributes("*.safetensors filter=lfs\n", None),
                ),
                (
                    "not of notebooks",
                    attributes("*.py filter=nbstripout\n", None),
                ),
                (
                    "told to keep outputs",
                    attributes(
                        "*.ipynb filter=metadata\n",
                        Some(("metadata", "nbstripout --keep-output")),
                    ),
                ),
                (
                    "undone",
                    attributes("*.ipynb filter=nbstripout\n*.ipynb !filter\n", None),
                ),
            ],
            failing: vec![
                (
                    "by its name",
                    attributes("# Notebooks.\n*.ipynb filter=nbstripout\n", None),
                ),
                (
                    "by its command",
                    attributes(
                        "*.ipynb filter=clean diff=ipynb\n",
                        Some(("clean", "jupyter nbconvert --clear-output --stdin --stdout")),
                    ),
                ),
            ],
        },
        Fixture {
            code: "GIT002",
            passing: vec![
                ("no hooks", World::default()),
                (
                    "told to keep outputs",
                    pre_commit("        args: [--keep-output, --keep-count]\n"),
                ),
            ],
            failing: vec![
                ("pre-commit", pre_commit("        args: [--keep-count]\n")),
                (
                    "a script",
                    hooks(Hook::parse_script(&path(".git/hooks/pre-commit"), script)),
                ),
            ],
        },
    ]
}
