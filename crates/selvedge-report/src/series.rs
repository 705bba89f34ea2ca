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
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Curve {
    pub(crate) fn new(points: Points) -> Self {
        let none = Point {
            count: 0,
            sum: 0.0,
            min: f64::NAN,
            max: f64::NAN,
        };
        Self {
            points,
            sums: vec![none; points.count()],
        }
    }

    /// Adds the number of the step `number`. NaN is none.
    pub(crate) fn add(&mut self, number: u64, value: f64) {
        if value.is_nan() {
            return;
        }
        let point = &mut self.sums[self.points.of(number)];
        point.count += 1;
        point.sum += value;
        // Whatever is compared with NaN, the number is taken.
        point.min = point.min.min(value);
        point.max = point.max.max(value);
    }

    pub(crate) fn points(&self) -> Points {
        self.points
    }

    pub(crate) fn finish(self) -> Band {
        let all = |number: fn(&Point) -> f64| Doubles(self.sums.iter().map(number).collect());
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
        let band = curve.finish();
        assert_eq!(band.mean.0, [1.0, 1.0, 34.0, 1.0]);
        assert_eq!(band.max.unwrap().0, [1.0, 1.0, 100.0, 1.0]);
        assert_eq!(band.min.unwrap().0, [1.0; 4]);
    }

    #[test]
    fn each_step_is_a_point_where_there_are_few() {
        let mut curve = Curve::new(Points::new(3, 100));
        curve.add(0, 5.0);
        curve.add(2, f64::INFINITY);
        let band = curve.finish();
        assert_eq!((band.mean.0[0], band.mean.0[2]), (5.0, f64::INFINITY));
        assert!(band.mean.0[1].is_nan() && band.min.is_none());
    }
}
