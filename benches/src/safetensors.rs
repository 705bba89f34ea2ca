//! safetensors files, saved, loaded and looked into: Selvedge beside plain `write` and `read`, the `safetensors`
//! crate and Python's.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;

use ::safetensors::tensor::TensorView;
use ::safetensors::{Dtype, SafeTensors, serialize_to_file};
use bytemuck::pod_collect_to_vec;
use half::bf16;
use memmap2::Mmap;
use selvedge_bf16::{bf16_as_bytes, bf16_as_bytes_mut, bytes_as_bf16, u16_as_bf16};
use selvedge_safetensors::{Mapped, Reader, Save, Writer};

use crate::data::{random_bytes, random_indices, same, word_sum};
use crate::prelude::*;

/// The tensor that is loaded, and that rows are taken out of.
const TENSOR: &str = "embedding";
/// Bytes of a piece of the contenders that write in pieces.
const PIECE: usize = 1 << 20;

/// A file of tensors of one shape, which is saved, loaded, and looked into.
#[derive(Default)]
struct Tensors {
    names: Vec<String>,
    shape: [usize; 2],
    /// The values of all, one tensor after the other.
    values: Vec<bf16>,
    /// The file up to its data: what [`Save`] writes without provenance.
    header: Vec<u8>,
    path: PathBuf,
    /// Whether what is saved has to be on the disk.
    sync: bool,
    /// The rows that are taken.
    rows: Vec<usize>,
    /// Memory that is there: for the values, and for the whole file.
    buffer: Vec<bf16>,
    file: Vec<u8>,
}

pub(crate) fn run(bench: &mut Bench, scratch: &Scratch, groups: &[Spec]) -> Result<()> {
    let mut peer = bench.python("safetensors_peer.py");
    for spec in groups {
        let what = spec.name.trim_start_matches("safetensors/");
        let [rows, columns] = spec.numbers[..] else {
            return Err(format!("{}: no shape", spec.name).into());
        };
        // Many of some rows, with names as a checkpoint with many experts has them; or one of many.
        let name = |n| format!("model.layers.{:03}.experts.{:03}.norm", n / 100, n % 100);
        let (names, rows, note) = match rows {
            0 => {
                let (rows, note) = scratch.fit(spec.count, 2 * columns, 50)?;
                (vec![TENSOR.to_owned()], rows, note)
            }
            _ => ((0..spec.count).map(name).collect(), rows, None),
        };
        let text = [rows, spec.count][usize::from(names.len() > 1)].to_string();
        let shape = [usize::try_from(rows)?, usize::try_from(columns)?];
        let mut tensors = Tensors::new(names, shape, scratch)?;
        let taken = random_indices(bench.pick(1000, 1000, 10), shape[0] as u64).into_iter();
        tensors.rows = taken.map(usize::try_from).collect::<Result<_, _>>()?;
        if let Some(peer) = &mut peer {
            tensors.prepare(peer, scratch)?;
        }
        let size = match what.starts_with("rows") {
            true => 2 * tensors.rows.len() * shape[1],
            false => 2 * tensors.values.len(),
        };
        let group = spec.group(1, size as u64, &text, &note);
        if what.starts_with("save") {
            tensors.sync = what.contains("sync");
            let mut number = 0;
            bench.rounds(spec, group, peer.is_some(), |who, round| {
                // Each file has another name.
                number += 1;
                tensors.path = scratch.file(&format!("sample-{number}.safetensors"));
                let mut sample = match &mut peer {
                    Some(peer) if who.python => peer.call("save", (&tensors.path,))?,
                    _ => tensors.save(who)?,
                };
                // Those that have no way to ask for it.
                if tensors.sync && who.kind == Kind::Peer {
                    sample = meter::synced(sample, &tensors.path)?;
                }
                sample.insert(Figure::OnDisk, meter::on_disk(&tensors.path)?);
                tensors.check()?;
                if let Some(peer) = peer.as_mut().filter(|_| round == 0) {
                    peer.call::<()>("check", (&tensors.path,))?;
                }
                scratch.settle(&tensors.path)?;
                Ok(sample)
            });
            continue;
        }
        tensors.all(&tensors.path).reproducible(true).write()?;
        if !bench.evicts(spec, scratch, &tensors.path)? {
            continue;
        }
        // Touched, as memory is that is there.
        tensors.buffer = vec![bf16::ONE; tensors.values.len()];
        tensors.file = vec![1; tensors.header.len() + 2 * tensors.values.len()];
        let expected = word_sum(bf16_as_bytes(&tensors.values));
        bench.rounds(spec, group, peer.is_some(), |who, _| {
            scratch.evict(spec, &tensors.path)?;
            if let (true, Some(peer)) = (who.python, &mut peer) {
                // Rows it compares by itself.
                let (sample, sum): (_, Option<u64>) = peer.call(who.key, (&tensors.path,))?;
                same("the sum", sum.unwrap_or(expected), expected)?;
                return Ok(sample);
            }
            if what.starts_with("rows") {
                return tensors.take(who);
            }
            let begin = Instant::now();
            let (loaded, sum) = tensors.load(who)?;
            let (until_usable, all) = (loaded - begin, begin.elapsed());
            same("the sum", sum, expected)?;
            let mut sample = timed(until_usable.as_secs_f64());
            if what.starts_with("load-sum") {
                sample.insert(Figure::Load, until_usable.as_secs_f64());
                sample.insert(Figure::Seconds, all.as_secs_f64());
            }
            Ok(sample)
        });
        scratch.settle(&tensors.path)?;
    }
    Ok(())
}

