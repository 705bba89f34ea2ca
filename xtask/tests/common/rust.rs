//! As much of Rust as the checks of the tree need: the words of a file without comments and texts, and which module
//! a path names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The words and signs of Rust source, `::` as one, without comments, texts and characters.
pub(crate) fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        if c == '/' && next == '/' {
            at += chars[at..].iter().take_while(|c| **c != '\n').count();
        } else if c == '/' && next == '*' {
            at = after_comment(&chars, at);
        } else if c == '"' {
            at = after_text(&chars, at);
        } else if c == '\'' {
            at = after_quote(&chars, at);
        } else if c.is_alphanumeric() || c == '_' {
            let end = at + chars[at..].iter().take_while(|c| is_of_word(**c)).count();
            let word: String = chars[at..end].iter().collect();
            let hashes = chars[end..].iter().take_while(|c| **c == '#').count();
            let is_raw = ["r", "br", "cr"].contains(&&*word);
            if is_raw && chars.get(end + hashes) == Some(&'"') {
                at = after_raw_text(&chars, end + hashes + 1, hashes);
            } else {
                tokens.push(word);
                at = end;
            }
        } else if c == ':' && next == ':' {
            tokens.push("::".to_owned());
            at += 2;
        } else {
            if !c.is_whitespace() {
                tokens.push(c.to_string());
            }
            at += 1;
        }
    }
    tokens
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn after_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn after_text(chars: &[char], at: usize) -> usize {
    let mut at = at + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn after_raw_text(chars: &[char], mut at: usize, hashes: usize) -> usize {
    let ends = |rest: &[char]| rest.iter().take_while(|c| **c == '#').count() >= hashes;
    while at < chars.len() && !(chars[at] == '"' && ends(&chars[at + 1..])) {
        at += 1;
    }
    at + 1 + hashes
}

/// After a character, or after the sign of a lifetime.
fn after_quote(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => {
            let rest = chars[at + 3..].iter().position(|c| *c == '\'');
            rest.map_or(chars.len(), |end| at + 4 + end)
        }
        (Some(_), Some('\'')) => at + 3,
        _ => at + 1,
    }
}

/// The modules of a crate: those that are compiled into it, and not for its tests alone.
pub(crate) struct Modules {
    /// By their paths; the crate's root has an empty one.
    modules: BTreeMap<Vec<String>, Module>,
}

/// A module.
pub(crate) struct Module {
    /// Relative to the crate's `src`.
    pub(crate) file: PathBuf,
    tokens: Vec<String>,
    /// What `use` brings into it: the name, and the path that it stands for.
    imports: BTreeMap<String, Vec<String>>,
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Module(Vec<String>),
    /// Something that is defined in the module.
    Item(Vec<String>),
}

impl Modules {
    pub(crate) fn read(src: &Path) -> Self {
        let mut all = Self {
            modules: BTreeMap::new(),
        };
        for root in ["lib.rs", "main.rs"] {
            if src.join(root).is_file() {
                all.add(src, Vec::new(), PathBuf::from(root));
            }
        }
        let paths: Vec<Vec<String>> = all.modules.keys().cloned().collect();
        for path in paths {
            all.imports(&path);
        }
        all
    }

    fn add(&mut self, src: &Path, path: Vec<String>, file: PathBuf) {
        let text = fs::read_to_string(src.join(&file));
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let tokens = without_tests(&tokens(&text));
        let folder = match file.file_stem().and_then(|stem| stem.to_str()) {
            Some("lib" | "main" | "mod") => file.parent().unwrap_or(Path::new("")).to_owned(),
            _ => file.with_extension(""),
        };
        for window in tokens.windows(3) {
            if let [word, name, end] = window
                && word == "mod"
                && end == ";"
            {
                let plain = folder.join(format!("{name}.rs"));
                let nested = folder.join(name).join("mod.rs");
                let file = if src.join(&plain).is_file() {
                    plain
                } else {
                    nested
                };
                let child = path.iter().chain([name]).cloned().collect();
                self.add(src, child, file);
            }
        }
        let module = Module {
            file,
            tokens,
            imports: BTreeMap::new(),
        };
        self.modules.insert(path, module);
    }

    /// Notes what a module's `use` lines bring into it.
    fn imports(&mut self, path: &[String]) {
        let mut leaves = Vec::new();
        let tokens = &self.modules[path].tokens;
        for start in uses(tokens) {
            leaves.extend(tree(tokens, start).0);
        }
        let module = self.modules.get_mut(path).expect("a module");
        for Leaf { path, name } in leaves {
            module.imports.insert(name, path);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Vec<String>, &Module)> {
        self.modules.iter()
    }

    pub(crate) fn get(&self, path: &[String]) -> &Module {
        &self.modules[path]
    }

    /// The paths that a module names, each with the module that has what it leads to. A module that is
    /// only named is none of them: what is taken from it is, and all of it by `*`.
    pub(crate) fn named(&self, from: &[String]) -> BTreeSet<(String, Vec<String>)> {
        let tokens = &self.modules[from].tokens;
        let mut leaves = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let begins = at == 0 || !["::", "."].contains(&&*tokens[at - 1]);
            if tokens[at] == "use" {
                let (of_use, end) = tree(tokens, at + 1);
                leaves.extend(of_use);
                at = end;
            } else if begins && tokens.get(at + 1).is_some_and(|next| next == "::") {
                let path = straight(tokens, at);
                let name = String::new();
                leaves.push(Leaf { path, name });
            }
            at += 1;
        }
        let resolved = leaves.into_iter().filter_map(|Leaf { path, name }| {
            let found = match self.resolve(from, &path)? {
                Target::Item(found) => found,
                Target::Module(found) if name == "*" => found,
                Target::Module(_) => return None,
            };
            Some((path.join("::"), found))
        });
        resolved.collect()
    }

