//! What recording costs a loop that has something to do between two steps, as training has: without recording, and with
//! it, uncompressed and compressed.

use std::hint::black_box;
use std::time::Instant;

use selvedge_hdf5::{Compression, Durability};

use super::trajectory::{check, group, record};
use crate::Result;
use crate::bench::{Bench, Contender as Named};
use crate::report::{Figure, Kind, Sample};
use crate::scratch::Scratch;

/// The name of the group.
pub(super) const GROUP: &str = "compress/training";

/// Rows and columns of the matrices that are multiplied between two steps.
const SIZE: usize = 256;
/// How often they are.
const TIMES: usize = 4;

/// What the loop does with a step.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Training(Option<Compression>);

const CONTENDERS: [Training; 3] = [
    Training(None),
    Training(Some(Compression::None)),
    Training(Some(Compression::Fast)),
];

impl Named for Training {
    fn name(self) -> &'static str {
        match self.0 {
            None => "not recorded",
            Some(Compression::None) => "uncompressed",
            Some(_) => "compressed",
        }
    }

    fn kind(self) -> Kind {
        match self.0 {
            Some(Compression::Fast) => Kind::Ours,
            _ => Kind::Plain,
        }
    }
}

/// Runs it, with the steps of `source`.
pub(super) fn run(bench: &mut Bench, scratch: &Scratch, source: &[Vec<u8>]) -> Result<()> {
    if !bench.selects(GROUP) {
        return Ok(());
    }
    let title = "Training with compression";
    let mut work = Work::new();
    let begin = Instant::now();
    work.run();
    let what = format!(
        "Between two steps the loop's thread multiplies two f32 matrices of {SIZE} × {SIZE} {TIMES} times, which took it \
         {:.0} ms before the first round. The time ends with `finish`.",
        begin.elapsed().as_secs_f64() * 1e3
    );
    let wanted = bench.options.scale.pick(300, 40, 3);
    let (steps, group) = group(scratch, wanted, (GROUP, title, &what), CONTENDERS[1].name())?;
    let file = scratch.file("run_1.h5");
    bench.rounds(group, &CONTENDERS, |who, round| {
        scratch.settle(&file)?;
        let Some(compression) = who.0 else {
            let begin = Instant::now();
            for _ in 0..steps {
                work.run();
            }
            let seconds = begin.elapsed().as_secs_f64();
            return Ok(Sample::from([(Figure::Seconds, seconds)]));
        };
        let between = || work.run();
        let sample = record(
            &file,
            source,
            steps,
            (compression, Durability::Never),
            between,
        )?;
        if round == 0 {
            check(&file, source, steps)?;
        }
        Ok(sample)
    });
    scratch.settle(&file)
}

/// What keeps the loop's thread busy: a product of matrices, always the same.
struct Work {
    factors: [Vec<f32>; 2],
    product: Vec<f32>,
}

impl Work {
    fn new() -> Self {
        let factor = |seed: usize| {
            let values = (0..SIZE * SIZE).map(|i| ((i * seed) % 1009) as f32 / 1009.0);
            values.collect()
        };
        Self {
            factors: [factor(7), factor(31)],
            product: vec![0.0; SIZE * SIZE],
        }
    }

    fn run(&mut self) {
        let [left, right] = &self.factors;
        for _ in 0..TIMES {
            self.product.fill(0.0);
            let rows = left
                .chunks_exact(SIZE)
                .zip(self.product.chunks_exact_mut(SIZE));
            for (left, product) in rows {
                for (&factor, right) in left.iter().zip(right.chunks_exact(SIZE)) {
                    for (sum, &right) in product.iter_mut().zip(right) {
                        *sum += factor * right;
                    }
                }
            }
            black_box(&self.product);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SIZE, Work};

    #[test]
    fn it_is_the_product() {
        let mut work = Work::new();
        work.run();
        let [left, right] = &work.factors;
        for (row, column) in [(0, 0), (3, 200), (255, 255)] {
            let terms = (0..SIZE).map(|i| left[row * SIZE + i] * right[i * SIZE + column]);
            let expected: f32 = terms.sum();
            let found = work.product[row * SIZE + column];
            assert!((expected - found).abs() < 1e-3, "{expected}, {found}");
        }
    }
}
