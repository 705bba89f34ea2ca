//! What was put into a store or fetched from it, in words.

use std::path::Path;

use selvedge_hdf5::Bytes;

use super::shown;
use crate::object::{Discarded, Pulled, Pushed};

pub(crate) fn discarded(path: &Path, discarded: &Discarded) -> String {
    let what = match discarded {
        Discarded::Upload(0) => "the upload is given up".to_owned(),
        Discarded::Upload(bytes) => {
            format!("the upload is given up, and the store has nothing any more of its {}", Bytes(*bytes))
        }
        Discarded::Object(bytes) => format!(
            "the upload had ended: the object is in the store, {}, and stays; its journal is removed, and who does not want it \
             deletes it there",
            Bytes(*bytes)
        ),
        Discarded::Journal => "the journal was damaged, and is removed; what the store keeps of that upload is not known: \
                               let it remove parts without an object"
            .to_owned(),
        Discarded::Nothing => "there is no unfinished upload of this file to there".to_owned(),
    };
    format!("{}: {what}\n", shown(path))
}

pub(crate) fn pushed(path: &Path, pushed: &Pushed) -> String {
    let resumed = match pushed.resumed {
        0 => String::new(),
        bytes => format!(", of which {} were there already", Bytes(bytes)),
    };
    let index = match pushed.gathered {
        0 => String::new(),
        bytes => format!(", with its chunk indexes ({}) at the end", Bytes(bytes)),
    };
    format!(
        "{}: {} are in the store{resumed}, read back and the same{index}\n",
        shown(path),
        Bytes(pushed.bytes)
    )
}

pub(crate) fn pulled(path: &Path, pulled: &Pulled) -> String {
    let resumed = match pulled.resumed {
        0 => String::new(),
        bytes => format!(", of which {} were there already", Bytes(bytes)),
    };
    let verified = match pulled.verified {
        0 => "; it has no checksums".to_owned(),
        bytes => format!(
            "; {} of values are those that its checksums were made of",
            Bytes(bytes)
        ),
    };
    format!(
        "{}: {} were fetched{resumed}{verified}\n",
        shown(path),
        Bytes(pulled.bytes)
    )
}