    /// Where a path that stands in the module `from` leads; nowhere where it leads out of the crate.
    fn resolve(&self, from: &[String], path: &[String]) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        match &**first {
            "crate" => self.within(Vec::new(), rest),
            "self" => self.within(from.to_vec(), rest),
            "super" => {
                let parent = from.split_last()?.1;
                match rest.first().is_some_and(|word| word == "super") {
                    true => self.resolve(parent, rest),
                    false => self.within(parent.to_vec(), rest),
                }
            }
            name => {
                let module = &self.modules[from];
                let is_child = self.modules.contains_key(&[from, &path[..1]].concat());
                // What `use` takes out of another crate stands for itself.
                let import = module.imports.get(name);
                let is_known = is_child || import.is_some_and(|import| import[0] != name);
                is_known.then(|| self.within(from.to_vec(), path))?
            }
        }
    }

    /// Where a path leads that begins inside of the module `here`.
    fn within(&self, mut here: Vec<String>, path: &[String]) -> Option<Target> {
        for (at, name) in path.iter().enumerate() {
            let child = [&here[..], &path[at..=at]].concat();
            if self.modules.contains_key(&child) {
                here = child;
                continue;
            }
            let Some(import) = self.modules[&here].imports.get(name) else {
                return Some(Target::Item(here));
            };
            return match self.resolve(&here, import)? {
                Target::Module(module) => self.within(module, &path[at + 1..]),
                item => Some(item),
            };
        }
        Some(Target::Module(here))
    }
}

/// Tokens without what is compiled for tests only.
fn without_tests(tokens: &[String]) -> Vec<String> {
    let mut left = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is = |words: &[&str]| tokens[at..].iter().take(words.len()).eq(words.iter());
        let of_tests = [
            &["#", "[", "cfg", "(", "test", ")"][..],
            &["#", "[", "cfg", "(", "doctest", ")"],
            &["#", "[", "cfg", "(", "all", "(", "test", ","],
        ];
        if of_tests.into_iter().any(is) {
            let end = tokens[at..].iter().position(|token| token == "]");
            at = after_item(tokens, at + end.map_or(1, |end| end + 1));
        } else {
            left.push(tokens[at].clone());
            at += 1;
        }
    }
    left
}

/// After the item, field or statement that begins at `at`: its `;`, its `,` or its block.
fn after_item(tokens: &[String], mut at: usize) -> usize {
    let is_use = tokens.get(at).is_some_and(|token| token == "use");
    let mut depth = 0_usize;
    while at < tokens.len() {
        match &*tokens[at] {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "}" => {
                if depth <= 1 && !is_use {
                    return at + usize::from(depth == 1);
                }
                depth -= 1;
            }
            ";" | "," if depth == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// A path that `use` names, and the name that it gets.
struct Leaf {
    path: Vec<String>,
    name: String,
}

/// Where the trees of `use` begin.
fn uses(tokens: &[String]) -> impl Iterator<Item = usize> {
    let uses = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| *token == "use");
    uses.map(|(at, _)| at + 1)
}

/// The leaves of the `use` tree at `at`, and where it ends.
fn tree(tokens: &[String], mut at: usize) -> (Vec<Leaf>, usize) {
    let mut path: Vec<String> = Vec::new();
    let mut name = None;
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                let mut leaves = Vec::new();
                at += 1;
                while tokens[at] != "}" {
                    let (inner, end) = tree(tokens, at);
                    leaves.extend(inner.into_iter().map(|leaf| {
                        // `{self}` is the path itself.
                        let inner = leaf.path.into_iter().filter(|word| word != "self");
                        let path: Vec<String> = path.iter().cloned().chain(inner).collect();
                        let name = match &*leaf.name {
                            "self" => path.last().cloned().unwrap_or_default(),
                            name => name.to_owned(),
                        };
                        Leaf { path, name }
                    }));
                    at = end + usize::from(tokens[end] == ",");
                }
                return (leaves, at + 1);
            }
            Some("::") => at += 1,
            Some("as") => {
                name = tokens.get(at + 1).cloned();
                at += 2;
            }
            Some("*") => {
                name = Some("*".to_owned());
                at += 1;
            }
            Some(word) if word.chars().all(is_of_word) => {
                path.push(word.to_owned());
                at += 1;
            }
            _ => {
                let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
                return (vec![Leaf { path, name }], at);
            }
        }
    }
}

/// The path that begins at `at`, up to where it ends or takes types.
fn straight(tokens: &[String], at: usize) -> Vec<String> {
    let mut path = vec![tokens[at].clone()];
    let mut at = at + 1;
    while let [Some(colons), Some(word)] = [tokens.get(at), tokens.get(at + 1)]
        && colons == "::"
        && word.chars().all(is_of_word)
    {
        path.push(word.clone());
        at += 2;
    }
    path
}
