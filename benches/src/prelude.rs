//! What every section uses.

pub(crate) use std::path::{Path, PathBuf};
pub(crate) use std::time::Instant;

pub(crate) use bytemuck::cast_slice;
pub(crate) use selvedge_base::units::Grouped;
pub(crate) use selvedge_testing::Meter;

pub(crate) use crate::Result;
pub(crate) use crate::bench::Bench;
pub(crate) use crate::meter::{self, metered, since, timed};
pub(crate) use crate::peer::Python;
pub(crate) use crate::report::{Figure, Kind, Sample};
pub(crate) use crate::scratch::Scratch;
pub(crate) use crate::sections::{Spec, Who, unknown};
