//! What a script in Python does to notebooks, by its text: the commands that it starts, and whether it
//! takes outputs out itself. Nothing is run.

mod conditions;
mod outputs;
mod values;

use std::collections::{HashMap, HashSet};

use conditions::Condition;
use outputs::{is_empty, is_key, is_outputs};

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Arguments, Expr, ExprCall, Operator, Stmt};
use ruff_text_size::{Ranged, TextSize};

use values::{LONGEST, Value};

use super::shell::{Lists, TEMPORARY, UNKNOWN};
use crate::Narrowing;
use crate::notebook::parsed;

/// Something that the script does.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// It starts a program.
    Words(Vec<String>),
    /// It has a shell do something.
    Text(String),
    /// It takes the outputs of cells out.
    TakesOutputs,
}

/// A step, its line from 1, whether what it prints is written somewhere, and which files it is about.
pub(super) struct Found {
    pub(super) step: Step,
    pub(super) line: usize,
    pub(super) is_written: bool,
    pub(super) on: Narrowing,
}

/// The steps of a script, which is a filter or one that changes files.
pub(super) fn steps(
    code: &str,
    arguments: Option<&[String]>,
    is_filter: bool,
    lists: &mut Lists,
) -> Vec<Found> {
    let read = parsed(code, |parsed| {
        let mut reader = Reader {
            code,
            arguments,
            lists,
            variables: HashMap::new(),
            parameter: None,
            runners: HashSet::new(),
            function: None,
            calls: HashMap::new(),
            predicates: HashMap::new(),
            lists_of: HashMap::new(),
            defaults: HashMap::new(),
            conditions: Vec::new(),
            steps: Vec::new(),
            read: HashSet::new(),
            written: HashSet::new(),
            prints: false,
            comes_back: false,
        };
        reader.visit_body(parsed.suite());
        let steps = std::mem::take(&mut reader.steps);
        let steps: Vec<Taken> = steps
            .into_iter()
            .filter_map(|taken| reader.as_called(taken))
            .collect();
        (
            steps,
            reader.read,
            reader.written,
            reader.prints,
            reader.comes_back,
        )
    });
    let Some((steps, read, written, prints, comes_back)) = read else {
        return Vec::new();
    };
    let is_about_notebooks = ["cells", "ipynb", "nbformat"]
        .iter()
        .any(|word| code.contains(word));
    let changes = is_about_notebooks
        && if is_filter {
            prints
        } else {
            // A copy may be without outputs.
            read.iter().any(|path| written.contains(path))
        };
    let writes = prints || !written.is_empty();
    steps
        .into_iter()
        .filter(|taken| taken.step != Step::TakesOutputs || changes)
        .map(|mut taken| {
            if let Step::Words(words) = &mut taken.step
                && comes_back
            {
                for word in words {
                    *word = word.replace(TEMPORARY, &UNKNOWN.to_string());
                }
            }
            Found {
                step: taken.step,
                line: code[..taken.at.to_usize()].matches('\n').count() + 1,
                is_written: match taken.output {
                    Output::File => true,
                    Output::Captured => writes,
                    Output::Inherited => is_filter,
                },
                on: taken.on,
            }
        })
        .collect()
}

enum Output {
    Inherited,
    Captured,
    File,
}

/// A step as it is found.
struct Taken {
    step: Step,
    at: TextSize,
    output: Output,
    on: Narrowing,
    /// The function that it is a part of.
    function: Option<String>,
}

/// A call of a function of the script: what conditions say there, and the function that it is a part of.
struct Call {
    on: Narrowing,
    is_dead: bool,
    function: Option<String>,
}

struct Reader<'c, 'l> {
    code: &'c str,
    /// What it is called with, where that is known.
    arguments: Option<&'c [String]>,
    lists: &'l mut Lists,
    variables: HashMap<String, Value>,
    /// The first parameter of the function that is read, and the function.
    parameter: Option<(String, String)>,
    /// Functions that start what they are given.
    runners: HashSet<String>,
    /// The function that is read, and calls of functions by their names.
    function: Option<String>,
    calls: HashMap<String, Vec<Call>>,
    /// What functions return that are one condition.
    predicates: HashMap<String, Condition>,
    /// What is known of the paths in a variable.
    lists_of: HashMap<String, Narrowing>,
    /// What options are, where nobody gives them.
    defaults: HashMap<String, String>,
    /// Those that what is read stands in.
    conditions: Vec<Condition>,
    steps: Vec<Taken>,
    /// Paths that are read and written, as the code has them.
    read: HashSet<String>,
    written: HashSet<String>,
    prints: bool,
    /// Whether a file for a time is copied to another place.
    comes_back: bool,
}

