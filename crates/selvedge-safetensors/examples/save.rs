//! Saves a mask with where it came from, and looks at it in place:
//!
//! ```sh
//! cargo run -p selvedge-safetensors --example save -- 1.5d_cluster_mask.safetensors
//! ```

use std::error::Error;

use selvedge_safetensors::{Reader, Save};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os()
        .nth(1)
        .ok_or("which file is to be made?")?;
    let mask: Vec<bool> = (0..10_000).map(|token| token % 7 == 0).collect();
    let saved = Save::new(&path)
        .tensor("cluster_mask", [10_000], &mask)
        .notebook("1.5d_clusters.ipynb")
        .parameter("threshold", 0.5)
        .write()?;
    println!("saved {saved}");

    let file = Reader::open(&path)?;
    let some: Vec<bool> = file.tensor("cluster_mask")?.gather(&[0, 1, 7])?;
    assert_eq!(some, [true, false, true]);
    println!("made by {:?}", file.header().provenance().notebook);
    Ok(())
}
