//! Whether a cell of Python leaves an output when it runs.

use ruff_python_ast::{Expr, ExprCall, Stmt};
use ruff_text_size::Ranged as _;

use super::python::parsed;
use super::{Cell, Notebook};

/// How sure it is that a cell shows something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shows {
    /// Nothing, or nobody can tell.
    Unsure,
    /// Unless a value is `None`.
    Likely,
    /// In any case.
    Surely,
}

impl Notebook {
    /// What cells of the notebook show when they run.
    pub(crate) fn shows(&self) -> impl Fn(&Cell) -> Shows {
        let can_tell = self.is_python && !self.redirects();
        move |cell| {
            if can_tell && !cell.is_foreign && !cell.hides_output() {
                of_code(&cell.source)
            } else {
                Shows::Unsure
            }
        }
    }

    /// Whether what is printed or shown may go elsewhere.
    fn redirects(&self) -> bool {
        const SIGNS: [&str; 8] = [
            "def print(",
            "def display(",
            "print =",
            "print=",
            "as print",
            "sys.stdout =",
            "redirect_stdout",
            "ast_node_interactivity",
        ];
        let mut sources = self.cells.iter().map(|cell| &cell.source);
        sources.any(|source| SIGNS.iter().any(|sign| source.contains(sign)))
    }
}

impl Cell {
    /// Whether somebody asked for the output to be taken out: by a tag such as `hide_output`, or by an
    /// option of Quarto.
    pub(crate) fn hides_output(&self) -> bool {
        let by_tag = self.tags.iter().any(|tag| {
            let tag = tag.replace('_', "-");
            tag.ends_with("-output") || tag.ends_with("-cell")
        });
        let is_off = |option: &str| self.directive(option) == Some("false");
        by_tag || is_off("output") || is_off("include")
    }
}

fn of_code(code: &str) -> Shows {
    if let Some(magic) = code.trim_start().strip_prefix("%%") {
        let name = magic.split_whitespace().next().unwrap_or_default();
        return match name {
            "time" | "timeit" | "writefile" | "file" => Shows::Surely,
            _ => Shows::Unsure,
        };
    }
    let shows = parsed(code, |parsed| {
        if parsed.has_invalid_syntax() {
            return Shows::Unsure;
        }
        let statements = parsed.suite();
        if statements.iter().any(prints) {
            return Shows::Surely;
        }
        match statements.last() {
            Some(Stmt::Expr(last)) => {
                // A semicolon keeps IPython from showing the value.
                let rest = code.get(last.end().to_usize()..).unwrap_or_default();
                if rest.trim_start().starts_with(';') {
                    Shows::Unsure
                } else {
                    of_value(&last.value)
                }
            }
            _ => Shows::Unsure,
        }
    });
    shows.unwrap_or(Shows::Unsure)
}

/// Whether a statement of the cell itself, not of a function or a condition, prints.
fn prints(statement: &Stmt) -> bool {
    let Stmt::Expr(statement) = statement else {
        return false;
    };
    let Expr::Call(call) = &*statement.value else {
        return false;
    };
    let Expr::Name(function) = &*call.func else {
        return false;
    };
    let arguments = &call.arguments;
    match function.id.as_str() {
        "print" => !has_keyword(call, "file") && !has_keyword(call, "end"),
        "display" => !arguments.args.is_empty() && !has_keyword(call, "display_id"),
        _ => false,
    }
}

fn has_keyword(call: &ExprCall, name: &str) -> bool {
    let mut keywords = call.arguments.keywords.iter();
    // Of `**options` nobody knows what is in it.
    keywords.any(|keyword| keyword.arg.as_ref().is_none_or(|arg| arg.as_str() == name))
}

/// Whether IPython shows the value: any but `None`.
fn of_value(value: &Expr) -> Shows {
    match value {
        Expr::BinOp(_)
        | Expr::UnaryOp(_)
        | Expr::Compare(_)
        | Expr::Lambda(_)
        | Expr::Dict(_)
        | Expr::Set(_)
        | Expr::List(_)
        | Expr::Tuple(_)
        | Expr::ListComp(_)
        | Expr::SetComp(_)
        | Expr::DictComp(_)
        | Expr::Generator(_)
        | Expr::FString(_)
        | Expr::TString(_)
        | Expr::StringLiteral(_)
        | Expr::BytesLiteral(_)
        | Expr::NumberLiteral(_)
        | Expr::BooleanLiteral(_)
        | Expr::EllipsisLiteral(_) => Shows::Surely,
        Expr::Name(_) | Expr::Attribute(_) | Expr::Subscript(_) => Shows::Likely,
        Expr::Named(named) => of_value(&named.value),
        Expr::Call(call) => of_call(call),
        _ => Shows::Unsure,
    }
}

