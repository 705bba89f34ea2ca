//! What bfloat16 makes of numbers, and what float16 would have made of them:
//!
//! ```sh
//! cargo run -p selvedge-bf16 --example precision -- 0.1 3e-39 70000
//! ```

use selvedge_bf16::{Float16Loss, bf16, round_f32_to_bf16, ulp};

fn main() {
    let asked: Vec<f32> = std::env::args()
        .skip(1)
        .map(|text| {
            text.parse()
                .unwrap_or_else(|_| panic!("{text:?} is no number"))
        })
        .collect();
    let numbers = match asked.is_empty() {
        true => vec![0.1, 3e-39, 70_000.0],
        false => asked,
    };
    let mut stored = vec![bf16::ZERO; numbers.len()];
    round_f32_to_bf16(&numbers, &mut stored);
    for (number, stored) in numbers.iter().zip(&stored) {
        let bits = stored.to_bits();
        println!(
            "{number:e}  0x{bits:04X}  {stored:e}, the next one {:e} away",
            ulp(*stored)
        );
    }
    println!("as float16: {}", Float16Loss::of(&stored));
}
