//! What the code of a notebook makes of names that its cells use.

use std::collections::{HashMap, HashSet};

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Alias, Expr, ExprCall, ExprContext, Int, Number, Stmt};
use ruff_text_size::Ranged as _;

use super::prints::{Shows, printed};
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
    /// Modules, by what the notebook calls them.
    modules: HashMap<String, String>,
    /// Variables that are figures of plotly.
    figures: HashSet<String>,
    /// Variables that have something in them to go through, or are a number of steps.
    filled: HashSet<String>,
    /// Classes of the notebook.
    classes: HashSet<String>,
    /// The functions of the notebook, with their code, and how sure it is that each shows something.
    functions: Vec<(String, String)>,
    showing: HashMap<String, Shows>,
    hides_plots: bool,
    closes_plots: bool,
}

impl Names {
    pub(super) fn of<'s>(sources: impl Iterator<Item = &'s str>) -> Self {
        let mut reader = Reader::default();
        for source in sources {
            reader.names.look_for_plots(source);
            parsed(source, |parsed| {
                reader.code = source.to_owned();
                reader.visit_body(parsed.suite());
            });
        }
        let Reader {
            mut names,
            definitions,
            results,
            refilled,
            ..
        } = reader;
        names.filled.retain(|name| !refilled.contains(name));
        // What a function of the notebook returns is not looked into.
        let results = results.into_iter().filter(|(_, function)| {
            let mut defined = names.functions.iter();
            defined.any(|(name, _)| name == function)
        });
        let results: Vec<_> = results.collect();
        names
            .may_be_none
            .extend(results.into_iter().map(|(variable, _)| variable));
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

    /// The module that a name stands for. What nobody imports by name is what most call so.
    pub(super) fn module(&self, name: &str) -> Option<&str> {
        let module = self.modules.get(name).map(String::as_str);
        module.or_else(|| match name {
            "plt" if self.is_builtin(name) => Some("matplotlib.pyplot"),
            "sns" if self.is_builtin(name) => Some("seaborn"),
            _ => None,
        })
    }

    pub(super) fn is_figure(&self, variable: &str) -> bool {
        self.figures.contains(variable)
    }

    pub(super) fn is_filled(&self, variable: &str) -> bool {
        self.filled.contains(variable)
    }

    pub(super) fn is_class(&self, name: &str) -> bool {
        self.classes.contains(name)
    }

    pub(super) fn is_function(&self, name: &str) -> bool {
        self.functions.iter().any(|(known, _)| known == name)
    }

    /// Whether plots may go elsewhere than into the notebook.
    pub(super) fn hides_plots(&self) -> bool {
        self.hides_plots
    }

    /// Whether plots may be closed before they are shown.
    pub(super) fn closes_plots(&self) -> bool {
        self.closes_plots
    }

    /// How sure it is that a call of the function shows something, as far as that was looked into.
    pub(super) fn shown_by(&self, function: &str) -> Shows {
        let shows = self.showing.get(function).copied();
        shows.unwrap_or(Shows::Unsure)
    }

    /// Looks into the functions of the notebook, each with those before it.
    pub(super) fn look_into_functions(&mut self) {
        for (name, code) in self.functions.clone() {
            let shows = parsed(&code, |parsed| match &parsed.suite()[..] {
                [Stmt::FunctionDef(function)]
                    if function.decorator_list.is_empty()
                        && !function.is_async
                        && !code.contains("yield")
                        && !code.contains("(self")
                        && !self.modules.contains_key(&name) =>
                {
                    printed(&function.body, self)
                }
                _ => Shows::Unsure,
            });
            let shows = shows.unwrap_or(Shows::Unsure);
            // Of two with one name nobody knows which is called.
            let known = self.showing.get(&name).copied().unwrap_or(shows);
            self.showing.insert(name, shows.min(known));
        }
    }

    fn look_for_plots(&mut self, source: &str) {
        const HIDE: [&str; 7] = [
            "matplotlib.use(",
            "mpl.use(",
            "switch_backend",
            "MPLBACKEND",
            "plt.ioff",
            "close_figures",
            "renderers",
        ];
        let is_elsewhere = |line: &str| {
            let magic = line.trim_start();
            (magic.starts_with("%matplotlib") || magic.starts_with("%pylab"))
                && !magic.contains("inline")
        };
        self.hides_plots |=
            HIDE.iter().any(|sign| source.contains(sign)) || source.lines().any(is_elsewhere);
        self.closes_plots |= ["plt.close", "close(fig", ".clf("]
            .iter()
            .any(|sign| source.contains(sign));
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
    /// Variables that are something of which nobody knows whether anything is in it.
    refilled: HashSet<String>,
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

    /// An import, of what stands in a module or of a module itself.
    fn import(&mut self, from: &str, alias: &Alias) {
        let name = alias.asname.as_ref().unwrap_or(&alias.name).to_string();
        let module = format!("{from}{}", alias.name);
        self.names.bound.insert(name.clone());
        self.names.modules.insert(name, module);
    }

    fn assign(&mut self, target: &Expr, value: &Expr) {
        let Expr::Name(variable) = target else {
            return;
        };
        let variable = variable.id.to_string();
        if is_filled(value) {
            self.names.filled.insert(variable.clone());
        } else {
            self.refilled.insert(variable.clone());
        }
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
                if self.is_of_plotly(call) {
                    self.names.figures.insert(variable.clone());
                }
                if makes(call) {
                    self.names.values.insert(variable.clone());
                }
                if let Expr::Name(function) = &*call.func {
                    self.results.push((variable, function.id.to_string()));
                }
            }
            _ => {}
        }
    }

    fn is_of_plotly(&self, call: &ExprCall) -> bool {
        let of = match &*call.func {
            Expr::Attribute(method) => &method.value,
            _ => &call.func,
        };
        let module = match &**of {
            Expr::Name(name) => self.names.modules.get(name.id.as_str()),
            _ => None,
        };
        module.is_some_and(|module| module.starts_with("plotly."))
    }
}

