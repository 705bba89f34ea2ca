//! A page about values that are made up:
//!
//! ```sh
//! cargo run -p selvedge-report --example page -- page.html
//! ```

use std::error::Error;

use selvedge_report::{File, Page, Sample, Stride, Tensor, Vocabulary, measure};

const STEPS: u64 = 200;
const ROWS: u64 = 64;

/// Rows that freeze one after the other.
fn value(step: u64, row: u64) -> f32 {
    (step.min(row * 4) as f32 * 0.1).sin() * row as f32
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os()
        .nth(1)
        .ok_or("which page is to be made?")?;
    let tensor = Tensor {
        name: "W".to_owned(),
        dtype: "float32".to_owned(),
        shape: vec![STEPS, ROWS, 4],
        has_steps: true,
        chunk: None,
        is_packed: false,
        values: Ok(Box::new(|steps, rows, bytes| {
            bytes.clear();
            for step in steps {
                for row in rows
                    .unwrap_or(&[Stride::of(0..ROWS)])
                    .iter()
                    .flat_map(Stride::iter)
                {
                    bytes.extend([value(step, row).to_le_bytes(); 4].as_flattened());
                }
            }
            Ok(())
        })),
    };
    let measured = measure(&[tensor], &Sample::All, 1, &mut |_, _| {});
    let file = File::new("made up", &[format!("{STEPS} steps")], "", measured);
    let page = Page::new("an example", vec![file], &Vocabulary::default());
    std::fs::write(path, page.html())?;
    Ok(())
}
