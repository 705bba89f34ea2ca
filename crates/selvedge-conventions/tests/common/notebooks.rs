use super::fixtures::Fixture;
use super::{World, cells, code, notebook, ran};

const PRINTED: &str = r#"{"output_type": "stream", "name": "stdout", "text": ["3699\n"]}"#;

const ERROR: &str = r#"{"output_type": "error", "ename": "IndexError",
    "evalue": "boolean index did not match\nindexed array", "traceback": ["…"]}"#;

fn simple(path: &str) -> World {
    cells(path, &[ran(1, "mask.sum()"), ran(2, "print(mask)")])
}

/// A cell of code that has run and left no output.
fn silent(count: u32, source: &str) -> String {
    code(&count.to_string(), source, "", "")
}

/// A notebook with metadata of its own.
fn with_metadata(path: &str, metadata: &str, cells: &[String]) -> World {
    notebook(
        path,
        &format!(
            r#"{{"nbformat": 4, "nbformat_minor": 5, "metadata": {metadata}, "cells": [{}]}}"#,
            cells.join(",\n")
        ),
    )
}

fn not_run(source: &str) -> String {
    code("null", source, "", "")
}

/// A cell that has run and shows the value of its last expression.
fn result(count: u32, source: &str) -> String {
    let output = format!(
        r#"{{"output_type": "execute_result", "execution_count": {count}, "metadata": {{}}, "data": {{}}}}"#
    );
    code(&count.to_string(), source, &output, "")
}

/// A cell that shows a value.
fn shown() -> String {
    let output = r#"{"output_type": "display_data", "metadata": {}, "data": {"text/plain": "1"}}"#;
    code("1", "a", output, "")
}

