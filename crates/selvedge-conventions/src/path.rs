//! Paths as findings and configuration write them: below the root, with `/`.

use std::cmp::Ordering;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};

use selvedge_base::text::escaped;

use selvedge_base::natural;

/// A path below the root of what is checked, with `/` between its parts on every system.
///
/// Bytes that are not UTF-8 are written as `\xfc`, so this is a path to show and to match, not to
/// open.
/// Paths sort in natural order, folder by folder.
///
/// ```
/// use selvedge_conventions::TreePath;
///
/// let path = TreePath::new("./box_3/tensors/Flannel/1.5d_mask.safetensors");
/// assert_eq!(path.as_str(), "box_3/tensors/Flannel/1.5d_mask.safetensors");
/// assert_eq!(path.file_name(), "1.5d_mask.safetensors");
/// assert_eq!(path.parent(), "box_3/tensors/Flannel");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TreePath {
    text: String,
    /// Its bytes, where they are not those of the text.
    bytes: Option<Box<[u8]>>,
}

impl TreePath {
    /// Takes a path that is relative to the root. One that is not, of a file outside of it, is kept
    /// as it is.
    pub fn new(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let mut bytes = Vec::new();
        for component in path.components() {
            match component {
                Component::CurDir => {}
                Component::RootDir => bytes.push(b'/'),
                Component::Prefix(_) | Component::ParentDir | Component::Normal(_) => {
                    if !bytes.is_empty() && !bytes.ends_with(b"/") {
                        bytes.push(b'/');
                    }
                    bytes.extend_from_slice(component.as_os_str().as_bytes());
                }
            }
        }
        match String::from_utf8(bytes) {
            Ok(text) => Self { text, bytes: None },
            Err(error) => Self {
                text: escaped(error.as_bytes()),
                bytes: Some(error.into_bytes().into()),
            },
        }
    }

    /// The bytes that the file system has for it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or(self.text.as_bytes())
    }

    /// The whole path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The last part.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or(&self.text)
    }

    /// The folder, without a `/` at the end; empty for the root.
    #[must_use]
    pub fn parent(&self) -> &str {
        self.text.rsplit_once('/').map_or("", |(parent, _)| parent)
    }

    /// A file of another name in the same folder.
    #[must_use]
    pub fn with_file_name(&self, file_name: &str) -> Self {
        match self.parent() {
            "" => Self::new(file_name),
            parent => Self::new(format!("{parent}/{file_name}")),
        }
    }

    /// The folders that the file is in, the innermost first, without the root.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.parent()), |path| {
            path.rsplit_once('/').map(|(parent, _)| parent)
        })
        .filter(|path| !path.is_empty())
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl<P: AsRef<Path> + ?Sized> From<&P> for TreePath {
    fn from(path: &P) -> Self {
        Self::new(path)
    }
}

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut ours, mut others) = (self.text.split('/'), other.text.split('/'));
        loop {
            let order = match (ours.next(), others.next()) {
                (None, None) => return Ordering::Equal,
                (None, Some(_)) => Ordering::Less,
                (Some(_), None) => Ordering::Greater,
                (Some(ours), Some(others)) => natural::compare(ours, others),
            };
            if order.is_ne() {
                return order;
            }
        }
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::TreePath;

    #[test]
    fn paths_are_written_one_way() {
        assert_eq!(TreePath::new("a/./b//c").as_str(), "a/b/c");
        assert_eq!(TreePath::new("../a").as_str(), "../a");
        assert_eq!(TreePath::new("/a/b").as_str(), "/a/b");
        assert_eq!(TreePath::new("").as_str(), "");
        assert_eq!(TreePath::new("a").with_file_name("b").as_str(), "b");
    }

    /// Two files were one to a check whose names differ in such a byte.
    #[test]
    fn names_that_are_not_utf_8_stay_apart() {
        let path = |byte: u8| TreePath::new(OsStr::from_bytes(&[b'a', b'/', byte]));
        assert_eq!(path(0xfc).as_str(), "a/\\xfc");
        assert_ne!(path(0xfc), path(0xfd));
    }

    #[test]
    fn folders_are_found_from_the_inside() {
        let path = TreePath::new("a/b/c.h5");
        assert_eq!(path.ancestors().collect::<Vec<_>>(), ["a/b", "a"]);
        assert_eq!(TreePath::new("c.h5").ancestors().count(), 0);
    }

    #[test]
    fn paths_sort_folder_by_folder() {
        let mut paths = ["b/1.24c", "a-b/x", "a/10", "a/9", "a"].map(TreePath::new);
        paths.sort();
        assert_eq!(
            paths.map(|path| path.text),
            ["a", "a/9", "a/10", "a-b/x", "b/1.24c"]
        );
    }
}
