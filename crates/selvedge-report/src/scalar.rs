//! A tensor of one value a step.

use std::ops::Range;

use crate::element::Element;
use crate::model::Place;
use crate::pass::NotFinite;
use crate::series::{Curve, Points};
use crate::values::{Read, Tensor};

/// Values that are read at a time.
const BLOCK: u64 = 1 << 20;

/// What is kept of its values while they go by.
#[derive(Clone)]
pub(crate) struct Values {
    pub(crate) curve: Curve,
    pub(crate) found: NotFinite,
}

impl Values {
    pub(crate) fn new(points: Points) -> Self {
        Self {
            curve: Curve::new(points),
            found: NotFinite::default(),
        }
    }

    /// Reads the values of these steps, the first of which has this number; there is room for them.
    ///
    /// # Errors
    ///
    /// The errors of reading.
    pub(crate) fn add<T: Element>(
        &mut self,
        tensor: &Tensor<'_>,
        values: &Read<'_>,
        steps: &Range<u64>,
        number: u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), String> {
        let mut bytes = Vec::new();
        let mut first = steps.start;
        while first < steps.end {
            let end = (first + BLOCK).min(steps.end);
            values(first..end, None, &mut bytes)?;
            for (step, &raw) in (first..end).zip(T::raw(&bytes)) {
                self.put::<T>(tensor, (step, number + step - steps.start), raw);
            }
            progress(bytes.len() as u64);
            first = end;
        }
        Ok(())
    }

    fn put<T: Element>(&mut self, tensor: &Tensor<'_>, (step, number): (u64, u64), raw: T::Raw) {
        if T::is_finite(raw) {
            self.curve.add(number, T::value(raw));
            return;
        }
        let (count, place) = if T::is_nan(raw) {
            self.curve.add(number, f64::NAN);
            (&mut self.found.nan, &mut self.found.first_nan)
        } else {
            let infinity = f64::INFINITY * T::place(raw).signum() as f64;
            self.curve.add(number, infinity);
            (&mut self.found.infinite, &mut self.found.first_infinite)
        };
        *count += 1;
        let index = vec![0; tensor.step_shape().len()];
        place.get_or_insert(Place { step, index });
    }
}
