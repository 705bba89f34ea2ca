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
    check_problem(
        "/annex/objects/SHA256E-s3--0.ipynb\n",
        "it is a pointer of git-annex, whose content has not been fetched",
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
        "{\"metadata\": {}}",
        "it is JSON, but no notebook: it has no number `nbformat`, and it has no `cells`",
    );
    check_problem(
        "{\"metadata\": {}, \"cells\": [{\"cell_type\": \"code\", \"source\": \"x\"}]}",
        "it is JSON, but no notebook: it has no number `nbformat`, so Jupyter takes it for one of 2011, \
         and shows nothing of its code",
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
        "it is JSON, but no notebook: its format is version 5, and Jupyter opens 1 to 4",
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
    assert_eq!(notebook.cells[1].execution_count, Some(0));
    assert_eq!(notebook.unshown, Some(Unshown::NoNumber { line: 2 }));
}

/// nbformat opens all of these; a count that is none tells no order.
#[test]
fn counts_that_are_none_are_read_as_0() {
    for (count, expected) in [
        ("null", None),
        ("3", Some(3)),
        ("3.0", Some(3)),
        ("-3", Some(0)),
        ("2.5", Some(0)),
        ("true", Some(0)),
        ("1000000000000000000000000000000", Some(0)),
        ("\"3\"", Some(0)),
        ("[]", Some(0)),
    ] {
        let json = format!(
            r#"{{"nbformat": 4, "metadata": {{}}, "cells": [{{"cell_type": "code", "source": "x",
                "execution_count": {count}, "metadata": {{}}, "outputs": []}}]}}"#
        );
        let notebook = Notebook::parse(json.as_bytes()).unwrap();
        assert_eq!(notebook.cells[0].execution_count, expected, "{count}");
    }
}

#[test]
fn options_in_comments_are_those_of_yaml() {
    for (source, expected) in [
        ("#| eval: false", true),
        ("#| eval: False  # later", true),
        ("#|eval:FALSE", true),
        ("# | eval: no\nx = 1", true),
        ("\n#| echo: true\n#| eval: off", true),
        ("#| eval: true", false),
        ("#| eval: falsehood", false),
        ("x = 1\n#| eval: false", false),
        ("# eval: false", false),
    ] {
        let cell = Cell {
            source: source.to_owned(),
            ..Cell::default()
        };
        assert_eq!(cell.is_skipped(), expected, "{source}");
    }
}

/// nbformat opens one of 994 levels, and none that is deeper; and whole numbers of 4,300 digits.
/// The first notebooks had no version, and `true` and 1.0 are 1 to Python.
#[test]
fn a_notebook_of_2011_is_read() {
    for version in [
        "",
        "\"nbformat\": 1, ",
        "\"nbformat\": true, ",
        "\"nbformat\": 1.0, ",
    ] {
        let json = format!(
            "{{{version}\"cells\": [{{\"cell_type\": \"code\", \"code\": \"x\"}}, {{\"cell_type\": \"text\"}}]}}"
        );
        let notebook = Notebook::parse(json.as_bytes()).unwrap();
        assert_eq!((notebook.format, &*notebook.cells[0].source), (1, "x"));
        assert_eq!(notebook.cells[1].kind, CellKind::Markdown);
    }
}

/// What nbconvert 7.17 does with these: it looks for a state where a value is shown, and for a model in it
/// where a widget is. GitHub asks for the state of models wherever it is not.
#[test]
fn metadata_of_widgets_are_refused_where_nbconvert_does() {
    const MODEL: &str = r#""application/vnd.jupyter.widget-state+json""#;
    let values = [
        // The metadata, and whether they are read beside nothing, a text, a value and a widget.
        ("null".to_owned(), [false; 4]),
        ("false".to_owned(), [false; 4]),
        ("{}".to_owned(), [true, true, false, false]),
        ("[]".to_owned(), [true, true, false, false]),
        (
            r#"{"state": {}, "version": 1}"#.to_owned(),
            [true, true, false, false],
        ),
        (format!("{{{MODEL}: {{}}}}"), [false; 4]),
        (format!("{{{MODEL}: []}}"), [true, true, false, false]),
        (format!("{{{MODEL}: {{\"a\": {{}}}}}}"), [false; 4]),
        (
            format!("{{{MODEL}: {{\"state\": null}}}}"),
            [true, true, true, false],
        ),
        (format!("{{{MODEL}: {{\"state\": []}}}}"), [true; 4]),
        (format!("{{{MODEL}: {{\"state\": {{}}}}}}"), [true; 4]),
    ];
    let outputs = [
        "",
        r#"{"output_type": "stream", "name": "stdout", "text": "1"}"#,
        r#"{"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": "1"}}"#,
        r#"{"output_type": "display_data", "metadata": {},
            "data": {"application/vnd.jupyter.widget-view+json": {"model_id": "a"}}}"#,
    ];
    for (widgets, expected) in values {
        let read = outputs.map(|output| {
            let json = format!(
                r#"{{"nbformat": 4, "nbformat_minor": 4, "metadata": {{"widgets": {widgets}}},
                "cells": [{{"cell_type": "code", "metadata": {{}}, "execution_count": 1, "source": "1",
                "outputs": [{output}]}}]}}"#
            );
            let notebook = Notebook::parse(json.as_bytes()).unwrap();
            notebook.unshown.is_none()
        });
        assert_eq!(read, expected, "{widgets}");
    }
}

#[test]
fn what_is_too_deep_or_too_long_for_python_is_found() {
    let of = |value: &str| {
        let json =
            format!("{{\"nbformat\": 4, \"metadata\": {{\"x\": \n{value}}}, \"cells\": []}}");
        Notebook::parse(json.as_bytes())
    };
    let nested = |levels: usize| of(&format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
    assert!(nested(992).is_ok());
    assert_eq!(nested(993).unwrap_err().line(), Some(2));
    assert!(nested(100_000).is_err());
    assert!(of(&format!("\"{}\"", "[".repeat(5_000))).is_ok());
    assert!(of(&format!("[{}0]", "[],".repeat(5_000))).is_ok());
    assert!(of(&"1".repeat(4_300)).is_ok());
    assert!(of(&format!("{}.5", "1".repeat(4_301))).is_ok());
    let problem = of(&"1".repeat(4_301)).unwrap_err().to_string();
    assert!(problem.contains("more than 4,300 digits"), "{problem}");
}

/// Outputs of a few megabytes, deep and wide, are skipped.
#[test]
fn large_and_deep_outputs_are_skipped() {
    let image = "A".repeat(4_000_000);
    let deep = format!("{}{}", "[".repeat(900), "]".repeat(900));
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
