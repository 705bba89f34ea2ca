//! What the tests of this crate share.

use proptest::prelude::ProptestConfig;

/// Few cases under Miri, which is slow; and no file of failures, which Miri's isolation forbids to
/// look for.
pub(crate) fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 8 } else { 256 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// All 65,536 patterns of a `bf16`; under Miri, which is slow, some from all over the range.
pub(crate) fn every_pattern() -> Vec<u16> {
    (0..=u16::MAX)
        .step_by(if cfg!(miri) { 127 } else { 1 })
        .collect()
}
