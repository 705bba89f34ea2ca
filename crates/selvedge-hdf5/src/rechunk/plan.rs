//! What a rechunk would make.

use std::fmt;
use std::path::PathBuf;

use super::Rechunk;
use super::members::{Member, Members};
use crate::bulk::{self, Walk};
use crate::plan::{Bytes, ChunkPlan, Grouped, Shape};
use crate::{Compression, Error, ReadPattern, Role, TensorSpec};

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
    /// What the chunks are planned for.
    pub pattern: ReadPattern,
    /// The step tensors.
    pub tensors: Vec<ChunkPlan>,
    /// The constants, with their whole shapes.
    pub constants: Vec<TensorSpec>,
    /// Datasets in groups, which come to the root: path and new name.
    pub renamed: Vec<(String, String)>,
    /// float16 tensors that become bfloat16.
    pub converted: Vec<String>,
    /// What is not kept: a name, and why.
    pub left_out: Vec<(String, String)>,
    /// Whether there will be checksums.
    pub checksums: bool,
    /// Bytes of all values, which the output takes on the disk.
    pub bytes: u64,
    /// Memory for buffers, in bytes.
    pub memory: u64,
    /// Threads that read, write and compare.
    pub threads: usize,
    /// Free bytes on the disk of the output, where they are known.
    pub free_disk: Option<u64>,
}

impl RechunkPlan {
    pub(super) fn new(rechunk: &Rechunk, members: &Members<'_>) -> Result<Self, Error> {
        let tensors = members
            .of(Role::Step)
            .map(|member| {
                let steps = Some(members.steps);
                let (pattern, target) = (rechunk.pattern, rechunk.chunk_target);
                ChunkPlan::new(&member.spec, steps, pattern, target, Compression::None)
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
        let (mut bytes, mut each) = (0_u64, 0_u64);
        for member in &members.all {
            bytes = bytes.saturating_add(member.tensor.all_bytes()?);
            // A buffer for the values, and one for what is read back.
            let needed = Walk::new([member.tensor], memory / 8)?.thread_bytes(2);
            if needed > memory {
                return Err(Error::WorkingMemory {
                    tensor: member.tensor.name().to_owned(),
                    needed,
                    limit: memory,
                });
            }
            each = each.max(needed);
        }
        let threads = bulk::threads(memory, each);
        Ok(Self {
            input: rechunk.input.clone(),
            output: rechunk.output.clone(),
            steps: members.steps,
            pattern: rechunk.pattern,
            tensors,
            constants: constants.collect(),
            renamed: members.all.iter().filter(moved).map(names).collect(),
            converted: converted.map(|member| member.spec.name.clone()).collect(),
            left_out: members.left_out.clone(),
            checksums: rechunk.checksums,
            bytes,
            memory: each.saturating_mul(threads as u64),
            threads,
            free_disk: None,
        })
    }

    /// Bytes that the output will have, with the parts of chunks that no step fills. Those are
    /// holes in the file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        let chunks = self.tensors.iter().map(ChunkPlan::file_bytes);
        let filled = self
            .tensors
            .iter()
            .map(|plan| plan.step_bytes().saturating_mul(self.steps));
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
        let name = names.chain(constants).map(|name| name.chars().count());
        let name = name.max().unwrap_or(0);
        let mut rows: Vec<(String, String)> = Vec::new();
        for plan in &self.tensors {
            let start = format!("{:name$}  {:8}", plan.tensor, plan.dtype);
            let shape = Shape(&plan.step_shape).to_string();
            rows.push((format!("{start}  {shape}"), plan.to_string()));
        }
        for constant in &self.constants {
            let start = format!("{:name$}  {:8}", constant.name, constant.dtype);
            let shape: Vec<u64> = constant.shape.iter().map(|&axis| axis as u64).collect();
            let shape = Shape(&shape).to_string();
            rows.push((format!("{start}  {shape}"), "constant".to_owned()));
        }
        let width = rows.iter().map(|(start, _)| start.chars().count()).max();
        let width = width.unwrap_or(0);
        for (start, what) in rows {
            writeln!(f, "  {start:width$}  {what}")?;
        }
        for (from, to) in &self.renamed {
            writeln!(f, "  `{from}` becomes `{to}`")?;
        }
        for tensor in &self.converted {
            writeln!(f, "  `{tensor}` is float16 and becomes bfloat16")?;
        }
        for (what, why) in &self.left_out {
            writeln!(f, "  not kept: {what}: {why}")?;
        }
        write!(f, "disk: {}", Bytes(self.file_bytes()))?;
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
