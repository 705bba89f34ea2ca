//! The tensors of a file, as they are found.

use std::sync::Arc;

use hdf5::File;

use super::catalog::{Member, Visitor};
use super::live::Live;
use super::objects::Handle;
use super::tensor::{Source, Tensor, dimension_alone};
use super::{Note, attributes};
use crate::ffi::Token;
use crate::layout::GlobalHeap;

/// The tensors of a file that is being opened.
pub(super) struct Opening<'a> {
    source: &'a Arc<Source>,
    live: Option<&'a Live>,
    /// Whether addresses count from the beginning of the file, and not from the end of a user block. Those of
    /// a dataset that a link leads to in another file are of that file. libhdf5 then reads everything.
    addresses: bool,
    heap: GlobalHeap,
    pub(super) tensors: Vec<Tensor>,
    /// Dimensions of netCDF without values: their addresses and names.
    pub(super) dimensions: Vec<(u64, String)>,
    /// What is to be told of datasets.
    pub(super) notes: Vec<Note>,
}

impl<'a> Opening<'a> {
    /// The file that `source` is of, of which nothing is known yet.
    pub(super) fn new(source: &'a Arc<Source>, live: Option<&'a Live>, file: &File) -> Self {
        Self {
            source,
            live,
            addresses: file.userblock() == 0,
            heap: GlobalHeap::default(),
            tensors: Vec::new(),
            dimensions: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl Visitor for Opening<'_> {
    fn knows(&mut self, name: &str, token: Token) -> bool {
        let Some(live) = self.live.filter(|_| self.addresses) else {
            return false;
        };
        let (data, header) = (&self.source.data, token.address());
        let Some(plain) = live.plain_tensor(data, name, header, &mut self.heap) else {
            return false;
        };
        let tensor = Tensor::plain(self.source, name.to_owned(), token, header, plain);
        self.tensors.push(tensor);
        true
    }

    fn take(&mut self, member: Member<'_>) -> Result<(), String> {
        if let Some(note) = dimension_alone(member.dataset, &member.name) {
            let address = member.handle.address();
            self.dimensions.extend(address.zip(Some(member.name)));
            self.notes.push(note);
            return Ok(());
        }
        if let Some(reason) = attributes::why_unlisted(member.dataset) {
            let object = member.name.clone();
            self.notes.push(Note::UnreadAttributes { object, reason });
        }
        let addresses = self.addresses && matches!(member.handle, Handle::Here(_));
        let live = self.live.filter(|_| addresses && member.at_root);
        let header = live.and_then(|live| live.header(&member.name));
        let tensor = Tensor::open(self.source, member, addresses, header)?;
        self.tensors.push(tensor);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use half::bf16;
    use num_complex::Complex32;
    use selvedge_base::InUse;

    use super::super::{catalog, open};
    use super::*;
    use crate::chunks::UnpackerCache;
    use crate::other_files::OtherFiles;
    use crate::reader::objects::Objects;
    use crate::{Compression, Dtype, Recorder, TensorSpec};

    /// Has every dataset opened by libhdf5.
    struct ByLibrary<'a>(Opening<'a>);

    impl Visitor for ByLibrary<'_> {
        fn knows(&mut self, _: &str, _: Token) -> bool {
            false
        }

        fn take(&mut self, member: Member<'_>) -> Result<(), String> {
            self.0.take(member)
        }
    }

    /// Counts those that are known.
    struct Counting<'a>(Opening<'a>, usize);

    impl Visitor for Counting<'_> {
        fn knows(&mut self, name: &str, token: Token) -> bool {
            let knows = self.0.knows(name, token);
            self.1 += usize::from(knows);
            knows
        }

        fn take(&mut self, member: Member<'_>) -> Result<(), String> {
            self.0.take(member)
        }
    }

    /// All that is known of the tensors of the file at `path`, past libhdf5 and by it; and how many libhdf5
    /// was not asked about.
    fn both(path: &Path) -> (Vec<String>, Vec<String>, usize) {
        let others = OtherFiles::default();
        let (data, file) = open::open(path, None, &others).unwrap();
        let live = Live::find(&data);
        let source = Arc::new(Source {
            path: path.to_owned(),
            data,
            ours: live.is_some(),
            is_shard: false,
            others: others.clone(),
            objects: Objects::new(file.clone()),
            unpackers: UnpackerCache::default(),
            decoded: None,
            in_use: InUse::new(),
            groups: std::sync::OnceLock::new(),
        });
        let new = || Opening::new(&source, live.as_ref(), &file);
        let shown =
            |tensors: &[Tensor]| tensors.iter().map(|tensor| format!("{tensor:?}")).collect();
        let mut opening = Counting(new(), 0);
        catalog::walk(&file, &others, &mut opening).unwrap();
        let mut by_library = ByLibrary(new());
        catalog::walk(&file, &others, &mut by_library).unwrap();
        let Counting(opening, known) = opening;
        (shown(&opening.tensors), shown(&by_library.0.tensors), known)
    }

    #[test]
    fn what_is_known_without_libhdf5_is_what_it_says() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let mut known = 0;
        for entry in std::fs::read_dir(golden).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "h5") {
                let Ok(_) = open::open(&path, None, &OtherFiles::default()) else {
                    continue;
                };
                let (ours, theirs, count) = both(&path);
                assert_eq!(ours, theirs, "{}", path.display());
                known += count;
            }
        }
        assert!(known > 10, "{known}");
    }

    #[test]
    fn all_dtypes_without_a_filter_are_known_but_records_and_bools() {
        let folder = tempfile::tempdir().unwrap();
        for steps in [None, Some(7)] {
            let path = folder.path().join(format!("run_{}.h5", steps.is_some()));
            let mut builder = Recorder::create(&path).compression(Compression::Fast);
            if let Some(steps) = steps {
                builder = builder.steps(steps);
            }
            for dtype in Dtype::ALL {
                builder = builder.tensor_spec(TensorSpec::new(dtype.name(), dtype, [3]));
            }
            let run = builder
                .tensor::<bf16>("compressed", [1 << 15])
                .scalar::<f32>("loss")
                .constant("mask", &[true, false])
                .constant("pairs", &[Complex32::new(1.0, 2.0)])
                .tensor_attribute("loss", "unit", "nat")
                .tensor_attribute("float32", "größe", 3)
                .start()
                .unwrap();
            drop(run);
            let (ours, theirs, known) = both(&path);
            assert_eq!(ours, theirs);
            // Without the bool, two complex numbers, the compressed one, and one of an attribute whose name is
            // not ASCII.
            assert_eq!(known, 14);
        }
    }
}
