//! Thimble, the demo: trains a small language model and records every step of its embedding.
//!
//! The model reads the sources and documents of this repository. Every step of its token
//! embedding W, 10,000 × 64 in bf16, goes into one HDF5 file, with the gradient, both moments of
//! Adam and the loss: the exact state of the training, for notebooks to look into.
//!
//! To record a training of your own, look at `record.rs`; the loop that feeds it is in this file.

mod adamw;
mod corpus;
mod loss;
mod model;
mod progress;
mod record;
mod report;
mod rng;
mod tokenizer;
mod train;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use selvedge_hdf5::Compression;

use crate::corpus::Corpus;
use crate::progress::Progress;
use crate::record::{Recording, Run};
use crate::report::Watch;
use crate::tokenizer::Tokenizer;
use crate::train::{Config, Trainer};

/// Trains a small language model on the sources of this repository and records every step.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Steps to train; each takes 5 MB in the file.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,

    /// Folder for tensors/Thimble/thimble_1.h5.
    ///
    /// Without this option it is target/demo, and a file of an earlier run is replaced.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Folder with the text to learn from: its .md, .py, .rs, .toml and .txt files.
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))]
    corpus: PathBuf,

    /// Seed of the weights and the batches: the same seed and corpus record the same bits.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Replace a file of an earlier run in --out.
    #[arg(long)]
    overwrite: bool,

    /// How the recorded steps are compressed, without loss.
    #[arg(long, value_enum, default_value_t = Compress::None)]
    compression: Compress,
}

/// Whether the recorder compresses.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Compress {
    /// Not at all.
    None,
    /// Low bytes stored, high bytes Huffman-coded, at the speed of the disk.
    Fast,
}

fn main() -> ExitCode {
    compute_on_one_thread();
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Keeps candle to one thread, unless the environment says otherwise.
///
/// candle's threads spin until the last of them has done its part of an operation, and the
/// operations of this model are small. Next to a compiler on two cores, 40 steps took 2.4 s on
/// one thread and 8.1 s on two. The bits are the same.
fn compute_on_one_thread() {
    const THREADS: &str = "RAYON_NUM_THREADS";
    if std::env::var_os(THREADS).is_none() {
        // SAFETY: `main` calls this first, so no other thread is there to read the environment.
        unsafe { std::env::set_var(THREADS, "1") };
    }
}

fn run(cli: &Cli) -> Result<()> {
    let out = cli.out.as_deref().unwrap_or(Path::new("target/demo"));
    let path = out.join("tensors/Thimble/thimble_1.h5");
    let overwrite = cli.overwrite || cli.out.is_none();
    if !overwrite && path.exists() {
        bail!("{} exists already; --overwrite replaces it", path.display());
    }
    let config = Config::new(cli.seed);

    let corpus = Corpus::read(&cli.corpus, corpus::MAX_BYTES)?;
    let tokenizer = Tokenizer::new(&corpus.text, config.dims.vocabulary);
    let tokens = tokenizer.encode(&corpus.text);
    let live = tokenizer.live(&tokens);
    println!("corpus     {corpus}");
    let (all, alive) = (live.len(), live.iter().filter(|live| **live).count());
    println!(
        "tokens     {}; vocabulary {all}: {alive} live, {} dead",
        tokens.len(),
        all - alive
    );
    let mut trainer = Trainer::new(config, &tokens)?;

    let run = Run {
        steps: cli.steps,
        config,
        corpus: &corpus,
        live: &live,
        compression: match cli.compression {
            Compress::None => Compression::None,
            Compress::Fast => Compression::Fast,
        },
    };
    let mut recording = Recording::start(&path, overwrite, &run)
        .with_context(|| format!("the recording {} cannot start", path.display()))?;
    println!("file       {}\n\n{}\n", path.display(), recording.plan());

    let mut watch = Watch::new(&live);
    let mut progress = Progress::new(cli.steps, recording.plan().step_bytes());
    for _ in 0..cli.steps {
        trainer.step(|row| {
            recording.append(&row)?;
            watch.see(&row);
            progress.step(row.loss);
            Ok(())
        })?;
    }
    progress.finish();
    let (summary, fingerprint) = recording.finish()?;

    println!("{}", watch.outcome());
    println!("recorded   {summary}");
    println!(
        "           {:.0} MB/s; fingerprint {fingerprint}",
        summary.bytes_per_second() / 1e6
    );
    println!("\nto read it in Python:");
    println!("  import h5py, torch");
    println!("  f = h5py.File({:?})", path.display().to_string());
    let shape = (summary.steps, config.dims.vocabulary, config.dims.width);
    println!("  W = torch.from_numpy(f[\"W\"][:]).view(torch.bfloat16)  # {shape:?}");
    Ok(())
}
