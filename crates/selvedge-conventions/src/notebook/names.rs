//! What the code of a notebook makes of names that its cells use.

use std::collections::HashSet;

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Alias, Expr, ExprContext, Stmt};
use ruff_text_size::Ranged as _;

use super::python::parsed;

/// The names that matter to whether a cell shows something.
#[derive(Default)]
pub(super) struct Names {
    /// Those that the notebook gives a meaning of its own, methods among them.
    bound: HashSet<String>,
    /// Variables that may be `None`.
    may_be_none: HashSet<String>,
    /// Variables that have been something else than `None`, for sure.
    values: HashSet<String>,
    /// Functions and classes that take outputs off the page.
    clearing: HashSet<String>,
}

impl Names {
    pub(super) fn of<'s>(sources: impl Iterator<Item = &'s str>) -> Self {
        let mut reader = Reader::default();
        for source in sources {
            parsed(source, |parsed| {
                reader.code = source.to_owned();
                reader.visit_body(parsed.suite());
            });
        }
        let Reader {
            mut names,
            definitions,
            results,
            ..
        } = reader;
        // What a function of the notebook returns is not looked into.
        let results = results.into_iter().filter(|(_, function)| {
            let mut defined = definitions.iter();
            defined.any(|(name, _)| name == function)
        });
        names
            .may_be_none
            .extend(results.map(|(variable, _)| variable));
        // Those that call one that does, too.
        let mut all = names.clearing.len() + 1;
        while all > 0 {
            let more = definitions
                .iter()
                .filter(|(_, code)| names.clears(code))
                .map(|(name, _)| name.clone());
            let more: HashSet<String> = more.collect();
            all = more.difference(&names.clearing).count();
            names.clearing.extend(more);
        }
        names
    }

    /// Whether the name means what Python has it mean.
    pub(super) fn is_builtin(&self, name: &str) -> bool {
        !self.bound.contains(name)
    }

    pub(super) fn is_value(&self, variable: &str) -> bool {
        self.values.contains(variable)
    }

    /// Whether a class of the notebook says what operators mean.
    pub(super) fn has_operators(&self) -> bool {
        let others = [
            "__init__",
            "__repr__",
            "__str__",
            "__len__",
            "__call__",
            "__post_init__",
        ];
        let mut names = self.bound.iter().map(String::as_str);
        names.any(|name| name.starts_with("__") && name.ends_with("__") && !others.contains(&name))
    }

    pub(super) fn may_be_none(&self, variable: &str) -> bool {
        self.may_be_none.contains(variable)
    }

    /// Whether the code may take off the page what it has shown.
    pub(super) fn clears(&self, code: &str) -> bool {
        code.contains("clear_output")
            || code.contains("output.clear(")
            || self
                .clearing
                .iter()
                .any(|name| code.contains(name.as_str()))
    }
}

#[derive(Default)]
struct Reader {
    code: String,
    names: Names,
    /// Functions and classes, with their code.
    definitions: Vec<(String, String)>,
    /// Variables that are what a function returns.
    results: Vec<(String, String)>,
}

impl Reader {
    fn define(&mut self, name: &str, statement: &Stmt) {
        let range = statement.range();
        let code = self
            .code
            .get(range.start().to_usize()..range.end().to_usize());
        self.names.bound.insert(name.to_owned());
        self.definitions
            .push((name.to_owned(), code.unwrap_or_default().to_owned()));
    }

    fn import(&mut self, alias: &Alias) {
        let name = alias.asname.as_ref().unwrap_or(&alias.name);
        self.names.bound.insert(name.to_string());
    }