/// Functions and methods that have a value. Of others nobody knows whether they return `None`.
fn of_call(call: &ExprCall) -> Shows {
    const FUNCTIONS: &[&str] = &[
        "abs",
        "all",
        "any",
        "bool",
        "dict",
        "dir",
        "enumerate",
        "float",
        "hash",
        "hasattr",
        "id",
        "int",
        "isinstance",
        "len",
        "list",
        "max",
        "min",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "sorted",
        "str",
        "sum",
        "tuple",
        "type",
        "vars",
        "zip",
    ];
    const METHODS: &[&str] = &[
        "all",
        "any",
        "argmax",
        "argmin",
        "argsort",
        "astype",
        "corr",
        "count",
        "cov",
        "cpu",
        "describe",
        "detach",
        "groupby",
        "head",
        "isna",
        "isnull",
        "item",
        "items",
        "join",
        "keys",
        "max",
        "mean",
        "median",
        "min",
        "norm",
        "notna",
        "nunique",
        "numpy",
        "quantile",
        "reshape",
        "sample",
        "split",
        "std",
        "strip",
        "sum",
        "tail",
        "tolist",
        "unique",
        "value_counts",
        "values",
        "var",
    ];
    match &*call.func {
        Expr::Name(function) if FUNCTIONS.contains(&function.id.as_str()) => Shows::Surely,
        Expr::Attribute(method)
            if METHODS.contains(&method.attr.as_str()) && !has_keyword(call, "inplace") =>
        {
            Shows::Likely
        }
        _ => Shows::Unsure,
    }
}

#[cfg(test)]
mod tests {
    use super::{Shows, of_code};

    #[track_caller]
    fn check(codes: &[&str], expected: Shows) {
        for code in codes {
            assert_eq!(of_code(code), expected, "{code}");
        }
    }

    #[test]
    fn a_print_of_the_cell_itself_shows() {
        check(
            &[
                "print(1)",
                "x = 1; print(x)",
                "print(f'{x:.3f}', sep='')\ny = 2",
                "import a\ndisplay(df)",
                "x = 2 * y\nx + 1",
                "len(mask)",
                "%matplotlib inline\nprint(1)",
                "%%time\nx = 1",
                "\"\"\"a text\"\"\"",
            ],
            Shows::Surely,
        );
    }

    #[test]
    fn the_value_of_the_last_expression_shows() {
        check(
            &[
                "mask.sum()",
                "import pandas as pd\ndf.head()",
                "W",
                "x.shape",
                "df['a']",
                "(y := f.mean())",
            ],
            Shows::Likely,
        );
    }

    /// A word that ends with `print`, a text, a function that is only defined, a condition, a
    /// semicolon, another file: none of them says that an output is gone.
    #[test]
    fn what_may_show_nothing_is_left_alone() {
        check(
            &[
                "h = fingerprint(W)",
                "fingerprint(W)",
                "script = \"\"\"\nprint(x)\n\"\"\"",
                "x = 1  # print(x)",
                "show = lambda x: print(x)",
                "def report(x):\n    print(x)",
                "def my_print(x): pass",
                "if verbose: print(1)",
                "for x in y:\n    print(x)",
                "print(1, file=log)",
                "print('', end='')",
                "print(1, **options)",
                "x.sum();",
                "x;  # quiet",
                "model.fit(x)",
                "df.fillna(0, inplace=True)",
                "fig, ax = plt.subplots()\nax.plot(x)\nfig.savefig('a.png')\nplt.close(fig)",
                "None",
                "%%capture\nprint(1)",
                "%%script false\nprint(1)",
                "!ls",
                "%pip install torch",
                "print(",
                "x = ",
                "",
            ],
            Shows::Unsure,
        );
    }
}
