//! The recording: which tensors go into the file, under which names.
//!
//! This is the part to copy into a training loop of one's own: declare once, then put every tensor
//! once a step. `append` copies and returns; a thread of the recorder's does the writing.

use std::path::Path;

use anyhow::Result;
use selvedge_bf16::{bf16, bf16_as_bytes};
use selvedge_hdf5::{Compression, Recorder, RunPlan, Summary};

use crate::corpus::Corpus;
use crate::train::{Config, Row};

/// What row `t` of the tensors holds; it is an attribute of the file.
const ROWS: &str = "row t: W before update t; losses and grad_W at that W; momentum_W and \
                    variance_W with that gradient taken in. W of row t + 1 follows from row t";

/// A file that grows by a row a step.
pub(crate) struct Recording {
    recorder: Recorder,
    fingerprint: Fingerprint,
}

/// What there is to know before the first step.
pub(crate) struct Run<'a> {
    pub(crate) steps: u64,
    pub(crate) config: Config,
    pub(crate) corpus: &'a Corpus,
    /// For every token, whether it occurs in the corpus.
    pub(crate) live: &'a [bool],
    pub(crate) compression: Compression,
}

impl Recording {
    /// Creates the file, and the folders it lies in.
    ///
    /// # Errors
    /// If the file exists and is not to be overwritten, or cannot be created.
    pub(crate) fn start(path: &Path, overwrite: bool, run: &Run<'_>) -> Result<Self> {
        let Run {
            config,
            corpus,
            live,
            compression,
            ..
        } = run;
        let shape = [config.dims.vocabulary, config.dims.width];
        let dead: Vec<bool> = live.iter().map(|live| !live).collect();
        let recorder = Recorder::create(path)
            .steps(run.steps)
            .compression(*compression)
            .tensor::<bf16>("W", shape)
            .tensor::<bf16>("grad_W", shape)
            .tensor::<bf16>("momentum_W", shape)
            .tensor::<bf16>("variance_W", shape)
            .scalar::<f32>("losses")
            .constant("dead_mask", &dead)
            .constant("live_mask", *live)
            .attribute("rows", ROWS)
            .attribute("learning_rate", config.adamw.learning_rate)
            .attribute("warmup_steps", config.warmup)
            .attribute("beta1", config.adamw.beta1)
            .attribute("beta2", config.adamw.beta2)
            .attribute("epsilon", config.adamw.epsilon)
            .attribute("weight_decay", 0.0)
            .attribute("weight_decay_beside_W", config.adamw.weight_decay)
            .attribute("sequences", config.sequences)
            .attribute("context", config.dims.context)
            .attribute("seed", config.seed)
            .attribute("corpus_bytes", corpus.text.len())
            .attribute(
                "corpus_fingerprint",
                fingerprint(corpus.text.as_bytes()).to_string(),
            )
            .overwrite(overwrite)
            .start()?;
        Ok(Self {
            recorder,
            fingerprint: Fingerprint::default(),
        })
    }

    /// What the run will take of disk and memory.
    pub(crate) fn plan(&self) -> &RunPlan {
        self.recorder.plan()
    }

    /// Appends a row.
    ///
    /// # Errors
    /// If the recorder's thread could not write this row or an earlier one.
    pub(crate) fn append(&mut self, row: &Row<'_>) -> Result<()> {
        self.recorder.append(|step| {
            step.put("W", row.w)?
                .put("grad_W", row.gradient)?
                .put("momentum_W", row.momentum)?
                .put("variance_W", row.variance)?
                .put("losses", &row.loss)
        })?;
        for tensor in [row.w, row.gradient, row.momentum, row.variance] {
            self.fingerprint.update(bf16_as_bytes(tensor));
        }
        self.fingerprint.update(&row.loss.to_le_bytes());
        Ok(())
    }

    /// Writes what is left and closes the file.
    ///
    /// # Errors
    /// If not every row is in the file.
    pub(crate) fn finish(self) -> Result<(Summary, Fingerprint)> {
        Ok((self.recorder.finish()?, self.fingerprint))
    }
}

/// A fast 64-bit hash that tells whether two runs recorded the same bytes.
///
/// The recipe is rustc's FxHash. It finds accidents, not forgeries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    fn update(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.add(u64::from(*byte));
        }
    }

    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    fingerprint.update(bytes);
    fingerprint
}

#[cfg(test)]
mod tests {
    use std::fs;

    use selvedge_hdf5::{Reader, Tensor};

    use super::*;
    use crate::model::Dims;
    use crate::train::Trainer;

    fn record(path: &Path, seed: u64) -> (Summary, Fingerprint) {
        let mut config = Config::new(seed);
        config.dims = Dims {
            vocabulary: 40,
            width: 16,
            inner: 32,
            context: 8,
        };
        let corpus = Corpus {
            files: 1,
            skipped: 0,
            capped: false,
            text: "text".to_owned(),
        };
        let tokens: Vec<u32> = (0..200).map(|i| i * i % 30).collect();
        let live: Vec<bool> = (0..40).map(|token| tokens.contains(&token)).collect();
        let run = Run {
            steps: 3,
            config,
            corpus: &corpus,
            live: &live,
            compression: Compression::Fast,
        };
        let mut recording = Recording::start(path, true, &run).unwrap();
        let mut trainer = Trainer::new(config, &tokens).unwrap();
        for _ in 0..3 {
            trainer.step(|row| recording.append(&row)).unwrap();
        }
        recording.finish().unwrap()
    }

    #[test]
    fn the_file_has_every_tensor_under_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tensors/Thimble/thimble_1.h5");
        let (summary, _) = record(&path, 1);
        assert_eq!(
            (summary.steps, summary.bytes),
            (3, 3 * (4 * 40 * 16 * 2 + 4))
        );

        let reader = Reader::open(&path).unwrap();
        let mut names: Vec<_> = reader.tensors().iter().map(Tensor::name).collect();
        names.sort_unstable();
        let expected = [
            "W",
            "dead_mask",
            "grad_W",
            "live_mask",
            "losses",
            "momentum_W",
            "variance_W",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn the_same_seed_records_the_same_bits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thimble_1.h5");
        let (_, one) = record(&path, 1);
        let (_, two) = record(&path, 1);
        let (_, other) = record(&path, 2);
        assert_eq!(one, two);
        assert_ne!(one, other);
        assert!(fs::metadata(path).unwrap().len() > 0);
    }

    #[test]
    fn a_fingerprint_sees_every_byte_and_their_order() {
        let all = [b"123456789", b"123456798", b"023456789", b"12345678\0"];
        for (i, one) in all.iter().enumerate() {
            for (j, two) in all.iter().enumerate() {
                assert_eq!(fingerprint(*one) == fingerprint(*two), i == j);
            }
        }
    }
}
