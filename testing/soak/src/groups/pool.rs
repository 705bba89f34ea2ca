//! Trying one point after another, by several threads, for as long as there is time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::budget::Budget;
use crate::result::Row;
use crate::stock::Stock;
use crate::subject::Verdict;

/// Threads that try, for each core: a thread waits for a victim or for Python most of the time.
const THREADS_PER_CORE: usize = 2;

/// Tries `points` until the budget is used up, spread over all of them, and adds what came of it to `row`.
/// `attempt` returns nothing for a point that there was not.
pub(crate) fn each<P: Sync + std::fmt::Debug>(
    points: &[P],
    budget: &Budget,
    row: &mut Row,
    attempt: impl Fn(&P, &mut Stock) -> Result<Option<Verdict>, String> + Sync,
) -> Result<(), String> {
    row.of += points.len();
    let next = AtomicUsize::new(0);
    let shared = Mutex::new((row, None));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let order = order(points.len());
    std::thread::scope(|scope| {
        for _ in 0..(threads * THREADS_PER_CORE).min(points.len()) {
            scope.spawn(|| {
                let mut stock = lend();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    // The first one in any case, so that no row is empty.
                    let over = number > 0 && budget.is_over();
                    if over || number >= budget.most.min(points.len()) {
                        break;
                    }
                    let point = &points[order[number]];
                    let verdict = attempt(point, &mut stock);
                    let Ok(mut shared) = shared.lock() else { break };
                    match verdict {
                        Ok(Some(verdict)) => shared.0.add(&verdict, &format!("{point:?}")),
                        // A run need not make as many calls as another one.
                        Ok(None) => shared.0.of -= 1,
                        Err(error) => shared.1 = Some(error),
                    }
                }
                give_back(stock);
            });
        }
    });
    let (_, error) = shared.into_inner().map_err(|_| "a thread panicked")?;
    error.map_or(Ok(()), Err)
}

/// Python processes that nobody has at the moment: the next row has use for them.
static IDLE: Mutex<Vec<Stock>> = Mutex::new(Vec::new());

fn lend() -> Stock {
    IDLE.lock()
        .map_or_else(|_| None, |mut idle| idle.pop())
        .unwrap_or_default()
}

fn give_back(stock: Stock) {
    if let Ok(mut idle) = IDLE.lock() {
        idle.push(stock);
    }
}

/// The numbers below `count` in an order whose beginnings are spread evenly.
fn order(count: usize) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..count).collect();
    // By the fractional part of multiples of the golden ratio, whose beginnings are even.
    numbers.sort_by_key(|&number| (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    numbers
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn a_beginning_of_the_order_is_spread() {
        let order = order(1000);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
        let mut beginning = order[..10].to_vec();
        beginning.sort_unstable();
        assert!(
            beginning.windows(2).all(|pair| pair[1] - pair[0] > 40),
            "{beginning:?}"
        );
    }
}