/// A cell that shows a widget.
fn widget() -> String {
    shown().replace("text/plain", "application/vnd.jupyter.widget-view+json")
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
                        r#"{"nbformat": 3, "metadata": {}, "worksheets": []}"#,
                    ),
                ),
                (
                    "without cells in its list",
                    notebook(
                        "notebooks/1.1a.ipynb",
                        r#"{"nbformat": 4, "metadata": {}, "cells": []}"#,
                    ),
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
                    notebook(
                        "notebooks/1.1e_no_cells.ipynb",
                        r#"{"nbformat": 4, "metadata": {}}"#,
                    ),
                ),
                (
                    "no metadata",
                    notebook(
                        "notebooks/1.1g_no_metadata.ipynb",
                        r#"{"nbformat": 4, "cells": []}"#,
                    ),
                ),
                (
                    "the next format",
                    notebook(
                        "notebooks/1.1h_next.ipynb",
                        r#"{"nbformat": 5, "metadata": {}, "cells": []}"#,
                    ),
                ),
                (
                    "a byte order mark",
                    notebook(
                        "notebooks/1.1i_mark.ipynb",
                        "\u{FEFF}{\"nbformat\": 4, \"metadata\": {}, \"cells\": []}",
                    ),
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
                (
                    "a kernel of another language",
                    with_metadata(
                        "notebooks/1.2a.ipynb",
                        r#"{"kernelspec": {"name": "ir", "language": "R"}}"#,
                        &[silent(1, "print(1)")],
                    ),
                ),
                (
                    "a value that may be none, beside one that is shown",
                    cells(
                        "notebooks/1.2a.ipynb",
                        &[result(1, "W"), silent(2, "best"), silent(3, "model.bias")],
                    ),
                ),
                (
                    "what may have found nothing",
                    cells(
                        "notebooks/1.2a.ipynb",
                        &[
                            silent(1, "m = re.match(p, x)\nm"),
                            silent(2, "tag = soup.find('a')\ntag"),
                        ],
                    ),
                ),
                (
                    "one value that may be none, beside what is printed",
                    cells(
                        "notebooks/1.2a.ipynb",
                        &[ran(1, "print(W)"), ran(2, "train(W)\nW.best")],
                    ),
                ),
                (
                    "printed elsewhere",
                    cells(
                        "notebooks/1.2a.ipynb",
                        &[
                            silent(1, "%%capture\nprint(1)"),
                            silent(2, "print(1, file=f)"),
                        ],
                    ),
                ),
            ],
            failing: vec![
                (
                    "what is printed was kept, and values were not",
                    cells(
                        "notebooks/1.2k_printed.ipynb",
                        &[ran(1, "print(W)\nW.mean()"), ran(2, "load(W)\nW.shape")],
                    ),
                ),
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
                (
                    "the value of an expression",
                    cells(
                        "notebooks/1.2c_expression.ipynb",
                        &[silent(1, "import pandas as pd"), silent(2, "df.head()")],
                    ),
                ),
                (
                    "what is printed kept, and no value",
                    cells(
                        "notebooks/1.2e_printed_kept.ipynb",
                        &[ran(1, "print(1)"), silent(2, "W"), silent(3, "mask.sum()")],
                    ),
                ),
                (
                    "some outputs kept, by a tool that takes out large ones",
                    cells(
                        "notebooks/1.2d_some_kept.ipynb",
                        &[
                            ran(1, "print(1)"),
                            silent(2, "print(W)"),
                            silent(3, "len(W)"),
                        ],
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
                (
                    "meant, as Quarto has it",
                    cells(
                        "notebooks/1.3a.ipynb",
                        &[code(
                            "1",
                            "#| label: a\n#| error: true\nW[:, mask]",
                            ERROR,
                            "",
                        )],
                    ),
                ),
                (
                    "silenced in the cell",
                    cells(
                        "notebooks/1.3a.ipynb",
                        &[code(
                            "1",
                            "W[:, mask]  # selvedge: ignore NBK003",
                            ERROR,
                            "",
                        )],
                    ),
                ),
                (
                    "silenced in the notebook",
                    with_metadata(
                        "notebooks/1.3a.ipynb",
                        r#"{"selvedge": {"ignore": ["error-output"]}}"#,
                        &[code("1", "W[:, mask]", ERROR, "")],
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
                (
                    "not counted",
                    cells("notebooks/1.4a.ipynb", &[ran(0, "a"), ran(0, "b")]),
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
                (
                    "not meant to, as Quarto has it",
                    cells(
                        "notebooks/1.5a.ipynb",
                        &[ran(1, "a"), not_run("#| eval: false\nb")],
                    ),
                ),
                (
                    "its output was taken out by a tag, and the number with it",
                    cells(
                        "notebooks/1.5a.ipynb",
                        &[ran(1, "a"), code("null", "b", "", "hide_output")],
                    ),
                ),
                (
                    "the numbers were taken out",
                    cells(
                        "notebooks/1.5a.ipynb",
                        &[not_run("import a"), code("null", "a", PRINTED, "")],
                    ),
                ),
                (
                    "nothing to run",
                    cells(
                        "notebooks/1.5a.ipynb",
                        &[ran(1, "a"), not_run("# to do:\n\n# the norms")],
                    ),
                ),
                (
                    "another language",
                    cells(
                        "notebooks/1.5a.ipynb",
                        &[
                            ran(1, "a"),
                            not_run("git status").replace(
                                r#""metadata": {}"#,
                                r#""metadata": {"vscode": {"languageId": "shellscript"}}"#,
                            ),
                        ],
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

fn about_files_and_formats() -> [Fixture; 5] {
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
                    r#"{"nbformat": 3, "metadata": {}, "worksheets": [{"cells": []}]}"#,
                ),
            )],
        },
        Fixture {
            code: "NBK008",
            passing: vec![
                ("nothing", simple("notebooks/1.8a.ipynb")),
                (
                    "widgets with a state",
                    with_metadata(
                        "notebooks/1.8a.ipynb",
                        r#"{"widgets": {"application/vnd.jupyter.widget-state+json": {"state": {}}}}"#,
                        &[shown()],
                    ),
                ),
                (
                    "widgets without, where nothing asks for it",
                    with_metadata("notebooks/1.8a.ipynb", r#"{"widgets": {}}"#, &[ran(1, "a")]),
                ),
            ],
            failing: vec![
                (
                    "widgets without",
                    with_metadata(
                        "notebooks/1.8a_widgets.ipynb",
                        r#"{"widgets": {"application/vnd.jupyter.widget-state+json": {"a": {}}}}"#,
                        &[shown()],
                    ),
                ),
                (
                    "widgets that are null",
                    with_metadata(
                        "notebooks/1.8d_null.ipynb",
                        r#"{"widgets": null}"#,
                        &[ran(1, "a")],
                    ),
                ),
                (
                    "a state that is null",
                    with_metadata(
                        "notebooks/1.8e_null_state.ipynb",
                        r#"{"widgets": {"application/vnd.jupyter.widget-state+json": {"state": null}}}"#,
                        &[widget()],
                    ),
                ),
                (
                    "a parameter that is NaN",
                    with_metadata(
                        "notebooks/1.8b_nan.ipynb",
                        "{\"papermill\":\n{\"parameters\": {\"n\": NaN}}}",
                        &[ran(1, "a")],
                    ),
                ),
                (
                    "a cell without a count",
                    cells(
                        "notebooks/1.8c_no_count.ipynb",
                        &[ran(1, "a").replace(r#""execution_count": 1, "#, "")],
                    ),
                ),
                (
                    "an output without metadata",
                    cells(
                        "notebooks/1.8f_no_metadata.ipynb",
                        &[shown().replace(
                            r#""output_type": "display_data", "metadata": {}, "#,
                            r#""output_type": "display_data", "#,
                        )],
                    ),
                ),
            ],
        },
        Fixture {
            code: "NBK009",
            passing: vec![
                ("all have counts", simple("notebooks/1.9a.ipynb")),
                (
                    "none has",
                    cells(
                        "notebooks/1.9a.ipynb",
                        &[code("null", "a", PRINTED, ""), not_run("b")],
                    ),
                ),
            ],
            failing: vec![(
                "changed after it ran",
                cells(
                    "notebooks/1.9a_changed.ipynb",
                    &[
                        ran(1, "x = 3"),
                        code("null", "x + 2", PRINTED, ""),
                        code("null", "x + 4", PRINTED, ""),
                    ],
                ),
            )],
        },
        Fixture {
            code: "NBK010",
            passing: vec![
                (
                    "a rule that there is",
                    cells(
                        "notebooks/1.10a.ipynb",
                        &[ran(1, "1 / 0  # selvedge: ignore NBK003, as it is meant")],
                    ),
                ),
                (
                    "in a text",
                    cells(
                        "notebooks/1.10a.ipynb",
                        &[ran(1, "text = '# selvedge: ignore NBK99'")],
                    ),
                ),
                (
                    "in the metadata",
                    with_metadata(
                        "notebooks/1.10a.ipynb",
                        r#"{"selvedge": {"ignore": ["NBK", "error-output"]}}"#,
                        &[ran(1, "a")],
                    ),
                ),
            ],
            failing: vec![
                (
                    "in a comment",
                    cells(
                        "notebooks/1.10a_comment.ipynb",
                        &[ran(1, "x = 3\\n1 / 0  # selvedge: ignore[NBK99]")],
                    ),
                ),
                (
                    "in the metadata",
                    with_metadata(
                        "notebooks/1.10b_metadata.ipynb",
                        r#"{"selvedge": {"ignore": ["NBK005", "eror-output"]}}"#,
                        &[ran(1, "a")],
                    ),
                ),
                (
                    "in those of a cell",
                    cells(
                        "notebooks/1.10c_cell.ipynb",
                        &[ran(1, "a").replace(
                            r#""metadata": {}"#,
                            r#""metadata": {"selvedge": {"ignore": true}}"#,
                        )],
                    ),
                ),
            ],
        },
    ]
}
