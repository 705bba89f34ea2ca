//! Constants whose values are written piece by piece when the file is made.

use selvedge_hdf5::{DeclareError, Dtype, Reader, Recorder, RecorderBuilder, TensorSpec};

use crate::common::faults::new_path;

/// `convert` held each constant whole, and of a checkpoint nearly all tensors are constants.
#[test]
fn values_that_come_in_pieces_are_those_that_are_read() {
    let (_folder, path) = new_path();
    let declared = || -> RecorderBuilder {
        Recorder::create(&path)
            .overwrite(true)
            .scalar::<f32>("loss")
            .constant("mask", &[true, false])
            .constant_spec(TensorSpec::new("W", Dtype::U16, [40, 3]))
            .constant_spec(TensorSpec::new("none", Dtype::F64, [0, 3]))
            .constant_spec(TensorSpec::new("one", Dtype::U8, []))
            .tensor_attribute("W", "units", "K")
    };
    let values: Vec<u16> = (0..120).collect();
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let mut asked = Vec::new();
    let run = declared().start_with(|name, writer| -> Result<(), DeclareError> {
        asked.push(name.to_owned());
        match name {
            "W" => bytes.chunks(7).try_for_each(|piece| writer.write(piece)),
            "one" => writer.write(&[5]),
            _ => Ok(()),
        }
    });
    run.unwrap().finish().unwrap();
    assert_eq!(asked, ["W", "none", "one"]);
    let file = Reader::open(&path).unwrap();
    let w = file.tensor("W").unwrap();
    assert_eq!(w.read::<u16>().unwrap(), values);
    assert_eq!(w.attributes().unwrap(), [("units".to_owned(), "K".into())]);
    assert_eq!(file.tensor("one").unwrap().read::<u8>().unwrap(), [5]);
    assert_eq!(
        file.tensor("mask").unwrap().read::<bool>().unwrap(),
        [true, false]
    );

    // Fewer or more than fill the shape are told, and the old file is as it was.
    for count in [0, 119, 121] {
        let refused = declared().start_with(|name, writer| -> Result<(), DeclareError> {
            match name {
                "W" => writer.write(&vec![0; count * 2]),
                "one" => writer.write(&[5]),
                _ => Ok(()),
            }
        });
        let error = refused.unwrap_err().to_string();
        let found = format!("`W` of shape [40, 3] has 120 elements, found {count}");
        assert!(error.contains(&found), "{error}");
        let file = Reader::open(&path).unwrap();
        assert_eq!(file.tensor("W").unwrap().read::<u16>().unwrap(), values);
    }
    // An error of the caller comes through as it is.
    #[derive(Debug)]
    struct Own;
    impl From<DeclareError> for Own {
        fn from(error: DeclareError) -> Self {
            panic!("{error}")
        }
    }
    assert!(matches!(declared().start_with(|_, _| Err(Own)), Err(Own)));
}

#[test]
fn attributes_are_of_tensors_that_are_declared() {
    let (_folder, path) = new_path();
    let declared = || Recorder::create(&path).scalar::<f32>("loss");
    for (run, told) in [
        (
            declared().tensor_attribute("V", "units", "K"),
            "no tensor `V` was declared",
        ),
        (
            declared()
                .tensor_attribute("loss", "a", 1)
                .tensor_attribute("loss", "a", 2),
            "`a`",
        ),
        (
            declared().tensor_attribute("loss", "selvedge_x", 1),
            "`selvedge_x`",
        ),
        (
            declared().tensor_attribute("loss", "long", vec![0_i64; 9000]),
            "`long`",
        ),
    ] {
        let error = run.start().unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
        assert!(!path.exists());
    }
}
