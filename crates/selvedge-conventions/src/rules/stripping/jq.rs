//! Whether a program of `jq` takes the outputs out of cells, by its text: it is parsed, and never run.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::ops::{Cmp, Math};
use jaq_core::path::Part;

type Jq<'s> = Term<&'s str>;

/// Whether the program takes out outputs of cells that no tag singles out.
pub(super) fn takes_outputs(program: &str) -> bool {
    // The parser goes as deep as the program is nested, and so does dropping what it made.
    const LONGEST: usize = 16 << 10;
    const STACK: usize = 64 << 20;
    if program.len() > LONGEST || !program.contains("outputs") && !program.contains("cell_type") {
        return false;
    }
    // Those of cells with a tag are taken out because somebody has put it there.
    if program.contains("tags") && !program.contains("not") {
        return false;
    }
    stacker::grow(STACK, || {
        let parsed = jaq_core::load::parse(program, |parser| parser.term());
        parsed.is_some_and(|term| takes(&term, false))
    })
}

/// Whether what the term makes of its input has no outputs where the input had some. `is_added` tells
/// that an object is put over another, which keeps the keys that are not named.
fn takes(term: &Jq<'_>, is_added: bool) -> bool {
    match term {
        Term::BinOp(left, operation, right) => match operation {
            BinaryOp::Assign | BinaryOp::Update => {
                let empties = match target(left) {
                    Target::Outputs => is_empty(right),
                    Target::EachOutput => is_nothing(right),
                    Target::Other => false,
                };
                empties || takes(right, false)
            }
            BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => takes(right, true),
            BinaryOp::Math(Math::Add | Math::Mul) => takes(left, true) || takes(right, true),
            BinaryOp::Pipe(_) | BinaryOp::Comma | BinaryOp::Alt => {
                takes(left, false) || takes(right, is_added)
            }
            _ => false,
        },
        Term::Obj(entries) => object_takes(entries, is_added),
        Term::Arr(Some(inner)) | Term::TryCatch(inner, _) | Term::Label(_, inner) => {
            takes(inner, is_added)
        }
        Term::Path(inner, _) => takes(inner, is_added),
        Term::IfThenElse(branches, otherwise) => {
            let by_key = |(condition, then): &(Jq<'_>, Jq<'_>)| {
                compares_key(condition, &Cmp::Eq) && (empties_value(then) || is_nothing(then))
            };
            branches
                .iter()
                .any(|branch| by_key(branch) || takes(&branch.1, is_added))
                || otherwise.as_ref().is_some_and(|term| takes(term, is_added))
        }
        Term::Fold(_, _, _, arguments) => arguments.iter().any(|term| takes(term, is_added)),
        Term::Def(definitions, inner) => {
            definitions.iter().any(|one| takes(&one.body, false)) || takes(inner, is_added)
        }
        Term::Call(name, arguments) => call_takes(name, arguments),
        _ => false,
    }
}

fn object_takes(entries: &[(Jq<'_>, Option<Jq<'_>>)], is_added: bool) -> bool {
    let has = |key: &str| entries.iter().any(|(name, _)| text(name) == Some(key));
    // A cell that is made anew, from those of its parts that are named.
    if !is_added && has("cell_type") && has("source") && !has("outputs") {
        return true;
    }
    entries.iter().any(|(key, value)| {
        let value = value.as_ref();
        value.is_some_and(|value| {
            text(key) == Some("outputs") && is_empty(value) || takes(value, false)
        })
    })
}

fn call_takes(name: &str, arguments: &[Jq<'_>]) -> bool {
    match (name, arguments) {
        ("del", [path]) => target(path) != Target::Other,
        ("delpaths", [paths]) => mentions_outputs(paths),
        ("setpath", [path, value]) => mentions_outputs(path) && is_empty(value),
        ("select", [condition]) => {
            compares_key(condition, &Cmp::Ne)
                || ends_with_not(condition) && mentions_outputs(condition) && names_key(condition)
        }
        ("has" | "any" | "all" | "index" | "contains" | "test" | "error" | "debug", _) => false,
        _ => arguments.iter().any(|term| takes(term, false)),
    }
}

/// What an assignment is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Outputs,
    EachOutput,
    Other,
}

