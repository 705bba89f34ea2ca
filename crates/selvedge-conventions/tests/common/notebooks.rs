use super::fixtures::Fixture;
use super::{World, cells, code, notebook, ran};

const ERROR: &str = r#"{"output_type": "error", "ename": "IndexError",
    "evalue": "boolean index did not match\nindexed array", "traceback": ["…"]}"#;

fn simple(path: &str) -> World {
    cells(path, &[ran(1, "mask.sum()"), ran(2, "print(mask)")])
}

/// A cell of code that has run and left no output.
fn silent(count: u32, source: &str) -> String {
    code(&count.to_string(), source, "", "")
}

fn not_run(source: &str) -> String {
    code("null", source, "", "")
}

pub(super) fn fixtures() -> Vec<Fixture> {
    let mut fixtures = vec![
        Fixture {
            code: "NBK001",
            passing: vec![
                ("version 4", simple("notebooks/1.1a.ipynb")),
                (
                    "version 3",
                    notebook(
                        "notebooks/1.1a.ipynb",
                        r#"{"nbformat": 3, "worksheets": []}"#,
                    ),
                ),
                (
                    "without cells in its list",
                    notebook("notebooks/1.1a.ipynb", r#"{"nbformat": 4, "cells": []}"#),
                ),
            ],
            failing: vec![
                ("empty", notebook("notebooks/1.1a_empty.ipynb", "\n")),
                (
                    "truncated",
                    notebook("notebooks/1.1b_truncated.ipynb", "{\n \"cells\": [\n  {"),
                ),
                (
                    "a merge",
                    notebook(
                        "notebooks/1.1c_merge.ipynb",
                        "{\n<<<<<<< HEAD\n \"cells\": [],\n=======\n",
                    ),
                ),
                (
                    "a pointer",
                    notebook(
                        "notebooks/1.1d_pointer.ipynb",
                        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
                    ),
                ),
                (
                    "no cells",
                    notebook("notebooks/1.1e_no_cells.ipynb", r#"{"nbformat": 4}"#),
                ),
                (
                    "Python",
                    notebook("notebooks/1.1f_python.ipynb", "import torch\n"),
                ),
            ],
        },
        Fixture {
            code: "NBK002",
            passing: vec![
                ("outputs", simple("notebooks/1.2a.ipynb")),
                ("no code", cells("notebooks/1.2a.ipynb", &[])),
                ("blank code", cells("notebooks/1.2a.ipynb", &[not_run(" ")])),
                (
                    "nothing to show",
                    cells(
                        "notebooks/1.2a.ipynb",
                        &[
                            silent(1, "def f():\n    print(1)"),
                            silent(2, "x = 1 # print(x)"),
                        ],
                    ),
                ),
            ],
            failing: vec![
                (
                    "stripped",
                    cells(
                        "notebooks/1.2a_stripped.ipynb",
                        &[not_run("mask = 1"), not_run("mask.sum()")],
                    ),
                ),
                (
                    "stripped, with the counts kept",
                    cells(
                        "notebooks/1.2b_counts_kept.ipynb",
                        &[silent(1, "mask = 1"), silent(2, "print(mask.sum())")],
                    ),
                ),
            ],
        },
        Fixture {
            code: "NBK003",
            passing: vec![
                ("none", simple("notebooks/1.3a.ipynb")),
                (
                    "meant",
                    cells(
                        "notebooks/1.3a.ipynb",
                        &[code("1", "W[:, mask]", ERROR, "raises-exception")],
                    ),
                ),
            ],
            failing: vec![(
                "an error",
                cells(
                    "notebooks/1.3a_error.ipynb",
                    &[ran(1, "mask"), code("2", "W[:, mask]", ERROR, "")],
                ),
            )],
        },
        Fixture {
            code: "NBK004",
            passing: vec![
                ("in order", simple("notebooks/1.4a.ipynb")),
                (
                    "with gaps",
                    cells(
                        "notebooks/1.4a.ipynb",
                        &[ran(3, "a"), not_run("b"), ran(9, "c")],
                    ),
                ),
            ],
            failing: vec![
                (
                    "backwards",
                    cells(
                        "notebooks/1.4a_backwards.ipynb",
                        &[ran(12, "mask = norms < t"), ran(3, "t = 1"), ran(2, "t")],
                    ),
                ),
                (
                    "the same number",
                    cells("notebooks/1.4b_same.ipynb", &[ran(1, "a"), ran(1, "b")]),
                ),
            ],
        },
        Fixture {
            code: "NBK005",
            passing: vec![
                ("all have run", simple("notebooks/1.5a.ipynb")),
                (
                    "none has run",
                    cells("notebooks/1.5a.ipynb", &[not_run("a"), not_run("b")]),
                ),
                (
                    "not meant to",
                    cells(
                        "notebooks/1.5a.ipynb",
                        &[ran(1, "a"), code("null", "b", "", "skip-execution")],
                    ),
                ),
            ],
            failing: vec![
                (
                    "one",
                    cells(
                        "notebooks/1.5a_one.ipynb",
                        &[ran(1, "a"), not_run("b"), ran(2, "c")],
                    ),
                ),
                ("many", {
                    let mut many: Vec<_> = (0..12).map(|_| not_run("a")).collect();
                    many.push(ran(1, "b"));
                    cells("notebooks/1.5b_many.ipynb", &many)
                }),
            ],
        },
    ];
    fixtures.extend(about_files_and_formats());
    fixtures
}

fn about_files_and_formats() -> [Fixture; 2] {
    let load = |path: &str, source: &str| cells(path, &[ran(1, source)]);
    [
        Fixture {
            code: "NBK006",
            passing: vec![
                (
                    "it exists",
                    load(
                        "notebooks/1.6a.ipynb",
                        "load('../tensors/Flannel/1.5d_mask.safetensors')",
                    )
                    .neighbour("box_3/tensors/Flannel/1.5d_mask.safetensors"),
                ),
                (
                    "it may exist",
                    load(
                        "notebooks/1.6a.ipynb",
                        "h5py.File(f'../{MODEL}/thimble_{n}.h5')",
                    )
                    .neighbour("tensors/Thimble/thimble_7.h5"),
                ),
                (
                    "in a comment",
                    load("notebooks/1.6a.ipynb", "# load('gone.safetensors')"),
                ),
            ],
            failing: vec![
                (
                    "misspelt",
                    load(
                        "notebooks/1.6a_misspelt.ipynb",
                        "import h5py\nload('1.5d_maks.safetensors')\nload('1.5d_maks.safetensors')",
                    )
                    .neighbour("tensors/Flannel/1.5d_mask.safetensors"),
                ),
                (
                    "no such run",
                    load(
                        "notebooks/1.6b_no_such_run.ipynb",
                        "h5py.File(f'flannel_{n}.h5')",
                    )
                    .neighbour("tensors/Thimble/thimble_7.h5"),
                ),
            ],
        },
        Fixture {
            code: "NBK007",
            passing: vec![("version 4", simple("notebooks/1.7a.ipynb"))],
            failing: vec![(
                "version 3",
                notebook(
                    "notebooks/1.7a_version_3.ipynb",
                    r#"{"nbformat": 3, "worksheets": [{"cells": []}]}"#,
                ),
            )],
        },
    ]
}
