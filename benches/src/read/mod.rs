//! The contenders of the bench `read`: who reads a trajectory, whole or in part.

pub mod contender;
pub mod data;
pub mod peer;
pub mod report;