fn target(path: &Jq<'_>) -> Target {
    match path {
        Term::Path(from, parts) => {
            let mut last_first = parts.0.iter().rev().map(|(part, _)| part);
            let is_outputs = |part: Option<&Part<Jq<'_>>>| match part {
                Some(Part::Index(key)) => text(key) == Some("outputs"),
                Some(Part::Range(..)) => false,
                None => target(from) == Target::Outputs,
            };
            match last_first.next() {
                Some(Part::Range(None, None)) if is_outputs(last_first.next()) => {
                    Target::EachOutput
                }
                Some(Part::Range(..)) => Target::Other,
                last if is_outputs(last) => Target::Outputs,
                _ => Target::Other,
            }
        }
        Term::BinOp(left, BinaryOp::Pipe(_), right) => match &**right {
            Term::Call("select" | "objects" | "arrays", _) | Term::Id => target(left),
            right if starts_with_each(right) && target(left) == Target::Outputs => {
                Target::EachOutput
            }
            right => target(right),
        },
        Term::BinOp(left, BinaryOp::Comma | BinaryOp::Alt, right) => match target(left) {
            Target::Other => target(right),
            found => found,
        },
        Term::TryCatch(inner, _) => target(inner),
        Term::IfThenElse(branches, otherwise) => {
            let mut found = branches.iter().map(|(_, then)| target(then));
            found
                .find(|found| *found != Target::Other)
                .or_else(|| otherwise.as_ref().map(|term| target(term)))
                .unwrap_or(Target::Other)
        }
        _ => Target::Other,
    }
}

/// `.[]`, as the whole of a path.
fn starts_with_each(term: &Jq<'_>) -> bool {
    let Term::Path(from, parts) = term else {
        return false;
    };
    matches!(
        (&**from, &parts.0[..]),
        (Term::Id, [(Part::Range(None, None), _)])
    )
}

/// Whether it is a list of outputs without any, or with those of one kind alone.
fn is_empty(term: &Jq<'_>) -> bool {
    match term {
        Term::Arr(None) => true,
        Term::Arr(Some(inner)) => is_nothing(inner) || keeps_one_kind(inner),
        Term::Obj(entries) => entries.is_empty(),
        Term::Call("null" | "empty", _) => true,
        Term::Call("map", arguments) => arguments
            .iter()
            .any(|each| is_nothing(each) || keeps_one_kind(each)),
        Term::IfThenElse(branches, otherwise) => {
            branches.iter().any(|(_, then)| is_empty(then))
                || otherwise.as_ref().is_some_and(|term| is_empty(term))
        }
        Term::BinOp(_, BinaryOp::Pipe(_), right) => is_empty(right),
        Term::TryCatch(inner, _) => is_empty(inner),
        _ => false,
    }
}

fn is_nothing(term: &Jq<'_>) -> bool {
    matches!(term, Term::Call("empty" | "null", _))
}

/// `select(.output_type == "stream")`.
fn keeps_one_kind(term: &Jq<'_>) -> bool {
    match term {
        Term::Call("select", arguments) => {
            matches!(&arguments[..], [Term::BinOp(key, BinaryOp::Cmp(Cmp::Eq), _)]
            if last_key(key) == Some("output_type"))
        }
        Term::BinOp(_, BinaryOp::Pipe(_), right) => keeps_one_kind(right),
        _ => false,
    }
}

/// Whether the term compares `.key` with `"outputs"` so, as filters of `with_entries` do.
fn compares_key(term: &Jq<'_>, how: &Cmp) -> bool {
    match term {
        Term::BinOp(left, BinaryOp::Cmp(found), right) if found == how => {
            (last_key(left) == Some("key") && text(right) == Some("outputs"))
                || (last_key(right) == Some("key") && text(left) == Some("outputs"))
        }
        Term::BinOp(left, BinaryOp::And | BinaryOp::Or, right) => {
            compares_key(left, how) || compares_key(right, how)
        }
        _ => false,
    }
}

/// `.value = []`.
fn empties_value(term: &Jq<'_>) -> bool {
    match term {
        Term::BinOp(left, BinaryOp::Assign | BinaryOp::Update, right) => {
            last_key(left) == Some("value") && is_empty(right)
        }
        Term::BinOp(left, BinaryOp::Pipe(_), right) => empties_value(left) || empties_value(right),
        _ => false,
    }
}

fn ends_with_not(term: &Jq<'_>) -> bool {
    match term {
        Term::BinOp(_, BinaryOp::Pipe(None), right) => ends_with_not(right),
        term => matches!(term, Term::Call("not", _)),
    }
}

fn names_key(term: &Jq<'_>) -> bool {
    match term {
        Term::BinOp(left, _, right) => names_key(left) || names_key(right),
        Term::Call(_, arguments) => arguments.iter().any(names_key),
        _ => last_key(term) == Some("key"),
    }
}

/// Whether `"outputs"` stands in it.
fn mentions_outputs(term: &Jq<'_>) -> bool {
    match term {
        Term::Str(..) => text(term) == Some("outputs"),
        Term::BinOp(left, _, right) => mentions_outputs(left) || mentions_outputs(right),
        Term::Arr(Some(inner)) | Term::TryCatch(inner, _) => mentions_outputs(inner),
        Term::Call(_, arguments) => arguments.iter().any(mentions_outputs),
        _ => false,
    }
}

