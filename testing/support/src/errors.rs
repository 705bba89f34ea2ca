//! What every error keeps to: its cause is in `source()`, and nothing is told twice.

use std::error::Error;

/// Boxes an error of each variant of an enum, which is written with the values of its fields. A variant that
/// is not there does not compile.
#[macro_export]
macro_rules! each_variant {
    ($enum:ident { $($(#[$if:meta])* $variant:ident $fields:tt)* }) => {{
        let _ = |error: &$enum| match error {
            $($(#[$if])* $enum::$variant { .. } => (),)*
        };
        let mut all: Vec<Box<dyn std::error::Error>> = Vec::new();
        $($(#[$if])* all.push($crate::each_variant!(@ $enum $variant $fields));)*
        all
    }};
    (@ $enum:ident $variant:ident { $($fields:tt)* }) => {
        Box::new($enum::$variant { $($fields)* })
    };
    (@ $enum:ident $variant:ident ( $value:expr )) => {
        Box::new($enum::$variant($value))
    };
}

/// Checks the messages of errors, of which `causes` have a cause: they are lower case and have no full stop,
/// no message has that of its cause in it, and `Debug` tells each of them once.
pub fn check_messages(errors: &[Box<dyn Error>], causes: usize) {
    for error in errors {
        let message = error.to_string();
        let begins_upper = message.starts_with(|first: char| first.is_uppercase());
        let is_clause = !begins_upper && !message.ends_with('.') && !message.contains('\n');
        assert!(is_clause, "{message}");
        let (mut chain, mut source) = (vec![message], error.source());
        while let Some(error) = source {
            chain.push(error.to_string());
            source = error.source();
        }
        for pair in chain.windows(2) {
            assert!(!pair[0].contains(&pair[1]), "told twice: {chain:?}");
        }
        assert_eq!(format!("{error:?}"), chain.join(": "));
    }
    let with_cause = errors.iter().filter(|error| error.source().is_some());
    assert_eq!(with_cause.count(), causes, "{errors:#?}");
}
