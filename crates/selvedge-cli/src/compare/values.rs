//! Comparing values block by block, of which one side at least is safetensors.

use super::FirstDifference;
use crate::facts::TensorFacts;
use crate::values::Source;

/// What was found in the values of a tensor.
#[derive(Default)]
pub(super) struct Found {
    pub(super) first: Option<FirstDifference>,
    /// Elements that differ, if they are counted.
    pub(super) differing: u64,
}

/// Compares the steps that both have; without `count` up to the first difference. `facts` are those
/// of one of the two. `read` is told how many bytes are done.
pub(super) fn compare(
    left: &Source<'_>,
    right: &Source<'_>,
    facts: &TensorFacts,
    count: bool,
    mut read: impl FnMut(u64),
) -> anyhow::Result<Found> {
    let bits = facts.element_bits.unwrap_or(8);
    let element = usize::try_from(bits / 8).unwrap_or(1).max(1);
    let steps = left.steps().min(right.steps());
    let step = usize::try_from(left.step_bytes()).unwrap_or(usize::MAX);
    let mut found = Found::default();
    let mut other = Vec::new();
    let mut first = 0_u64;
    left.blocks(|bytes| {
        let here = (bytes.len() / step.max(1)) as u64;
        let end = (first + here).min(steps);
        if end <= first {
            return Ok(false);
        }
        right.read(first..end, &mut other)?;
        let bytes = &bytes[..other.len()];
        if *bytes != *other {
            let pairs = bytes.chunks(element).zip(other.chunks(element));
            let mut unequal = pairs.enumerate().filter(|(_, (one, two))| one != two);
            if found.first.is_none()
                && let Some((number, (one, two))) = unequal.next()
            {
                let per_step = (step / element).max(1);
                found.differing += 1;
                found.first = Some(FirstDifference {
                    step: first + (number / per_step) as u64,
                    index: index(number % per_step, facts.shape.get(1..).unwrap_or_default()),
                    first_bits: hexadecimal(one),
                    second_bits: hexadecimal(two),
                });
            }
            if count {
                found.differing += unequal.count() as u64;
            }
        }
        read(bytes.len() as u64);
        first = end;
        Ok(count || found.first.is_none())
    })?;
    Ok(found)
}

/// Where element `number` is in a step of `shape`.
fn index(number: usize, shape: &[u64]) -> Vec<u64> {
    let mut left = number as u64;
    let mut index: Vec<u64> = shape
        .iter()
        .rev()
        .map(|&axis| {
            let at = left % axis.max(1);
            left /= axis.max(1);
            at
        })
        .collect();
    index.reverse();
    index
}

/// The bits of an element, which lies with its lowest byte first.
fn hexadecimal(bytes: &[u8]) -> String {
    let digits: String = bytes
        .iter()
        .rev()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("0x{digits}")
}

#[cfg(test)]
mod tests {
    use super::{hexadecimal, index};

    #[test]
    fn elements_are_found_by_their_index() {
        assert_eq!(index(7, &[2, 3, 2]), [1, 0, 1]);
        assert_eq!(index(0, &[]), [0_u64; 0]);
        assert_eq!(hexadecimal(&[0x80, 0x3f]), "0x3f80");
    }
}
