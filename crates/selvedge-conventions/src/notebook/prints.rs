//! What statements of Python print or draw when they run.

use ruff_python_ast::visitor::{Visitor, walk_stmt};
use ruff_python_ast::{ExceptHandler, Expr, ExprAttribute, ExprCall, IpyEscapeKind, Stmt};

use super::names::{Names, called, is_filled};

/// How sure it is that something is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shows {
    /// Nothing, or nobody can tell.
    Unsure,
    /// Unless a value of which nothing is known is `None`, or there is nothing to go through.
    Perhaps,
    /// Unless a value that seldom is `None` is so, or a plot goes elsewhere.
    Likely,
    /// In any case.
    Surely,
}

/// What statements that stand one after the other show, beside the value of the last one.
pub(super) fn printed(body: &[Stmt], names: &Names) -> Shows {
    let mut most = Shows::Unsure;
    let mut is_reached = true;
    for statement in body {
        if leaves(statement) {
            break;
        }
        let shows = of_statement(statement, names);
        most = most.max(if is_reached {
            shows
        } else {
            shows.min(Shows::Perhaps)
        });
        is_reached &= !may_leave(statement);
    }
    most
}

fn of_statement(statement: &Stmt, names: &Names) -> Shows {
    let of_body = |body: &[Stmt]| printed(body, names);
    match statement {
        Stmt::Expr(statement) => of_expression(&statement.value, names),
        Stmt::Assign(assign) => of_expression(&assign.value, names),
        Stmt::IpyEscapeCommand(command) => of_command(command.kind, &command.value),
        Stmt::With(with) if with.items.iter().all(|item| lets_pass(&item.context_expr)) => {
            of_body(&with.body)
        }
        // It draws a bar, whatever it goes through.
        Stmt::For(each) if is_told(&each.iter) => Shows::Likely,
        Stmt::For(each) => of_body(&each.body).min(of_items(&each.iter, names)),
        Stmt::ClassDef(class) => of_body(&class.body),
        Stmt::While(again) if is_true(&again.test) => of_body(&again.body),
        Stmt::While(again) => of_body(&again.body).min(Shows::Perhaps),
        Stmt::If(choice) if is_true(&choice.test) => of_body(&choice.body),
        Stmt::If(choice) => {
            let others = &choice.elif_else_clauses;
            let is_whole = others.last().is_some_and(|other| other.test.is_none());
            if !is_whole {
                return Shows::Unsure;
            }
            let others = others.iter().map(|other| of_body(&other.body));
            others.fold(of_body(&choice.body), Shows::min)
        }
        Stmt::Try(tried) => {
            let handlers = tried.handlers.iter();
            let handlers = handlers.map(|ExceptHandler::ExceptHandler(it)| of_body(&it.body));
            // What nobody handles is shown itself.
            let handled = handlers.min().unwrap_or(Shows::Surely);
            let shows = of_body(&tried.body).max(of_body(&tried.orelse));
            let shows = shows.min(handled.max(Shows::Perhaps));
            shows.max(of_body(&tried.finalbody))
        }
        _ => Shows::Unsure,
    }
}

fn is_told(items: &Expr) -> bool {
    let Expr::Call(call) = items else {
        return false;
    };
    let may_hide = ["disable", "leave", "file"];
    matches!(called(call), Some("tqdm" | "trange"))
        && !may_hide.iter().any(|name| has_keyword(call, name))
}

fn is_true(test: &Expr) -> bool {
    matches!(test, Expr::BooleanLiteral(literal) if literal.value)
}

/// Whether nothing behind the statement is reached.
fn leaves(statement: &Stmt) -> bool {
    matches!(
        statement,
        Stmt::Raise(_) | Stmt::Return(_) | Stmt::Break(_) | Stmt::Continue(_)
    )
}

