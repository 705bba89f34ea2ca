//! Where a file came from: keys of `__metadata__`, all of them optional, all plain strings.

use std::collections::BTreeMap;
use std::time::SystemTime;

/// The notebook or program that made the file: `1.5d_clusters.ipynb`.
pub(crate) const NOTEBOOK: &str = "notebook";
/// When the file was made: RFC 3339, UTC, `2026-11-24T09:30:00Z`.
pub(crate) const CREATED: &str = "created";
/// Version of the crate that made the file: `0.1.0`.
pub(crate) const VERSION: &str = "selvedge_version";
/// What the keys of parameters begin with: `parameter.threshold`.
pub(crate) const PARAMETER: &str = "parameter.";

/// Where a file came from, as far as its metadata say.
///
/// In the file these are keys of `__metadata__`, which Python reads with
/// `safe_open(path, "np").metadata()`:
///
/// | key | value |
/// |---|---|
/// | `notebook` | the notebook or program that made the file |
/// | `created` | RFC 3339 in UTC, `2026-11-24T09:30:00Z` |
/// | `selvedge_version` | version of this crate |
/// | `parameter.NAME` | the parameter NAME, as text |
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Provenance {
    /// The notebook or program that made the file.
    pub notebook: Option<String>,
    /// When the file was made; `None` where it is missing or not a time.
    pub created: Option<SystemTime>,
    /// Version of this crate, where it made the file.
    pub version: Option<String>,
    /// The parameters that the tensors were made with, by name.
    pub parameters: BTreeMap<String, String>,
}

impl Provenance {
    /// What `metadata` says of it. Other keys are left out.
    #[must_use]
    pub fn from_metadata(metadata: &BTreeMap<String, String>) -> Self {
        let parameters = metadata.iter().filter_map(|(key, value)| {
            let name = key.strip_prefix(PARAMETER)?;
            Some((name.to_owned(), value.clone()))
        });
        Self {
            notebook: metadata.get(NOTEBOOK).cloned(),
            created: metadata
                .get(CREATED)
                .and_then(|text| humantime::parse_rfc3339(text).ok()),
            version: metadata.get(VERSION).cloned(),
            parameters: parameters.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use selvedge_base::clock;

    use super::*;

    #[test]
    fn what_is_not_there_is_none() {
        assert_eq!(
            Provenance::from_metadata(&BTreeMap::new()),
            Provenance::default()
        );
        let metadata = BTreeMap::from([
            ("created".to_owned(), "last Tuesday".to_owned()),
            ("format".to_owned(), "pt".to_owned()),
        ]);
        assert_eq!(Provenance::from_metadata(&metadata), Provenance::default());
    }

    #[test]
    fn times_round_trip_to_the_second() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_507_200);
        let metadata = BTreeMap::from([(CREATED.to_owned(), clock::rfc3339(time).unwrap())]);
        assert_eq!(Provenance::from_metadata(&metadata).created, Some(time));
    }
}
