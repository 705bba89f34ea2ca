use proptest::prelude::*;

use super::*;

const NOTEBOOK: &str = r##"{
 "cells": [
  {"cell_type": "markdown", "metadata": {}, "source": ["# Clusters\n", "of tokens"]},
  {"cell_type": "code", "execution_count": 1, "id": "a", "metadata": {"tags": ["raises-exception"]},
   "outputs": [
    {"output_type": "stream", "name": "stdout", "text": ["…"]},
    {"output_type": "error", "ename": "ValueError", "evalue": "no\nmore", "traceback": ["…"]}
   ], "source": "x = load('thimble_7.h5')"},
  {"cell_type": "code", "execution_count": null, "metadata": {}, "outputs": [], "source": []}
 ],
 "metadata": {"kernelspec": {"name": "python3"}},
 "nbformat": 4, "nbformat_minor": 5
}"##;

#[test]
fn what_rules_ask_for_is_read() {
    let notebook = Notebook::parse(NOTEBOOK.as_bytes()).unwrap();
    assert_eq!(notebook.format, 4);
    let [text, code, blank] = &notebook.cells[..] else {
        panic!("{:?}", notebook.cells);
    };
    assert_eq!(text.kind, CellKind::Markdown);
    assert_eq!(text.source, "# Clusters\nof tokens");
    assert_eq!((code.execution_count, code.outputs), (Some(1), 2));
    assert!(code.has_tag("raises-exception"));
    let error = code.error.as_ref().unwrap();
    assert_eq!((&*error.name, &*error.value), ("ValueError", "no"));
    assert_eq!(code.mentions()[0].file_name, "thimble_7.h5");
    assert_eq!((blank.execution_count, &*blank.source), (None, ""));
    assert_eq!(
        notebook
            .code_cells()
            .map(|(number, _)| number)
            .collect::<Vec<_>>(),
        [2]
    );
}

#[test]
fn version_3_is_read() {
    let json = br#"{"nbformat": 3, "metadata": {}, "worksheets": [{"cells": [
        {"cell_type": "code", "prompt_number": 2, "input": ["1/0"], "language": "python",
         "outputs": [{"output_type": "pyerr", "ename": "E", "evalue": "", "traceback": []}]},
        {"cell_type": "heading", "level": 1, "source": ["A"]}
    ]}]}"#;
    let notebook = Notebook::parse(json).unwrap();
    assert_eq!((notebook.format, notebook.cells.len()), (3, 2));
    assert_eq!(notebook.cells[0].execution_count, Some(2));
    assert_eq!(notebook.cells[0].source, "1/0");
    assert!(notebook.cells[0].error.is_some());
    assert_eq!(notebook.cells[1].kind, CellKind::Raw);
}

#[track_caller]
fn check_problem(json: &str, expected: &str) {
    let problem = Notebook::parse(json.as_bytes()).unwrap_err();
    assert_eq!(problem.to_string(), expected, "{json}");
}

#[test]
fn what_is_no_notebook_is_told_in_words() {
    check_problem("", "it is empty");
    check_problem(" \n", "it is empty");
    check_problem(
        &NOTEBOOK[..200],
        "it ends in the middle, at line 4: it was not written whole",
    );
    check_problem(
        "{\n<<<<<<< HEAD\n\"nbformat\": 4\n=======\n",
        "line 2 is left over from a merge that git could not make",
    );
    check_problem(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
        "it is a pointer of Git LFS, whose content has not been fetched",
    );
    check_problem("{\"a\": 1,\n}", "it is no JSON: trailing comma, at line 2");
    check_problem(
        "{\"nbformat\": 4}",
        "it is JSON, but no notebook: it has no `metadata`",
    );
    check_problem(
        "{\"nbformat\": 4, \"metadata\": {}}",
        "it is JSON, but no notebook: it has no `cells`",
    );
    check_problem(
        "{\"cells\": [], \"metadata\": {}}",
        "it is JSON, but no notebook: it has no number `nbformat`",
    );
    check_problem(
        "[1]",
        "it is JSON, but no notebook: it is a list, and a notebook is an object",
    );
    check_problem(
        "3",
        "it is JSON, but no notebook: it is a number, and a notebook is an object",
    );
    check_problem(
        "{\"nbformat\": 5, \"metadata\": {}, \"cells\": []}",
        "it is JSON, but no notebook: its format is version 5, and Jupyter opens 2 to 4",
    );
    check_problem(
        "{\"nbformat\": 4, \"metadata\": {}, \"cells\": [{\"cell_type\": \"raw\"}]}",
        "it is JSON, but no notebook: cell 1 has no `metadata`",
    );
    check_problem(
        "\u{FEFF}{\"nbformat\": 4, \"metadata\": {}, \"cells\": []}",
        "it is no JSON: it begins with a byte order mark, with which Jupyter does not open it, at \
         line 1",
    );
}

/// Some program writes the count as a text. Python takes half an emoji, `NaN`, and of a key that is
/// there twice the second one; browsers do not take `NaN`.
#[test]
fn what_python_reads_is_read() {
    let json = r#"{"nbformat": 4, "nbformat_minor": 5, "metadata": {"papermill": {"n":
        NaN}}, "cells": [
        {"cell_type": "code", "execution_count": 6, "execution_count": 7, "metadata": {},
         "outputs": [], "source": ["x # \ud83d"]},
        {"cell_type": "code", "execution_count": "3", "metadata": {"tags": 7}, "outputs": [],
         "source": ""}
    ]}"#;
    let notebook = Notebook::parse(json.as_bytes()).unwrap();
    assert_eq!(notebook.cells[0].execution_count, Some(7));
    assert_eq!(notebook.cells[0].source, "x # \u{FFFD}");
    assert_eq!(notebook.cells[1].execution_count, None);
    assert_eq!(notebook.unshown, Some(Unshown::NoNumber { line: 2 }));
}

/// Outputs of a few megabytes, deep and wide, are skipped.
#[test]
fn large_and_deep_outputs_are_skipped() {
    let image = "A".repeat(4_000_000);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let json = format!(
        r#"{{"nbformat": 4, "metadata": {{}}, "cells": [{{"cell_type": "code", "source": "x",
            "metadata": {{}}, "outputs": [
            {{"output_type": "display_data", "data": {{"image/png": "{image}", "deep": {deep}}}}}
        ]}}]}}"#
    );
    let notebook = Notebook::parse(json.as_bytes()).unwrap();
    assert_eq!(notebook.cells[0].outputs, 1);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Notebook::parse(&bytes);
    }

    #[test]
    fn no_cut_and_no_change_makes_it_panic(
        at in 0..NOTEBOOK.len(), byte: u8, cut: bool,
    ) {
        let mut bytes = NOTEBOOK.as_bytes().to_vec();
        if cut {
            bytes.truncate(at);
            let problem = Notebook::parse(&bytes).unwrap_err();
            prop_assert!(
                matches!(problem, NotebookProblem::Truncated { .. } | NotebookProblem::Empty),
                "{problem}"
            );
        } else {
            bytes[at] = byte;
            if let Ok(notebook) = Notebook::parse(&bytes) {
                for cell in &notebook.cells {
                    let _ = cell.mentions();
                }
            }
        }
    }
}
