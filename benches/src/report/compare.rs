//! Whether two runs agree on who is faster.

use super::{Report, Verdict};

/// A ratio beyond this, either way, is a claim: two runs on the same machine have to agree on its side.
pub(super) const CLAIM: f64 = 1.3;

/// What two reports say of one row.
#[derive(Clone, Debug)]
pub struct Agreement {
    /// Group and contender.
    pub row: String,
    /// What the first says, and the second.
    pub verdicts: [Verdict; 2],
}

impl Agreement {
    /// Whether one of them claims that the contender is faster, or slower, and the other is as sure of the opposite.
    #[must_use]
    pub fn is_contradiction(&self) -> bool {
        let [a, b] = self.verdicts.map(side);
        let claimed = self.verdicts.into_iter().any(is_claim);
        claimed && a.is_some() && b.is_some() && a != b
    }

    /// Whether one claims what the other calls noise.
    #[must_use]
    pub fn is_doubt(&self) -> bool {
        let claims = self.verdicts.map(is_claim);
        claims.contains(&true) && self.verdicts.map(side).contains(&None)
    }

    /// Whether one of them claims anything.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.verdicts.into_iter().any(is_claim)
    }
}

/// Whether the contender is certainly faster; `None` where it is not certain.
fn side(verdict: Verdict) -> Option<bool> {
    match verdict {
        Verdict::Faster(_) => Some(true),
        Verdict::Slower(_) => Some(false),
        _ => None,
    }
}

fn is_claim(verdict: Verdict) -> bool {
    let beyond = |median: f64| !(1.0 / CLAIM..=CLAIM).contains(&median);
    side(verdict).is_some() && verdict.ratio().is_some_and(|ratio| beyond(ratio.median))
}

/// Every row that both reports have, but references and those that failed in either.
#[must_use]
pub fn compare(a: &Report, b: &Report) -> Vec<Agreement> {
    let mut agreements = Vec::new();
    for first in &a.groups {
        let Some(second) = b.group(&first.name) else {
            continue;
        };
        for row in &first.rows {
            let Some(other) = second.row(&row.name) else {
                continue;
            };
            let verdicts = [first.verdict(row), second.verdict(other)];
            if verdicts.iter().all(|verdict| verdict.ratio().is_some()) {
                let row = format!("{}, {}", first.name, row.name);
                agreements.push(Agreement { row, verdicts });
            }
        }
    }
    agreements
}

#[cfg(test)]
mod tests {
    use super::{Agreement, Verdict};
    use crate::report::Ratio;

    fn agreement(a: [f64; 3], b: [f64; 3]) -> Agreement {
        let verdict = |[low, median, high]: [f64; 3]| {
            Verdict::of(Ratio {
                median,
                low,
                high,
                pairs: 9,
                t: 9.0,
            })
        };
        Agreement {
            row: String::new(),
            verdicts: [verdict(a), verdict(b)],
        }
    }

    #[test]
    fn a_claim_is_contradicted_only_by_certainty() {
        let faster = [1.2, 1.5, 1.6];
        assert!(agreement(faster, [0.6, 0.9, 0.95]).is_contradiction());
        assert!(agreement([0.6, 0.9, 0.95], faster).is_contradiction());
        // What calls itself noise contradicts nothing, and is told as doubt.
        let doubt = agreement(faster, [0.6, 0.7, 1.1]);
        assert!(!doubt.is_contradiction() && doubt.is_doubt());
        // Both certain, and neither beyond 1.3: no claim.
        let small = agreement([1.01, 1.1, 1.2], [0.8, 0.9, 0.95]);
        assert!(!small.is_contradiction() && !small.is_claimed());
        let agree = agreement(faster, [1.01, 1.05, 1.1]);
        assert!(agree.is_claimed() && !agree.is_contradiction() && !agree.is_doubt());
    }
}
