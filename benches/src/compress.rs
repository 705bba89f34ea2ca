//! What compression costs: recorded steps and normal values, by the filters that HDF5 files are written with, in chunks of
//! one step.

use selvedge_hdf5::{Compression, Dtype, ReadError, Reader, Recorder, TensorSpec};

use crate::data::{DEMO, SHAPE, STEP_BYTES, TENSOR, demo, gaussian};
use crate::prelude::*;

pub(crate) fn run(bench: &mut Bench, scratch: &Scratch, groups: &[Spec]) -> Result<()> {
    let h5py = bench.python("compress_peer.py", &[]);
    let stock = bench.python("compress_peer.py", &["--stock"]);
    let (Some(mut h5py), Some(mut stock)) = (h5py, stock) else {
        bench.note("No groups `compress`: all of their codecs are used through h5py.");
        return Ok(());
    };
    let trajectory = bench.options.trajectory.clone();
    if trajectory.is_none() {
        bench.note("No trajectory of the demo: compression is measured on normal values alone.");
    }
    let (path, source) = (scratch.file("sample.h5"), scratch.file("values.bin"));
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
        let steps = (values.len() / STEP_BYTES) as u64;
        let group = spec.group(steps, values.len() as u64, what, &note);
        let mut opened: Vec<(&str, Vec<String>)> = Vec::new();
        let group = bench.rounds(spec, group, true, |who, round| {
            scratch.settle(&path)?;
            let mut sample = match who.key {
                way if who.python => h5py.call("write", (&path, way))?,
                "ours_plain" => record(&path, &values, Compression::None)?,
                "ours" => record(&path, &values, Compression::Fast)?,
                _ => return unknown(who),
            };
            // It compares what it has read with what was to be written.
            sample.append(&mut h5py.call("read", (&path,))?);
            if round == 0 {
                opened.push((who.name, readers(&mut stock, &path, &values)?));
            }
            Ok(sample)
        });
        for row in &mut group.rows {
            let readers = opened.iter().find(|(name, _)| *name == row.name);
            row.opened_by = readers.map_or_else(Vec::new, |(_, readers)| readers.clone());
        }
        scratch.settle(&path)?;
        scratch.settle(&source)?;
    }
    Ok(())
}

/// Who reads the file without a plugin, by trying.
fn readers(stock: &mut Python, path: &Path, values: &[u8]) -> Result<Vec<String>> {
    let mut readers = Vec::new();
    if stock.call("opens", (path,))? {
        readers.push("h5py".to_owned());
    }
    let read = || -> Result<Vec<u16>, ReadError> { Reader::open(path)?.tensor(TENSOR)?.read() };
    match read() {
        Ok(found) if cast_slice::<u16, u8>(&found) == values => readers.push("Selvedge".to_owned()),
        Ok(_) => return Err("Selvedge reads other values".into()),
        Err(_) => {}
    }
    Ok(readers)
}

fn record(path: &Path, values: &[u8], compression: Compression) -> Result<Sample> {
    let steps = values.chunks(STEP_BYTES);
    let spec = TensorSpec::new(TENSOR, Dtype::Bf16, SHAPE);
    let run = Recorder::create(path).steps(steps.len() as u64);
    let mut run = run.compression(compression).tensor_spec(spec).start()?;
    let begin = Instant::now();
    for step in steps {
        run.append(|target| target.put_bytes(TENSOR, Dtype::Bf16, step))?;
    }
    run.finish()?;
    let mut sample = since(begin);
    sample.insert(Figure::OnDisk, meter::on_disk(path)?);
    Ok(sample)
}
