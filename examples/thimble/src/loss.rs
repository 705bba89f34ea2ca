//! Softmax cross-entropy as one operation.
//!
//! Composed of candle's own operations it makes a dozen passes over the logits, by far the
//! largest tensor of a step, and keeps copies of them for the way back. The gradient has a closed
//! form, softmax − one-hot, so this operation makes two passes on the way out and one on the way
//! back. The bias is added on the way, for the same reason.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Storage, Tensor, bail};

/// −ln softmax(logits + bias)\[target\] for each row, in nats.
///
/// `logits` are (rows, classes) and `bias` is (classes), both f32 and contiguous on the CPU;
/// `targets` has a class for each row.
///
/// # Errors
/// If the tensors are of another kind, or a row has no target.
///
/// # Panics
/// If a target is not below `classes`.
pub(crate) fn cross_entropy(logits: &Tensor, bias: &Tensor, targets: Vec<u32>) -> Result<Tensor> {
    let (rows, classes) = logits.dims2()?;
    if rows != targets.len() || classes != bias.dims1()? {
        bail!(
            "{:?} logits, {:?} bias, {} targets",
            logits.shape(),
            bias.shape(),
            targets.len()
        );
    }
    logits.apply_op2(bias, CrossEntropy { targets })
}

struct CrossEntropy {
    targets: Vec<u32>,
}

impl CrossEntropy {
    /// Each row of `logits` with its target.
    fn rows<'a>(&'a self, logits: &'a [f32]) -> impl Iterator<Item = (&'a [f32], usize)> {
        let rows = logits.chunks_exact(logits.len() / self.targets.len());
        rows.zip(self.targets.iter().map(|target| *target as usize))
    }
}

impl CustomOp2 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(
        &self,
        logits: &CpuStorage,
        logits_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (logits, bias) = (
            elements(logits, logits_layout)?,
            elements(bias, bias_layout)?,
        );
        let mut biased = vec![0.0; bias.len()];
        let losses = self.rows(logits).map(|(row, target)| {
            let mut max = f32::NEG_INFINITY;
            for ((x, logit), bias) in biased.iter_mut().zip(row).zip(bias) {
                *x = logit + bias;
                max = max.max(*x);
            }
            // Any constant may be taken from a row; the largest keeps `exp` from overflowing.
            let sum: f32 = biased.iter().map(|x| (x - max).exp()).sum();
            max + sum.ln() - biased[target]
        });
        let losses: Vec<f32> = losses.collect();
        let shape = losses.len().into();
        Ok((CpuStorage::F32(losses), shape))
    }

    fn bwd(
        &self,
        logits: &Tensor,
        bias: &Tensor,
        losses: &Tensor,
        upstream: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (storage, layout) = logits.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else {
            bail!("the logits have to be on the CPU");
        };
        let rows = self.rows(elements(storage, layout)?);
        let biases = bias.to_vec1::<f32>()?;
        let (losses, upstream) = (losses.to_vec1::<f32>()?, upstream.to_vec1::<f32>()?);
        let mut logit_gradient = Vec::with_capacity(layout.shape().elem_count());
        let mut bias_gradient = vec![0.0; biases.len()];
        for (((row, target), loss), upstream) in rows.zip(losses).zip(upstream) {
            // ln softmax(x) = x − normaliser, and the loss is that of the target, negated.
            let normaliser = loss + row[target] + biases[target];
            let start = logit_gradient.len();
            let shares = row
                .iter()
                .zip(&biases)
                .map(|(logit, b)| (logit + b - normaliser).exp());
            logit_gradient.extend(shares.map(|share| upstream * share));
            logit_gradient[start + target] -= upstream;
            for (sum, x) in bias_gradient.iter_mut().zip(&logit_gradient[start..]) {
                *sum += x;
            }
        }
        Ok((
            Some(Tensor::from_vec(
                logit_gradient,
                layout.shape(),
                logits.device(),
            )?),
            Some(Tensor::from_vec(
                bias_gradient,
                bias.shape(),
                bias.device(),
            )?),
        ))
    }
}

/// The numbers of a contiguous tensor.
fn elements<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("logits and bias have to be contiguous");
    };
    Ok(&storage.as_slice()?[start..end])
}

#[cfg(test)]
pub(crate) mod tests {
    use candle_core::{D, Device, Var};

    use super::*;

    /// The same, composed of candle's operations, for every dtype: the oracle.
    pub(crate) fn naive(logits: &Tensor, bias: &Tensor, targets: &[u32]) -> Result<Tensor> {
        let targets = Tensor::new(targets, logits.device())?.unsqueeze(1)?;
        let logits = logits.broadcast_add(bias)?;
        let normaliser = logits.exp()?.sum_keepdim(D::Minus1)?.log()?;
        (normaliser - logits.gather(&targets, D::Minus1)?)?.squeeze(1)
    }

    fn vector(values: &[f32]) -> Tensor {
        Tensor::new(values, &Device::Cpu).unwrap()
    }

    #[test]
    fn agrees_with_the_naive_version_in_value_and_gradients() {
        let logits: Vec<f32> = [4, 0, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0, 7, 3]
            .map(|i| i as f32)
            .into();
        let logits = Var::from_slice(&logits, (3, 5), &Device::Cpu).unwrap();
        let bias = Var::from_slice(&[0.5_f32, -1.0, 0.0, 2.0, -3.0], 5, &Device::Cpu).unwrap();
        let targets = [4, 0, 2];
        // Rows of different weight, so that the gradient from above matters.
        let weights = vector(&[1.0, -2.0, 0.5]);
        let [fast, slow] = [
            cross_entropy(&logits, &bias, targets.to_vec()),
            naive(&logits, &bias, &targets),
        ]
        .map(|losses| {
            let losses = losses.unwrap();
            let gradients = (&losses * &weights)
                .unwrap()
                .sum_all()
                .unwrap()
                .backward()
                .unwrap();
            let gradients = [&logits, &bias].map(|var| gradients.get(var).unwrap().clone());
            [&losses, &gradients[0], &gradients[1]]
                .map(|tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap())
                .concat()
        });
        for (fast, slow) in fast.iter().zip(&slow) {
            assert!((fast - slow).abs() < 1e-5, "{fast} {slow}");
        }
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let logits = Tensor::new(&[[1000_f32, 1000.0], [-1000.0, 1000.0]], &Device::Cpu).unwrap();
        let losses = cross_entropy(&logits, &vector(&[0.0, 0.0]), vec![0, 0]).unwrap();
        let losses = losses.to_vec1::<f32>().unwrap();
        assert!((losses[0] - 2_f32.ln()).abs() < 1e-4);
        assert_eq!(losses[1], 2000.0);
    }

    #[test]
    fn every_row_needs_a_target_and_every_class_a_bias() {
        let logits = Tensor::new(&[[1_f32, 2.0]], &Device::Cpu).unwrap();
        assert!(cross_entropy(&logits, &vector(&[0.0, 0.0]), vec![0, 1]).is_err());
        assert!(cross_entropy(&logits, &vector(&[0.0]), vec![0]).is_err());
    }
}
