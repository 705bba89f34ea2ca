//! AdamW (Loshchilov and Hutter, 2019), with all of its state in the open.
//!
//! A [`Parameter`] keeps its value, gradient and both moments in one dtype `T`, as PyTorch's
//! AdamW does for a bf16 parameter. Arithmetic is in f32 and every store rounds to nearest even.
//! A step has two halves, [`AdamW::accumulate`] and [`AdamW::update`], and the second one sees
//! only what the first one *stored*. So whoever writes down the four tensors between the halves
//! has the exact state of the training: the next value follows from them bit for bit.

use selvedge_bf16::bf16;

/// A number as it is stored; arithmetic happens in f32.
pub(crate) trait Element: Copy {
    fn load(self) -> f32;
    fn store(x: f32) -> Self;
}

impl Element for f32 {
    fn load(self) -> f32 {
        self
    }
    fn store(x: f32) -> Self {
        x
    }
}

impl Element for bf16 {
    fn load(self) -> f32 {
        self.to_f32()
    }
    fn store(x: f32) -> Self {
        Self::from_f32(x)
    }
}

/// A tensor that is trained, flat, and what AdamW knows about it.
pub(crate) struct Parameter<T> {
    pub(crate) value: Vec<T>,
    pub(crate) gradient: Vec<T>,
    /// The decaying mean of the gradient.
    pub(crate) momentum: Vec<T>,
    /// The decaying mean of the squared gradient.
    pub(crate) variance: Vec<T>,
}

impl<T: Element> Parameter<T> {
    pub(crate) fn new(value: Vec<T>) -> Self {
        let zeros = vec![T::store(0.0); value.len()];
        Self {
            value,
            gradient: zeros.clone(),
            momentum: zeros.clone(),
            variance: zeros,
        }
    }
}

/// The hyperparameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamW {
    pub(crate) learning_rate: f64,
    pub(crate) beta1: f64,
    pub(crate) beta2: f64,
    pub(crate) epsilon: f64,
    /// Decoupled from the gradient: a step also multiplies the value by 1 − rate × decay.
    pub(crate) weight_decay: f64,
}

/// The factors of a step are worked out in f64, as in PyTorch, and applied in f32.
#[expect(
    clippy::cast_possible_truncation,
    reason = "from f64 to f32 is the purpose here"
)]
impl AdamW {
    /// Takes the gradient into both moments.
    pub(crate) fn accumulate<T: Element>(&self, parameter: &mut Parameter<T>) {
        let (keep1, take1) = (self.beta1 as f32, (1.0 - self.beta1) as f32);
        let (keep2, take2) = (self.beta2 as f32, (1.0 - self.beta2) as f32);
        let Parameter {
            gradient,
            momentum,
            variance,
            ..
        } = parameter;
        for ((g, m), v) in gradient.iter().zip(momentum).zip(variance) {
            let g = g.load();
            *m = T::store(keep1 * m.load() + take1 * g);
            *v = T::store(keep2 * v.load() + take2 * g * g);
        }
    }

