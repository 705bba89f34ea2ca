//! The random numbers of the demo: small, fixed for ever, the same on every machine.
//!
//! A run has to be repeatable bit for bit, also after an update of some crate. So the generator
//! is SplitMix64 (Steele, Lea and Flood, 2014), ten lines that cannot change under us, and
//! normal deviates come from sums of uniform ones, because `ln` and `cos` differ between
//! platforms in the last bit and sums do not.

/// SplitMix64.
pub(crate) struct Rng {
    state: u64,
}

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`, uniform up to a bias of `bound` / 2^64.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the result is below `bound`, a usize"
    )]
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// A multiple of 2^-24 in [0, 1).
    fn unit(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1_u32 << 24) as f32
    }

    /// Nearly normal, mean 0 and variance 1: the sum of twelve uniform deviates less 6
    /// (Irwin–Hall). Its tails end at ±6.
    pub(crate) fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_splitmix64() {
        // The first outputs for seed 1234567, as Vigna's reference implementation prints them.
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn normal_has_mean_0_and_variance_1() {
        let mut rng = Rng::new(1);
        let sample: Vec<f32> = (0..20_000).map(|_| rng.normal()).collect();
        let n = sample.len() as f32;
        let mean = sample.iter().sum::<f32>() / n;
        let variance = sample.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / n;
        assert!(
            mean.abs() < 0.03 && (variance - 1.0).abs() < 0.03,
            "{mean} {variance}"
        );
    }

    #[test]
    fn below_covers_its_range() {
        let mut rng = Rng::new(1);
        let mut seen = [false; 7];
        (0..200).for_each(|_| seen[rng.below(7)] = true);
        assert_eq!(seen, [true; 7]);
    }
}
