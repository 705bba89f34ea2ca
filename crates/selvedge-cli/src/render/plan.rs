//! What `selvedge plan` prints: the plan's own table, or JSON.

use std::collections::HashSet;
use std::fmt::Display;

use selvedge_hdf5::{ChunkPlan, ReadPattern, RunPlan};
use serde::Serialize;

use super::text::{folded, shown, width};
use super::{Page, families};
use crate::words::of_program;

/// The table of a plan of chunks. Where it is wider than the page, the chunks get lines of their
/// own.
pub(crate) fn table(plan: &impl Display, tensors: &[ChunkPlan], page: Page) -> String {
    let text = families::lines(&of_program(&plan.to_string()), page);
    let room = page.table.unwrap_or(usize::MAX);
    let wide = text.lines().any(|line| width(line) > room);
    let chunks: HashSet<String> = tensors.iter().map(ToString::to_string).collect();
    let mut lines = String::new();
    for line in text.lines() {
        let cells = line.match_indices("  ");
        let mut cells = cells.map(|(at, _)| line[at..].trim_start_matches(' '));
        let chunks = cells.find(|cell| wide && chunks.contains(*cell));
        let line = match chunks {
            Some(chunks) => {
                let tensor = shown(line[..line.len() - chunks.len()].trim_end());
                format!("{tensor}\n    {}", shown(chunks))
            }
            None => shown(line.trim_end()),
        };
        lines.push_str(&format!("{line}\n"));
    }
    // Columns that do not fit are none.
    if lines.lines().any(|line| width(line) > room) {
        lines = lines.lines().map(squeezed).collect();
    }
    folded(&lines, page)
}

/// The cells of a line, without the space that makes columns of them.
fn squeezed(line: &str) -> String {
    let text = line.trim_start();
    let indent = &line[..line.len() - text.len()];
    let cells = text
        .split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty());
    format!("{indent}{}\n", cells.collect::<Vec<_>>().join("  "))
}

/// What `--json` prints. Sizes are in bytes.
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    steps: Option<u64>,
    read: &'static str,
    compression: &'static str,
    step_bytes: u64,
    tensors: Vec<Tensor<'a>>,
    constant_bytes: u64,
    file_bytes: u64,
    needed_bytes: u64,
    free_bytes: Option<u64>,
    fits: bool,
    queue: Queue,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<Encoding>,
    memory_budget_bytes: u64,
}

#[derive(Serialize)]
pub(super) struct Tensor<'a> {
    name: &'a str,
    dtype: &'static str,
    step_shape: &'a [u64],
    step_bytes: u64,
    chunk_shape: &'a [u64],
    chunk_bytes: u64,
    chunks: u64,
    compressed: bool,
    tail_steps: Option<u64>,
    waste: Option<f64>,
    file_bytes: u64,
}

#[derive(Serialize)]
struct Encoding {
    threads: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Queue {
    blocks: u64,
    block_bytes: u64,
    steps_per_block: u64,
    bytes: u64,
}

impl<'a> Report<'a> {
    pub(crate) fn new(plan: &'a RunPlan, fits: bool) -> Self {
        Self {
            steps: plan.steps,
            read: pattern(plan.pattern),
            compression: match plan.encoding {
                Some(_) => "fast",
                None => "none",
            },
            step_bytes: plan.step_bytes(),
            tensors: plan.tensors.iter().map(Tensor::new).collect(),
            constant_bytes: plan.constant_bytes,
            file_bytes: plan.file_bytes(),
            needed_bytes: plan.needed_disk(),
            free_bytes: plan.free_disk,
            fits,
            queue: Queue {
                blocks: plan.queue.blocks,
                block_bytes: plan.queue.block_bytes,
                steps_per_block: plan.queue.steps_per_block,
                bytes: plan.queue.bytes(),
            },
            encoding: plan.encoding.map(|encoding| Encoding {
                threads: encoding.threads,
                bytes: encoding.bytes(),
            }),
            memory_budget_bytes: plan.memory_budget,
        }
    }
}

/// The word of the command line for how tensors are mostly read.
pub(super) fn pattern(pattern: ReadPattern) -> &'static str {
    match pattern {
        ReadPattern::SingleSteps => "steps",
        ReadPattern::TokenSubset => "tokens",
        _ => "whole",
    }
}

impl<'a> Tensor<'a> {
    pub(super) fn new(plan: &'a ChunkPlan) -> Self {
        Self {
            name: &plan.tensor,
            dtype: plan.dtype.name(),
            step_shape: &plan.step_shape,
            step_bytes: plan.step_bytes(),
            chunk_shape: &plan.chunk_shape,
            chunk_bytes: plan.chunk_bytes,
            chunks: plan.chunks(),
            compressed: plan.compressed,
            tail_steps: plan.tail_steps(),
            waste: plan.waste(),
            file_bytes: plan.file_bytes(),
        }
    }
}