impl Tensors {
    fn new(names: Vec<String>, shape: [usize; 2], scratch: &Scratch) -> Result<Self> {
        let bytes = random_bytes(2 * names.len() * shape[0] * shape[1]);
        let values = u16_as_bf16(&pod_collect_to_vec(&bytes)).to_vec();
        let mut tensors = Self {
            names,
            shape,
            path: scratch.file("sample.safetensors"),
            values,
            ..Self::default()
        };
        let path = &tensors.path;
        tensors.all(path).reproducible(true).sync(false).write()?;
        let begin = Reader::open(path)?.header().tensors()[0].range.start;
        let mut file = File::open(path)?.take(begin);
        file.read_to_end(&mut tensors.header)?;
        scratch.settle(path)?;
        Ok(tensors)
    }

    /// Gives the tensors to Python, and the rows that will be asked for.
    fn prepare(&self, peer: &mut Python, scratch: &Scratch) -> Result<()> {
        let source = scratch.file("source.bin");
        fs::write(&source, bf16_as_bytes(&self.values))?;
        peer.call::<()>("prepare", (&source, self.shape, &self.names, &self.rows))?;
        scratch.settle(&source)
    }

    /// The tensors with their names.
    fn each(&self) -> impl Iterator<Item = (&str, &[bf16])> {
        let names = self.names.iter().map(String::as_str);
        names.zip(self.values.chunks(self.len()))
    }

