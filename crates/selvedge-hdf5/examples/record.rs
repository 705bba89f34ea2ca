//! Records some steps, and reads one of them back:
//!
//! ```sh
//! cargo run -p selvedge-hdf5 --example record -- run.h5
//! ```
//!
//! Then look at it with h5py, or with `selvedge inspect run.h5`.

use std::error::Error;

use selvedge_hdf5::{Reader, Recorder, bf16};

const STEPS: u64 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os()
        .nth(1)
        .ok_or("which file is to be made?")?;
    let mut run = Recorder::create(&path)
        .steps(STEPS)
        .tensor::<bf16>("W", [1_000, 64])
        .scalar::<f32>("loss")
        .attribute("learning_rate", 1e-3)
        .start()?;
    println!("{}", run.plan());
    let mut weights = vec![bf16::ONE; 64_000];
    let rows = (0..weights.len()).step_by(64);
    for (step, row) in (0..STEPS).zip(rows) {
        // What a training loop would do.
        weights[row..row + 64].fill(bf16::from_f32(step as f32));
        let loss = 1.0 / (step as f32 + 1.0);
        run.append(|values| values.put("W", &weights)?.put("loss", &loss))?;
    }
    println!("{}", run.finish()?);

    let file = Reader::open(&path)?;
    let last: Vec<bf16> = file.tensor("W")?.read_step(STEPS - 1)?;
    assert_eq!(last, weights);
    Ok(())
}
