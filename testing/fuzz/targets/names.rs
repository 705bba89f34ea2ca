//! Names: any text is a name or it is not, without a panic, and a name is printed as it was read.

#![no_main]

use std::fmt::Display;
use std::str::FromStr;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use selvedge_conventions::{
    GitAttribute, GitFilter, Hook, IdPattern, ModelName, NotebookId, Selector, TensorFileName,
    TrajectoryName, TreePath,
};

static DEFAULT: LazyLock<IdPattern> = LazyLock::new(IdPattern::default);

fuzz_target!(|text: &str| {
    round_trip::<NotebookId>(text);
    round_trip::<TensorFileName>(text);
    round_trip::<TrajectoryName>(text);
    round_trip::<ModelName>(text);
    let _ = text.parse::<Selector>();
    let _ = DEFAULT.id_of_notebook(text);
    // The first of several lines as a pattern, the others as a name: a pattern takes long to compile.
    if let Some((pattern, name)) = text.split_once('\n')
        && let Ok(pattern) = IdPattern::new(pattern)
    {
        let _ = pattern.id_of_notebook(name);
    }
    let path = TreePath::new(text);
    let _ = GitAttribute::parse(&path, text);
    let _ = GitFilter::parse(text);
    let _ = Hook::parse_pre_commit(&path, text);
    let _ = Hook::parse_lefthook(&path, text);
});

fn round_trip<T: FromStr<Err: Display> + Display>(text: &str) {
    match text.parse::<T>() {
        Ok(name) => assert_eq!(name.to_string(), text),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
