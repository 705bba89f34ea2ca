//! What compression costs: recorded steps and normal values, by the filters that HDF5 files are written with, in chunks of
//! one step.

use std::collections::BTreeMap;

use selvedge_hdf5::{Compression, Dtype, Reader, TensorSpec};

use crate::data::{DEMO, SHAPE, STEP_BYTES, Steps, TENSOR, demo, gaussian};
use crate::prelude::*;
use crate::record::Files;

pub(crate) fn run(bench: &mut Bench, scratch: &Scratch, groups: &[Spec]) -> Result<()> {
    let h5py = bench.python("compress_peer.py");
    let stock = bench.python("compress_peer.py --stock");
    let (Some(mut h5py), Some(mut stock)) = (h5py, stock) else {
        bench.note("No groups `compress`: all of their codecs are used through h5py.");
        return Ok(());
    };
    let trajectory = bench.options.trajectory.clone();
    if trajectory.is_none() {
        bench.note("No trajectory of the demo: compression is measured on normal values alone.");
    }
    let source = scratch.file("values.bin");
    for spec in groups {
        let (steps, note) = scratch.fit(spec.count, STEP_BYTES as u64, 1)?;
        let tensor = DEMO.iter().find(|(short, ..)| *short == spec.end());
        let (values, what) = match (tensor, &trajectory) {
            (Some((_, name, what)), Some(path)) => (demo(path, name, steps)?, *what),
            (Some(_), None) => continue,
            (None, _) => (
                gaussian(usize::try_from(steps)?),
                "normally distributed values: nothing repeats",
            ),
        };
        std::fs::write(&source, &values)?;
        for peer in [&mut h5py, &mut stock] {
            peer.call::<()>("prepare", (&source, SHAPE))?;
        }
        let (steps, size) = ((values.len() / STEP_BYTES) as u64, values.len() as u64);
        let tensor = TensorSpec::new(TENSOR, Dtype::Bf16, SHAPE);
        let values = Steps::from(vec![tensor], steps, values)?;
        let files = Files::new(values, steps, scratch)?;
        let path = &files.path;
        let group = spec.group(steps, size, what, &note);
        let mut opened = BTreeMap::new();
        let group = bench.rounds(spec, group, true, |who, round| {
            scratch.settle(path)?;
            let mut sample: Sample = match who.key {
                way if who.python => h5py.call("write", (path, way))?,
                "ours_plain" => files.recorder(Compression::None, true)?,
                "ours" => files.recorder(Compression::Fast, true)?,
                _ => return unknown(who),
            };
            sample.retain(|figure, _| matches!(figure, Figure::Seconds | Figure::OnDisk));
            // It compares what it has read with what was to be written.
            sample.append(&mut h5py.call("read", (path,))?);
            if round == 0 {
                opened.insert(who.name, readers(&mut stock, &files)?);
            }
            Ok(sample)
        });
        for row in &mut group.rows {
            row.opened_by = opened.remove(row.name.as_str()).unwrap_or_default();
        }
        scratch.settle(path)?;
        scratch.settle(&source)?;
    }
    Ok(())
}

/// Who reads the file without a plugin, by trying.
fn readers(stock: &mut Python, files: &Files) -> Result<Vec<String>> {
    let mut readers = Vec::new();
    if stock.call("opens", (&files.path,))? {
        readers.push("h5py".to_owned());
    }
    let open = || {
        Reader::open(&files.path)?
            .tensor(TENSOR)?
            .read_step::<u16>(0)
    };
    if open().is_ok() {
        let all = 0..files.count;
        files.steps.check(&files.path, files.count, all)?;
        readers.push("Selvedge".to_owned());
    }
    Ok(readers)
}
