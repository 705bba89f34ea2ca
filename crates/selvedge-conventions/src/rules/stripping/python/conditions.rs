//! What is known of conditions in Python, and which files loops go through.

use ruff_python_ast::{BoolOp, CmpOp, Expr, UnaryOp};

use super::Reader;
use super::values::Value;
use crate::{HookFiles, Narrowing};

/// What is known of a condition.
#[derive(Clone, Default)]
pub(super) struct Condition {
    pub(super) known: Option<bool>,
    /// The files for which it holds, and whether it holds for some cells alone, by a tag.
    pub(super) on: Narrowing,
    pub(super) is_of_some_cells: bool,
    /// That for which it does not.
    pub(super) is_of_other_cells: bool,
}

impl Condition {
    pub(super) fn inverted(self) -> Self {
        Self {
            known: self.known.map(|holds| !holds),
            on: self.on.inverted(),
            is_of_some_cells: self.is_of_other_cells,
            is_of_other_cells: self.is_of_some_cells,
        }
    }

    pub(super) fn and(mut self, other: &Self) -> Self {
        self.known = match (self.known, other.known) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), known) => known,
            (None, _) => None,
        };
        self.on.extend(&other.on);
        self.is_of_some_cells |= other.is_of_some_cells;
        self.is_of_other_cells = false;
        self
    }
}

impl Reader<'_, '_> {
    /// What is known of a condition.
    pub(super) fn condition(&self, test: &Expr) -> Condition {
        let text = self.text_of(test);
        match test {
            Expr::UnaryOp(not) if not.op == UnaryOp::Not => self.condition(&not.operand).inverted(),
            Expr::BoolOp(all) if all.op == BoolOp::And => {
                let mut all = all.values.iter().map(|one| self.condition(one));
                let first = all.next().unwrap_or_default();
                all.fold(first, |both, next| both.and(&next))
            }
            Expr::BoolOp(any) => {
                let mut any = any.values.iter().map(|one| self.condition(one));
                Condition {
                    is_of_some_cells: any.all(|one| one.is_of_some_cells),
                    ..Condition::default()
                }
            }
            Expr::BooleanLiteral(value) => Condition {
                known: Some(value.value),
                ..Condition::default()
            },
            Expr::Compare(compare) => match (&*compare.ops, &*compare.comparators) {
                ([CmpOp::In], [of]) => self.is_in(&compare.left, of),
                ([CmpOp::NotIn], [of]) => self.is_in(&compare.left, of).inverted(),
                ([operator @ (CmpOp::Eq | CmpOp::NotEq | CmpOp::Is | CmpOp::IsNot)], [of]) => {
                    let value = |expression: &Expr| match self.setting(expression) {
                        Some(value) => Some(value),
                        None => match expression {
                            Expr::StringLiteral(text) => Some(text.value.to_str().to_owned()),
                            Expr::NoneLiteral(_) => Some(String::new()),
                            _ => None,
                        },
                    };
                    let left = self.text_of(&*compare.left);
                    let is_folder = left.ends_with(".parts[0]")
                        || left.ends_with(".parent.name")
                        || left.contains(".split('/')[0]")
                        || left.contains(".split(\"/\")[0]");
                    if is_folder && let Expr::StringLiteral(folder) = of {
                        let on = Narrowing::to(below(&[folder.value.to_str().to_owned()]));
                        let found = Condition {
                            on,
                            ..Condition::default()
                        };
                        return match operator {
                            CmpOp::Eq => found,
                            _ => found.inverted(),
                        };
                    }
                    let is_setting = self.setting(&compare.left).is_some();
                    let equal = match (value(&compare.left), value(of)) {
                        (Some(left), Some(right)) if is_setting => Some(left == right),
                        _ => None,
                    };
                    let found = Condition {
                        known: equal,
                        is_of_some_cells: speaks_of_tags(text),
                        ..Condition::default()
                    };
                    match operator {
                        CmpOp::Eq | CmpOp::Is => found,
                        _ => found.inverted(),
                    }
                }
                _ => Condition::default(),
            },
            Expr::Call(call) => {
                let first = call.arguments.args.first();
                let literal = |expression: Option<&Expr>| match expression {
                    Some(Expr::StringLiteral(text)) => Some(text.value.to_str().to_owned()),
                    _ => None,
                };
                let on = match &*call.func {
                    Expr::Attribute(method) if method.attr.as_str() == "startswith" => {
                        let starts = match first.and_then(|first| self.value(first)) {
                            Some(Value::Text(start)) => vec![start],
                            Some(Value::List(starts)) => starts,
                            _ => Vec::new(),
                        };
                        let is_meant = |start: &String| start.contains('/');
                        (!starts.is_empty() && starts.iter().all(is_meant)).then(|| below(&starts))
                    }
                    Expr::Attribute(method)
                        if matches!(method.attr.as_str(), "fnmatch" | "match" | "search") =>
                    {
                        let is_glob = method.attr.as_str() == "fnmatch";
                        let second = call.arguments.args.get(1);
                        let pattern = if is_glob { second } else { first };
                        let pattern = literal(pattern).filter(|text| text.contains('/'));
                        let is_regex =
                            matches!(&*method.value, Expr::Name(name) if name.id.as_str() == "re");
                        pattern.map(|pattern| {
                            if is_regex {
                                HookFiles::Pattern(pattern)
                            } else {
                                HookFiles::paths(&[pattern])
                            }
                        })
                    }
                    _ => None,
                };
                if let Expr::Name(name) = &*call.func
                    && let Some(condition) = self.predicates.get(name.id.as_str())
                {
                    return condition.clone();
                }
                Condition {
                    known: self.setting(test).map(|value| !value.is_empty()),
                    on: on.map(Narrowing::to).unwrap_or_default(),
                    is_of_some_cells: speaks_of_tags(text),
                    ..Condition::default()
                }
            }
            _ => Condition {
                known: self.setting(test).map(|value| !value.is_empty()),
                is_of_some_cells: speaks_of_tags(text),
                ..Condition::default()
            },
        }
    }

