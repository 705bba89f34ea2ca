//! The network: one block of a transformer between an embedding and itself.
//!
//! Input and output share the matrix W (Press and Wolf, 2017): a token is read as its row of W,
//! and predicted by the product of its row with the hidden state. In between is one pre-norm
//! block of causal attention and an MLP. The network is a pure function here, from the parameters
//! as candle tensors to logits that candle can differentiate. The state of the training lives
//! outside, in `train.rs`, because it is what the demo records.

use candle_core::{D, Result, Tensor};

use crate::rng::Rng;

/// The sizes of the network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dims {
    pub(crate) vocabulary: usize,
    /// Elements of an embedding, and of every hidden state.
    pub(crate) width: usize,
    /// Elements of the MLP's inner layer.
    pub(crate) inner: usize,
    /// Tokens in a sequence.
    pub(crate) context: usize,
}

/// A parameter beside W and the bias: its shape, and the values it starts with.
pub(crate) struct Dense {
    pub(crate) shape: Vec<usize>,
    pub(crate) start: Vec<f32>,
}

impl Dense {
    fn gain(width: usize) -> Self {
        Self {
            shape: vec![width],
            start: vec![1.0; width],
        }
    }

    fn zeros(rows: usize, columns: usize) -> Self {
        Self {
            shape: vec![rows, columns],
            start: vec![0.0; rows * columns],
        }
    }

    /// A layer that on average keeps the size of what goes through it.
    fn layer(inputs: usize, outputs: usize, rng: &mut Rng) -> Self {
        let deviation = (inputs as f32).sqrt().recip();
        let start = (0..inputs * outputs)
            .map(|_| deviation * rng.normal())
            .collect();
        Self {
            shape: vec![inputs, outputs],
            start,
        }
    }
}

/// The number of parameters beside W and the bias.
pub(crate) const DENSE: usize = 8;

impl Dims {
    /// The standard deviation of W at the start, as in GPT-2.
    pub(crate) const W_DEVIATION: f32 = 0.02;

    /// The parameters beside W and the bias, in the order in which [`Dims::logits`] takes them.
    ///
    /// Positions and what the block adds start at zero, so that in the beginning the hidden state
    /// is the token's own row of W, and learning starts there.
    pub(crate) fn dense(&self, rng: &mut Rng) -> [Dense; DENSE] {
        let Self {
            width,
            inner,
            context,
            ..
        } = *self;
        [
            Dense::zeros(context, width),
            Dense::gain(width),
            Dense::layer(width, 3 * width, rng),
            Dense::zeros(width, width),
            Dense::gain(width),
            Dense::layer(width, inner, rng),
            Dense::zeros(inner, width),
            Dense::gain(width),
        ]
    }

    /// What the model expects to follow each input, (sequences × context, vocabulary), but for
    /// the bias of each token, which goes into the loss.
    ///
    /// `w` is (vocabulary, width), and `inputs` are token ids, (sequences, context).
    pub(crate) fn logits(
        &self,
        w: &Tensor,
        dense: &[Tensor; DENSE],
        inputs: &Tensor,
    ) -> Result<Tensor> {
        let [positions, gain1, qkv, projection, gain2, up, down, gain3] = dense;
        let (sequences, context) = inputs.dims2()?;
        let rows = sequences * context;

        let x = w
            .index_select(&inputs.flatten_all()?, 0)?
            .reshape((sequences, context, self.width))?
            .broadcast_add(positions)?
            .reshape((rows, self.width))?;
        let seen = self.attend(&normalise(&x, gain1)?.matmul(qkv)?, sequences)?;
        let x = (x + seen.matmul(projection)?)?;
        let thought = normalise(&x, gain2)?.matmul(up)?.gelu()?.matmul(down)?;
        let hidden = normalise(&(x + thought)?, gain3)?;
        hidden.matmul(&w.t()?)
    }