/// Whether something in the statement leaves what is around it without an error.
fn may_leave(statement: &Stmt) -> bool {
    struct Leaving(bool);
    impl<'a> Visitor<'a> for Leaving {
        fn visit_stmt(&mut self, statement: &'a Stmt) {
            match statement {
                Stmt::FunctionDef(_) | Stmt::ClassDef(_) | Stmt::Raise(_) => {}
                _ if leaves(statement) => self.0 = true,
                _ => walk_stmt(self, statement),
            }
        }
    }
    let mut leaving = Leaving(false);
    leaving.visit_stmt(statement);
    leaving.0
}

fn of_expression(expression: &Expr, names: &Names) -> Shows {
    match expression {
        Expr::Await(waited) => of_expression(&waited.value, names),
        // What a shell prints is kept in the variable.
        Expr::IpyEscapeCommand(command) if command.kind == IpyEscapeKind::Magic => {
            of_command(command.kind, &command.value)
        }
        Expr::Call(call) => match &*call.func {
            Expr::Name(function) => of_function(function.id.as_str(), call, names),
            Expr::Attribute(method) => of_method(method, call, names),
            _ => Shows::Unsure,
        },
        _ => Shows::Unsure,
    }
}

fn of_function(name: &str, call: &ExprCall, names: &Names) -> Shows {
    let args = &call.arguments.args;
    let prints = match name {
        "print" => {
            // A list may be one of nothing.
            let is_sure = args.is_empty() || !args.iter().all(Expr::is_starred_expr);
            if has_keyword(call, "file") {
                return of_stream(call);
            }
            if has_keyword(call, "end") {
                return Shows::Perhaps;
            }
            is_sure
        }
        "help" if names.is_builtin(name) => return Shows::Likely,
        "pprint" | "pp" if !args.is_empty() && !has_keyword(call, "stream") => {
            return Shows::Likely;
        }
        "display" => {
            let first = args.first();
            first.is_some_and(|first| !first.is_starred_expr()) && !has_keyword(call, "display_id")
        }
        _ => return names.shown_by(name),
    };
    if prints && names.is_builtin(name) {
        Shows::Surely
    } else {
        Shows::Unsure
    }
}

/// What is printed to a stream that is named: IPython shows two of them.
fn of_stream(call: &ExprCall) -> Shows {
    let file = call.arguments.find_keyword("file").map(|file| &file.value);
    let is_shown = matches!(file, Some(Expr::Attribute(stream))
        if matches!(stream.attr.as_str(), "stderr" | "stdout"));
    if is_shown {
        Shows::Likely
    } else {
        Shows::Unsure
    }
}

pub(super) fn has_keyword(call: &ExprCall, name: &str) -> bool {
    let mut keywords = call.arguments.keywords.iter();
    // Nobody knows what is in `**options`.
    keywords.any(|keyword| keyword.arg.as_ref().is_none_or(|arg| arg.as_str() == name))
}

/// What draws, and tables that print what they are like.
fn of_method(method: &ExprAttribute, call: &ExprCall, names: &Names) -> Shows {
    const DRAWING: &[&str] = &[
        "axhline",
        "axis",
        "axvline",
        "bar",
        "barh",
        "boxplot",
        "colorbar",
        "contour",
        "contourf",
        "errorbar",
        "fill_between",
        "hexbin",
        "hist",
        "hist2d",
        "imshow",
        "legend",
        "loglog",
        "matshow",
        "pcolormesh",
        "pie",
        "plot",
        "plot_surface",
        "quiver",
        "scatter",
        "semilogx",
        "semilogy",
        "stackplot",
        "stairs",
        "stem",
        "step",
        "subplot",
        "subplot_mosaic",
        "subplots",
        "violinplot",
    ];
    let name = method.attr.as_str();
    if name == "info" && call.arguments.is_empty() {
        return Shows::Likely;
    }
    let of = match &*method.value {
        Expr::Name(of) => of.id.as_str(),
        _ => "",
    };
    if name == "pprint" && !call.arguments.args.is_empty() && !has_keyword(call, "stream") {
        return Shows::Likely;
    }
    let is_drawn = DRAWING.contains(&name);
    match names.module(of) {
        _ if names.hides_plots() => Shows::Unsure,
        Some("matplotlib.pyplot" | "pylab") if name == "show" => Shows::Likely,
        None if name == "show" && names.is_figure(of) => Shows::Likely,
        _ if names.closes_plots() => Shows::Unsure,
        Some("matplotlib.pyplot" | "pylab") if is_drawn => Shows::Likely,
        Some("seaborn") if name.ends_with("plot") || name.ends_with("map") => Shows::Likely,
        // Tables draw, too, and axes of a plot that was shown before have a value.
        None if is_drawn => Shows::Perhaps,
        _ => Shows::Unsure,
    }
}

