//! The list of what is in a file: each dataset once for each of its hard names, and notes of what leads
//! elsewhere.
//!
//! A group is opened from its place in the file, and not by its path, and one at a time: so the walk
//! takes a time in proportion to the number of links, however deep and however many the groups are.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::CStr;
use std::os::unix::ffi::OsStrExt;

use hdf5::sync::sync;
use hdf5::{Dataset, File, Group, Location};
use selvedge_base::text::{checked, escaped};

use super::Note;
use super::objects::{Handle, Kept};
use crate::error::LibraryError;
use crate::ffi::{self, Link, LinkTarget, Object, Token};
use crate::other_files::{OtherFiles, Refusal, refusal};
use crate::plan::{Bytes, Grouped};

/// The longest path of a group that is looked into, in bytes.
const LONGEST_PATH: usize = 64_000;
/// The most bytes of paths that are listed or told of in all.
const MOST_PATHS: usize = 100_000_000;
/// The most other files that are open at once, because links led to them.
const MOST_FILES: usize = 256;

/// A dataset that was found.
pub(super) struct Member<'a> {
    /// Its path, escaped where it is not UTF-8.
    pub(super) name: String,
    pub(super) dataset: &'a Dataset,
    pub(super) handle: Handle,
    /// Whether it is a member of the root group by a hard link.
    pub(super) at_root: bool,
}

/// The path of a group: those of deep ones share their beginnings.
struct GroupPath {
    /// The place of the path of the group that it is in. The root is the first of all.
    parent: usize,
    /// Its own name.
    name: String,
    /// Bytes of the whole path.
    bytes: usize,
}

/// What the datasets of a file are shown to.
pub(super) trait Visitor {
    /// Takes the member `name` of the root group, if all of it is known without opening it. Returns
    /// whether it is.
    fn knows(&mut self, name: &str, token: Token) -> bool;
    /// Takes a dataset; fails with what is to be told of it.
    fn take(&mut self, member: Member<'_>) -> Result<(), String>;
}

/// A walk through a file.
struct Walk<'a> {
    file: &'a File,
    /// The name of the file, as libhdf5 has it.
    file_name: Option<Vec<u8>>,
    others: &'a OtherFiles,
    /// Other files that links led to, by their names.
    followed: HashMap<Vec<u8>, File>,
    paths: Vec<GroupPath>,
    /// The path of the group that is looked into.
    current: String,
    /// Places of the paths of the groups that were met, by the addresses of their headers.
    met: HashMap<u64, usize>,
    /// Groups that are still to be looked into.
    groups: VecDeque<(Token, usize)>,
    /// Links by name to groups of this file: the paths of the links, where they lead, and the addresses there.
    named: Vec<(String, String, u64)>,
    notes: Vec<Note>,
    /// Bytes of the paths that are listed or told of.
    listed: usize,
    /// Links whose paths would have been too many.
    unlisted: u64,
}

/// Shows the datasets of a file to `visitor`, those at the root first, and returns what is to be told beside
/// them. What cannot be opened, and what `visitor` fails for, is told and hides nothing else. Links to other
/// files are followed as `others` lets them.
pub(super) fn walk(
    file: &File,
    others: &OtherFiles,
    visitor: &mut dyn Visitor,
) -> hdf5::Result<Vec<Note>> {
    let root = file.group("/")?;
    let mut walk = Walk {
        file,
        file_name: ffi::file_name(file),
        others,
        followed: HashMap::new(),
        paths: vec![GroupPath {
            parent: 0,
            name: String::new(),
            bytes: 0,
        }],
        current: String::new(),
        met: HashMap::new(),
        groups: VecDeque::new(),
        named: Vec::new(),
        notes: Vec::new(),
        listed: 0,
        unlisted: 0,
    };
    if let Some(info) = ffi::object_info(&root) {
        walk.met.insert(info.token.address(), 0);
    }
    walk.follow_all(&root, 0, &ffi::links(&root)?, visitor);
    drop(root);
    while let Some((token, path)) = walk.groups.pop_front() {
        walk.current = walk.path_of(path);
        let links = match ffi::open_object(file, token) {
            Ok(Object::Group(group)) => {
                walk.tell_attributes(&group);
                ffi::links(&group).map(|links| (group, links))
            }
            Ok(_) => Err("it is no group any more".into()),
            Err(error) => Err(error),
        };
        match links {
            Ok((group, links)) => walk.follow_all(&group, path, &links, visitor),
            Err(error) => walk.unread(walk.current.clone(), error),
        }
    }
    walk.tell_named();
    walk.tell_unlisted();
    Ok(walk.notes)
}

/// The name of a link as it is shown, if it is not UTF-8 and another of these names is that.
fn shown_as_another(link: &Link, names: &HashSet<&[u8]>) -> Option<String> {
    let shown = checked(link.name.clone().into_bytes()).err()?;
    names.contains(shown.as_bytes()).then_some(shown)
}

