//! Which rows of a step are taken, and how they are read: neighbours together, and what lies in
//! between with them where that is less work than another call.

use std::ops::Range;

/// Bytes between two rows that are read along with them: reading them takes no longer than a call.
const GAP: usize = 16 << 10;
/// Bytes of a span at most: they are copied from while they are in the cache.
pub(super) const SPAN: usize = 256 << 10;

/// Rows that follow each other, in the step and in the output.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    /// Where they are in the step, in bytes.
    from: Range<usize>,
    /// Where they go in the output of the step, in bytes.
    to: usize,
}

/// A part of the step that is read by one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Where it is in the step, in bytes.
    pub(super) bytes: Range<usize>,
    segments: Vec<Segment>,
}

impl Span {
    /// Where all of it goes in the output, if that is one place and there is nothing between.
    pub(super) fn whole(&self) -> Option<Range<usize>> {
        match &self.segments[..] {
            [one] if one.from == self.bytes => Some(one.to..one.to + one.from.len()),
            _ => None,
        }
    }

    /// Whether something of this part of the step is taken; what only lies between is not.
    pub(super) fn has(&self, part: Range<usize>) -> bool {
        let is_in = |bytes: &Range<usize>| bytes.start < part.end && part.start < bytes.end;
        is_in(&self.bytes) && self.segments.iter().any(|segment| is_in(&segment.from))
    }

    /// Calls `copy` with each place in the span and its place in the output.
    pub(super) fn for_each(&self, mut copy: impl FnMut(Range<usize>, Range<usize>)) {
        for Segment { from, to } in &self.segments {
            let start = from.start - self.bytes.start;
            copy(start..start + from.len(), *to..to + from.len());
        }
    }
}

/// The spans that the rows `rows`, in their order, are taken from.
pub(super) fn spans(rows: &[usize], row_bytes: usize) -> Vec<Span> {
    spans_of(segments(rows, row_bytes))
}

/// The spans of bytes of the step, each with its place in the output of the step.
pub(super) fn grouped(places: Vec<(Range<usize>, usize)>) -> Vec<Span> {
    let segments = places.into_iter().map(|(from, to)| Segment { from, to });
    spans_of(segments.collect())
}

fn spans_of(mut segments: Vec<Segment>) -> Vec<Span> {
    // In the order of the file. A row that is taken twice is two segments.
    segments.sort_by_key(|segment| segment.from.start);
    let mut spans: Vec<Span> = Vec::new();
    for segment in segments {
        match spans.last_mut() {
            Some(span)
                if segment.from.start <= span.bytes.end + GAP
                    && segment.from.end.max(span.bytes.end) - span.bytes.start <= SPAN =>
            {
                span.bytes.end = span.bytes.end.max(segment.from.end);
                span.segments.push(segment);
            }
            _ => spans.push(Span {
                bytes: segment.from.clone(),
                segments: vec![segment],
            }),
        }
    }
    spans
}

fn segments(rows: &[usize], row_bytes: usize) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for (nth, &row) in rows.iter().enumerate() {
        let (start, to) = (row * row_bytes, nth * row_bytes);
        match segments.last_mut() {
            // No longer than a span, so that a large one is cut into parts that fit the cache.
            Some(last) if last.from.end == start && last.from.len() + row_bytes <= SPAN => {
                last.from.end += row_bytes;
            }
            _ => segments.push(Segment {
                from: start..start + row_bytes,
                to,
            }),
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_are_one_call_and_far_rows_are_not() {
        let found = spans(&[0, 1, 2], 128);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].bytes.clone(), found[0].whole()),
            (0..384, Some(0..384))
        );
        // Two rows with a gap of one are one span, and a copy each.
        let found = spans(&[7, 5], 128);
        assert_eq!((found.len(), found[0].whole()), (1, None));
        let parts = [5, 6, 7, 8].map(|row| found[0].has(row * 128..(row + 1) * 128));
        assert_eq!(parts, [true, false, true, false]);
        assert_eq!(spans(&[0, 1000], 128).len(), 2, "128 kB apart");
        assert_eq!(spans(&[], 128), []);
        // All of a large step is cut into pieces that fit the cache.
        let all: Vec<usize> = (0..10_000).collect();
        assert_eq!(spans(&all, 128).len(), 5);
        assert!(spans(&all, 128).iter().all(|span| span.whole().is_some()));
    }

    proptest! {
        #[test]
        fn every_row_gets_to_its_place(
            rows in prop::collection::vec(0_usize..300, 0..60),
            row_bytes in prop::sample::select(vec![1_usize, 7, 4096, 90_000]),
        ) {
            let mut output = vec![None; rows.len() * row_bytes];
            for span in spans(&rows, row_bytes) {
                let mut copy = |from: Range<usize>, to: Range<usize>| {
                    assert!(from.end <= span.bytes.len());
                    for (from, to) in from.zip(to) {
                        assert_eq!(output[to].replace(span.bytes.start + from), None);
                    }
                };
                match span.whole() {
                    Some(to) => copy(0..span.bytes.len(), to),
                    None => span.for_each(&mut copy),
                }
            }
            for (nth, row) in rows.iter().enumerate() {
                for byte in [0, row_bytes - 1] {
                    prop_assert_eq!(output[nth * row_bytes + byte], Some(row * row_bytes + byte));
                }
            }
        }
    }
}