    /// `"strip" in tags`, `"--strip" in sys.argv`.
    fn is_in(&self, what: &Expr, of: &Expr) -> Condition {
        let text = self.text_of(of);
        if let (Some(setting), Some(Value::List(all))) = (self.setting(what), self.value(of)) {
            return Condition {
                known: Some(all.contains(&setting)),
                ..Condition::default()
            };
        }
        let what = match what {
            Expr::StringLiteral(text) => text.value.to_str(),
            _ => return Condition::default(),
        };
        if text.ends_with(".parts") {
            let folders = [what.to_owned(), format!("*/{what}")];
            return Condition {
                on: Narrowing::to(below(&folders)),
                ..Condition::default()
            };
        }
        Condition {
            known: match self.arguments {
                Some(all) if text.contains("argv") && what.starts_with('-') => {
                    Some(all.iter().any(|word| word == what))
                }
                _ if text.contains("environ") => Some(false),
                _ => None,
            },
            is_of_some_cells: speaks_of_tags(text),
            ..Condition::default()
        }
    }

    /// What a variable of the environment or an option is, where nobody sets it otherwise.
    pub(super) fn setting(&self, expression: &Expr) -> Option<String> {
        match expression {
            Expr::Call(call) => {
                if let Expr::Attribute(method) = &*call.func
                    && matches!(method.attr.as_str(), "lower" | "strip" | "upper")
                {
                    return self.setting(&method.value);
                }
                let text = self.text_of(&*call.func);
                if !matches!(
                    text,
                    "os.environ.get" | "environ.get" | "os.getenv" | "getenv"
                ) {
                    return None;
                }
                match call.arguments.args.get(1) {
                    Some(Expr::StringLiteral(text)) => Some(text.value.to_str().to_owned()),
                    _ => Some(String::new()),
                }
            }
            // `args.strip` is what argparse makes of `--strip`.
            Expr::Attribute(option) if matches!(&*option.value, Expr::Name(name) if matches!(name.id.as_str(), "args" | "opts" | "options")) =>
            {
                let name = option.attr.as_str();
                let flag = format!("--{}", name.replace('_', "-"));
                if let (Some(default), Some(all)) = (self.defaults.get(&flag), self.arguments) {
                    let by_sign = all
                        .iter()
                        .find_map(|word| word.strip_prefix(&flag)?.strip_prefix('='));
                    let at = all.iter().position(|word| *word == flag);
                    let behind = at.and_then(|at| all.get(at + 1)).map(String::as_str);
                    return Some(by_sign.or(behind).unwrap_or(default).to_owned());
                }
                let is_declared = [format!("\"{flag}\""), format!("'{flag}'")]
                    .iter()
                    .any(|text| self.code.contains(text));
                let all = self
                    .arguments
                    .filter(|_| is_declared && self.code.contains("store_true"))?;
                let is_given = all.contains(&flag);
                Some(if is_given {
                    "1".to_owned()
                } else {
                    String::new()
                })
            }
            Expr::Name(name) => match self.variables.get(name.id.as_str())? {
                Value::Setting(text) => Some(text.clone()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Which files a loop goes through, where the code tells.
    pub(super) fn paths(&self, of: &Expr) -> Narrowing {
        let call = match of {
            Expr::Call(call) => call,
            Expr::Name(name) => {
                let known = self.lists_of.get(name.id.as_str());
                return known.cloned().unwrap_or_default();
            }
            Expr::Attribute(attribute) => return self.paths(&attribute.value),
            Expr::ListComp(all) => {
                let mut on = Narrowing::default();
                for each in &all.generators {
                    on.extend(&self.paths(&each.iter));
                    for test in &each.ifs {
                        on.extend(&self.condition(test).on);
                    }
                }
                return on;
            }
            _ => return Narrowing::default(),
        };
        let first = call.arguments.args.first();
        let (name, receiver) = match &*call.func {
            Expr::Attribute(method) => (method.attr.as_str(), Some(&*method.value)),
            Expr::Name(name) => (name.id.as_str(), None),
            _ => return Narrowing::default(),
        };
        if matches!(name, "sorted" | "list" | "set" | "reversed" | "map") {
            let inner = call.arguments.args.last();
            return inner.map(|inner| self.paths(inner)).unwrap_or_default();
        }
        if matches!(name, "split" | "splitlines" | "strip" | "decode") {
            return receiver.map(|of| self.paths(of)).unwrap_or_default();
        }
        if matches!(name, "check_output" | "run" | "Popen") {
            return match first.and_then(|first| self.value(first)) {
                Some(Value::List(words)) => self.lists.of_command(&words, false, None),
                _ => Narrowing::default(),
            };
        }
        if !matches!(name, "glob" | "iglob" | "rglob") {
            return Narrowing::default();
        }
        let Some(Value::Text(pattern)) = first.and_then(|first| self.value(first)) else {
            return Narrowing::default();
        };
        let folder = match receiver {
            Some(Expr::Name(name)) if name.id.as_str() == "glob" => None,
            Some(folder) => match self.value(folder) {
                Some(Value::Text(folder)) => Some(folder),
                _ => return Narrowing::default(),
            },
            None => None,
        };
        let pattern = match folder.as_deref().map(|folder| folder.trim_end_matches('/')) {
            None | Some("." | "") => pattern,
            Some(folder) => format!(
                "{folder}/*{}",
                pattern.trim_start_matches("**/").trim_start_matches('*')
            ),
        };
        self.lists.of_words(&[pattern], None)
    }
}

/// Whether code speaks of the tags or the metadata of a cell.
fn speaks_of_tags(code: &str) -> bool {
    ["tags", ".metadata", "\"metadata\"", "'metadata'"]
        .iter()
        .any(|word| code.contains(word))
}

/// Files whose paths begin so.
fn below(starts: &[String]) -> HookFiles {
    let starts = starts.iter().map(|start| start.trim_start_matches("./"));
    HookFiles::Globs {
        globs: starts
            .map(|start| format!("{}/*", start.trim_end_matches('/')))
            .collect(),
        is_lenient: true,
    }
}
