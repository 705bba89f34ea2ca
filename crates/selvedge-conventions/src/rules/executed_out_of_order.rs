//! A notebook whose cells were not run from top to bottom.
//!
//! ## What it does
//!
//! Checks that the execution counts of the cells grow from each to the next. Gaps are fine: they say
//! that a cell was run again before the next one was. Numbers that are all 0 tell no order.
//!
//! ## Why is this bad?
//!
//! The outputs on the page come from an order that nobody sees. Run from the top, the notebook may
//! show something else, or fail, because a cell used what a later one had made.
//!
//! ## Example
//!
//! ```text
//! In [12]: mask = norms < threshold
//! In [3]:  threshold = 0.1
//! ```
//!
//! ## Use instead
//!
//! ```text
//! In [1]: threshold = 0.1
//! In [2]: mask = norms < threshold
//! ```

use crate::rule::Metadata;
use crate::{Artifact, Context, Diagnosis, Rule, Severity};

pub(super) struct ExecutedOutOfOrder;

impl Rule for ExecutedOutOfOrder {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "NBK004",
            "executed-out-of-order",
            Severity::Warning,
            include_str!("executed_out_of_order.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        let Some(notebook) = artifact.notebook() else {
            return Vec::new();
        };
        if !notebook.has_counts() {
            return Vec::new();
        }
        let counts: Vec<_> = notebook
            .code_cells()
            .filter_map(|(number, cell)| Some((number, cell.execution_count?, cell)))
            // What is no count tells no order.
            .filter(|(_, count, _)| *count > 0)
            .collect();
        let backwards = counts.windows(2).filter(|pair| pair[1].1 <= pair[0].1);
        let mut backwards = backwards.filter(|pair| !pair[1].2.silences(self.code()));
        let Some(&[(above, earlier, _), (number, later, _)]) = backwards.next() else {
            return Vec::new();
        };
        let more = match backwards.count() {
            0 => String::new(),
            1 => "; the order is broken once more below".to_owned(),
            more => format!("; the order is broken {more} more times below"),
        };
        let message = if later == earlier {
            format!("executed as [{later}], and so was cell {above} above it{more}")
        } else {
            format!(
                "executed as [{later}], before cell {above} above it, which was executed as \
                 [{earlier}]{more}"
            )
        };
        vec![
            Diagnosis::new(message)
                .cell(number)
                .help("restart the kernel, run all cells and save"),
        ]
    }
}
