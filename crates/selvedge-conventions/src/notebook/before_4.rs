//! What nbformat opens of versions 2 and 3, whose cells lie in worksheets, and of the first, which had none.

use super::node::Node;
use super::opens::{kind, lines, list, object, whole_minor};

/// The version of 2011, which is also what a notebook without a version is taken for.
pub(super) fn opened_1(root: &Node<'_>) -> Result<(), String> {
    let has_no_version = || match root.get("nbformat") {
        None => "it has no number `nbformat`",
        Some(_) => "its `nbformat` is 1",
    };
    let cells = list(root.get("cells"), "it", "cells");
    let cells = cells.map_err(|error| match root.get("nbformat") {
        None => format!("{}, and {error}", has_no_version()),
        Some(_) => error,
    })?;
    let mut is_first = true;
    for (number, cell) in cells {
        let here = format!("cell {number}");
        if !cell.is_object() {
            return Err(format!("{here} is {}", kind(cell)));
        }
        let Some(cell_type) = cell.get("cell_type") else {
            return Err(format!("{here} has no `cell_type`"));
        };
        match cell_type.text() {
            Some("code") => {
                if let Some(prompt) = cell.get("prompt_number")
                    && !is_prompt(prompt)
                {
                    return Err(format!("the `prompt_number` of {here} is no number"));
                }
            }
            Some("text") => {}
            // Any other is left out, behind one that is known.
            _ if is_first => {
                return Err(format!(
                    "{}, so Jupyter takes it for one of 2011, and {here} is none of such",
                    has_no_version()
                ));
            }
            _ => {}
        }
        if cell.get("code").is_none() && cell.get("source").is_some_and(|source| !source.is_empty())
        {
            return Err(format!(
                "{}, so Jupyter takes it for one of 2011, and shows nothing of its code",
                has_no_version()
            ));
        }
        is_first = false;
    }
    Ok(())
}

/// What Python makes a whole number of.
fn is_prompt(node: &Node<'_>) -> bool {
    match node {
        Node::Text(text) => text.trim().parse::<i128>().is_ok(),
        Node::List(_) | Node::Object(_) => false,
        Node::Null | Node::Bool(_) | Node::Int(_) | Node::Float(_) => true,
    }
}

pub(super) fn opened(root: &Node<'_>, version: u64) -> Result<(), String> {
    // nbformat has a schema for 3.0 alone, and looks for one.
    if version == 3 && whole_minor(root)? > 0 {
        return Err("its format is version 3, and its `nbformat_minor` is not 0".to_owned());
    }
    object(root.get("metadata"), "it", "metadata")?;
    for (number, worksheet) in list(root.get("worksheets"), "it", "worksheets")? {
        let here = format!("worksheet {number}");
        if !worksheet.is_object() {
            return Err(format!("{here} is {}", kind(worksheet)));
        }
        for (number, cell) in list(worksheet.get("cells"), &here, "cells")? {
            read_cell(cell, &format!("cell {number}"), version)?;
        }
    }
    Ok(())
}

fn read_cell(cell: &Node<'_>, here: &str, version: u64) -> Result<(), String> {
    if !cell.is_object() {
        return Err(format!("{here} is {}", kind(cell)));
    }
    let Some(cell_type) = cell.get("cell_type").and_then(Node::text) else {
        return Err(format!("{here} has no text `cell_type`"));
    };
    if cell_type != "code" {
        lines(cell.get("source"), here, "source")?;
        lines(cell.get("rendered"), here, "rendered")?;
        if cell_type == "heading" {
            let source = cell.get("source");
            if source.is_some_and(|source| source.joined().is_none()) {
                return Err(format!("the `source` of {here} is no text"));
            }
            // So many `#` are put before it.
            const MOST: i128 = 1_000_000;
            let level = cell.get("level");
            let is_level = match level {
                Some(Node::Int(level)) => (-MOST..=MOST).contains(level),
                None | Some(Node::Bool(_)) => true,
                Some(_) => false,
            };
            if !is_level {
                return Err(format!("the `level` of {here} is no number of a heading"));
            }
        }
        return Ok(());
    }
    lines(cell.get("input"), here, "input")?;
    if cell.get("collapsed").is_some() && cell.get("metadata").is_some() {
        object(cell.get("metadata"), here, "metadata")?;
    }
    for (number, output) in list(cell.get("outputs"), here, "outputs")? {
        let here = format!("output {number} of {here}");
        read_output(output, &here)?;
        let image = ["png", "jpeg"].into_iter().find(|key| {
            let image = output.get(key);
            image.is_some_and(|image| image.text().is_none())
        });
        if let Some(key) = image.filter(|_| version == 2) {
            return Err(format!("the `{key}` of {here} is no text"));
        }
    }
    Ok(())
}

fn read_output(output: &Node<'_>, here: &str) -> Result<(), String> {
    if !output.is_object() {
        return Err(format!("{here} is {}", kind(output)));
    }
    for key in ["text", "html", "svg", "latex", "javascript", "json"] {
        lines(output.get(key), here, key)?;
    }
    match output.get("output_type") {
        None => return Err(format!("{here} has no `output_type`")),
        Some(Node::List(_) | Node::Object(_)) => {
            return Err(format!("the `output_type` of {here} is no text"));
        }
        Some(Node::Text(name)) if matches!(&**name, "pyout" | "display_data") => {}
        Some(_) => return Ok(()),
    }
    if let Some(json) = output.get("json").or(output.get("application/json")) {
        let text = json.joined();
        let read = text.is_some_and(|text| Node::can_be_read(&text));
        if !read {
            return Err(format!("the `json` of {here} is no JSON"));
        }
    }
    match output.get("metadata") {
        Some(metadata @ (Node::Null | Node::Bool(_) | Node::Int(_) | Node::Float(_))) => {
            Err(format!("the `metadata` of {here} is {}", kind(metadata)))
        }
        _ => Ok(()),
    }
}
