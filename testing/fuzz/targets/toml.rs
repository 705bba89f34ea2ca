//! `selvedge.toml` and baselines: any text is one or it is not, without a panic, and what is printed
//! reads back to the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use selvedge_conventions::{Baseline, Config};

fuzz_target!(|text: &str| {
    match Config::parse(text, "selvedge.toml") {
        Ok(config) => {
            let printed = config.to_toml();
            match Config::parse(&printed, "printed.toml") {
                Ok(read) => assert_eq!(read, config),
                Err(error) => panic!("{error}\n{printed}"),
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(baseline) = Baseline::parse(text, "baseline.toml") {
        let printed = baseline.to_toml();
        let read =
            Baseline::parse(&printed, "printed.toml").expect("what is printed is a baseline");
        assert_eq!(read, baseline);
    }
});
