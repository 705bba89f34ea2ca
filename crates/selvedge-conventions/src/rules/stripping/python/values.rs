//! What expressions of Python are, as far as the text tells.

use ruff_python_ast::{Expr, FStringPart, InterpolatedStringElement, Operator};

use super::super::shell::{TEMPORARY, UNKNOWN};
use super::Reader;

/// What a variable is, as far as the text says.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    List(Vec<String>),
    /// What a variable of the environment is, where nobody sets it.
    Setting(String),
}

/// The longest value of a variable that is kept, in bytes: a text that doubles itself is short.
pub(super) const LONGEST: usize = 1 << 10;

impl Value {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::Setting(text) => text.len(),
            Self::List(all) => all.iter().map(|text| text.len() + 1).sum(),
        }
    }
}

impl Reader<'_, '_> {
    pub(super) fn setting_or_value(&self, value: &Expr) -> Option<Value> {
        let truth = |holds: bool| if holds { "1" } else { "" }.to_owned();
        match value {
            Expr::Call(_) => self.setting(value).map(Value::Setting),
            Expr::BooleanLiteral(_) | Expr::Compare(_) | Expr::BoolOp(_) | Expr::UnaryOp(_) => {
                self.condition(value).known.map(truth).map(Value::Setting)
            }
            _ => None,
        }
        .or_else(|| self.value(value))
    }

    pub(super) fn value(&self, expression: &Expr) -> Option<Value> {
        let text = |expression: &Expr| match self.value(expression) {
            Some(Value::Text(text)) => text,
            _ => UNKNOWN.to_string(),
        };
        let words = |items: &[Expr]| {
            let all = items.iter().flat_map(|item| match item {
                Expr::Starred(more) => match self.value(&more.value) {
                    Some(Value::List(all)) => all,
                    _ => vec![UNKNOWN.to_string()],
                },
                item => vec![text(item)],
            });
            Some(Value::List(all.collect()))
        };
        match expression {
            Expr::StringLiteral(literal) => Some(Value::Text(literal.value.to_str().to_owned())),
            Expr::FString(literal) => {
                let mut all = String::new();
                for part in &literal.value {
                    match part {
                        FStringPart::Literal(part) => all.push_str(part),
                        FStringPart::FString(parts) => {
                            for part in &parts.elements {
                                match part {
                                    InterpolatedStringElement::Literal(part) => all.push_str(part),
                                    InterpolatedStringElement::Interpolation(part) => {
                                        all.push_str(&text(&part.expression));
                                    }
                                }
                            }
                        }
                    }
                }
                Some(Value::Text(all))
            }
            Expr::Name(name) => self.variables.get(name.id.as_str()).cloned(),
            Expr::List(list) => words(&list.elts),
            Expr::Tuple(tuple) => words(&tuple.elts),
            Expr::BinOp(sum) if sum.op == Operator::Add => match self.value(&sum.left)? {
                Value::Text(start) => Some(Value::Text(start + &text(&sum.right))),
                Value::List(mut all) => {
                    match self.value(&sum.right) {
                        Some(Value::List(more)) => all.extend(more),
                        _ => all.push(UNKNOWN.to_string()),
                    }
                    Some(Value::List(all))
                }
                Value::Setting(_) => None,
            },
            Expr::BinOp(path) if path.op == Operator::Div => match self.value(&path.left)? {
                Value::Text(folder) => Some(Value::Text(format!("{folder}/{}", text(&path.right)))),
                _ => None,
            },
            Expr::BinOp(format) if format.op == Operator::Mod => self.value(&format.left),
            // `file.name` of a file for a time.
            Expr::Attribute(attribute) if attribute.attr.as_str() == "name" => {
                self.value(&attribute.value)
            }
            Expr::Attribute(attribute) if attribute.attr.as_str() == "executable" => {
                Some(Value::Text("python".to_owned()))
            }
            Expr::If(choice) => self
                .value(&choice.body)
                .or_else(|| self.value(&choice.orelse)),
            Expr::BoolOp(choice) => choice.values.iter().find_map(|one| self.value(one)),
            Expr::Call(call) => {
                let first = call.arguments.args.first();
                match &*call.func {
                    Expr::Attribute(method) => match method.attr.as_str() {
                        "format" => self.value(&method.value),
                        "split" => {
                            let of = first.and_then(|first| self.value(first));
                            match of.or_else(|| self.value(&method.value))? {
                                Value::Text(text) => Some(Value::List(shlex::split(&text)?)),
                                list @ Value::List(_) => Some(list),
                                Value::Setting(_) => None,
                            }
                        }
                        "which" | "fspath" | "join" | "Path" => self.value(first?),
                        name if is_temporary(name) => Some(Value::Text(TEMPORARY.to_string())),
                        _ => None,
                    },
                    Expr::Name(name) => match name.id.as_str() {
                        "which" | "str" | "list" | "Path" => self.value(first?),
                        name if is_temporary(name) => Some(Value::Text(TEMPORARY.to_string())),
                        _ => None,
                    },
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// The functions of `tempfile`.
fn is_temporary(name: &str) -> bool {
    matches!(
        name,
        "mkdtemp" | "mktemp" | "TemporaryDirectory" | "NamedTemporaryFile" | "gettempdir"
    )
}
