//! What a rechunk would make.

use std::fmt;
use std::path::PathBuf;

use selvedge_base::text::shown;

use super::Rechunk;
use super::members::{Member, Members};
use super::pack::Blocks;
use crate::bulk::{self, Walk};
use crate::chunks::Grid;
use crate::plan::{Bytes, ChunkPlan, Grouped, Shape};
use crate::{Compression, ReadError, ReadPattern, RewriteError, Role, TensorSpec};

/// What [`Rechunk::run`] would make. Its [`Display`](fmt::Display) is a table for people.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RechunkPlan {
    /// The file that is read.
    pub input: PathBuf,
    /// The file that is written.
    pub output: PathBuf,
    /// Steps of both.
    pub steps: u64,
    /// The tensor whose first axis is taken for the steps, and that of others as long as it, where the file does not say
    /// which tensors have steps.
    pub steps_of: Option<String>,
    /// What the chunks are planned for.
    pub pattern: ReadPattern,
    /// How tensors are compressed, if they are.
    pub compression: Compression,
    /// The step tensors.
    pub tensors: Vec<ChunkPlan>,
    /// The constants, with their whole shapes.
    pub constants: Vec<TensorSpec>,
    /// Datasets in groups, which come to the root: path and new name.
    pub renamed: Vec<(String, String)>,
    /// Datasets that another program added to the run, which become constants.
    pub added: Vec<String>,
    /// float16 tensors that become bfloat16.
    pub converted: Vec<String>,
    /// What is not kept: a name, and why.
    pub left_out: Vec<(String, String)>,
    /// Whether there will be checksums, new ones or those of the input.
    pub checksums: bool,
    /// Bytes of all values, which the output takes on the disk; with compression it is at most so much.
    pub bytes: u64,
    /// About the bytes that the output takes, from a sample that was encoded: where it is compressed, and the
    /// disk has no room for the values as they are.
    pub estimated_bytes: Option<u64>,
    /// Memory for buffers, in bytes.
    pub memory: u64,
    /// Threads that read, write and compare.
    pub threads: usize,
    /// Free bytes on the disk of the output, where they are known.
    pub free_disk: Option<u64>,
}

/// Tensors that do not fit the memory: each the reason.
pub(super) type TooLarge = Vec<ReadError>;

impl RechunkPlan {
    pub(super) fn new(
        rechunk: &Rechunk,
        members: &Members<'_>,
    ) -> Result<Result<Self, TooLarge>, RewriteError> {
        let tensors = members
            .of(Role::Step)
            .map(|member| {
                let steps = Some(members.steps);
                let (pattern, target) = (rechunk.pattern, rechunk.chunk_target);
                ChunkPlan::new(&member.spec, steps, pattern, target, rechunk.compression)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let constants = members.of(Role::Constant).map(|member| member.spec.clone());
        let moved = |member: &&Member<'_>| member.tensor.name() != member.spec.name;
        let names = |member: &Member<'_>| {
            let from = member.tensor.name().to_owned();
            (from, member.spec.name.clone())
        };
        let converted = members.all.iter().filter(|member| member.convert);
        let memory = bulk::buffer_memory(rechunk.memory);
        let (mut bytes, mut each, mut back) = (0_u64, 0_u64, 0_u64);
        // The step tensors come first.
        let mut plans = tensors.iter();
        let mut packed = Vec::new();
        let mut too_large = TooLarge::new();
        let mut check = |member: &Member<'_>, needed: u64| match needed <= memory {
            true => each = needed.max(each),
            false => {
                let name = member.tensor.name();
                too_large.push(bulk::too_large(name, needed, rechunk.memory));
            }
        };
        for member in &members.all {
            bytes = bytes.saturating_add(member.tensor.all_bytes()?);
            let grid = plans
                .next()
                .filter(|plan| plan.compressed)
                .and_then(|plan| {
                    let element = plan.dtype.size() as u64;
                    Grid::new(&plan.step_shape, &plan.chunk_shape, element)
                });
            if let Some(grid) = grid {
                packed.push((
                    member,
                    Blocks::new(member.tensor, &grid, rechunk.asked.checksums, memory)?,
                ));
                continue;
            }
            let walk = Walk::new([member.tensor], memory, 2)?;
            // A buffer for the values, and one for what is read back.
            let written = Walk::direct(member.tensor.row_bytes()?, memory / 8).piece_bytes();
            check(member, walk.thread_bytes(1).saturating_add(written));
            back = written.max(back);
        }
        for (member, blocks) in packed {
            // Each thread has the memory for all kinds of tensors.
            check(member, blocks.thread_bytes().saturating_add(back));
        }
        if !too_large.is_empty() {
            return Ok(Err(too_large));
        }
        let threads = bulk::threads(memory, each);
        Ok(Ok(Self {
            input: rechunk.input.clone(),
            output: rechunk.output.clone(),
            steps: members.steps,
            steps_of: members.steps_of.clone(),
            pattern: rechunk.pattern,
            compression: rechunk.compression,
            tensors,
            constants: constants.collect(),
            renamed: members.all.iter().filter(moved).map(names).collect(),
            added: members.added.clone(),
            converted: converted.map(|member| member.spec.name.clone()).collect(),
            left_out: members.left_out.clone(),
            checksums: rechunk.asked.checksums
                || members.all.iter().any(|member| member.checksums.is_some()),
            bytes,
            estimated_bytes: None,
            memory: each.saturating_mul(threads as u64),
            threads,
            free_disk: None,
        }))
    }

