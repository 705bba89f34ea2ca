//! The body of the training loop: one step, and what of it there is to record.
//!
//! W is a bf16 [`Parameter`]: value, gradient and both moments are *stored* in bf16, so the
//! recorded bits are the state of the training itself and not a rounded copy of it. The few
//! parameters beside W stay in f32.

use anyhow::{Context as _, Result, ensure};
use candle_core::{DType, Device, Tensor, Var};
use selvedge_bf16::bf16;

use crate::adamw::{AdamW, Parameter};
use crate::loss::cross_entropy;
use crate::model::{DENSE, Dense, Dims};
use crate::rng::Rng;

/// What is chosen before a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(crate) dims: Dims,
    /// Sequences of `dims.context` tokens in a step.
    pub(crate) sequences: usize,
    pub(crate) adamw: AdamW,
    /// The learning rate rises over so many steps and then stays.
    pub(crate) warmup: usize,
    pub(crate) seed: u64,
}

impl Config {
    /// The demo's own.
    ///
    /// Three choices are for the tokens that never occur. Their gradients are a thousand times
    /// smaller than the others', but not zero: the softmax pushes every token that is not the
    /// right one, and Adam divides the size of a gradient away, so with an epsilon of 1e-8 they
    /// move as fast as all others. With 1e-5, which Llama 2 was trained with too, they hardly do.
    /// Their bias starts from their frequency, so that there is little to push (see `Trainer`).
    /// And W does not decay.
    ///
    /// A beta2 of 0.999 would stop the variance: bf16 has 8 significant bits, and a value that
    /// shrinks by a thousandth is rounded back to what it was. With 0.95, the habit of language
    /// models since GPT-3, it shrinks.
    pub(crate) const fn new(seed: u64) -> Self {
        Self {
            dims: Dims {
                vocabulary: 10_000,
                width: 64,
                inner: 256,
                context: 32,
            },
            sequences: 8,
            adamw: AdamW {
                learning_rate: 3e-3,
                beta1: 0.9,
                beta2: 0.95,
                epsilon: 1e-5,
                weight_decay: 0.1,
            },
            warmup: 10,
            seed,
        }
    }

    /// Tokens that a step predicts.
    pub(crate) fn batch(&self) -> usize {
        self.sequences * self.dims.context
    }

    /// The share of the learning rate that step `t` has.
    fn share(&self, t: usize) -> f64 {
        ((t + 1) as f64 / self.warmup.max(1) as f64).min(1.0)
    }
}

/// Row `t` of the recording: W as step `t` found it, the loss and its gradient at that W, and
/// the moments with that gradient taken in. The W of row `t + 1` follows from it.
///
/// The tensors are flat, (vocabulary, width) in row-major order.
pub(crate) struct Row<'a> {
    pub(crate) w: &'a [bf16],
    pub(crate) gradient: &'a [bf16],
    pub(crate) momentum: &'a [bf16],
    pub(crate) variance: &'a [bf16],
    pub(crate) loss: f32,
}

/// A model in training.
pub(crate) struct Trainer<'a> {
    config: Config,
    tokens: &'a [u32],
    rng: Rng,
    w: Parameter<bf16>,
    /// For every token, what is added to its logit.
    bias: Parameter<f32>,
    /// The other parameters, with their shapes.
    dense: [(Vec<usize>, Parameter<f32>); DENSE],
    /// The step that comes next.
    t: usize,
}

impl<'a> Trainer<'a> {
    /// Starts from random weights, and from a bias that knows how frequent each token is. So the
    /// first steps need not learn that, and the loss starts near the entropy of the frequencies.
    ///
    /// # Errors
    /// If `tokens`, the whole corpus, has fewer tokens than one step needs.
    pub(crate) fn new(config: Config, tokens: &'a [u32]) -> Result<Self> {
        let need = config.batch() + 1;
        ensure!(
            tokens.len() >= need,
            "too little text: {} tokens, and one step needs {need}; \
             point --corpus at a folder with more",
            tokens.len(),
        );
        let Dims {
            vocabulary, width, ..
        } = config.dims;
        let mut rng = Rng::new(config.seed);
        let w = (0..vocabulary * width).map(|_| bf16::from_f32(Dims::W_DEVIATION * rng.normal()));
        let w = Parameter::new(w.collect());
        let bias = Parameter::new(log_frequencies(tokens, vocabulary));
        let dense = config.dims.dense(&mut rng);
        let dense = dense.map(|Dense { shape, start }| (shape, Parameter::new(start)));
        Ok(Self {
            config,
            tokens,
            rng,
            w,
            bias,
            dense,
            t: 0,
        })
    }