    fn assign(&mut self, target: &Expr, value: &Expr) {
        let Expr::Name(variable) = target else {
            return;
        };
        let variable = variable.id.to_string();
        if may_be_nothing(value) {
            self.names.may_be_none.insert(variable);
            return;
        }
        match value {
            Expr::List(_)
            | Expr::Tuple(_)
            | Expr::Dict(_)
            | Expr::Set(_)
            | Expr::ListComp(_)
            | Expr::DictComp(_)
            | Expr::SetComp(_)
            | Expr::NumberLiteral(_)
            | Expr::StringLiteral(_)
            | Expr::FString(_)
            | Expr::BooleanLiteral(_)
            | Expr::BinOp(_)
            | Expr::Compare(_) => {
                self.names.values.insert(variable);
            }
            Expr::Call(call) => {
                if let Expr::Name(function) = &*call.func {
                    self.results.push((variable, function.id.to_string()));
                }
            }
            _ => {}
        }
    }
}

/// Whether the value may be `None`, by what it is or by the name of what returns it.
fn may_be_nothing(value: &Expr) -> bool {
    match value {
        Expr::NoneLiteral(_) => true,
        Expr::If(choice) => may_be_nothing(&choice.body) || may_be_nothing(&choice.orelse),
        Expr::BoolOp(choice) => choice.values.last().is_some_and(may_be_nothing),
        Expr::Named(named) => may_be_nothing(&named.value),
        Expr::Await(call) => may_be_nothing(&call.value),
        Expr::Call(call) => {
            let (name, is_method) = match &*call.func {
                Expr::Name(function) => (function.id.as_str(), false),
                Expr::Attribute(method) => (method.attr.as_str(), true),
                _ => return false,
            };
            let arguments = &call.arguments;
            let is_in_place = arguments.find_keyword("inplace").is_some();
            // One that writes a file returns nothing, and without a name of one what it has written.
            let writes = is_method && name.starts_with("to_") && !arguments.args.is_empty();
            // Those that are given what to return where there is nothing.
            let has_default = match name {
                "next" => arguments.len() > 1,
                "getattr" => arguments.len() > 2,
                _ => false,
            };
            is_in_place || writes || has_default || returns_nothing(name)
        }
        _ => false,
    }
}

/// Functions and methods that change something, or look for something that may not be there.
fn returns_nothing(name: &str) -> bool {
    const NAMES: [&str; 32] = [
        "print",
        "display",
        "append",
        "extend",
        "insert",
        "remove",
        "sort",
        "reverse",
        "clear",
        "update",
        "add",
        "discard",
        "show",
        "match",
        "search",
        "fullmatch",
        "find",
        "get",
        "getenv",
        "which",
        "poll",
        "first",
        "scalar",
        "fetchone",
        "one_or_none",
        "pop",
        "setdefault",
        "getdoc",
        "save",
        "savefig",
        "close",
        "write",
    ];
    const STARTS: [&str; 8] = [
        "find_", "get_", "try_", "maybe_", "lookup_", "search_", "match_", "set_",
    ];
    NAMES.contains(&name) || STARTS.iter().any(|start| name.starts_with(start))
}

impl<'a> Visitor<'a> for Reader {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => self.define(&function.name, statement),
            Stmt::ClassDef(class) => self.define(&class.name, statement),
            Stmt::Import(import) => import.names.iter().for_each(|alias| self.import(alias)),
            Stmt::ImportFrom(import) => {
                let module = import.module.as_deref().unwrap_or_default();
                // What they call so shows what it is given.
                let shows = matches!(
                    module,
                    "IPython.display" | "IPython.core.display" | "builtins" | "rich"
                );
                for alias in &import.names {
                    let is_same = alias.asname.as_ref().is_none_or(|name| *name == alias.name);
                    if !(shows && is_same) {
                        self.import(alias);
                    }
                }
            }
            Stmt::Assign(assign) => {
                for target in &assign.targets {
                    self.assign(target, &assign.value);
                }
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.assign(&assign.target, value);
                }
            }
            _ => {}
        }
        walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) if name.ctx == ExprContext::Store => {
                self.names.bound.insert(name.id.to_string());
            }
            Expr::Named(named) => self.assign(&named.target, &named.value),
            _ => {}
        }
        walk_expr(self, expression);
    }
}
