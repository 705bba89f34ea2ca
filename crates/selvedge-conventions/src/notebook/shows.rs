//! Whether a cell of Python leaves an output when it runs.

use ruff_python_ast::{Expr, ExprCall, IpyEscapeKind, Operator, Stmt};
use ruff_text_size::Ranged as _;

use super::names::{Names, called, makes};
use super::prints::{Shows, has_keyword, of_command, printed};
use super::python::parsed;
use super::{Cell, CellKind, Notebook};

/// What a cell shows when it runs: what it prints, and the value of its last expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) printed: Shows,
    pub(crate) value: Shows,
}

impl Shown {
    const UNSURE: Self = Self {
        printed: Shows::Unsure,
        value: Shows::Unsure,
    };

    const fn printed() -> Self {
        Self {
            printed: Shows::Surely,
            value: Shows::Unsure,
        }
    }

    /// How sure it is that it shows something. Of loops, plots and the like that is only told where no
    /// cell of the notebook shows anything.
    pub(crate) fn any(self, others_show: bool) -> Shows {
        if others_show && self.printed < Shows::Surely {
            self.value
        } else {
            self.printed.max(self.value)
        }
    }
}

impl Notebook {
    /// What cells of the notebook show when they run. Functions of the notebook are looked into where that
    /// is wanted.
    pub(crate) fn shows(&self, by_functions: bool) -> impl Fn(&Cell) -> Shown {
        let can_tell = self.is_python && !self.redirects();
        let code = self.cells.iter().filter(|cell| cell.kind == CellKind::Code);
        let code = code.filter(|_| can_tell).map(|cell| cell.source.as_str());
        let mut names = Names::of(code);
        if by_functions {
            names.look_into_functions();
        }
        move |cell| {
            if can_tell && !cell.is_foreign && !cell.hides_output() {
                of_code(&cell.source, &names)
            } else {
                Shown::UNSURE
            }
        }
    }

    /// Whether what is printed or shown may go elsewhere, or nowhere.
    fn redirects(&self) -> bool {
        const SIGNS: [&str; 10] = [
            "setattr(sys",
            "os.dup2",
            "builtins.print",
            "sys.stdout =",
            "sys.stdout=",
            "sys.stdout,",
            "redirect_stdout",
            "ast_node_interactivity",
            "displayhook",
            "_render_traceback_",
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
        let is_off = |option: &str| self.is_set(option, false);
        by_tag || is_off("output") || is_off("include")
    }
}

fn of_code(code: &str, names: &Names) -> Shown {
    if names.clears(code) {
        return Shown::UNSURE;
    }
    // Some put comments before the magic of a cell.
    let mut lines = code.lines().map(str::trim_start);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    if let Some(magic) = first.and_then(|line| line.strip_prefix("%%")) {
        let mut words = magic.split_whitespace();
        let name = words.next().unwrap_or_default();
        // An option may be that it says nothing.
        let is_quiet = words.next().is_some_and(|word| word.starts_with('-'));
        return match name {
            "time" | "timeit" if !is_quiet => Shown::printed(),
            "writefile" | "file" | "html" | "HTML" | "javascript" | "js" | "latex" | "markdown"
            | "svg" | "SVG" => Shown::printed(),
            "bash" | "sh" => {
                let tells = |line| of_command(IpyEscapeKind::Shell, line);
                let is_plain = |line: &&str| !line.starts_with(char::is_whitespace);
                let tells = code.lines().filter(is_plain).map(tells).max();
                Shown {
                    printed: tells.unwrap_or(Shows::Unsure),
                    ..Shown::UNSURE
                }
            }
            _ => Shown::UNSURE,
        };
    }
    let shown = parsed(code, |parsed| {
        if parsed.has_invalid_syntax() {
            return Shown::UNSURE;
        }
        let statements = parsed.suite();
        let printed = printed(statements, names);
        let value = match statements.last() {
            Some(Stmt::Expr(last)) => {
                // A semicolon keeps IPython from showing the value.
                let rest = code.get(last.end().to_usize()..).unwrap_or_default();
                if rest.trim_start().starts_with(';') {
                    Shows::Unsure
                } else {
                    of_value(&last.value, names)
                }
            }
            _ => Shows::Unsure,
        };
        Shown { printed, value }
    });
    shown.unwrap_or(Shown::UNSURE)
}

/// Attributes of arrays and tables.
const ATTRIBUTES: [&str; 9] = [
    "__version__",
    "shape",
    "dtype",
    "dtypes",
    "size",
    "ndim",
    "T",
    "columns",
    "index",
];

/// Whether IPython shows the value: any but `None`.
fn of_value(value: &Expr, names: &Names) -> Shows {
    match value {
        // Packages that give them a meaning of their own return what they like.
        Expr::BinOp(sum)
            if matches!(
                sum.op,
                Operator::BitOr | Operator::LShift | Operator::RShift
            ) =>
        {
            Shows::Unsure
        }
        Expr::BinOp(sum)
            if matches!(
                sum.op,
                Operator::BitAnd | Operator::BitXor | Operator::MatMult
            ) =>
        {
            Shows::Likely
        }
        Expr::BinOp(_) | Expr::UnaryOp(_) | Expr::Compare(_) if names.has_operators() => {
            Shows::Unsure
        }
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
        // IPython ends when it meets these.
        Expr::Name(name) if matches!(name.id.as_str(), "exit" | "quit") => Shows::Unsure,
        Expr::Name(name) if names.may_be_none(name.id.as_str()) => Shows::Unsure,
        Expr::Name(name) if names.is_value(name.id.as_str()) => Shows::Likely,
        Expr::Attribute(attribute) if ATTRIBUTES.contains(&attribute.attr.as_str()) => {
            Shows::Likely
        }
        Expr::Name(_) | Expr::Attribute(_) | Expr::Subscript(_) => Shows::Perhaps,
        Expr::Named(named) => of_value(&named.value, names),
        Expr::Call(call) => of_call(call, names),
        _ => Shows::Unsure,
    }
}

/// Functions and methods that have a value. Of others nobody knows whether they return `None`.
fn of_call(call: &ExprCall, names: &Names) -> Shows {
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
        "argmax",
        "argmin",
        "argsort",
        "astype",
        "corr",
        "describe",
        "groupby",
        "head",
        "isna",
        "isnull",
        "item",
        "max",
        "mean",
        "median",
        "min",
        "notna",
        "nunique",
        "quantile",
        "reshape",
        "std",
        "sum",
        "tail",
        "tolist",
        "unique",
        "value_counts",
    ];
    const SOME: &[&str] = &[
        "all", "any", "count", "cov", "cpu", "detach", "items", "keys", "norm", "numpy", "sample",
        "split", "strip", "values", "var",
    ];
    match &*call.func {
        Expr::Name(function)
            if FUNCTIONS.contains(&function.id.as_str())
                && names.is_builtin(function.id.as_str())
                && !has_keyword(call, "default") =>
        {
            Shows::Surely
        }
        Expr::Attribute(method)
            if (METHODS.contains(&method.attr.as_str()) || method.attr.starts_with("is_"))
                && names.is_builtin(method.attr.as_str())
                && !has_keyword(call, "inplace") =>
        {
            Shows::Likely
        }
        _ if makes(call) && !called(call).is_some_and(|name| names.is_function(name)) => {
            Shows::Likely
        }
        Expr::Name(class) if names.is_class(class.id.as_str()) => Shows::Likely,
        Expr::Attribute(function) if is_of_numbers(&function.value, names) => Shows::Likely,
        // Methods that mostly return something, and have such a name in other classes that do not.
        Expr::Attribute(method)
            if SOME.contains(&method.attr.as_str()) && names.is_builtin(method.attr.as_str()) =>
        {
            Shows::Perhaps
        }
        _ => Shows::Unsure,
    }
}

