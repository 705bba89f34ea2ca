//! Datasets that libhdf5 has open. One that is open takes tens of kilobytes, and a file can have ten
//! thousand: so they are opened when something is read through libhdf5, and a few stay open.

use std::collections::VecDeque;
use std::sync::Arc;

use hdf5::{Dataset, File};
use selvedge_base::Mutex;

use crate::ffi::{
    Object, Token, check_usable, collect_garbage, is_usable, open_object, open_with_cache,
};

/// Datasets that stay open with their chunk caches: those that were read last.
const OPEN: usize = 8;

/// A file that libhdf5 has open.
#[derive(Clone, Debug)]
pub(super) struct Objects(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    file: Kept<File>,
    recent: Mutex<VecDeque<(Handle, Kept<Dataset>)>>,
}

/// A handle of libhdf5, which is given back when this is dropped; but not in a process in which libhdf5
/// cannot be used.
#[derive(Clone, Debug)]
pub(super) struct Kept<T>(Option<T>);

impl<T: Clone> Kept<T> {
    pub(super) fn new(handle: T) -> Self {
        Self(Some(handle))
    }

    fn get(&self) -> hdf5::Result<T> {
        check_usable()?;
        self.0.clone().ok_or_else(|| "it is closed".into())
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        if !is_usable() {
            std::mem::forget(self.0.take());
        }
    }
}

/// How a dataset is opened again: by its place in a file. Whatever is renamed meanwhile, it is the same
/// dataset.
#[derive(Clone, Debug)]
pub(super) enum Handle {
    /// In the file itself.
    Here(Token),
    /// In another file, which a link led to.
    Elsewhere(Kept<File>, Token),
}

impl Handle {
    /// What the object header goes by within its file, if that is the one that was opened.
    pub(super) fn address(&self) -> Option<u64> {
        match self {
            Self::Here(token) => Some(token.address()),
            Self::Elsewhere(..) => None,
        }
    }
}

impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Here(one), Self::Here(other)) => one == other,
            (Self::Elsewhere(file, one), Self::Elsewhere(other_file, other)) => {
                let id = |file: &Kept<File>| file.0.as_ref().map(|file| file.id());
                one == other && id(file) == id(other_file)
            }
            _ => false,
        }
    }
}

impl Objects {
    pub(super) fn new(file: File) -> Self {
        let file = Kept::new(file);
        let recent = Mutex::default();
        Self(Arc::new(Shared { file, recent }))
    }

    /// The dataset, open; where it is not yet, with a `cache` of so many bytes for the chunks of each of its sources.
    pub(super) fn open(&self, handle: &Handle, cache: Option<usize>) -> hdf5::Result<Dataset> {
        let is_it = |(found, _): &&(Handle, Kept<Dataset>)| found == handle;
        if let Some((_, dataset)) = self.0.recent.lock().iter().find(is_it) {
            return dataset.get();
        }
        let (file, token) = match handle {
            Handle::Here(token) => (self.0.file.get()?, *token),
            Handle::Elsewhere(file, token) => (file.get()?, *token),
        };
        let opened = match cache {
            Some(bytes) => open_with_cache(&file, token, bytes),
            None => open_object(&file, token),
        };
        let Object::Dataset(dataset) = opened? else {
            return Err("it is no dataset any more".into());
        };
        let mut recent = self.0.recent.lock();
        recent.push_front((handle.clone(), Kept::new(dataset.clone())));
        recent.truncate(OPEN);
        Ok(dataset)
    }

    /// Closes the dataset, with its sources, when those who have it now are done with it.
    pub(super) fn close(&self, handle: &Handle) {
        self.0.recent.lock().retain(|(found, _)| found != handle);
        collect_garbage();
    }
}
