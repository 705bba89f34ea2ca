use selvedge_conventions::{Filtered, GitAttribute, GitFilter, Hook, RepositoryFacts, Tree};

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

/// What git says: that a notebook goes through the filter `strip`, or that none does.
fn asked(text: &str, clean: &str, answer: &str) -> World {
    let mut world = attributes(text, Some(("strip", clean)));
    world.tree.repository.filtered = Some(Filtered::parse(answer));
    world
}

fn hooks(hooks: Vec<Hook>) -> World {
    repository(RepositoryFacts {
        hooks,
        ..RepositoryFacts::default()
    })
}

/// A repository with a notebook.
fn repository(repository: RepositoryFacts) -> World {
    without_notebooks(repository).neighbour("notebooks/1.1a.ipynb")
}

fn without_notebooks(repository: RepositoryFacts) -> World {
    World {
        tree: Tree {
            repository,
            ..Tree::default()
        },
        ..World::default()
    }
}

fn of_script(script: &str, notebook: &str) -> World {
    let hook = Hook::of_script(&path(".git/hooks/pre-commit"), script.to_owned());
    without_notebooks(RepositoryFacts {
        hooks: vec![hook],
        ..RepositoryFacts::default()
    })
    .neighbour(notebook)
}

/// One notebook is there, which has `keep_output` in its metadata.
fn keeping(mut world: World) -> World {
    let notebook = path("notebooks/1.1a.ipynb");
    world.tree.repository.keeping.insert(notebook);
    world
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
    let script = "#!/bin/sh\n# nbstripout was here\njq --indent 1 '.cells[].outputs = []' 1.ipynb > a && mv a 1.ipynb\n";
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
                (
                    "notebooks that say so keep their outputs",
                    keeping(asked(
                        "*.ipynb filter=strip\n",
                        "nbstripout",
                        "notebooks/1.1a.ipynb\0filter\0strip\0",
                    )),
                ),
                (
                    "taken back for the notebooks that there are, as git says",
                    asked(
                        "*.ipynb filter=strip\nnotebooks/*.ipynb -filter\n",
                        "nbstripout",
                        "notebooks/1.1a.ipynb\0filter\0unset\0",
                    ),
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
                (
                    "by a macro, as git says",
                    asked(
                        "[attr]notebook filter=strip\n*.ipynb notebook\n",
                        "nbwipers clean -",
                        "1.1a.ipynb\0filter\0strip\x001.1b.ipynb\0filter\0strip\0",
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
                ("only looks", pre_commit("        args: [--verify]\n")),
                ("by hand", pre_commit("        stages: [manual]\n")),
                (
                    "notebooks that say so keep their outputs",
                    keeping(pre_commit("        args: [--keep-count]\n")),
                ),
                (
                    "a script for other notebooks than there are",
                    of_script("nbstripout docs/*.ipynb\n", "notebooks/1.1a.ipynb"),
                ),
                (
                    "a script that does so where somebody sets a variable",
                    of_script("[ -n \"$STRIP\" ] && nbstripout 1.ipynb\n", "1.ipynb"),
                ),
                (
                    "not on the notebooks that there are",
                    pre_commit("        exclude: ^notebooks/\n"),
                ),
                ("no notebooks", {
                    let mut world = pre_commit("");
                    world.tree.files.clear();
                    world
                }),
            ],
            failing: vec![
                ("pre-commit", pre_commit("        args: [--keep-count]\n")),
                (
                    "on some notebooks",
                    pre_commit("        files: ^notebooks/\n"),
                ),
                (
                    "lefthook",
                    hooks(Hook::parse_lefthook(
                        &path("lefthook.yml"),
                        "pre-commit:\n  commands:\n    strip:\n      run: nbstripout {staged_files}\n",
                    )),
                ),
                ("a script", of_script(script, "1.ipynb")),
                (
                    "a script for some notebooks, which are there",
                    of_script(
                        "cd notebooks && nbstripout *.ipynb\n",
                        "notebooks/1.1a.ipynb",
                    ),
                ),
            ],
        },
    ]
}
