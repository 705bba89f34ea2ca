//! One number for each step, as a curve of so many points at most.

use serde::Serialize;

use crate::encode::Doubles;

/// A curve. Where there are more steps than points, each point stands for several steps and has their least and
/// their greatest number too, so that no spike is lost. A point without a number is NaN.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Band {
    /// The mean of each point.
    pub mean: Doubles,
    /// `None` where each step is a point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Doubles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub max: Option<Doubles>,
}

/// Which point of a curve a step belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Points {
    /// Steps that have a number.
    steps: u64,
    points: u64,
}

impl Points {
    /// So many points at most for so many steps.
    pub(crate) fn new(steps: u64, most: u64) -> Self {
        Self {
            steps: steps.max(1),
            points: steps.min(most).max(1),
        }
    }

    pub(crate) fn count(self) -> usize {
        usize::try_from(self.points).unwrap_or(usize::MAX)
    }

    /// So many points at most, which is an even number, for steps that come one after the other; so far each is a
    /// point of its own.
    pub(crate) fn growing(most: u64) -> Self {
        let points = (most & !1).max(2);
        Self {
            steps: points,
            points,
        }
    }

    /// Whether there is a point for the step `number`.
    pub(crate) fn have(self, number: u64) -> bool {
        number < self.steps
    }

    /// Points that each stand for two of these.
    pub(crate) fn halved(self) -> Self {
        Self {
            steps: self.steps.saturating_mul(2),
            ..self
        }
    }

    /// The point of the step `number`.
    pub(crate) fn of(self, number: u64) -> usize {
        let point = u128::from(number) * u128::from(self.points) / u128::from(self.steps);
        usize::try_from(point).unwrap_or(usize::MAX)
    }

    /// The first step of each point.
    pub(crate) fn first(self) -> impl Iterator<Item = u64> {
        let Self { steps, points } = self;
        let first = move |point| (u128::from(point) * u128::from(steps)).div_ceil(points.into());
        (0..points).map(move |point| u64::try_from(first(point)).unwrap_or(u64::MAX))
    }

    fn is_binned(self) -> bool {
        self.points < self.steps
    }
}

/// A curve that grows.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    points: Points,
    sums: Vec<Point>,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    /// Whether a step is here, though it may have no number.
    is_known: bool,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Point {
    const NONE: Self = Self {
        is_known: false,
        count: 0,
        sum: 0.0,
        min: f64::NAN,
        max: f64::NAN,
    };
}

impl Curve {
    pub(crate) fn new(points: Points) -> Self {
        Self {
            points,
            sums: vec![Point::NONE; points.count()],
        }
    }

    /// Adds the number of the step `number`. NaN is none, which leaves a gap.
    pub(crate) fn add(&mut self, number: u64, value: f64) {
        let point = &mut self.sums[self.points.of(number)];
        point.is_known = true;
        if value.is_nan() {
            return;
        }
        point.count += 1;
        point.sum += value;
        // Whatever is compared with NaN, the number is taken.
        point.min = point.min.min(value);
        point.max = point.max.max(value);
    }

    pub(crate) fn points(&self) -> Points {
        self.points
    }

    /// Takes two points for one until there is one for the step `number`.
    pub(crate) fn make_room(&mut self, number: u64) {
        while !self.points.have(number) {
            self.points = self.points.halved();
            let pairs = self.sums.chunks(2).map(|pair| {
                let [one, two] = [pair[0], pair[pair.len() - 1]];
                Point {
                    is_known: one.is_known || two.is_known,
                    count: one.count + two.count,
                    sum: one.sum + two.sum,
                    min: one.min.min(two.min),
                    max: one.max.max(two.max),
                }
            });
            self.sums = pairs.collect();
            self.sums.resize(self.points.count(), Point::NONE);
        }
    }

    /// Those of the first `used` points that have a step: others may be left out while a file grows.
    pub(crate) fn known(&self, used: usize) -> Vec<usize> {
        let points = self.sums.iter().take(used).enumerate();
        let known = points.filter(|(_, point)| point.is_known);
        known.map(|(at, _)| at).collect()
    }

    /// The first step of each of these points.
    pub(crate) fn first(&self, points: &[usize], step: impl Fn(u64) -> u64) -> Doubles {
        let first: Vec<u64> = self.points.first().collect();
        let steps = points.iter().map(|&point| step(first[point]) as f64);
        Doubles(steps.collect())
    }

    /// These points.
    pub(crate) fn band(&self, points: &[usize]) -> Band {
        let all = |number: fn(&Point) -> f64| {
            Doubles(
                points
                    .iter()
                    .map(|&point| number(&self.sums[point]))
                    .collect(),
            )
        };
        let binned = self.points.is_binned();
        Band {
            mean: all(|point| match point.count {
                0 => f64::NAN,
                count => point.sum / count as f64,
            }),
            min: binned.then(|| all(|point| point.min)),
            max: binned.then(|| all(|point| point.max)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spikes_are_kept() {
        let points = Points::new(10, 4);
        assert!(points.first().eq([0, 3, 5, 8]));
        let mut curve = Curve::new(points);
        for step in 0..10_u64 {
            assert!(
                points.first().any(|first| first == step) || points.of(step) == points.of(step - 1)
            );
            curve.add(step, if step == 6 { 100.0 } else { 1.0 });
        }
        curve.add(9, f64::NAN);
        let band = curve.band(&curve.known(4));
        assert_eq!(band.mean.0, [1.0, 1.0, 34.0, 1.0]);
        assert_eq!(band.max.unwrap().0, [1.0, 1.0, 100.0, 1.0]);
        assert_eq!(band.min.unwrap().0, [1.0; 4]);
    }

    /// However many steps come, no spike is lost, and there are never more points.
    #[test]
    fn curves_grow() {
        let mut curve = Curve::new(Points::growing(5));
        for step in 0..10_u64 {
            curve.make_room(step);
            curve.add(step, if step == 6 { 100.0 } else { 1.0 });
        }
        let points = curve.points();
        assert_eq!((points.count(), points.of(9)), (4, 2));
        let band = curve.band(&curve.known(3));
        assert_eq!(band.mean.0, [1.0, 25.75, 1.0]);
        assert_eq!(band.max.unwrap().0, [1.0, 100.0, 1.0]);
    }

    /// A step that was left out is no point, and one without a number is a gap.
    #[test]
    fn gaps_are_told_from_what_was_left_out() {
        let mut curve = Curve::new(Points::growing(10));
        for (step, value) in [(0, 1.0), (2, f64::NAN), (5, 2.0)] {
            curve.add(step, value);
        }
        let known = curve.known(6);
        assert_eq!(curve.first(&known, |number| number + 7).0, [7.0, 9.0, 12.0]);
        let means = curve.band(&known).mean.0;
        assert!(means[1].is_nan() && [means[0], means[2]] == [1.0, 2.0]);
    }

    #[test]
    fn each_step_is_a_point_where_there_are_few() {
        let mut curve = Curve::new(Points::new(3, 100));
        curve.add(0, 5.0);
        curve.add(1, f64::NAN);
        curve.add(2, f64::INFINITY);
        let band = curve.band(&curve.known(3));
        assert_eq!((band.mean.0[0], band.mean.0[2]), (5.0, f64::INFINITY));
        assert!(band.mean.0[1].is_nan() && band.min.is_none());
    }
}
