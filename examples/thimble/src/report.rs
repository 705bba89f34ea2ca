//! What came of a training: how far the loss fell, and how the rows of W moved.

use std::fmt;

use selvedge_bf16::{bf16, ulp_distance};

use crate::train::Row;

/// Watches the rows go by.
pub(crate) struct Watch<'a> {
    live: &'a [bool],
    losses: Vec<f32>,
    start: Vec<bf16>,
    last: Vec<bf16>,
    /// The dead tokens and the live ones.
    groups: [Group; 2],
}

/// A group of tokens.
#[derive(Default)]
struct Group {
    /// For every step but the first, how many elements changed.
    changed: Vec<usize>,
    /// How far they went in the last step, in ULPs.
    distances: Vec<u16>,
}

impl<'a> Watch<'a> {
    /// `live` tells for every token whether it occurs in the corpus.
    pub(crate) fn new(live: &'a [bool]) -> Self {
        let groups = Default::default();
        Self {
            live,
            losses: Vec::new(),
            start: Vec::new(),
            last: Vec::new(),
            groups,
        }
    }

    /// Looks at the next row.
    pub(crate) fn see(&mut self, row: &Row<'_>) {
        self.losses.push(row.loss);
        if self.start.is_empty() {
            self.start = row.w.to_vec();
            self.last = row.w.to_vec();
            return;
        }
        self.groups
            .iter_mut()
            .for_each(|group| group.distances.clear());
        for (live, last, now) in embeddings(self.live, &self.last, row.w) {
            let moved = last
                .iter()
                .zip(now)
                .filter(|(last, now)| last.to_bits() != now.to_bits());
            // Weights that are not numbers are as far away as can be.
            let distances = moved.map(|(last, now)| ulp_distance(*last, *now).unwrap_or(u16::MAX));
            self.groups[usize::from(live)].distances.extend(distances);
        }
        for group in &mut self.groups {
            group.changed.push(group.distances.len());
        }
        self.last.copy_from_slice(row.w);
    }

    /// What came of it. There has to have been a row.
    pub(crate) fn outcome(self) -> Outcome {
        let Self {
            live,
            losses,
            start,
            last,
            groups,
        } = self;
        let tenth = losses.len().div_ceil(10);
        let mut movements = groups.map(|mut group| {
            group.distances.sort_unstable();
            let late = &group.changed[group.changed.len().saturating_sub(tenth)..];
            Movement {
                elements: 0,
                distance: 0.0,
                changed: late.iter().sum::<usize>() as f64 / late.len().max(1) as f64,
                median_ulps: group.distances.get(group.distances.len() / 2).copied(),
            }
        });
        for (live, start, end) in embeddings(live, &start, &last) {
            let movement = &mut movements[usize::from(live)];
            movement.elements += start.len();
            movement.distance += start
                .iter()
                .zip(end)
                .map(|(a, b)| (b.to_f64() - a.to_f64()).abs())
                .sum::<f64>();
        }
        let [dead, live] = movements;
        let first_loss = mean(&losses[..tenth]);
        let last_loss = mean(&losses[losses.len() - tenth..]);
        Outcome {
            tenth,
            first_loss,
            last_loss,
            live,
            dead,
        }
    }
}

/// The rows of two states of W, each with whether its token is live.
fn embeddings<'a>(
    live: &'a [bool],
    one: &'a [bf16],
    two: &'a [bf16],
) -> impl Iterator<Item = (bool, &'a [bf16], &'a [bf16])> {
    let width = one.len() / live.len();
    let rows = one.chunks_exact(width).zip(two.chunks_exact(width));
    live.iter()
        .zip(rows)
        .map(|(live, (one, two))| (*live, one, two))
}

fn mean(losses: &[f32]) -> f32 {
    losses.iter().sum::<f32>() / losses.len() as f32
}

/// What came of a training. Its `Display` is for people.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// A tenth of the steps: so many the means are taken over.
    tenth: usize,
    first_loss: f32,
    last_loss: f32,
    live: Movement,
    dead: Movement,
}

/// How the embeddings of a group of tokens moved.
#[derive(Debug)]
struct Movement {
    elements: usize,
    /// The sum of |last − first| over all elements.
    distance: f64,
    /// Elements that change in a step, in the mean of the last tenth.
    changed: f64,
    /// How far they went in the last step; none if none did.
    median_ulps: Option<u16>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tenth,
            first_loss,
            last_loss,
            live,
            dead,
        } = self;
        let verb = if last_loss < first_loss {
            "fell"
        } else {
            "did not fall: it went"
        };
        let steps = if *tenth == 1 {
            "step".to_owned()
        } else {
            format!("{tenth} steps")
        };
        writeln!(
            f,
            "loss       {verb} from {first_loss:.3} to {last_loss:.3} (first and last {steps})"
        )?;
        writeln!(f, "live rows  {live}")?;
        write!(f, "dead rows  {dead}")
    }
}

impl fmt::Display for Movement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.elements == 0 {
            return f.write_str("none");
        }
        let elements = self.elements as f64;
        let (percent, distance) = (100.0 * self.changed / elements, self.distance / elements);
        write!(f, "{percent:.1} % of the weights still change in a step")?;
        if let Some(ulps) = self.median_ulps {
            write!(f, ", by {ulps} ULP in the median")?;
        }
        write!(f, "; {distance:.5} from where they started")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(rows: &[[f32; 4]]) -> Outcome {
        let live = [true, false];
        let mut watch = Watch::new(&live);
        for (t, row) in rows.iter().enumerate() {
            let w: Vec<_> = row.iter().copied().map(bf16::from_f32).collect();
            let (gradient, momentum, variance) = (&*w, &*w, &*w);
            watch.see(&Row {
                w: &w,
                gradient,
                momentum,
                variance,
                loss: 4.0 - t as f32,
            });
        }
        watch.outcome()
    }

    #[test]
    fn tells_live_rows_from_dead_ones() {
        let rows = [
            [1.0, 1.0, 1.0, 1.0],
            [2.0, 1.5, 1.0, 1.0],
            [2.0, 3.0, 1.0, 1.0],
        ];
        assert_eq!(
            outcome(&rows).to_string(),
            "loss       fell from 4.000 to 2.000 (first and last step)\n\
             live rows  50.0 % of the weights still change in a step, by 128 ULP in the median; \
             1.50000 from where they started\n\
             dead rows  0.0 % of the weights still change in a step; 0.00000 from where they \
             started"
        );
    }

    #[test]
    fn a_single_step_has_no_movement() {
        let text = outcome(&[[1.0; 4]]).to_string();
        assert!(
            text.starts_with("loss       did not fall: it went from 4.000 to 4.000"),
            "{text}"
        );
        assert!(text.contains("live rows  0.0 % of the weights"), "{text}");
    }

    #[test]
    fn nan_weights_do_not_panic() {
        let text = outcome(&[[1.0; 4], [f32::NAN; 4]]).to_string();
        assert!(text.contains("by 65535 ULP"), "{text}");
    }
}
