//! The outputs of a cell, as Python speaks of them.

use ruff_python_ast::{CmpOp, Expr};

/// `"outputs"`, and the pictures among them.
pub(super) fn is_key(expression: &Expr) -> bool {
    matches!(expression, Expr::StringLiteral(text)
        if text.value.to_str() == "outputs" || text.value.to_str().starts_with("image/"))
}

/// `cell["outputs"]`, `cell.outputs`.
pub(super) fn is_outputs(expression: &Expr) -> bool {
    match expression {
        Expr::Subscript(subscript) => match &*subscript.slice {
            // All of them.
            Expr::Slice(slice) if slice.lower.is_none() && slice.upper.is_none() => {
                is_outputs(&subscript.value)
            }
            key => is_key(key),
        },
        Expr::Attribute(attribute) => attribute.attr.as_str() == "outputs",
        _ => false,
    }
}

/// `output.output_type == "stream"`: that one, or others than what is not missed.
fn is_of_kind(test: &Expr) -> bool {
    let Expr::Compare(compare) = test else {
        return false;
    };
    let is_type = match &*compare.left {
        Expr::Attribute(attribute) => attribute.attr.as_str() == "output_type",
        Expr::Subscript(subscript) => {
            matches!(&*subscript.slice, Expr::StringLiteral(key) if key.value.to_str() == "output_type")
        }
        Expr::Call(call) => {
            matches!(call.arguments.args.first(), Some(Expr::StringLiteral(key)) if key.value.to_str() == "output_type")
        }
        _ => false,
    };
    is_type
        && matches!(
            compare.ops.first(),
            Some(CmpOp::Eq | CmpOp::NotEq | CmpOp::In | CmpOp::NotIn)
        )
}

/// `[]`, `list()`, `None`.
pub(super) fn is_empty(expression: &Expr) -> bool {
    match expression {
        Expr::List(list) => list.elts.is_empty(),
        Expr::NoneLiteral(_) => true,
        // Those of one kind, or of all but one.
        Expr::ListComp(some) => some
            .generators
            .iter()
            .any(|each| each.ifs.iter().any(is_of_kind)),
        Expr::Call(call) => {
            matches!(&*call.func, Expr::Name(name) if name.id.as_str() == "list")
                && call.arguments.args.is_empty()
        }
        _ => false,
    }
}