    /// Trains one step, and hands its row to `record` before W moves on.
    ///
    /// # Errors
    /// If candle or `record` fails.
    pub(crate) fn step(&mut self, record: impl FnOnce(Row<'_>) -> Result<()>) -> Result<()> {
        let loss = self
            .differentiate()
            .context("candle could not compute the step")?;

        let decaying = self.config.adamw;
        let adamw = AdamW {
            weight_decay: 0.0,
            ..decaying
        };
        let share = self.config.share(self.t);
        adamw.accumulate(&mut self.w);
        record(Row {
            w: &self.w.value,
            gradient: &self.w.gradient,
            momentum: &self.w.momentum,
            variance: &self.w.variance,
            loss,
        })?;
        adamw.update(&mut self.w, self.t, share);
        adamw.accumulate(&mut self.bias);
        adamw.update(&mut self.bias, self.t, share);
        for (shape, parameter) in &mut self.dense {
            // Matrices decay. A gain would only be pulled to a wrong place.
            let adamw = if shape.len() == 2 { decaying } else { adamw };
            adamw.accumulate(parameter);
            adamw.update(parameter, self.t, share);
        }
        self.t += 1;
        Ok(())
    }

    /// Draws a batch and sets the gradient of every parameter; returns the loss.
    fn differentiate(&mut self) -> candle_core::Result<f32> {
        let Config { dims, .. } = self.config;
        let (inputs, targets) = self.batch()?;
        // From bf16 to f32 every value is exact.
        let w = Tensor::from_slice(&self.w.value, (dims.vocabulary, dims.width), &Device::Cpu)?;
        let w = Var::from_tensor(&w.to_dtype(DType::F32)?)?;
        let bias = Var::from_slice(&self.bias.value, dims.vocabulary, &Device::Cpu)?;
        let mut vars = Vec::with_capacity(DENSE);
        for (shape, parameter) in &self.dense {
            vars.push(Var::from_slice(
                &parameter.value,
                shape.as_slice(),
                &Device::Cpu,
            )?);
        }
        let dense = std::array::from_fn(|i| vars[i].as_tensor().clone());

        let logits = dims.logits(&w, &dense, &inputs)?;
        let loss = cross_entropy(&logits, &bias, targets)?.mean_all()?;
        let gradients = loss.backward()?;
        let gradient = |var: &Var| {
            gradients
                .get(var)
                .expect("the loss depends on every parameter")
                .flatten_all()
        };
        // To bf16, candle rounds to nearest even.
        self.w.gradient = gradient(&w)?.to_dtype(DType::BF16)?.to_vec1()?;
        self.bias.gradient = gradient(&bias)?.to_vec1()?;
        for ((_, parameter), var) in self.dense.iter_mut().zip(&vars) {
            parameter.gradient = gradient(var)?.to_vec1()?;
        }
        loss.to_scalar()
    }

    /// Random sequences of the corpus, (sequences, context), and the token after each of theirs.
    fn batch(&mut self) -> candle_core::Result<(Tensor, Vec<u32>)> {
        let Config {
            sequences,
            dims: Dims { context, .. },
            ..
        } = self.config;
        let (mut inputs, mut targets) = (Vec::new(), Vec::new());
        for _ in 0..sequences {
            let start = self.rng.below(self.tokens.len() - context);
            inputs.extend_from_slice(&self.tokens[start..start + context]);
            targets.extend_from_slice(&self.tokens[start + 1..=start + context]);
        }
        Ok((
            Tensor::from_vec(inputs, (sequences, context), &Device::Cpu)?,
            targets,
        ))
    }
}

/// ln of each token's share of the text. A token that never occurs counts as a tenth of one.
#[expect(clippy::cast_possible_truncation, reason = "a parameter is f32")]
fn log_frequencies(tokens: &[u32], vocabulary: usize) -> Vec<f32> {
    const UNSEEN: f64 = 0.1;
    let mut counts = vec![UNSEEN; vocabulary];
    for token in tokens {
        counts[*token as usize] += 1.0;
    }
    let total = tokens.len() as f64 + UNSEEN * vocabulary as f64;
    counts
        .into_iter()
        .map(|count| (count / total).ln() as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small enough for a debug build.
    fn config() -> Config {
        let mut config = Config::new(3);
        config.dims = Dims {
            vocabulary: 40,
            width: 16,
            inner: 32,
            context: 8,
        };
        config.sequences = 4;
        config
    }

    /// A text in which every token but one says what comes next.
    fn tokens() -> Vec<u32> {
        let mut rng = Rng::new(11);
        let words = [[1, 2, 3, 4], [1, 5, 6, 7], [1, 8, 9, 10]];
        (0..100)
            .flat_map(|_| words[rng.below(words.len())])
            .collect()
    }

    struct Recorded {
        w: Vec<bf16>,
        gradient: Vec<bf16>,
        momentum: Vec<bf16>,
        variance: Vec<bf16>,
        loss: f32,
    }

    fn train(config: Config, steps: usize) -> Vec<Recorded> {
        let tokens = tokens();
        let mut trainer = Trainer::new(config, &tokens).unwrap();
        let mut rows = Vec::new();
        for _ in 0..steps {
            trainer
                .step(|row| {
                    rows.push(Recorded {
                        w: row.w.to_vec(),
                        gradient: row.gradient.to_vec(),
                        momentum: row.momentum.to_vec(),
                        variance: row.variance.to_vec(),
                        loss: row.loss,
                    });
                    Ok(())
                })
                .unwrap();
        }
        rows
    }

    #[test]
    fn training_lowers_the_loss() {
        let rows = train(config(), 60);
        let mean = |rows: &[Recorded]| rows.iter().map(|r| r.loss).sum::<f32>() / rows.len() as f32;
        let (first, last) = (mean(&rows[..6]), mean(&rows[54..]));
        assert!(last < 0.5 * first, "{first} to {last}");
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_and_another_does_not() {
        let bits = |config| {
            let rows = train(config, 4);
            rows.iter()
                .flat_map(|r| [r.w.clone(), r.variance.clone()].concat())
                .collect::<Vec<_>>()
        };
        assert_eq!(bits(config()), bits(config()));
        assert_ne!(
            bits(config()),
            bits(Config {
                seed: 4,
                ..config()
            })
        );
    }

    /// The recording is the whole state: from row t alone follows the W of row t + 1, and from
    /// the moments of row t and the gradient of row t + 1 follow the moments of row t + 1.
    #[test]
    fn the_recorded_rows_replay_bit_for_bit() {
        let config = config();
        let adamw = AdamW {
            weight_decay: 0.0,
            ..config.adamw
        };
        let rows = train(config, 15);
        for (t, pair) in rows.windows(2).enumerate() {
            let [now, next] = pair else { unreachable!() };
            let mut replay = Parameter {
                value: now.w.clone(),
                gradient: next.gradient.clone(),
                momentum: now.momentum.clone(),
                variance: now.variance.clone(),
            };
            adamw.update(&mut replay, t, config.share(t));
            adamw.accumulate(&mut replay);
            assert!(replay.value == next.w, "W of row {}", t + 1);
            assert!(
                replay.momentum == next.momentum,
                "momentum of row {}",
                t + 1
            );
            assert!(
                replay.variance == next.variance,
                "variance of row {}",
                t + 1
            );
        }
    }

    #[test]
    fn tokens_that_never_occur_move_less() {
        let config = config();
        let rows = train(config, 30);
        let moved = |token: usize| {
            let range = token * config.dims.width..(token + 1) * config.dims.width;
            let pairs = rows[0].w[range.clone()].iter().zip(&rows[29].w[range]);
            pairs
                .map(|(a, b)| (a.to_f32() - b.to_f32()).abs())
                .sum::<f32>()
        };
        let (live, dead) = (
            (1..11).map(moved).sum::<f32>(),
            (20..30).map(moved).sum::<f32>(),
        );
        assert!(dead < 0.75 * live, "dead {dead}, live {live}");
    }

    #[test]
    fn too_little_text_is_an_error() {
        let tokens = [1; 32];
        let message = Trainer::new(config(), &tokens).err().unwrap().to_string();
        assert!(message.starts_with("too little text: 32 tokens, and one step needs 33"));
    }
}