    /// Moves the value by the moments of step `t`, counted from 0, at `share` of the learning
    /// rate.
    pub(crate) fn update<T: Element>(&self, parameter: &mut Parameter<T>, t: usize, share: f64) {
        let steps = i32::try_from(t + 1).expect("a run has fewer than 2^31 steps");
        // The moments started from 0: these two take the bias out again.
        let correction1 = 1.0 - self.beta1.powi(steps);
        let correction2 = (1.0 - self.beta2.powi(steps)).sqrt();
        let rate = share * self.learning_rate;
        let keep = (1.0 - rate * self.weight_decay) as f32;
        let step = (rate / correction1) as f32;
        let (correction2, epsilon) = (correction2 as f32, self.epsilon as f32);

        let Parameter {
            value,
            momentum,
            variance,
            ..
        } = parameter;
        for ((w, m), v) in value.iter_mut().zip(momentum).zip(variance) {
            let denominator = v.load().sqrt() / correction2 + epsilon;
            *w = T::store(keep * w.load() - step * m.load() / denominator);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADAMW: AdamW = AdamW {
        learning_rate: 0.1,
        beta1: 0.9,
        beta2: 0.95,
        epsilon: 1e-8,
        weight_decay: 0.0,
    };

    fn step<T: Element>(adamw: AdamW, parameter: &mut Parameter<T>, t: usize, gradient: f32) {
        parameter.gradient[0] = T::store(gradient);
        adamw.accumulate(parameter);
        adamw.update(parameter, t, 1.0);
    }

    /// By hand, in the paper's own terms: m̂ = v̂ = 1 after one step with gradient 1, whatever
    /// the betas, so the value moves by the learning rate.
    #[test]
    fn the_first_step_has_the_length_of_the_learning_rate() {
        let mut parameter = Parameter::new(vec![2.0_f32]);
        step(ADAMW, &mut parameter, 0, 1.0);
        assert!((parameter.value[0] - 1.9).abs() < 1e-6);
        assert!((parameter.momentum[0] - 0.1).abs() < 1e-7);
        assert!((parameter.variance[0] - 0.05).abs() < 1e-7);
    }

    /// Three steps against the paper's Algorithm 2 in f64.
    #[test]
    fn follows_the_paper() {
        let adamw = AdamW {
            weight_decay: 0.1,
            ..ADAMW
        };
        let mut parameter = Parameter::new(vec![2.0_f32]);
        let (mut w, mut m, mut v) = (2.0_f64, 0.0, 0.0);
        for (t, g) in [0.5, -0.25, 3.0].into_iter().enumerate() {
            m = 0.9 * m + 0.1 * g;
            v = 0.95 * v + 0.05 * g * g;
            let n = i32::try_from(t).unwrap() + 1;
            let (m_hat, v_hat) = (m / (1.0 - 0.9_f64.powi(n)), v / (1.0 - 0.95_f64.powi(n)));
            w -= 0.1 * (m_hat / (v_hat.sqrt() + 1e-8) + 0.1 * w);

            #[expect(
                clippy::cast_possible_truncation,
                reason = "the gradients are exact in f32"
            )]
            step(adamw, &mut parameter, t, g as f32);
            assert!((f64::from(parameter.value[0]) - w).abs() < 1e-5, "step {t}");
        }
    }

    /// By hand, with the rounding of every store. ULPs: 2^-7 from 1 to 2, 2^-11 at 0.1,
    /// 2^-12 at 0.05.
    #[test]
    fn stores_round_to_nearest_even() {
        let mut parameter = Parameter::new(vec![bf16::from_f32(1.5)]);
        step(ADAMW, &mut parameter, 0, 1.0);
        assert_eq!(parameter.momentum[0].to_f32(), 205.0 / 2048.0); // 0.1 × 2048 = 204.8
        assert_eq!(parameter.variance[0].to_f32(), 205.0 / 4096.0); // 0.05 × 4096 = 204.8
        // 1.5 − 0.1 × (205 / 204.8) / √(205 / 204.8) = 1.39995; × 128 = 179.19.
        assert_eq!(parameter.value[0].to_f32(), 179.0 / 128.0);
    }

    /// An update below half a ULP is lost, which is why bf16 weights stand still at times.
    #[test]
    fn a_small_update_leaves_the_bits_alone() {
        let adamw = AdamW {
            learning_rate: 1e-3,
            ..ADAMW
        };
        let mut parameter = Parameter::new(vec![bf16::from_f32(1.5)]);
        step(adamw, &mut parameter, 0, 1.0);
        assert_eq!(parameter.value[0].to_f32(), 1.5);
    }

    /// Parameters without gradient only decay, by 1 − rate × decay.
    #[test]
    fn decay_is_decoupled_from_the_gradient() {
        let adamw = AdamW {
            weight_decay: 0.5,
            ..ADAMW
        };
        let mut parameter = Parameter::new(vec![2.0_f32]);
        step(adamw, &mut parameter, 0, 0.0);
        assert_eq!(parameter.value[0], 2.0 * (1.0 - 0.1 * 0.5));
    }
}
