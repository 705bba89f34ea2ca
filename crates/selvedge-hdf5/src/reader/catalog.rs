//! The list of what is in a file: each dataset once for each of its hard names, and notes of what leads
//! elsewhere.
//!
//! A group is opened from its place in the file, and not by its path: so the walk takes a time in
//! proportion to the number of links, however deep the groups are.

use std::collections::{HashMap, VecDeque};

use hdf5::{Dataset, File, Group, Location};
use selvedge_base::text::{checked, escaped};

use super::Note;
use super::objects::Handle;
use crate::error::LibraryError;
use crate::ffi::{self, Link, LinkTarget, Object, Token};

/// A dataset that was found.
pub(super) struct Member<'a> {
    /// Its path, escaped where it is not UTF-8.
    pub(super) name: String,
    pub(super) dataset: &'a Dataset,
    pub(super) handle: Handle,
    /// Whether it is a member of the root group by a hard link.
    pub(super) at_root: bool,
}

/// A walk through a file.
struct Walk<'a> {
    file: &'a File,
    /// The name of the file, as libhdf5 has it.
    file_name: Option<Vec<u8>>,
    /// The paths of the groups that were met, by the addresses of their headers.
    met: HashMap<u64, String>,
    /// Groups that are still to be looked into.
    groups: VecDeque<(Group, String)>,
    notes: Vec<Note>,
}

/// Shows the datasets of a file to `visit`, those at the root first, and returns what is to be told beside
/// them. What cannot be opened, and what `visit` fails for, is told and hides nothing else.
pub(super) fn walk(
    file: &File,
    visit: &mut dyn FnMut(Member<'_>) -> Result<(), String>,
) -> hdf5::Result<Vec<Note>> {
    let root = file.group("/")?;
    let mut walk = Walk {
        file,
        file_name: ffi::file_name(file),
        met: HashMap::new(),
        groups: VecDeque::new(),
        notes: Vec::new(),
    };
    if let Some(info) = ffi::object_info(&root) {
        walk.met.insert(info.token.address(), String::new());
    }
    for link in ffi::links(&root)? {
        walk.follow(&root, "", &link, visit);
    }
    while let Some((group, path)) = walk.groups.pop_front() {
        walk.tell_attributes(&group, &path);
        match ffi::links(&group) {
            Ok(links) => {
                for link in links {
                    walk.follow(&group, &path, &link, visit);
                }
            }
            Err(error) => walk.unread(path, error),
        }
    }
    Ok(walk.notes)
}

impl Walk<'_> {
    /// Follows a link of the group `path`, which is empty of the root.
    fn follow(
        &mut self,
        group: &Location,
        path: &str,
        link: &Link,
        visit: &mut dyn FnMut(Member<'_>) -> Result<(), String>,
    ) {
        let is_utf8 = link.name.to_str().is_ok();
        let name = checked(link.name.clone().into_bytes()).unwrap_or_else(|escaped| escaped);
        let name = match path {
            "" => name,
            path => format!("{path}/{name}"),
        };
        let found = match &link.target {
            LinkTarget::Object(token) => {
                if let Some(first) = self.met.get(&token.address()) {
                    let first = first.clone();
                    self.notes.push(Note::SecondName { group: name, first });
                    return;
                }
                ffi::open_object(self.file, *token).map(|object| (object, Some(*token)))
            }
            _ => ffi::open_link(group, &link.name).map(|object| (object, None)),
        };
        let (object, token) = match (found, &link.target) {
            (Ok(found), _) => found,
            // A member of the file itself is damaged.
            (Err(error), LinkTarget::Object(_)) => return self.unread(name, error),
            (Err(_), target) => {
                let leads_to = leads_to(target);
                self.notes.push(Note::BrokenLink { name, leads_to });
                return;
            }
        };
        match object {
            Object::Group(group) => self.meet(group, name, token, &link.target),
            Object::Dataset(dataset) => {
                if !is_utf8 {
                    let dataset = name.clone();
                    self.notes.push(Note::NameNotUtf8 { dataset });
                }
                let member = Member {
                    handle: self.handle(&dataset, token),
                    at_root: path.is_empty() && token.is_some(),
                    name: name.clone(),
                    dataset: &dataset,
                };
                if let Err(reason) = visit(member) {
                    self.notes.push(Note::Unread { name, reason });
                }
            }
            Object::Other => {}
        }
    }

    /// Takes note of a group, to be looked into later.
    fn meet(&mut self, group: Group, name: String, token: Option<Token>, target: &LinkTarget) {
        match token {
            Some(token) => {
                self.met.insert(token.address(), name.clone());
                self.groups.push_back((group, name));
            }
            // What is in another file is not looked for there. A group of this file that a link by name
            // leads to is found under its own name.
            None if ffi::file_name(&group) != self.file_name => {
                let leads_to = leads_to(target);
                self.notes.push(Note::NotFollowed { name, leads_to });
            }
            None => {}
        }
    }

    /// How a dataset is opened again.
    fn handle(&self, dataset: &Dataset, token: Option<Token>) -> Handle {
        let token = token.or_else(|| {
            let is_here = ffi::file_name(dataset) == self.file_name;
            is_here
                .then(|| ffi::object_info(dataset))?
                .map(|info| info.token)
        });
        token.map_or_else(|| Handle::Open(dataset.clone()), Handle::Token)
    }

    fn tell_attributes(&mut self, group: &Group, path: &str) {
        if ffi::object_info(group).is_none_or(|info| info.attributes == 0) {
            return;
        }
        let names = ffi::attribute_names(group).unwrap_or_default();
        self.notes.push(Note::GroupAttributes {
            group: path.to_owned(),
            attributes: names.iter().map(|name| escaped(name.to_bytes())).collect(),
        });
    }

    fn unread(&mut self, name: String, error: hdf5::Error) {
        let reason = LibraryError::from(error).to_string();
        self.notes.push(Note::Unread { name, reason });
    }
}

/// Where a link leads, for people.
fn leads_to(target: &LinkTarget) -> String {
    match target {
        LinkTarget::Object(_) => "an object of this file".to_owned(),
        LinkTarget::Path(path) => format!("`{}`", escaped(path)),
        LinkTarget::OtherFile { file, path } => {
            format!("`{}` in the file `{}`", escaped(path), escaped(file))
        }
        LinkTarget::Other => "where another program knows".to_owned(),
    }
}
