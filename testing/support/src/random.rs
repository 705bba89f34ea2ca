//! Numbers without a pattern.

/// `SplitMix64`, by S. Vigna.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number of the normal distribution with mean 0 and variance 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let mut unit = || (self.draw() >> 11) as f64 / (1_u64 << 53) as f64;
        (-2.0 * (1.0 - unit()).ln()).sqrt() * (std::f64::consts::TAU * unit()).cos()
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }
}

/// The seed of a test: from the environment, where `SELVEDGE_SEED` is set, or from the clock. It is
/// printed, so that a failure can be repeated.
///
/// # Panics
///
/// Where `SELVEDGE_SEED` is no number.
#[must_use]
pub fn seed() -> u64 {
    let seed = std::env::var("SELVEDGE_SEED").map_or_else(
        |_| {
            let now = std::time::UNIX_EPOCH
                .elapsed()
                .expect("a clock behind 1970");
            u64::from(now.subsec_nanos())
        },
        |seed| seed.parse().expect("SELVEDGE_SEED is a number"),
    );
    println!("SELVEDGE_SEED={seed}");
    seed
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        const COUNT: f64 = 1e6;
        let mut random = Random(0);
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..1_000_000 {
            let value = random.normal();
            sum += value / COUNT;
            squares += value * value / COUNT;
        }
        assert!(
            sum.abs() < 0.01 && (squares - 1.0).abs() < 0.02,
            "{sum} {squares}"
        );
    }
}
