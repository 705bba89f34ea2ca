//! Runs of one byte: of rows that are all zero, above all.

/// Bytes that are looked at together. Only a run that covers such a line is found.
const LINE: usize = 64;

/// Bytes that are all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Finds the runs of a plane that cover at least one of its lines, in their order.
#[inline(always)]
pub(crate) fn find(plane: &[u8], runs: &mut Vec<Run>) {
    runs.clear();
    let (lines, _) = plane.as_chunks::<LINE>();
    let (mut line, mut least) = (0, 0);
    while let Some(bytes) = lines.get(line) {
        let byte = bytes[0];
        if !is_all(bytes, byte) {
            line += 1;
            continue;
        }
        let first = line;
        while lines.get(line).is_some_and(|bytes| is_all(bytes, byte)) {
            line += 1;
        }
        let before = plane[least..first * LINE].iter().rev().take(LINE);
        let behind = plane[line * LINE..].iter().take(LINE);
        let start = first * LINE - before.take_while(|found| **found == byte).count();
        let end = line * LINE + behind.take_while(|found| **found == byte).count();
        runs.push(Run { start, end });
        least = end;
    }
}

/// Whether a line is of this byte alone. Without an early end, so that it becomes a few wide
/// instructions.
#[inline(always)]
fn is_all(line: &[u8; LINE], byte: u8) -> bool {
    line.iter()
        .fold(0, |differs, found| differs | (found ^ byte))
        == 0
}

/// The parts of a plane in their order: what lies before each run, and the run; at last the rest,
/// with an empty run.
pub(crate) fn parts<'a>(
    plane: &'a [u8],
    runs: &'a [Run],
) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let rest = Run {
        start: plane.len(),
        end: plane.len(),
    };
    let mut at = 0;
    runs.iter().copied().chain([rest]).map(move |run| {
        let part = (&plane[at..run.start], &plane[run.start..run.end]);
        at = run.end;
        part
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(plane: &[u8]) -> Vec<Run> {
        let mut runs = Vec::new();
        find(plane, &mut runs);
        runs
    }

    #[test]
    fn runs_are_found_with_their_ends() {
        let noise = |n: usize| u8::try_from(n * 37 % 251).unwrap() | 1;
        let mut plane: Vec<u8> = (0..1000).map(noise).collect();
        plane[50..200].fill(0);
        plane[320..384].fill(4);
        plane[384..500].fill(6);
        assert_eq!(
            of(&plane),
            [
                Run {
                    start: 50,
                    end: 200
                },
                Run {
                    start: 320,
                    end: 384
                },
                Run {
                    start: 384,
                    end: 500
                },
            ]
        );
        assert_eq!(of(&[7; 200]), [Run { start: 0, end: 200 }]);
        assert_eq!(of(&[7; 63]), []);
        let runs = of(&plane);
        let whole: Vec<u8> = parts(&plane, &runs)
            .flat_map(|(one, two)| [one, two].concat())
            .collect();
        assert_eq!(whole, plane);
    }
}