impl<'a> Visitor<'a> for Reader<'_, '_> {
    fn visit_body(&mut self, body: &'a [Stmt]) {
        let before = self.conditions.len();
        for statement in body {
            self.visit_stmt(statement);
            // `if …: continue`
            if let Stmt::If(guard) = statement
                && guard.elif_else_clauses.is_empty()
                && guard.body.last().is_some_and(|last| {
                    matches!(last, Stmt::Continue(_) | Stmt::Return(_) | Stmt::Raise(_))
                        || self.text_of(last).contains("exit(")
                })
            {
                let condition = self.condition(&guard.test).inverted();
                self.conditions.push(condition);
            }
        }
        self.conditions.truncate(before);
    }

    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => {
                // One that nobody calls does nothing.
                let name = function.name.as_str();
                if self.code.matches(name).nth(1).is_none() {
                    return;
                }
                let first = function.parameters.iter().next();
                let parameter = first.map(|first| (first.name().to_string(), name.to_owned()));
                if let Some(Stmt::Return(returned)) = function.body.last()
                    && function.body.len() <= 2
                    && let Some(value) = &returned.value
                {
                    let condition = self.condition(value);
                    self.predicates.insert(name.to_owned(), condition);
                }
                let outer = std::mem::replace(&mut self.parameter, parameter);
                let outside = self.function.replace(name.to_owned());
                let conditions = std::mem::take(&mut self.conditions);
                walk_stmt(self, statement);
                (self.parameter, self.function, self.conditions) = (outer, outside, conditions);
                return;
            }
            Stmt::If(branches) => {
                self.visit_expr(&branches.test);
                let mut condition = self.condition(&branches.test);
                self.conditions.push(condition.clone());
                self.visit_body(&branches.body);
                self.conditions.pop();
                for clause in &branches.elif_else_clauses {
                    condition = condition.inverted();
                    if let Some(test) = &clause.test {
                        self.visit_expr(test);
                        condition = condition.and(&self.condition(test));
                    }
                    self.conditions.push(condition.clone());
                    self.visit_body(&clause.body);
                    self.conditions.pop();
                }
                return;
            }
            Stmt::For(each) => {
                let on = self.paths(&each.iter);
                self.conditions.push(Condition {
                    on,
                    ..Condition::default()
                });
                walk_stmt(self, statement);
                self.conditions.pop();
                return;
            }
            Stmt::With(with) => {
                for item in &with.items {
                    self.assign(item.optional_vars.as_deref(), &item.context_expr);
                }
            }
            Stmt::Assign(assign) => {
                let (target, value) = (assign.targets.first(), &assign.value);
                self.assign(target, value);
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.assign(Some(&assign.target), value);
                }
            }
            Stmt::AugAssign(assign) => {
                if let Expr::Name(name) = &*assign.target
                    && let Some(Value::List(more)) = self.value(&assign.value)
                {
                    self.extend(&name.id, more);
                }
            }
            Stmt::Delete(delete) if delete.targets.iter().any(is_outputs) => {
                self.takes_outputs(statement);
            }
            _ => {}
        }
        walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        let before = self.conditions.len();
        match expression {
            Expr::Call(call) => self.call(call),
            // `{**cell, "outputs": []}`
            Expr::Dict(dict) if dict.items.iter().any(|item| item.key.is_none()) => {
                let mut items = dict.items.iter();
                if items.any(|item| item.key.as_ref().is_some_and(is_key) && is_empty(&item.value))
                {
                    self.takes_outputs(expression);
                }
            }
            // `cell | {"outputs": []}`
            Expr::BinOp(both) if both.op == Operator::BitOr => {
                if let Expr::Dict(dict) = &*both.right
                    && dict
                        .items
                        .iter()
                        .any(|item| item.key.as_ref().is_some_and(is_key) && is_empty(&item.value))
                {
                    self.takes_outputs(expression);
                }
            }
            Expr::ListComp(all) => {
                let tests = all.generators.iter().flat_map(|generator| &generator.ifs);
                let tests: Vec<_> = tests.map(|test| self.condition(test)).collect();
                self.conditions.extend(tests);
            }
            _ => {}
        }
        walk_expr(self, expression);
        self.conditions.truncate(before);
    }
}

impl Reader<'_, '_> {
    fn takes_outputs(&mut self, what: &impl Ranged) {
        // A tag has been put there by somebody.
        if !self.conditions.iter().any(|one| one.is_of_some_cells) {
            self.add(Step::TakesOutputs, what.start(), Output::Inherited);
        }
    }

    fn add(&mut self, step: Step, at: TextSize, output: Output) {
        if self.conditions.iter().any(|one| one.known == Some(false)) {
            return;
        }
        let mut on = Narrowing::default();
        for condition in &self.conditions {
            on.extend(&condition.on);
        }
        self.steps.push(Taken {
            step,
            at,
            output,
            on,
            function: self.function.clone(),
        });
    }