    /// Whether a tensor is compressed.
    #[must_use]
    pub fn compresses(&self) -> bool {
        self.tensors.iter().any(|plan| plan.compressed)
    }

    /// Bytes that the output will have, with the parts of chunks that no step fills. Those are
    /// holes in the file, and nothing in compressed chunks. With compression it is at most so much.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        let values = |plan: &ChunkPlan| plan.step_bytes().saturating_mul(self.steps);
        let chunks = self.tensors.iter().map(|plan| match plan.compressed {
            true => values(plan),
            false => plan.file_bytes(),
        });
        let filled = self.tensors.iter().map(values);
        let constants = self.bytes.saturating_sub(filled.sum());
        chunks.fold(constants, u64::saturating_add)
    }
}

impl fmt::Display for RechunkPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step: u64 = self.tensors.iter().map(ChunkPlan::step_bytes).sum();
        writeln!(
            f,
            "{} steps of {}, chunked for reading {}",
            Grouped(self.steps),
            Bytes(step),
            self.pattern
        )?;
        let constants = self.constants.iter().map(|constant| &constant.name);
        let names = self.tensors.iter().map(|plan| &plan.tensor);
        let names = names.chain(constants).map(|name| shown(name).to_string());
        let names: Vec<String> = names.collect();
        let name = names.iter().map(|name| name.chars().count());
        let name = name.max().unwrap_or(0);
        let mut names = names.iter();
        let mut named = || names.next().map_or("", String::as_str);
        let mut rows: Vec<(String, String)> = Vec::new();
        for plan in &self.tensors {
            let start = format!("{:name$}  {:8}", named(), plan.dtype);
            let shape = Shape(&plan.step_shape).to_string();
            rows.push((format!("{start}  {shape}"), plan.to_string()));
        }
        for constant in &self.constants {
            let start = format!("{:name$}  {:8}", named(), constant.dtype);
            let shape: Vec<u64> = constant.shape.iter().map(|&axis| axis as u64).collect();
            let shape = Shape(&shape).to_string();
            rows.push((format!("{start}  {shape}"), "constant".to_owned()));
        }
        let width = rows.iter().map(|(start, _)| start.chars().count()).max();
        let width = width.unwrap_or(0);
        for (start, what) in rows {
            writeln!(f, "  {start:width$}  {what}")?;
        }
        if let Some(largest) = &self.steps_of {
            let (largest, length) = (shown(largest), Grouped(self.steps));
            writeln!(
                f,
                "  nothing says which tensors have steps: those are taken for such whose first axis is {length} long, \
                 as that of `{largest}`, the largest"
            )?;
        }
        for (from, to) in &self.renamed {
            writeln!(f, "  `{}` becomes `{}`", shown(from), shown(to))?;
        }
        for tensor in &self.added {
            let tensor = shown(tensor);
            writeln!(
                f,
                "  `{tensor}` was added by another program, and becomes a constant"
            )?;
        }
        for tensor in &self.converted {
            writeln!(f, "  `{}` is float16 and becomes bfloat16", shown(tensor))?;
        }
        for (what, why) in &self.left_out {
            writeln!(f, "  not kept: {}: {}", shown(what), shown(why))?;
        }
        if self.compression != Compression::None && !self.compresses() {
            writeln!(
                f,
                "  nothing is compressed: `{}` is for step tensors of 2-byte elements with steps of 16 KiB or more",
                self.compression
            )?;
        }
        let most = if self.compresses() { "at most " } else { "" };
        write!(f, "disk: {most}{}", Bytes(self.file_bytes()))?;
        if let Some(bytes) = self.estimated_bytes {
            write!(f, ", about {} by a sample", Bytes(bytes))?;
        }
        if let Some(free) = self.free_disk {
            write!(f, ", {} free", Bytes(free))?;
        }
        write!(
            f,
            "\nmemory: {} for buffers of {} thread{}",
            Bytes(self.memory),
            self.threads,
            if self.threads == 1 { "" } else { "s" },
        )?;
        if self.checksums {
            f.write_str("\nwith checksums")?;
        }
        Ok(())
    }
}
