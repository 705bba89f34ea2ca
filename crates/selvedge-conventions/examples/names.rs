//! Which of the names is one that the conventions know, and what was probably meant where it is not:
//!
//! ```sh
//! cargo run -p selvedge-conventions --example names -- 1.5d_cluster_mask.safetensors cluster_mask.safetensors
//! ```

use selvedge_conventions::TensorFileName;

fn main() {
    for name in std::env::args().skip(1) {
        match name.parse::<TensorFileName>() {
            Ok(name) => println!("{name}: of notebook {}", name.id()),
            Err(error) => println!("{error}"),
        }
    }
}
