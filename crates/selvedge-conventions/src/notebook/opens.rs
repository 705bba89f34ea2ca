//! What nbformat opens, and so Jupyter: it converts every notebook to version 4, and fails where a
//! part that it goes through is missing or of another kind. What its schema demands beyond that it
//! only logs.

use super::before_4;
use super::node::Node;

/// The version of a notebook, or why nbformat does not open it.
pub(super) fn opened(root: &Node<'_>) -> Result<u64, String> {
    if !root.is_object() {
        return Err(format!("it is {}, and a notebook is an object", kind(root)));
    }
    let version = match root.get("nbformat") {
        // The first notebooks had no such number, and to Python `true` and 1.0 are 1.
        None | Some(Node::Bool(true)) => 1,
        Some(Node::Int(version)) if *version >= 0 => u64::try_from(*version).unwrap_or(u64::MAX),
        Some(Node::Float(1.0)) => 1,
        Some(Node::Float(2.0)) => 2,
        Some(Node::Float(version)) => return Err(format!("its `nbformat` is {version:?}")),
        Some(other) => return Err(format!("its `nbformat` is {}", kind(other))),
    };
    match version {
        4 => version_4(root)?,
        2 | 3 => before_4::opened(root, version)?,
        1 => before_4::opened_1(root)?,
        _ => {
            return Err(format!(
                "its format is version {version}, and Jupyter opens 1 to 4"
            ));
        }
    }
    Ok(version)
}

fn version_4(root: &Node<'_>) -> Result<(), String> {
    let minor = whole_minor(root)?;
    object(root.get("metadata"), "it", "metadata")?;
    for (number, cell) in list(root.get("cells"), "it", "cells")? {
        let here = format!("cell {number}");
        if !cell.is_object() {
            return Err(format!("{here} is {}", kind(cell)));
        }
        if matches!(cell.get("cell_type"), Some(other) if other.text().is_none()) {
            return Err(format!("the `cell_type` of {here} is no text"));
        }
        object(cell.get("metadata"), &here, "metadata")?;
        lines(cell.get("source"), &here, "source")?;
        if let Some(attachments) = cell.get("attachments") {
            let Node::Object(files) = attachments else {
                return Err(format!(
                    "the `attachments` of {here} are {}",
                    kind(attachments)
                ));
            };
            if let Some((name, _)) = files.iter().find(|(_, file)| !file.is_object()) {
                return Err(format!("the attachment `{name}` of {here} is no object"));
            }
        }
        // Ids are compared, and what is no plain value cannot be.
        if minor >= 5 && matches!(cell.get("id"), Some(Node::List(_) | Node::Object(_))) {
            return Err(format!("the `id` of {here} is no text"));
        }
        if cell.get("cell_type").and_then(Node::text) == Some("code")
            && let Some(outputs) = cell.get("outputs")
        {
            for (number, output) in list(Some(outputs), &here, "outputs")? {
                output_of_4(output, &format!("output {number} of {here}"))?;
            }
        }
    }
    Ok(())
}

fn output_of_4(output: &Node<'_>, here: &str) -> Result<(), String> {
    if !output.is_object() {
        return Err(format!("{here} is {}", kind(output)));
    }
    let Some(output_type) = output.get("output_type") else {
        return Ok(());
    };
    match output_type {
        Node::List(_) | Node::Object(_) => Err(format!("the `output_type` of {here} is no text")),
        Node::Text(name) if matches!(&**name, "execute_result" | "display_data") => {
            match output.get("data") {
                Some(data) if !data.is_object() => {
                    Err(format!("the `data` of {here} is {}", kind(data)))
                }
                _ => Ok(()),
            }
        }
        _ if output_type.is_truthy() => lines(output.get("text"), here, "text"),
        _ => Ok(()),
    }
}

/// The second number of the version.
pub(super) fn whole_minor(root: &Node<'_>) -> Result<i8, String> {
    match root.get("nbformat_minor") {
        // What is above 5 is read as 5, with fewer demands.
        Some(Node::Int(minor)) if *minor < 0 => Ok(-1),
        Some(Node::Int(minor)) => Ok(i8::try_from(*minor).unwrap_or(i8::MAX)),
        None => Ok(0),
        Some(Node::Bool(value)) => Ok(i8::from(*value)),
        Some(_) => Err("its `nbformat_minor` is no whole number".to_owned()),
    }
}

pub(super) fn object(node: Option<&Node<'_>>, whose: &str, key: &str) -> Result<(), String> {
    match node {
        None => Err(format!("{whose} has no `{key}`")),
        Some(Node::Object(_)) => Ok(()),
        Some(other) => Err(format!("the `{key}` of {whose} is {}", kind(other))),
    }
}

/// The items of a list, with their numbers from 1.
pub(super) fn list<'n, 'j>(
    node: Option<&'n Node<'j>>,
    whose: &str,
    key: &str,
) -> Result<impl Iterator<Item = (usize, &'n Node<'j>)> + use<'n, 'j>, String> {
    match node {
        None => Err(format!("{whose} has no `{key}`")),
        Some(list @ Node::List(_)) => Ok((1..).zip(list.items())),
        // What is empty is gone through like a list that is.
        Some(empty @ (Node::Text(_) | Node::Object(_))) if empty.is_empty() => {
            Ok((1..).zip(empty.items()))
        }
        Some(other) => Err(format!("the `{key}` of {whose} is {}", kind(other))),
    }
}

/// A list of lines has texts alone; what is no list is left as it is.
pub(super) fn lines(node: Option<&Node<'_>>, whose: &str, key: &str) -> Result<(), String> {
    match node {
        Some(Node::List(lines)) if lines.iter().any(|line| line.text().is_none()) => Err(format!(
            "the `{key}` of {whose} has something between its lines that is no text"
        )),
        _ => Ok(()),
    }
}

pub(super) fn kind(node: &Node<'_>) -> &'static str {
    match node {
        Node::Null => "null",
        Node::Bool(_) => "true or false",
        Node::Int(_) | Node::Float(_) => "a number",
        Node::Text(_) => "a text",
        Node::List(_) => "a list",
        Node::Object(_) => "an object",
    }
}