/// The key that a path ends with.
fn last_key<'t, 's>(term: &'t Jq<'s>) -> Option<&'t str> {
    match term {
        Term::Path(_, parts) => match parts.0.last()? {
            (Part::Index(key), _) => text(key),
            _ => None,
        },
        _ => None,
    }
}

fn text<'t>(term: &'t Jq<'_>) -> Option<&'t str> {
    match term {
        Term::Str(None, parts) => match &parts[..] {
            [StrPart::Str(text)] => Some(text),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::takes_outputs;

    #[track_caller]
    fn check(programs: &[&str], expected: bool) {
        for program in programs {
            assert_eq!(takes_outputs(program), expected, "{program}");
        }
    }

    #[test]
    fn programs_that_take_outputs_out() {
        check(
            &[
                ".cells[].outputs = []",
                "(.cells[] | select(has(\"outputs\")) | .outputs) = []",
                "(.cells[]|select(.cell_type==\"code\").outputs) |= []",
                "(.cells[]?.outputs?) = []",
                ".cells[][\"outputs\"] = []",
                "(.cells[] | select(.cell_type == \"code\")) |= (.outputs = [] | .execution_count = null)",
                ".cells |= map(if .cell_type==\"code\" then .outputs=[] else . end)",
                ".cells = [.cells[] | if .cell_type == \"code\" then .outputs = [] else . end]",
                ".cells |= map(if has(\"outputs\") then . + {outputs: [], execution_count: null} else . end)",
                ".cells[] += {\"outputs\": [], execution_count: null}",
                ".cells |= map(. * {outputs: []})",
                "del(.cells[].outputs)",
                "del(.cells[].execution_count, .cells[].outputs)",
                "del(.cells[].outputs[])",
                "del(.. | .outputs?)",
                ".cells[].outputs[] |= empty",
                ".cells[].outputs |= map(empty)",
                ".cells[].outputs |= map(select(.output_type == \"stream\"))",
                "walk(if type == \"object\" and has(\"outputs\") then .outputs = [] else . end)",
                "walk(if type == \"object\" then del(.outputs) else . end)",
                "walk(if type == \"object\" then with_entries(select(.key != \"outputs\")) else . end)",
                ".cells[] |= with_entries(if .key == \"outputs\" then .value = [] else . end)",
                ".cells[] |= with_entries(select(.key | IN(\"outputs\", \"execution_count\") | not))",
                "delpaths([paths | select(.[-1] == \"outputs\")])",
                "reduce range(0; .cells | length) as $i (.; setpath([\"cells\", $i, \"outputs\"]; []))",
                "reduce range(0; .cells | length) as $i (.; .cells[$i].outputs = [])",
                "def strip: .outputs = []; .cells |= map(strip)",
                ".cells |= map({cell_type, source, metadata})",
                ".cells[] |= (if .outputs then .outputs = null else . end) # a comment",
            ],
            true,
        );
    }

    /// What outputs have of metadata and counts, what is only asked, and what a tag singles out.
    #[test]
    fn programs_that_keep_outputs() {
        check(
            &[
                ".",
                ".cells[].execution_count = null",
                ".cells[].outputs[].execution_count = null",
                ".cells[].outputs[].metadata = {}",
                "del(.cells[].outputs[].execution_count)",
                "del(.cells[].outputs[].metadata, .metadata.kernelspec)",
                ".cells[].outputs |= map(del(.execution_count))",
                "(.cells[] | select(.outputs == [])).metadata = {}",
                ".cells |= map(select(.outputs != []))",
                "[.cells[] | .outputs] | length",
                ".cells |= map({cell_type, source, metadata, outputs})",
                ".cells |= map(. + {cell_type: \"code\", source: []})",
                "(.cells[] | select(.metadata.tags | index(\"hide\")) | .outputs) = []",
                ".metadata.outputs = {}.a",
                "\".cells[].outputs = []\"",
                ".cells[].outputs = [",
                "",
            ],
            false,
        );
    }

    /// Each of these nests as deep as its length allows.
    #[test]
    fn deep_programs_are_read_on_a_small_stack() {
        for part in [
            "(",
            "[",
            "{outputs:",
            "-",
            "del(",
            "if ",
            ".[",
            "try ",
            "\"\\(",
            "def outputs: ",
        ] {
            let program = format!("{} outputs", part.repeat((16 << 10) / part.len() - 1));
            let read = std::thread::Builder::new()
                .stack_size(256 << 10)
                .spawn(move || takes_outputs(&program))
                .unwrap();
            assert!(!read.join().unwrap());
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(program in "[-.a-c|=()\\[\\]{}:,;\"'#$@\\\\0-9 é]{0,40}") {
            let _ = takes_outputs(&format!("{program} outputs"));
        }
    }
}
