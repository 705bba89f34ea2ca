//! A tensor of one value a step.

use crate::element::Element;
use crate::model::Place;
use crate::pass::NotFinite;
use crate::series::{Band, Curve, Points};
use crate::values::{Read, Tensor};

/// Values that are read at a time.
const BLOCK: u64 = 1 << 20;

/// Its values, all of which are read, and the first step of each point.
///
/// # Errors
///
/// The errors of reading.
pub(crate) fn measure<T: Element>(
    tensor: &Tensor<'_>,
    values: &Read<'_>,
    most: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<(Vec<f64>, Band, NotFinite), String> {
    let steps = tensor.steps();
    let points = Points::new(steps, most);
    let mut curve = Curve::new(points);
    let mut found = NotFinite::default();
    let mut bytes = Vec::new();
    let mut first = 0;
    while first < steps {
        let end = (first + BLOCK).min(steps);
        values(first..end, None, &mut bytes)?;
        for (step, &raw) in (first..end).zip(T::raw(&bytes)) {
            if T::is_finite(raw) {
                curve.add(step, T::value(raw));
                continue;
            }
            let (count, place) = if T::is_nan(raw) {
                (&mut found.nan, &mut found.first_nan)
            } else {
                curve.add(step, f64::INFINITY * T::place(raw).signum() as f64);
                (&mut found.infinite, &mut found.first_infinite)
            };
            *count += 1;
            let index = vec![0; tensor.step_shape().len()];
            place.get_or_insert(Place { step, index });
        }
        progress(bytes.len() as u64);
        first = end;
    }
    let at = points.first().map(|step| step as f64).collect();
    Ok((at, curve.finish(), found))
}