    /// Elements of a tensor.
    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// A save of all of them.
    fn all(&self, path: &Path) -> Save<'_> {
        let save = Save::new(path).overwrite(true);
        self.each().fold(save, |save, (name, values)| {
            save.tensor(name, self.shape, values)
        })
    }

    fn save(&self, who: Who) -> Result<Sample> {
        let path = &self.path;
        let declared = |names: &[String]| {
            let save = Save::new(path).overwrite(true).sync(self.sync);
            let declare = |save: Save<'static>, name| save.declare::<bf16>(name, self.shape);
            names.iter().fold(save, declare)
        };
        let meter = Meter::start();
        let begin = Instant::now();
        match who.key {
            "write" => self.write(path)?,
            // With all that a save does which is atomic: another name, `rename`, and with `sync` the folder's `fsync`.
            "renamed" => {
                let partial = path.with_extension("partial");
                self.write(&partial)?;
                fs::rename(&partial, path)?;
                if self.sync {
                    File::open(path.parent().ok_or("a path without a folder")?)?.sync_all()?;
                }
            }
            "save" => drop(self.all(path).sync(self.sync).write()?),
            "pieces" => self.stream(declared(&self.names).start()?)?,
            // With the last tensor growing, and the others declared.
            "growing" => {
                let (last, others) = self.names.split_last().ok_or("no tensors")?;
                let save = declared(others).growing::<bf16>(last, &self.shape[1..]);
                self.stream(save.start()?)?;
            }
            "serialize" => {
                let views = self.each().map(|(name, values)| {
                    let (shape, bytes) = (self.shape.to_vec(), bf16_as_bytes(values));
                    Ok((name, TensorView::new(Dtype::BF16, shape, bytes)?))
                });
                serialize_to_file(views.collect::<Result<Vec<_>>>()?, None, path)?;
            }
            _ => return unknown(who),
        }
        Ok(metered(since(begin), &meter))
    }

    fn write(&self, path: &Path) -> Result<()> {
        let mut file = File::create(path)?;
        file.write_all(&self.header)?;
        for (_, values) in self.each() {
            file.write_all(bf16_as_bytes(values))?;
        }
        if self.sync {
            file.sync_all()?;
        }
        Ok(())
    }

    fn stream(&self, mut file: Writer) -> Result<()> {
        for (name, values) in self.each() {
            for piece in values.chunks(PIECE / size_of::<bf16>()) {
                file.write(name, piece)?;
            }
        }
        file.finish()?;
        Ok(())
    }

    /// Compares a file with what was to be saved: names, shapes and every byte.
    fn check(&self) -> Result<()> {
        let file = mapped(&self.path)?;
        same("tensors", file.tensors().len(), self.names.len())?;
        for (name, values) in self.each() {
            let tensor = file.tensor(name)?;
            if tensor.shape() != self.shape
                || tensor.as_slice().map(bf16_as_bytes)? != bf16_as_bytes(values)
            {
                return Err(format!("{name} has another shape or other values").into());
            }
        }
        Ok(())
    }

    /// Loads all tensors, and sums them: when the values could be used, and the sum. All but the plain ones look for each
    /// tensor by its name.
    fn load(&mut self, who: Who) -> Result<(Instant, u64)> {
        let (path, len) = (&self.path, self.len());
        let (names, count) = (self.names.iter(), self.names.len());
        match who.key {
            "read_each" => {
                let file = File::open(path)?;
                let mut tensors = vec![Vec::new(); count];
                for (tensor, nth) in tensors.iter_mut().zip(0..) {
                    tensor.resize(len, bf16::ZERO);
                    let at = self.header.len() as u64 + nth * 2 * len as u64;
                    file.read_exact_at(bf16_as_bytes_mut(tensor), at)?;
                }
                loaded(tensors.iter().map(|tensor| Ok(&tensor[..])))
            }
            "read" => {
                let file = fs::read(path)?;
                loaded([data(&file)])
            }
            "read_again" => {
                File::open(path)?.read_exact(&mut self.file)?;
                loaded([data(&self.file)])
            }
            "reader" => {
                let file = Reader::open(path)?;
                let read = |name: &String| Ok(file.tensor(name)?.read()?);
                let values = names.map(read).collect::<Result<Vec<Vec<bf16>>>>()?;
                loaded(values.iter().map(|values| Ok(&values[..])))
            }
            "reader_into" => {
                let file = Reader::open(path)?;
                for (name, values) in names.zip(self.buffer.chunks_mut(len)) {
                    file.tensor(name)?.read_into(values)?;
                }
                loaded([Ok(&self.buffer[..])])
            }
            "mapped" => {
                let file = mapped(path)?;
                loaded(names.map(|name| Ok(file.tensor(name)?.as_slice()?)))
            }
            "deserialize" => {
                let file = File::open(path)?;
                // SAFETY: the file lies in a folder of this process, and nobody writes into it.
                let map = unsafe { Mmap::map(&file)? };
                let file = SafeTensors::deserialize(&map)?;
                loaded(names.map(|name| Ok(bytes_as_bf16(file.tensor(name)?.data())?)))
            }
            _ => unknown(who),
        }
    }

    /// Takes some rows out of the one tensor.
    fn take(&self, who: Who) -> Result<Sample> {
        let (path, rows, row) = (&self.path, &self.rows, self.shape[1]);
        let of = |values: &[bf16]| -> Vec<bf16> {
            let rows = rows.iter().flat_map(|nth| &values[nth * row..][..row]);
            rows.copied().collect()
        };
        let begin = Instant::now();
        let taken: Vec<bf16> = match who.key {
            "read_rows" => {
                let file = File::open(path)?;
                let mut taken = vec![bf16::ZERO; rows.len() * row];
                for (nth, values) in rows.iter().zip(taken.chunks_mut(row)) {
                    let at = self.header.len() + nth * 2 * row;
                    file.read_exact_at(bf16_as_bytes_mut(values), at as u64)?;
                }
                taken
            }
            "gather_mapped" => mapped(path)?.tensor(TENSOR)?.gather(rows)?,
            "gather" => Reader::open(path)?.tensor(TENSOR)?.gather(rows)?,
            "read_all" => of(&Reader::open(path)?.tensor(TENSOR)?.read::<bf16>()?),
            _ => return unknown(who),
        };
        let sample = since(begin);
        match bf16_as_bytes(&taken) == bf16_as_bytes(&of(&self.values)) {
            true => Ok(sample),
            false => Err("other values".into()),
        }
    }
}

fn mapped(path: &Path) -> Result<Mapped> {
    // SAFETY: the file lies in a folder of this process, and nobody writes into it.
    Ok(unsafe { Mapped::open(path)? })
}

/// The values of a file that is in memory: what is after its header, which is not looked into.
fn data(file: &[u8]) -> Result<&[bf16]> {
    let (length, rest) = file.split_first_chunk().ok_or("less than 8 bytes")?;
    let header = usize::try_from(u64::from_le_bytes(*length))?;
    Ok(bytes_as_bf16(
        rest.get(header..).ok_or("a file without data")?,
    )?)
}

/// When all tensors could be used, and the sum of their words.
fn loaded<'a>(tensors: impl IntoIterator<Item = Result<&'a [bf16]>>) -> Result<(Instant, u64)> {
    let tensors = black_box(tensors.into_iter().collect::<Result<Vec<_>>>()?);
    let now = Instant::now();
    let sums = tensors.into_iter().map(bf16_as_bytes).map(word_sum);
    Ok((now, sums.fold(0, u64::wrapping_add)))
}
