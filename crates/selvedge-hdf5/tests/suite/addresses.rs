//! Where the fields that a recorder writes in place lie in a new file, whatever is in it.

use std::error::Error;

use selvedge_hdf5::{Dtype, Reader, Recorder, RunState, TensorSpec};
use selvedge_testing::{Random, seed};

use crate::common::faults::new_path;

const DTYPES: [Dtype; 7] = [
    Dtype::Bool,
    Dtype::I8,
    Dtype::Bf16,
    Dtype::F32,
    Dtype::F64,
    Dtype::C64,
    Dtype::C128,
];

/// Records a step of each tensor, which is zeros, and reads it back.
fn record(specs: &[TensorSpec], constants: usize) -> Result<(), Box<dyn Error>> {
    let (_folder, path) = new_path();
    let mut builder = Recorder::create(&path).steps(5);
    for spec in specs {
        builder = builder.tensor_spec(spec.clone());
    }
    for nth in 0..constants {
        builder = builder.constant(format!("mask{nth}"), &vec![true; nth + 1]);
    }
    let mut run = builder.start()?;
    run.append(|step| {
        specs.iter().try_fold(step, |step, spec| {
            let elements: usize = spec.shape.iter().product();
            let bytes = vec![0; elements * spec.dtype.size()];
            step.put_bytes(&spec.name, spec.dtype, &bytes)
        })
    })?;
    run.finish()?;
    let file = Reader::open(&path)?;
    assert_eq!(
        (file.committed_steps(), file.state()),
        (1, RunState::Finished)
    );
    for spec in specs {
        let found = file.tensor(&spec.name)?.read_bytes()?;
        assert!(found.iter().all(|&byte| byte == 0), "{}", spec.name);
    }
    Ok(())
}

/// Values of an odd number of bytes left the end of the file at an odd address. Headers of datasets that came to
/// lie there have an extent that no single write of 8 bytes changes, and the file was refused: two of a hundred
/// mixes of tensors.
#[test]
fn any_mix_of_tensors_is_recorded() {
    let seen = (0..20).map(|nth| TensorSpec::new(format!("a{nth:02}"), Dtype::C64, [3]));
    let last = [("z", Dtype::Bool), ("zz", Dtype::F32)];
    let last = last.map(|(name, dtype)| TensorSpec::new(name, dtype, [3]));
    record(&seen.chain(last).collect::<Vec<_>>(), 0).unwrap();
    let mut random = Random(seed());
    for _ in 0..60 {
        let mut below = |bound: usize| usize::try_from(random.below(bound as u64)).unwrap();
        let specs = (0..5 + below(75)).map(|nth| {
            let name = format!("{}{nth}", "n".repeat(1 + below(20)));
            TensorSpec::new(name, DTYPES[below(DTYPES.len())], [1 + below(7)])
        });
        let specs: Vec<TensorSpec> = specs.collect();
        record(&specs, below(4)).unwrap_or_else(|error| panic!("{error}: {specs:?}"));
    }
}
