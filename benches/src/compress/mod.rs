//! What compression costs: recorded trajectories and normal values, by the filters that HDF5 files are written with.

pub mod codec;
pub(crate) mod data;
mod reading;
mod training;
mod trajectory;

use std::path::Path;
use std::time::Instant;

use bytemuck::cast_slice;
use selvedge_hdf5::{Compression, Dtype, Reader, Recorder, TensorSpec};

use self::codec::{CODECS, Codec, How, REFERENCE};
use self::data::{SHAPE, STEP_BYTES, TENSORS};
use crate::Result;
use crate::bench::Bench;
use crate::groups::joined;
use crate::meter;
use crate::peer::{Python, text};
use crate::report::{Figure, Group, Sample};
use crate::scratch::Scratch;

/// The names of the groups.
pub const GROUPS: &[&str] = &joined::<12>(&[
    &[
        "compress/W",
        "compress/grad",
        "compress/m",
        "compress/v",
        "compress/gaussian",
    ],
    &trajectory::GROUPS,
]);

/// The tensor in the files.
const NAME: &str = "W";

/// Python, with and without the plugins.
struct Peers {
    h5py: Python,
    stock: Python,
}

/// Runs those that are selected.
///
/// # Errors
///
/// A trajectory that cannot be read, and a disk without room for a few steps.
pub fn run(bench: &mut Bench, scratch: &Scratch) -> Result<()> {
    filters(bench, scratch)?;
    match bench.options.trajectory.clone() {
        Some(path) => trajectory::run(bench, scratch, &path),
        None => Ok(()),
    }
}

/// What single tensors cost, by all filters.
fn filters(bench: &mut Bench, scratch: &Scratch) -> Result<()> {
    let h5py = bench.python("compress_peer.py", &[]);
    let stock = bench.python("compress_peer.py", &["--stock"]);
    let (Some(h5py), Some(stock)) = (h5py, stock) else {
        bench.note("No groups `compress`: all of their codecs are used through h5py.".to_owned());
        return Ok(());
    };
    let mut peers = Peers { h5py, stock };
    let wanted = bench.options.scale.pick(24, 4, 2);
    let (steps, note) = scratch.fit(wanted, STEP_BYTES as u64, 1)?;
    match bench.options.trajectory.clone() {
        Some(path) => {
            for tensor in &TENSORS {
                let group = format!("compress/{}", tensor.short);
                if bench.selects(&group) {
                    let values = data::recorded(&path, tensor.name, steps)?;
                    rounds(
                        bench,
                        scratch,
                        &mut peers,
                        (&group, tensor.what),
                        &values,
                        note.clone(),
                    )?;
                }
            }
        }
        None => bench.note(
            "No trajectory of the demo: compression is measured on normal values alone.".to_owned(),
        ),
    }
    if bench.selects("compress/gaussian") {
        let what = "normally distributed values: nothing repeats";
        let values = data::gaussian(steps);
        rounds(
            bench,
            scratch,
            &mut peers,
            ("compress/gaussian", what),
            &values,
            note,
        )?;
    }
    Ok(())
}

fn rounds(
    bench: &mut Bench,
    scratch: &Scratch,
    peers: &mut Peers,
    (name, what): (&str, &str),
    values: &[u8],
    note: Option<String>,
) -> Result<()> {
    let steps = (values.len() / STEP_BYTES) as u64;
    let source = scratch.file("values.bin");
    std::fs::write(&source, values)?;
    for peer in [&mut peers.h5py, &mut peers.stock] {
        peer.call(&[
            "prepare",
            text(&source)?,
            &SHAPE[0].to_string(),
            &SHAPE[1].to_string(),
        ])?;
    }
    let short = name.trim_start_matches("compress/");
    let title = format!("Compressing {short}");
    let what = format!(
        "{steps} steps of (10000, 64) bfloat16, {what}; chunks of one step. Written into the page cache, and read back \
         from it. Opened by: who reads it without a plugin, by trying h5py, and Selvedge as any HDF5 with zlib."
    );
    let mut group = Group::new(
        name,
        &title,
        what,
        (steps, "step"),
        values.len() as u64,
        REFERENCE,
    );
    group.notes.extend(note);
    let path = scratch.file("sample.h5");
    let mut opened: Vec<(Codec, Vec<String>)> = Vec::new();
    let group = bench.rounds(group, CODECS, |codec, round| {
        scratch.settle(&path)?;
        let mut sample = match codec.how {
            How::Selvedge(compression) => record(&path, values, compression)?,
            How::H5py(filter, shuffle) => {
                let shuffle = if shuffle { "shuffle" } else { "" };
                peers
                    .h5py
                    .sample(&["write", text(&path)?, filter, shuffle])?
            }
        };
        // It compares what it has read with what was to be written.
        sample.append(&mut peers.h5py.sample(&["read", text(&path)?])?);
        if round == 0 {
            opened.push((codec, readers(&mut peers.stock, &path, values)?));
        }
        Ok(sample)
    });
    for (codec, readers) in opened {
        if let Some(row) = group.rows.iter_mut().find(|row| row.name == codec.name) {
            row.opened_by = readers;
        }
    }
    scratch.settle(&path)?;
    scratch.settle(&source)
}

/// Who reads the file without a plugin, by trying.
fn readers(stock: &mut Python, path: &Path, values: &[u8]) -> Result<Vec<String>> {
    let mut readers = Vec::new();
    if stock.call(&["opens", text(path)?])? == "yes" {
        readers.push("h5py".to_owned());
    }
    let read = || -> Result<Vec<u16>, selvedge_hdf5::ReadError> {
        Reader::open(path)?.tensor(NAME)?.read()
    };
    match read() {
        Ok(found) if cast_slice::<u16, u8>(&found) == values => readers.push("Selvedge".to_owned()),
        Ok(_) => return Err("Selvedge reads other values".into()),
        Err(_) => {}
    }
    Ok(readers)
}

/// The recorder.
fn record(path: &Path, values: &[u8], compression: Compression) -> Result<Sample> {
    let spec = TensorSpec::new(NAME, Dtype::Bf16, SHAPE);
    let steps = values.chunks(STEP_BYTES);
    let mut run = Recorder::create(path)
        .steps(steps.len() as u64)
        .tensor_spec(spec)
        .compression(compression)
        .start()?;
    let begin = Instant::now();
    for step in steps {
        run.append(|target| target.put_bytes(NAME, Dtype::Bf16, step))?;
    }
    run.finish()?;
    let seconds = begin.elapsed().as_secs_f64();
    let mut sample = Sample::from([(Figure::Seconds, seconds)]);
    sample.insert(Figure::OnDisk, meter::on_disk(path)?);
    Ok(sample)
}
