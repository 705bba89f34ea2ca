//! The contenders of the bench `safetensors`: who saves a file, who loads it, and who takes rows out
//! of it.

pub mod data;
pub mod load;
pub mod peer;
pub mod report;
pub mod rows;
pub mod save;
pub mod sum;
