//! The header of a safetensors file: any bytes are judged as the safetensors crate judges them,
//! without a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../../crates/selvedge-safetensors/tests/common/judge.rs"]
mod judge;

fuzz_target!(|input: &[u8]| {
    // As a whole file; and as the text of a header with some data after it, for which no length has
    // to be guessed.
    check(input);
    let (text, data) = input.split_at(input.len() - input.len() / 4);
    check(&[&(text.len() as u64).to_le_bytes()[..], text, data].concat());
});

fn check(file: &[u8]) {
    if let Err(difference) = judge::agree(file) {
        panic!("{difference}");
    }
}
