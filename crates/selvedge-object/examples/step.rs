//! Reads a step of a tensor out of an object store, and says what that asked for:
//!
//! ```sh
//! cargo run -p selvedge-object --example step -- s3://bucket/run.h5 W 4000
//! ```

use std::error::Error;

use selvedge_object::ObjectOptions;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, name, step] = &args[..] else {
        return Err("expected a URL, a tensor and a step".into());
    };
    let file = selvedge_object::open(url, &ObjectOptions::default())?;
    let tensor = file.tensor(name)?;
    let step = tensor.select().steps([step.parse()?]).read_f32()?;
    println!(
        "{name} {:?}: {} values, the first {:?}",
        tensor.shape(),
        step.len(),
        step.first()
    );
    Ok(())
}
