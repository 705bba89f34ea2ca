//! The sizes that rules and plans measure with.

/// Sizes, in bytes, and the share of a file that may be waste.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest safetensors file: one has to fit into memory to be saved or loaded. Without a
    /// value of its own it is that of `memory`.
    pub safetensors_size: u64,
    /// The memory that a process may use.
    pub memory: u64,
    /// The size that chunks of a trajectory aim at.
    pub chunk_size: u64,
    /// The share of a trajectory's data that may be reserved beyond its last step.
    pub tail_waste: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            safetensors_size: 24_000_000_000,
            memory: 24_000_000_000,
            chunk_size: 2_000_000_000,
            tail_waste: 0.05,
        }
    }
}
