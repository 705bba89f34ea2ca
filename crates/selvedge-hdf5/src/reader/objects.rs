//! Datasets that libhdf5 has open. One that is open takes tens of kilobytes, and a file can have ten
//! thousand: so they are opened when something is read through libhdf5, and a few stay open.

use std::collections::VecDeque;
use std::sync::Arc;

use hdf5::{Dataset, File};
use selvedge_base::Mutex;

use crate::ffi::{Object, Token, open_object};

/// Datasets that stay open with their chunk caches: those that were read last.
const OPEN: usize = 8;

/// A file that libhdf5 has open.
#[derive(Clone, Debug)]
pub(super) struct Objects(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    file: File,
    recent: Mutex<VecDeque<(Token, Dataset)>>,
}

/// How a dataset is opened again.
#[derive(Clone, Debug)]
pub(super) enum Handle {
    /// By its place in the file: whatever is renamed meanwhile, it is the same dataset.
    Token(Token),
    /// It is in another file, and stays open.
    Open(Dataset),
}

impl Objects {
    pub(super) fn new(file: File) -> Self {
        let recent = Mutex::default();
        Self(Arc::new(Shared { file, recent }))
    }

    /// The dataset, open.
    pub(super) fn open(&self, handle: &Handle) -> hdf5::Result<Dataset> {
        let token = match handle {
            Handle::Token(token) => *token,
            Handle::Open(dataset) => return Ok(dataset.clone()),
        };
        let is_it = |(found, _): &&(Token, Dataset)| *found == token;
        if let Some((_, dataset)) = self.0.recent.lock().iter().find(is_it) {
            return Ok(dataset.clone());
        }
        let Object::Dataset(dataset) = open_object(&self.0.file, token)? else {
            return Err("it is no dataset any more".into());
        };
        let mut recent = self.0.recent.lock();
        recent.push_front((token, dataset.clone()));
        recent.truncate(OPEN);
        Ok(dataset)
    }
}