/// Whether it is a module whose functions all have a value.
fn is_of_numbers(module: &Expr, names: &Names) -> bool {
    const MODULES: [&str; 4] = ["itertools", "math", "platform", "statistics"];
    let Expr::Name(name) = module else {
        return false;
    };
    let module = names.module(name.id.as_str());
    module.is_some_and(|module| MODULES.contains(&module))
}

#[cfg(test)]
mod tests {
    use super::{Names, Shows, of_code};

    #[track_caller]
    fn check(codes: &[&str], expected: Shows) {
        for code in codes {
            let names = Names::of([*code].into_iter());
            assert_eq!(of_code(code, &names).any(true), expected, "{code}");
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
                "from IPython.display import display\ndisplay(df)",
                "(y := 3)",
                "x = 2 * y\nx + 1",
                "len(mask)",
                "%matplotlib inline\nprint(1)",
                "%%time\nx = 1",
                "\"\"\"a text\"\"\"",
                "%%html\n<b>x</b>",
                "%timeit -n 10 f(x)",
                "y = %time f(x)",
                "%cd ..",
                "with torch.no_grad(), open('a') as f:\n    print(f.read())",
                "for i in range(3):\n    print(i)",
                "for name in ['a', *names]:\n    if name:\n        x = 1\n    print(name)",
                "if x:\n    print(1)\nelif y:\n    print(2)\nelse:\n    print(3)",
                "try:\n    y = 1 / x\n    print(y)\nexcept ZeroDivisionError as error:\n    print(error)",
                "try:\n    x = 1\nfinally:\n    print(1)",
                "class A:\n    print(1)",
                "while True:\n    print(1)\n    break",
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
                "W = [1, 2]\nW",
                "x.shape",
                "(y := f.mean())",
                "def f():\n    return 3\nx.max()",
                "df = pd.read_csv(x)\ndf",
                "class Net:\n    pass\nnet = Net()\nnet",
                "pd.DataFrame(rows)",
                "torch.cuda.is_available()",
                "torch.__version__",
                "class A:\n    pass\nA()",
                "import math\nmath.sqrt(2)",
            ],
            Shows::Likely,
        );
        check(
            &["W", "x.best", "df['a']", "W = load(x)\nW"],
            Shows::Perhaps,
        );
    }

    /// Where the whole notebook has no output, what mostly shows something is a sign.
    #[test]
    fn what_mostly_shows_something_is_told_where_nothing_else_is_there() {
        for (code, expected) in [
            ("plt.plot(x)\nplt.show()", Shows::Likely),
            ("fig, ax = plt.subplots()\nax.plot(x);", Shows::Likely),
            ("import seaborn as sns\nsns.heatmap(x);", Shows::Likely),
            (
                "import plotly.express as px\nfig = px.line(x)\nfig.show()",
                Shows::Likely,
            ),
            ("df.info()", Shows::Likely),
            ("!nvidia-smi", Shows::Likely),
            ("%%bash\nset -e\necho a", Shows::Likely),
            ("for x in []:\n    print(x)", Shows::Unsure),
            (
                "N = 10\nfor i in tqdm(range(N)):\n    print(i)",
                Shows::Likely,
            ),
            ("def draw(x):\n    plt.imshow(x)\ndraw(x)", Shows::Likely),
            ("def tell(x):\n    print(x)\ntell(x)", Shows::Surely),
            ("df.hist();", Shows::Perhaps),
            ("for x in y:\n    print(x)", Shows::Perhaps),
            (
                "for x in [1, 2]:\n    if f(x):\n        continue\n    print(x)",
                Shows::Perhaps,
            ),
            (
                "try:\n    print(x)\nexcept NameError:\n    pass",
                Shows::Perhaps,
            ),
            (
                "def tell(x):\n    if quiet:\n        return\n    print(x)\ntell(x)",
                Shows::Perhaps,
            ),
            ("import plotext as plt\nplt.show()", Shows::Unsure),
            (
                "matplotlib.use('Agg')\nplt.plot(x)\nplt.show()",
                Shows::Unsure,
            ),
            ("%matplotlib qt\nplt.show()", Shows::Unsure),
            (
                "plt.plot(x)\nplt.savefig('a.png')\nplt.close()",
                Shows::Unsure,
            ),
            ("fig = plt.figure()", Shows::Unsure),
            ("image.show()", Shows::Unsure),
            ("logger.info('a')", Shows::Unsure),
            ("@cache\ndef tell(x):\n    print(x)\ntell(x)", Shows::Unsure),
            ("if verbose:\n    print(1)", Shows::Unsure),
            ("with captured:\n    print(1)", Shows::Unsure),
            ("with capture_output():\n    print(1)", Shows::Unsure),
            ("!pip install torch", Shows::Unsure),
            ("%timeit -q f(x)", Shows::Unsure),
            ("y = !echo a", Shows::Unsure),
            ("for x in y:\n    break\n    print(x)", Shows::Unsure),
        ] {
            let mut names = Names::of([code].into_iter());
            names.look_into_functions();
            assert_eq!(of_code(code, &names).any(false), expected, "{code}");
        }
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
                "print(*lines)",
                "print(1)\nfrom google.colab import output\noutput.clear()",
                "x.sum();",
                "x;  # quiet",
                "model.fit(x)",
                "df.fillna(0, inplace=True)",
                "fig, ax = plt.subplots()\nax.plot(x)\nfig.savefig('a.png')\nplt.close(fig)",
                "None",
                "values.sort()",
                "values.append(1)",
                "plt.show()",
                "thread.join()",
                "(y := None)",
                "(y := values.sort())",
                "y = None\ny",
                "m = re.match(p, x)\nm",
                "m = pattern.search(x)\nm",
                "(m := x.get('a'))",
                "m = next(all, None)\nm",
                "m = x if x else None\nm",
                "m = x or None\nm",
                "m: Match = re.fullmatch(p, x)\nm",
                "tool = shutil.which('a')\ntool",
                "tag = soup.find('a')\ntag",
                "df = df.drop(columns='a', inplace=True)\ndf",
                "done = df.to_csv('a.csv')\ndone",
                "best = find_best(x)\nbest",
                "m = getattr(x, 'a', None)\nm",
                "y = values.sort()\ny",
                "y = print(1, end='')\ny",
                "def f():\n    pass\ny = f()\ny",
                "def sum(x):\n    pass\nsum(x)",
                "class A:\n    def head(self):\n        pass\nA().head()",
                "class A:\n    def __add__(self, other):\n        pass\nA() + 1",
                "gate | qubit",
                "first >> second",
                "exit",
                "max(x, default=None)",
                "print(1)\nclear_output()",
                "def draw():\n    clear_output()\ndef run():\n    draw()\nprint(1)\nrun()",
                "print = log.info\nprint(1)",
                "from tools import print\nprint(1)",
                "import tools as display\ndisplay(df)",
                "from IPython import display\ndisplay(df)",
                "display(*frames)",
                "with captured:\n    print(1)",
                "raise Stop\nprint(1)",
                "#@title A\n%%capture\nprint(1)",
                "%%timeit -q\nx = 1",
                "%%time\nprint(1)\nclear_output()",
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
