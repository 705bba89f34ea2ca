//! The names of axes: those that the file has, and no guesses.

/// The attribute that HDF5's dimension scales keep labels in: h5py's `dataset.dims[0].label`.
pub(super) const LABELS: &str = "DIMENSION_LABELS";

/// What the first axis of a step tensor is, by the conventions of a recorded file.
pub(super) const STEPS: &str = "steps";

/// The names of `rank` axes, from their labels. Without any name the list is empty.
pub(super) fn named(rank: usize, labels: &[String], steps: bool) -> Vec<Option<String>> {
    let mut axes: Vec<Option<String>> = (0..rank)
        .map(|axis| labels.get(axis).filter(|label| !label.is_empty()).cloned())
        .collect();
    if steps && let Some(first) = axes.first_mut() {
        first.get_or_insert_with(|| STEPS.to_owned());
    }
    if axes.iter().all(Option::is_none) {
        axes.clear();
    }
    axes
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn only_what_the_file_says_is_named() {
        let labels = ["", "tokens"].map(String::from);
        let tokens = Some("tokens".to_owned());
        let steps = Some("steps".to_owned());
        assert_eq!(named(3, &labels, false), [None, tokens.clone(), None]);
        assert_eq!(named(3, &labels, true), [steps.clone(), tokens, None]);
        assert_eq!(named(1, &[], true), [steps]);
        assert_eq!(named(2, &[], false), []);
        assert_eq!(named(0, &labels, true), []);
    }
}