    /// The step with what is known where its function is called; none if it is not.
    fn as_called(&self, mut taken: Taken) -> Option<Taken> {
        const DEEPEST: usize = 4;
        let mut function = taken.function.clone();
        for _ in 0..DEEPEST {
            let calls = function.and_then(|name| self.calls.get(&name));
            let Some([call]) = calls.map(Vec::as_slice) else {
                break;
            };
            if call.is_dead {
                return None;
            }
            taken.on.extend(&call.on);
            function = call.function.clone();
        }
        Some(taken)
    }

    fn assign(&mut self, target: Option<&Expr>, value: &Expr) {
        if let Some(Expr::Name(name)) = target {
            let on = self.paths(value);
            self.lists_of.insert(name.id.to_string(), on);
        }
        match target {
            Some(Expr::Name(name)) => match self.setting_or_value(value) {
                Some(value) if value.bytes() <= LONGEST => {
                    self.variables.insert(name.id.to_string(), value);
                }
                _ => {
                    self.variables.remove(name.id.as_str());
                }
            },
            Some(target) if is_outputs(target) && is_empty(value) => self.takes_outputs(target),
            _ => {}
        }
    }

    fn extend(&mut self, name: &str, more: Vec<String>) {
        if let Some(Value::List(all)) = self.variables.get_mut(name)
            && all.len() + more.len() <= LONGEST
        {
            all.extend(more);
        }
    }

    fn call(&mut self, call: &ExprCall) {
        let arguments = &call.arguments;
        let first = arguments.args.first();
        let (name, receiver) = match &*call.func {
            Expr::Name(name) => (name.id.as_str(), None),
            Expr::Attribute(method) => (method.attr.as_str(), Some(&*method.value)),
            _ => return,
        };
        if receiver.is_none() {
            let mut on = Narrowing::default();
            for condition in &self.conditions {
                on.extend(&condition.on);
            }
            let is_dead = self.conditions.iter().any(|one| one.known == Some(false));
            let function = self.function.clone();
            let calls = self.calls.entry(name.to_owned()).or_default();
            calls.push(Call {
                on,
                is_dead,
                function,
            });
        }
        match (name, receiver) {
            ("add_argument", Some(_)) => {
                let option = first.and_then(|first| self.value(first));
                let default = arguments.find_keyword("default");
                let default = default.and_then(|default| self.value(&default.value));
                if let (Some(Value::Text(option)), Some(Value::Text(default))) = (option, default) {
                    self.defaults.insert(option, default);
                }
            }
            ("clear", Some(outputs)) if is_outputs(outputs) => self.takes_outputs(call),
            ("pop", Some(_)) if first.is_some_and(is_key) => self.takes_outputs(call),
            ("update", Some(_)) | ("dict", None) => {
                let by_keyword = |keyword: &ruff_python_ast::Keyword| {
                    keyword.arg.as_deref() == Some("outputs") && is_empty(&keyword.value)
                };
                let by_dict = |item: &ruff_python_ast::DictItem| {
                    item.key.as_ref().is_some_and(is_key) && is_empty(&item.value)
                };
                let in_dict =
                    matches!(first, Some(Expr::Dict(dict)) if dict.items.iter().any(by_dict));
                if in_dict || arguments.keywords.iter().any(by_keyword) {
                    self.takes_outputs(call);
                }
            }
            // The functions of nbstripout, nb-clean and nbconvert.
            ("strip_output" | "clean_notebook" | "ClearOutputPreprocessor", _) => {
                let keeps = |keyword: &ruff_python_ast::Keyword| {
                    let name = keyword.arg.as_deref().unwrap_or_default();
                    matches!(name, "keep_output" | "preserve_cell_outputs" | "enabled")
                };
                let is_true = |expression: &Expr| !matches!(expression, Expr::BooleanLiteral(off) if !off.value);
                let by_place = name == "strip_output" && arguments.args.get(1).is_some_and(is_true);
                if !by_place && !arguments.keywords.iter().any(keeps) {
                    self.takes_outputs(call);
                }
            }
            ("append" | "extend", Some(Expr::Name(list))) => {
                let more = match first.and_then(|first| self.value(first)) {
                    Some(Value::Text(text)) => vec![text],
                    Some(Value::List(all)) => all,
                    _ => vec![UNKNOWN.to_string()],
                };
                self.extend(&list.id, more);
            }
            _ => {}
        }
        self.file(name, receiver, arguments);
        self.start(call, name, arguments);
    }

