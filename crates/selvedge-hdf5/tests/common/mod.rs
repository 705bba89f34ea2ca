//! What the tests of this crate share.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod elsewhere;
pub(crate) mod faults;
pub(crate) mod ranks;
pub(crate) mod sample;
