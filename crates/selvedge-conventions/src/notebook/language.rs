//! The language of a kernel, and of a cell that has one of its own.

use super::node::Node;

/// Whether the metadata of a notebook say that its kernel reads Python, or say nothing.
pub(super) fn is_python(metadata: Option<&Node<'_>>) -> bool {
    let Some(metadata) = metadata else {
        return true;
    };
    let says = [
        &["kernelspec", "language"][..],
        &["language_info", "name"],
        &["kernelspec", "name"],
    ];
    let said = says
        .iter()
        .find_map(|path| metadata.at(path).and_then(Node::text))
        .filter(|name| !name.is_empty());
    said.is_none_or(names_python)
}

fn names_python(name: &str) -> bool {
    name.to_ascii_lowercase().contains("python")
}

/// Whether the metadata of a cell say that it is in another language than the kernel of the
/// notebook: a block of SQL, or a language that an editor was told.
pub(super) fn is_foreign(metadata: Option<&Node<'_>>, kernel_is_python: bool) -> bool {
    let Some(metadata) = metadata else {
        return false;
    };
    let said = |path: &[&str]| metadata.at(path).and_then(Node::text);
    let is_sql = [
        &["deepnote_cell_type"][..],
        &["noteable", "cell_type"],
        &["hex_info", "cell_type"],
        &["application/vnd.databricks.v1+cell", "cellType"],
    ]
    .iter()
    .any(|path| said(path).is_some_and(|kind| kind.eq_ignore_ascii_case("sql")));
    let language = said(&["vscode", "languageId"])
        .or_else(|| said(&["dotnet_interactive", "language"]))
        .or_else(|| said(&["polyglot_notebook", "kernelName"]));
    is_sql || language.is_some_and(|language| names_python(language) != kernel_is_python)
}