/// A line that is for IPython, or for a shell.
pub(super) fn of_command(kind: IpyEscapeKind, text: &str) -> Shows {
    let mut words = text.split_whitespace();
    let name = words.next().unwrap_or_default();
    match kind {
        IpyEscapeKind::Magic => {
            let mut options = words.take_while(|word| word.starts_with('-'));
            let is_quiet = options.any(|word| word.contains('q'));
            let prints = match name {
                "pwd" | "lsmagic" => return Shows::Likely,
                "time" | "timeit" | "memit" | "cd" => !is_quiet,
                "env" | "set_env" => text.contains('='),
                "who" | "whos" => true,
                _ => false,
            };
            if prints { Shows::Surely } else { Shows::Unsure }
        }
        IpyEscapeKind::Shell => {
            const TELLING: [&str; 8] = [
                "date",
                "df",
                "echo",
                "free",
                "lscpu",
                "nvidia-smi",
                "pwd",
                "uname",
            ];
            let is_told = TELLING.contains(&name) && !text.contains(['>', '|', '&']);
            if is_told {
                Shows::Likely
            } else {
                Shows::Unsure
            }
        }
        _ => Shows::Unsure,
    }
}

/// Whether what is printed in the context is shown: it neither keeps that nor swallows errors.
fn lets_pass(context: &Expr) -> bool {
    const CONTEXTS: &[&str] = &[
        "File",
        "GradientTape",
        "Pool",
        "ProcessPoolExecutor",
        "Session",
        "TemporaryDirectory",
        "ThreadPoolExecutor",
        "ZipFile",
        "autocast",
        "axes_style",
        "catch_warnings",
        "context",
        "device",
        "enable_grad",
        "errstate",
        "inference_mode",
        "localcontext",
        "no_grad",
        "open",
        "option_context",
        "plotting_context",
        "printoptions",
        "rc_context",
        "safe_open",
        "set_grad_enabled",
        "urlopen",
    ];
    let name = match context {
        Expr::Call(call) => called(call),
        _ => None,
    };
    name.is_some_and(|name| CONTEXTS.contains(&name))
}

/// Whether there is something to go through.
fn of_items(items: &Expr, names: &Names) -> Shows {
    let of_each = |expressions: &[Expr]| {
        let each = expressions.iter().map(|one| of_items(one, names));
        each.min().unwrap_or(Shows::Perhaps)
    };
    match items {
        Expr::Name(name) if names.is_filled(name.id.as_str()) => Shows::Likely,
        Expr::Call(call) => {
            let args = &call.arguments.args;
            match called(call) {
                Some("range" | "trange") if names.is_builtin("range") => match &args[..] {
                    [_] => of_each(args),
                    _ if args.iter().all(Expr::is_number_literal_expr) => Shows::Likely,
                    _ => Shows::Perhaps,
                },
                Some("enumerate" | "list" | "reversed" | "sorted" | "tqdm" | "track") => {
                    of_each(args.get(..1).unwrap_or_default())
                }
                Some("zip") => of_each(args),
                Some("items" | "keys" | "values") => match &*call.func {
                    Expr::Attribute(method) => of_items(&method.value, names),
                    _ => Shows::Perhaps,
                },
                _ => Shows::Perhaps,
            }
        }
        _ if is_filled(items) => Shows::Surely,
        Expr::List(_) | Expr::Tuple(_) | Expr::Dict(_) => Shows::Unsure,
        _ => Shows::Perhaps,
    }
}