    /// What the call reads and writes.
    fn file(&mut self, name: &str, receiver: Option<&Expr>, arguments: &Arguments) {
        let path = |position| arguments.find_positional(position);
        let (is_read, written) = match (name, receiver) {
            ("print" | "dump" | "write" | "writes" | "dumps", _) => {
                let is_error = receiver.is_some_and(|of| self.text_of(of).ends_with("stderr"))
                    || arguments.find_keyword("file").is_some();
                self.prints |= !is_error;
                (None, path(1).filter(|_| name == "write"))
            }
            ("open", _) => {
                // Where it is a method of a path, the mode comes first.
                let is_function = receiver.is_none_or(|of| matches!(of, Expr::Name(name) if matches!(name.id.as_str(), "io" | "codecs")));
                let (of, mode) = if is_function {
                    (path(0), 1)
                } else {
                    (receiver, 0)
                };
                let mode = arguments
                    .find_argument_value("mode", mode)
                    .map(|mode| self.text_of(mode));
                let mode = mode.unwrap_or("'r'");
                (
                    of.filter(|_| mode.contains(['r', '+'])),
                    of.filter(|_| mode.contains(['w', 'x', '+'])),
                )
            }
            ("read", _) => (path(0), None),
            ("read_text" | "read_bytes", of) => (of, None),
            ("write_text" | "write_bytes", of) => (None, of),
            ("copy" | "copy2" | "copyfile" | "replace" | "rename" | "move", _) => {
                let from = path(0).and_then(|path| self.value(path));
                let is_temporary =
                    matches!(from, Some(Value::Text(text)) if text.contains(TEMPORARY));
                self.comes_back |= is_temporary;
                (None, path(1).filter(|_| !name.starts_with("copy")))
            }
            _ => (None, None),
        };
        let text = |path: Option<&Expr>| {
            let text = self.text_of(inner(path?));
            (text.len() <= LONGEST).then(|| text.to_owned())
        };
        let (is_read, written) = (text(is_read), text(written));
        self.read.extend(is_read);
        self.written.extend(written);
    }

    /// The program that the call starts, if it starts one.
    fn start(&mut self, call: &ExprCall, name: &str, arguments: &Arguments) {
        let texts = |reader: &Self, from: usize| {
            let all = arguments.args.iter().skip(from);
            let words = all.map(|argument| match reader.value(argument) {
                Some(Value::Text(text)) => text,
                _ => UNKNOWN.to_string(),
            });
            Some(Value::List(words.collect()))
        };
        let value = match name {
            "run"
            | "call"
            | "check_call"
            | "check_output"
            | "Popen"
            | "getoutput"
            | "getstatusoutput"
            | "system"
            | "popen"
            | "create_subprocess_shell" => {
                let what = arguments.find_argument_value("args", 0);
                if let (Some(Expr::Name(given)), Some((parameter, function))) =
                    (what, &self.parameter)
                    && given.id.as_str() == parameter
                {
                    self.runners.insert(function.clone());
                }
                what.and_then(|what| self.value(what))
            }
            "create_subprocess_exec" => texts(self, 0),
            "execv" | "execve" | "execvp" | "execvpe" => {
                arguments.args.get(1).and_then(|words| self.value(words))
            }
            "execl" | "execle" | "execlp" | "execlpe" => texts(self, 1),
            _ if self.runners.contains(name) => {
                arguments.args.first().and_then(|what| self.value(what))
            }
            _ => None,
        };
        let step = match value {
            Some(Value::List(words)) => Step::Words(words),
            Some(Value::Text(text)) => Step::Text(text),
            _ => return,
        };
        let captures = arguments.find_keyword("capture_output").is_some()
            || matches!(
                name,
                "check_output" | "getoutput" | "getstatusoutput" | "popen"
            );
        let output = match arguments
            .find_keyword("stdout")
            .map(|given| self.text_of(&given.value))
        {
            Some(text) if text.ends_with("DEVNULL") => Output::Inherited,
            Some(text) if text.ends_with("PIPE") => Output::Captured,
            Some(_) => Output::File,
            None if captures => Output::Captured,
            None => Output::Inherited,
        };
        self.add(step, call.start(), output);
    }

    fn text_of(&self, expression: &impl Ranged) -> &str {
        let range = expression.range();
        self.code
            .get(range.start().to_usize()..range.end().to_usize())
            .unwrap_or_default()
    }
}

/// What `str`, `Path` and the like are called with.
fn inner(path: &Expr) -> &Expr {
    match path {
        Expr::Call(call) if call.arguments.args.len() == 1 => match &*call.func {
            Expr::Name(name) if matches!(name.id.as_str(), "str" | "Path") => {
                inner(&call.arguments.args[0])
            }
            _ => path,
        },
        _ => path,
    }
}
