//! A store that copies what was sent under another name to its own, if there is no object of that.

use std::fs;

use futures_util::TryStreamExt;
use object_store::memory::InMemory;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use super::*;
use crate::journal::{Begun, Part};

/// A store that copies what was sent under another name, as Azure and Google Cloud Storage are used.
struct Copies {
    world: World,
    store: Arc<InMemory>,
}

impl Copies {
    fn new() -> Self {
        let (world, store) = (World::new(), Arc::new(InMemory::new()));
        Self { world, store }
    }

    fn push(&self, overwrite: bool) -> Result<Pushed, ObjectError> {
        let World {
            url, options, path, ..
        } = &self.world;
        let target = Target {
            url,
            options,
            objects: Arc::clone(&self.store) as _,
            parts: Arc::clone(&self.store) as _,
            only_new: None,
        };
        let contents = contents(path, url).unwrap();
        push_to(path, &contents, &target, overwrite, |_| ())
    }

    fn assert_whole(&self) {
        let names = wait(async {
            let names = self.store.list(None);
            let names = names.map_ok(|meta| meta.location.to_string());
            names.try_collect::<Vec<_>>().await.unwrap()
        });
        assert_eq!(names.unwrap(), ["W.bin"]);
        let object = self.get();
        assert!(object == self.world.bytes());
        assert_eq!(self.world.names(), ["W.bin"]);
    }

    fn get(&self) -> Vec<u8> {
        let path = &self.world.url.path;
        let object = wait(async { self.store.get(path).await.unwrap().bytes().await.unwrap() });
        object.unwrap().to_vec()
    }
}

#[test]
fn an_object_that_is_there_is_kept_whatever_its_size() {
    let copies = Copies::new();
    for size in [1000, 20 * PART] {
        fs::write(&copies.world.path, content(size)).unwrap();
        copies.push(size == 20 * PART).unwrap();
        copies.assert_whole();
        let again = copies.push(false);
        assert!(
            matches!(again, Err(ObjectError::AlreadyExists { kept: None, .. })),
            "{again:?}"
        );
        copies.push(true).unwrap();
        copies.assert_whole();
    }
    wait(copies.store.delete(&copies.world.url.path))
        .unwrap()
        .unwrap();
    copies.push(false).unwrap();
    copies.assert_whole();
}

/// A call that was killed between the stages of a copy had sent all for nothing.
#[test]
fn a_copy_goes_on_at_each_of_its_stages() {
    for stage in ["parts", "complete", "copied"] {
        let copies = Copies::new();
        let (store, path) = (&copies.store, &copies.world.path);
        let key = Path::from("W.bin.partial");
        let id = wait(store.create_multipart(&key)).unwrap().unwrap();
        let Found::Nothing(mut journal) =
            Journal::find(path, &store::place(&copies.world.url)).unwrap()
        else {
            panic!("there is no journal yet");
        };
        journal.make().unwrap();
        let begun = Begun {
            id: id.clone(),
            key: key.to_string(),
            part_bytes: PART,
        };
        journal.begin(begun).unwrap();
        let bytes = copies.world.bytes();
        let mut ids = Vec::new();
        for (nth, part) in bytes.chunks(usize::try_from(PART).unwrap()).enumerate() {
            let sent = store.put_part(&key, &id, nth, PutPayload::from(part.to_vec()));
            let sent = wait(sent).unwrap().unwrap();
            journal
                .part(nth as u64, Part::new(part, sent.content_id.clone()))
                .unwrap();
            ids.push(sent);
        }
        if stage != "parts" {
            journal.complete().unwrap();
            wait(store.complete_multipart(&key, &id, ids))
                .unwrap()
                .unwrap();
        }
        if stage == "copied" {
            wait(store.copy(&key, &copies.world.url.path))
                .unwrap()
                .unwrap();
        }
        drop(journal);
        let pushed = copies.push(false).unwrap();
        assert_eq!(pushed.resumed, PARTS * PART - 1000, "{stage}");
        copies.assert_whole();
    }
}