impl Walk<'_> {
    /// Follows the links of the group with this path.
    fn follow_all(
        &mut self,
        group: &Location,
        path: usize,
        links: &[Link],
        visitor: &mut dyn Visitor,
    ) {
        let is_odd = |link: &Link| link.name.to_str().is_err();
        let names: HashSet<&[u8]> = match links.iter().any(is_odd) {
            true => links.iter().map(|link| link.name.to_bytes()).collect(),
            false => HashSet::new(),
        };
        for link in links {
            match shown_as_another(link, &names) {
                None => self.follow(group, path, link, visitor),
                Some(name) => {
                    let why = "its name is not UTF-8, and as it is shown another has it";
                    if let Some(name) = self.list(&name) {
                        self.unread(name, why.into());
                    }
                }
            }
        }
    }

    /// Follows a link of the group with this path.
    fn follow(&mut self, group: &Location, path: usize, link: &Link, visitor: &mut dyn Visitor) {
        let is_utf8 = link.name.to_str().is_ok();
        let own_name = checked(link.name.clone().into_bytes()).unwrap_or_else(|escaped| escaped);
        let (found, token) = match &link.target {
            LinkTarget::Object(token) => {
                if let Some(&first) = self.met.get(&token.address()) {
                    return self.tell_second_name(&own_name, first);
                }
                if path == 0 && is_utf8 && visitor.knows(&own_name, *token) {
                    self.listed += own_name.len() + 1;
                    return;
                }
                (ffi::open_object(self.file, *token), Some(*token))
            }
            LinkTarget::OtherFile { .. } if !self.others.any() => {
                let why = self.others.why_not().to_string();
                return self.tell_refused(&own_name, &link.target, why);
            }
            _ => {
                let (opened, refused) = self.open_link(group, &link.name);
                if let (Err(_), Some(refusal)) = (&opened, refused) {
                    return self.tell_refused(&own_name, &link.target, reason(&refusal));
                }
                (opened, None)
            }
        };
        match found {
            Ok(Object::Group(group)) => self.meet(&group, path, own_name, token, &link.target),
            Ok(Object::Dataset(dataset)) => {
                let Some(name) = self.list(&own_name) else {
                    return;
                };
                if !is_utf8 {
                    let dataset = name.clone();
                    self.notes.push(Note::NameNotUtf8 { dataset });
                }
                let visited = self.handle(&dataset, token).and_then(|handle| {
                    visitor.take(Member {
                        handle,
                        at_root: path == 0 && token.is_some(),
                        name: name.clone(),
                        dataset: &dataset,
                    })
                });
                if let Err(reason) = visited {
                    self.notes.push(Note::Unread { name, reason });
                }
            }
            Ok(Object::Other) => {}
            Err(error) => {
                let Some(name) = self.list(&own_name) else {
                    return;
                };
                match &link.target {
                    // A member of the file itself is damaged.
                    LinkTarget::Object(_) => self.unread(name, error),
                    target => {
                        let leads_to = leads_to(target);
                        self.notes.push(Note::BrokenLink { name, leads_to });
                    }
                }
            }
        }
    }

    /// Opens what a link leads to by name, with the file that was refused on the way.
    fn open_link(&self, group: &Location, name: &CStr) -> (hdf5::Result<Object>, Option<Refusal>) {
        sync(|| {
            refusal();
            let opened = ffi::open_link(group, name);
            (opened, refusal())
        })
    }

    /// Takes note of a group, to be looked into later.
    fn meet(
        &mut self,
        group: &Group,
        path: usize,
        own_name: String,
        token: Option<Token>,
        target: &LinkTarget,
    ) {
        let Some(token) = token else {
            // What is in another file is not looked for there.
            if ffi::file_name(group) != self.file_name {
                let why = "it is a group, and only links to datasets are followed".to_owned();
                self.tell_refused(&own_name, target, why);
            } else if let Some(name) = self.list(&own_name) {
                let address = ffi::object_info(group).map_or(u64::MAX, |info| info.token.address());
                self.named.push((name, leads_to(target), address));
            }
            return;
        };
        let bytes = self.paths[path].bytes + own_name.len() + 1;
        if bytes > LONGEST_PATH {
            let reason = format!(
                "its path is longer than {}, and it is not looked into",
                Bytes(LONGEST_PATH as u64)
            );
            let name = shortened(&self.current);
            self.notes.push(Note::Unread { name, reason });
            return;
        }
        let place = self.paths.len();
        self.paths.push(GroupPath {
            parent: path,
            name: own_name,
            bytes,
        });
        self.met.insert(token.address(), place);
        self.groups.push_back((token, place));
    }

    /// How a dataset is opened again, which a hard link with a token led to, or another one.
    fn handle(&mut self, dataset: &Dataset, token: Option<Token>) -> Result<Handle, String> {
        if let Some(token) = token {
            return Ok(Handle::Here(token));
        }
        let found = (ffi::file_name(dataset), ffi::object_info(dataset));
        let (Some(file_name), Some(info)) = found else {
            return Err("libhdf5 does not tell where it is".to_owned());
        };
        if Some(&file_name) == self.file_name.as_ref() {
            return Ok(Handle::Here(info.token));
        }
        let file = match self.followed.get(&file_name) {
            Some(file) => file.clone(),
            None if self.followed.len() == MOST_FILES => {
                return Err(format!(
                    "it is in one more file than the {MOST_FILES} that are opened beside this one"
                ));
            }
            None => {
                let file = dataset.file();
                let file = file.map_err(|error| LibraryError::from(error).to_string())?;
                self.followed.insert(file_name, file.clone());
                file
            }
        };
        Ok(Handle::Elsewhere(Kept::new(file), info.token))
    }

    fn tell_attributes(&mut self, group: &Group) {
        if ffi::object_info(group).is_some_and(|info| info.attributes == 0) {
            return;
        }
        let names = ffi::attribute_names(group);
        if self.affords(self.current.len()) {
            let group = self.current.clone();
            self.notes.push(match names {
                Ok(names) => Note::GroupAttributes {
                    group,
                    attributes: names.iter().map(|name| escaped(name.to_bytes())).collect(),
                },
                Err(error) => Note::UnreadAttributes {
                    object: group,
                    reason: LibraryError::from(error).to_string(),
                },
            });
        }
    }

    fn tell_second_name(&mut self, own_name: &str, first: usize) {
        let bytes = self.paths[first].bytes;
        if !self.affords(bytes) {
            self.unlisted += 1;
        } else if let Some(group) = self.list(own_name) {
            let first = self.path_of(first);
            self.notes.push(Note::SecondName { group, first });
        }
    }

    /// Tells of links by name to groups of this file, each of which was met under a name of its own.
    fn tell_named(&mut self) {
        for (name, leads_to, address) in std::mem::take(&mut self.named) {
            let first = self.met.get(&address).copied();
            if first.is_some_and(|first| !self.affords(self.paths[first].bytes)) {
                self.unlisted += 1;
                continue;
            }
            self.notes
                .push(match first.map(|first| self.path_of(first)) {
                    Some(first) => Note::SecondName { group: name, first },
                    None => Note::NotFollowed {
                        name,
                        leads_to,
                        reason: "it is a group that is not looked into".to_owned(),
                    },
                });
        }
    }

    fn tell_refused(&mut self, own_name: &str, target: &LinkTarget, reason: String) {
        if let Some(name) = self.list(own_name) {
            let leads_to = leads_to(target);
            self.notes.push(Note::NotFollowed {
                name,
                leads_to,
                reason,
            });
        }
    }

    fn unread(&mut self, name: String, error: hdf5::Error) {
        let reason = LibraryError::from(error).to_string();
        self.notes.push(Note::Unread { name, reason });
    }

    /// Tells what is left out of the list, since the paths before it are too long in all.
    fn tell_unlisted(&mut self) {
        if self.unlisted > 0 {
            let (links, most) = (self.unlisted, Bytes(MOST_PATHS as u64));
            self.notes.push(Note::Unread {
                name: "/".to_owned(),
                reason: format!(
                    "{} of its links are not listed: the paths of those before take {most} already",
                    Grouped(links)
                ),
            });
        }
    }

    /// The whole path of what is under this name in the group that is looked into; `None` where it is one too
    /// many.
    fn list(&mut self, own_name: &str) -> Option<String> {
        let bytes = self.current.len() + own_name.len() + 1;
        if !self.affords(bytes) {
            self.unlisted += 1;
            return None;
        }
        let mut path = String::with_capacity(bytes);
        path.push_str(&self.current);
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(own_name);
        Some(path)
    }

    /// Whether so many bytes of paths can be listed, which count then.
    fn affords(&mut self, bytes: usize) -> bool {
        let listed = self.listed.saturating_add(bytes);
        let affords = listed <= MOST_PATHS;
        if affords {
            self.listed = listed;
        }
        affords
    }

    /// The path of a group, which is empty of the root.
    fn path_of(&self, group: usize) -> String {
        let mut names = Vec::new();
        let mut place = group;
        while place > 0 {
            let path = &self.paths[place];
            names.push(&*path.name);
            place = path.parent;
        }
        names.reverse();
        names.join("/")
    }
}

/// The beginning of a long path.
fn shortened(path: &str) -> String {
    const SHOWN: usize = 80;
    match path.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &path[..end]),
        None => path.to_owned(),
    }
}

/// Why a link that leads on to another file is not followed.
fn reason(refusal: &Refusal) -> String {
    let file = escaped(refusal.file.as_os_str().as_bytes());
    format!("it leads to {file}, and {}", refusal.why)
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
