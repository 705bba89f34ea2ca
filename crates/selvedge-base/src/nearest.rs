//! What was probably meant: the nearest of the names that there are.

/// The one of `known` that is nearest to `given`, if it is near enough that a slip of the finger
/// explains the difference: a third of the characters, and case does not count.
#[must_use]
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = given.to_lowercase();
    let characters = lower.chars().count();
    // Another single letter is another name.
    let allowed = (characters / 3).max(1).min(characters.saturating_sub(1));
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&lower, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The tensor of `known` that is nearest to `given`, or has the same name in another group.
#[must_use]
pub fn nearest_tensor<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
) -> Option<&'a str> {
    let mut known = known.into_iter();
    let last = |name: &str| name.rsplit('/').next().map(str::to_owned);
    let wanted = last(given);
    nearest(given, known.clone()).or_else(|| known.find(|name| last(name) == wanted))
}

/// `; did you mean …?`, or nothing, for the end of a message.
#[must_use]
pub fn did_you_mean(nearest: Option<&str>) -> String {
    nearest
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{nearest, nearest_tensor};

    #[test]
    fn only_what_is_near_is_offered() {
        let known = ["tensors", "notebooks", "limits"];
        assert_eq!(nearest("tensor", known), Some("tensors"));
        assert_eq!(nearest("Tensors", known), Some("tensors"));
        assert_eq!(nearest("limtis", known), Some("limits"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(
            (nearest("V", ["W", "v"]), nearest("V", ["W"])),
            (Some("v"), None)
        );
    }

    #[test]
    fn a_tensor_may_be_meant_by_the_end_of_its_name() {
        let known = ["model/layers/7/up/weight", "model/embed", "loss"];
        for (given, expected) in [
            ("model/layers/7/up/wieght", Some("model/layers/7/up/weight")),
            ("embed", Some("model/embed")),
            ("/Loss", Some("loss")),
            ("W", None),
        ] {
            assert_eq!(nearest_tensor(given, known), expected, "{given}");
        }
    }
}
