use proptest::prelude::*;

use super::*;
use crate::Error;

fn nearest_of(error: Error) -> Option<String> {
    match error {
        Error::NotebookId { nearest, .. }
        | Error::TensorFileName { nearest, .. }
        | Error::TrajectoryName { nearest, .. }
        | Error::ModelName { nearest, .. } => nearest,
        other => panic!("another error: {other}"),
    }
}

#[track_caller]
fn check_nearest<T: std::str::FromStr<Err = Error> + std::fmt::Debug>(
    given: &str,
    expected: Option<&str>,
) {
    let error = given.parse::<T>().unwrap_err();
    assert_eq!(nearest_of(error).as_deref(), expected, "{given}");
}

#[test]
fn the_ids_of_the_conventions_are_ids() {
    for id in ["1.5d", "1.24c8", "01.1a", "0.0z", "12.345a678"] {
        assert_eq!(id.parse::<NotebookId>().unwrap().to_string(), id);
    }
    for wrong in [
        "", "1.5", "15d", "1.5dd", "1.5d ", "1.5d_", "v1.5d", "1.5d\n",
    ] {
        assert!(wrong.parse::<NotebookId>().is_err(), "{wrong:?}");
    }
}

#[test]
fn a_wrong_id_gets_the_nearest() {
    check_nearest::<NotebookId>("1.5D", Some("1.5d"));
    check_nearest::<NotebookId>(" 1.5d", Some("1.5d"));
    check_nearest::<NotebookId>("1-5d", Some("1.5d"));
    check_nearest::<NotebookId>("1.5", Some("1.5a"));
    check_nearest::<NotebookId>("nb 1.24c8 final", Some("1.24c8"));
    check_nearest::<NotebookId>("clusters", None);
    check_nearest::<NotebookId>("", None);
}

#[test]
fn a_wrong_tensor_file_name_gets_the_nearest() {
    let check = check_nearest::<TensorFileName>;
    let expected = Some("1.5d_cluster_mask.safetensors");
    check("1.5D_cluster_mask.safetensors", expected);
    check("1.5d-cluster_mask.safetensors", expected);
    check("1.5d cluster mask.safetensors", expected);
    check("1.5d__cluster_mask.safetensors", expected);
    check("1.5d_cluster_mask.SAFETENSORS", expected);
    check("1.5d_cluster_mask.safetensor", expected);
    check("cluster_mask_1.5d.safetensors", expected);
    check("cluster_1.5d_mask.safetensors", expected);
    check("1.5d.safetensors", Some("1.5d_tensors.safetensors"));
    check("1.5d_maské.safetensors", Some("1.5d_mask.safetensors"));
    check("cluster_mask.safetensors", None);
    check(".safetensors", None);
    check("", None);
}

#[test]
fn a_wrong_trajectory_name_gets_the_nearest() {
    let check = check_nearest::<TrajectoryName>;
    check("thimble7.h5", Some("thimble_7.h5"));
    check("thimble-7.h5", Some("thimble_7.h5"));
    check("thimble 007.hdf5", Some("thimble_007.h5"));
    check("thimble.h5", Some("thimble_1.h5"));
    check("7.h5", None);
    check("thimble_99999999999999999999.h5", None);
    check("", None);
}

#[test]
fn a_directory_is_one_directory() {
    let check = check_nearest::<ModelName>;
    check("Qwen/Qwen3-4B/", Some("Qwen3-4B"));
    check("My Model", Some("My_Model"));
    check("..", None);
    check("", None);
    assert_eq!("Thimble".parse::<ModelName>().unwrap().as_str(), "Thimble");
}

#[test]
fn errors_say_what_was_expected() {
    let error = "mask.safetensors".parse::<TensorFileName>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "`mask.safetensors` is not the name of a tensor file: expected \
         `<notebook id>_<what>.safetensors`, where the id is two numbers and a letter, such as \
         `1.5d`, `1.24c8` or `01.1a`"
    );
    let custom = IdPattern::new("[0-9]{3}").unwrap();
    assert_eq!(
        custom.parse("42").unwrap_err().to_string(),
        "`42` is not a notebook id: expected what `notebooks.id-pattern` describes, `[0-9]{3}`"
    );
}

