//! Notebooks: any bytes are a notebook or they are not, without a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use selvedge_conventions::Notebook;

fuzz_target!(|input: &[u8]| match Notebook::parse(input) {
    Ok(notebook) => {
        for cell in &notebook.cells {
            let _ = cell.mentions();
        }
        assert!(notebook.code_cells().count() <= notebook.cells.len());
    }
    Err(problem) => assert!(!problem.to_string().is_empty()),
});