/// What a call calls, without what it is a part of.
pub(super) fn called(call: &ExprCall) -> Option<&str> {
    match &*call.func {
        Expr::Name(function) => Some(function.id.as_str()),
        Expr::Attribute(method) => Some(method.attr.as_str()),
        _ => None,
    }
}

/// Whether a call makes something, by the name of what it calls: a class, or a function that makes an
/// array or a table.
pub(super) fn makes(call: &ExprCall) -> bool {
    const MAKERS: &[&str] = &[
        "arange",
        "array",
        "asarray",
        "concatenate",
        "empty",
        "eye",
        "full",
        "linspace",
        "ones",
        "ones_like",
        "rand",
        "randint",
        "randn",
        "read_csv",
        "read_excel",
        "read_feather",
        "read_json",
        "read_parquet",
        "tensor",
        "vstack",
        "zeros",
        "zeros_like",
    ];
    called(call).is_some_and(|name| {
        let is_class = name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.contains(|c: char| c.is_ascii_lowercase())
            && !name.contains('_');
        is_class || MAKERS.contains(&name)
    })
}

/// Whether the value is something to go through that has something in it, or a number above 0.
pub(super) fn is_filled(value: &Expr) -> bool {
    let has_one = |items: &[Expr]| items.iter().any(|item| !item.is_starred_expr());
    match value {
        Expr::List(list) => has_one(&list.elts),
        Expr::Tuple(tuple) => has_one(&tuple.elts),
        Expr::Set(set) => has_one(&set.elts),
        Expr::Dict(dict) => dict.items.iter().any(|item| item.key.is_some()),
        Expr::StringLiteral(text) => !text.value.is_empty(),
        Expr::NumberLiteral(number) => {
            matches!(&number.value, Number::Int(number) if *number != Int::ZERO)
        }
        _ => false,
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
            Stmt::FunctionDef(function) => {
                self.define(&function.name, statement);
                let last = self.definitions.last().cloned();
                self.names.functions.extend(last);
            }
            Stmt::ClassDef(class) => {
                self.define(&class.name, statement);
                self.names.classes.insert(class.name.to_string());
            }
            Stmt::Import(import) => {
                import.names.iter().for_each(|alias| self.import("", alias));
            }
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
                        self.import(&format!("{module}."), alias);
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
                self.names.modules.remove(name.id.as_str());
            }
            Expr::Named(named) => self.assign(&named.target, &named.value),
            _ => {}
        }
        walk_expr(self, expression);
    }
}