    /// Causal attention with one head; `qkv` holds queries, keys and values side by side.
    fn attend(&self, qkv: &Tensor, sequences: usize) -> Result<Tensor> {
        let (context, width) = (self.context, self.width);
        let qkv = qkv.reshape((sequences, context, 3 * width))?;
        let part = |i| qkv.narrow(D::Minus1, i * width, width)?.contiguous();
        let (query, key, value) = (part(0)?, part(1)?, part(2)?);

        let scores = (query.matmul(&key.t()?)? / (width as f64).sqrt())?;
        let past = Tensor::tril2(context, scores.dtype(), scores.device())?;
        // 0 where a token may look, and far below every score where it may not.
        let scores = scores.broadcast_add(&((past - 1.0)? * 1e9)?)?;
        let scores = scores
            .broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?
            .exp()?;
        let weights = scores.broadcast_div(&scores.sum_keepdim(D::Minus1)?)?;
        weights
            .matmul(&value)?
            .reshape((sequences * context, width))
    }
}

/// RMSNorm (Zhang and Sennrich, 2019) of each row.
fn normalise(x: &Tensor, gain: &Tensor) -> Result<Tensor> {
    let mean_square = x.sqr()?.mean_keepdim(D::Minus1)?;
    x.broadcast_div(&(mean_square + 1e-6)?.sqrt()?)?
        .broadcast_mul(gain)
}

#[cfg(test)]
mod tests {
    use std::iter;

    use candle_core::{Device, Var};

    use super::*;
    use crate::loss;

    const DIMS: Dims = Dims {
        vocabulary: 11,
        width: 4,
        inner: 6,
        context: 3,
    };

    /// In f64, so that finite differences have many digits.
    fn random(shape: &[usize], rng: &mut Rng) -> Tensor {
        let len = shape.iter().product();
        let values: Vec<_> = (0..len).map(|_| f64::from(rng.normal())).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    #[test]
    fn gradients_match_finite_differences() {
        let rng = &mut Rng::new(7);
        let w = Var::from_tensor(&random(&[11, 4], rng)).unwrap();
        let dense = DIMS
            .dense(rng)
            .map(|d| Var::from_tensor(&random(&d.shape, rng)).unwrap());
        let bias = random(&[11], rng);
        let inputs = Tensor::new(&[[1_u32, 5, 1], [0, 9, 3]], &Device::Cpu).unwrap();
        let loss = || {
            let tensors = dense.each_ref().map(|var| var.as_tensor().clone());
            let logits = DIMS.logits(&w, &tensors, &inputs).unwrap();
            loss::tests::naive(&logits, &bias, &[5, 1, 2, 9, 3, 3])
                .unwrap()
                .mean_all()
                .unwrap()
        };

        let gradients = loss().backward().unwrap();
        for (number, var) in iter::once(&w).chain(&dense).enumerate() {
            let gradient = gradients.get(var).unwrap().flatten_all().unwrap();
            let at = var.as_tensor().copy().unwrap();
            let values = at.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            for (i, expected) in gradient.to_vec1::<f64>().unwrap().into_iter().enumerate() {
                const STEP: f64 = 1e-6;
                let nudged = |by: f64| {
                    let mut values = values.clone();
                    values[i] += by;
                    var.set(&Tensor::from_vec(values, at.shape(), &Device::Cpu).unwrap())
                        .unwrap();
                    loss().to_scalar::<f64>().unwrap()
                };
                let slope = (nudged(STEP) - nudged(-STEP)) / (2.0 * STEP);
                // candle's derivative of GELU has constants of six digits.
                let error = (slope - expected).abs() / (1.0 + expected.abs());
                assert!(
                    error < 2e-6,
                    "parameter {number}[{i}]: {expected}, measured {slope}"
                );
            }
            var.set(&at).unwrap();
        }
    }

    #[test]
    fn no_token_sees_the_future() {
        let rng = &mut Rng::new(7);
        let w = random(&[11, 4], rng);
        let dense = DIMS.dense(rng).map(|d| random(&d.shape, rng));
        // The two sequences differ in their last token alone.
        let logits = [2_u32, 8].map(|last| {
            let inputs = Tensor::new(&[[1, 5, last]], &Device::Cpu).unwrap();
            DIMS.logits(&w, &dense, &inputs)
                .unwrap()
                .to_vec2::<f64>()
                .unwrap()
        });
        assert_eq!(logits[0][..2], logits[1][..2]);
        assert_ne!(logits[0][2], logits[1][2]);
    }
}