#[test]
fn patterns_that_no_id_can_have_are_refused() {
    for wrong in ["[", "a)|(b", "[0-9]_[0-9]", "(?x)a # b"] {
        assert!(IdPattern::new(wrong).is_err(), "{wrong}");
    }
    let anchored = IdPattern::new("^[a-z]+$").unwrap();
    assert!(anchored.parse("abc").is_ok());
    // A pattern that matches more than an id can be does not make it one.
    let anything = IdPattern::new(".*").unwrap();
    for wrong in ["", "a b", "a/b", ".a", "a\0"] {
        assert!(anything.parse(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn an_alternation_stands_for_the_whole_id() {
    let either = IdPattern::new("[0-9]+|exp-[0-9]+").unwrap();
    assert!(either.parse("7").is_ok());
    assert!(either.parse("exp-7").is_ok());
    assert!(either.parse("7x").is_err());
    assert!(either.parse("xexp-7").is_err());
}

fn id() -> impl Strategy<Value = String> {
    "[0-9]{1,3}\\.[0-9]{1,3}[a-z][0-9]{0,3}"
}

fn plain() -> impl Strategy<Value = String> {
    "[A-Za-z0-9][A-Za-z0-9_.+=-]{0,20}"
}

#[test]
fn names_sort_by_their_parts() {
    let sorted = [
        "1.5d_mask.safetensors",
        "1.5d_pca10.safetensors",
        "1.5d2_mask.safetensors",
        "1.24c8_mask.safetensors",
    ]
    .map(|name| name.parse::<TensorFileName>().unwrap());
    assert!(sorted.is_sorted_by(|a, b| a < b));
    let sorted = [
        "flannel_12.h5",
        "thimble_7.h5",
        "thimble_10.h5",
        "thimble_b_1.h5",
    ]
    .map(|name| name.parse::<TrajectoryName>().unwrap());
    assert!(sorted.is_sorted_by(|a, b| a < b));
}

proptest! {
    #[test]
    fn every_valid_name_is_printed_as_it_was_read(
        id in id(), what in plain(), digits in "[0-9]{1,18}", model in plain(),
    ) {
        let parsed: NotebookId = id.parse().unwrap();
        prop_assert_eq!(parsed.as_str(), &id);

        let name = format!("{id}_{what}.safetensors");
        let file: TensorFileName = name.parse().unwrap();
        prop_assert_eq!((file.id(), file.what()), (&parsed, &*what));
        prop_assert_eq!(file.to_string(), name);
        prop_assert_eq!(&TensorFileName::new(parsed, &what).unwrap(), &file);

        let name = format!("{what}_{digits}.h5");
        let run: TrajectoryName = name.parse().unwrap();
        prop_assert_eq!((run.run(), run.number()), (&*what, digits.parse().unwrap()));
        prop_assert_eq!(run.to_string(), name);

        prop_assert_eq!(model.parse::<ModelName>().unwrap().to_string(), model);
    }

    #[test]
    fn no_text_makes_a_parser_panic_and_what_is_offered_is_valid(text in "\\PC{0,40}") {
        for name in [text.clone(), format!("1.5d{text}.safetensors"), format!("{text}_7.h5")] {
            if let Err(error) = name.parse::<NotebookId>()
                && let Some(nearest) = nearest_of(error)
            {
                prop_assert!(nearest.parse::<NotebookId>().is_ok(), "{nearest}");
            }
            if let Err(error) = name.parse::<TensorFileName>()
                && let Some(nearest) = nearest_of(error)
            {
                prop_assert!(nearest.parse::<TensorFileName>().is_ok(), "{nearest}");
            }
            if let Err(error) = name.parse::<TrajectoryName>()
                && let Some(nearest) = nearest_of(error)
            {
                prop_assert!(nearest.parse::<TrajectoryName>().is_ok(), "{nearest}");
            }
            if let Err(error) = name.parse::<ModelName>()
                && let Some(nearest) = nearest_of(error)
            {
                prop_assert!(nearest.parse::<ModelName>().is_ok(), "{nearest}");
            }
        }
    }

    #[test]
    fn no_pattern_makes_it_panic(pattern in "\\PC{0,20}", text in "\\PC{0,20}") {
        if let Ok(pattern) = IdPattern::new(&pattern) {
            let _ = pattern.parse(&text);
            let _ = TensorFileName::parse(&text, &pattern);
            let _ = pattern.id_of_notebook(&text);
        }
    }

    #[test]
    fn ids_sort_as_people_count(a in (0..300_u32, 0..300_u32), b in (0..300_u32, 0..300_u32)) {
        let id = |(x, y): (u32, u32)| format!("{x}.{y}a").parse::<NotebookId>().unwrap();
        prop_assert_eq!(id(a).cmp(&id(b)), a.cmp(&b));
    }
}
