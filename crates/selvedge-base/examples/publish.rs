//! A file that gets its name when it is complete. End this with Ctrl-C before it is done: nothing has the name.
//!
//! ```sh
//! cargo run -p selvedge-base --example publish -- numbers.txt
//! ```

use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use selvedge_base::Partial;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = PathBuf::from(
        std::env::args_os()
            .nth(1)
            .ok_or("which file is to be made?")?,
    );
    let mut partial = Partial::create(&path, false)?;
    for number in 0..5 {
        partial
            .file()
            .write_all_at(format!("{number}\n").as_bytes(), 2 * number)?;
        sleep(Duration::from_secs(1));
    }
    // Onto the disk, and then the name.
    partial.publish(true)?;
    println!("{} is there", path.display());
    Ok(())
}
