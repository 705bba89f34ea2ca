//! Which filters there are, and where plugins for others come from.

use std::env;
use std::ffi::{CString, c_uint};
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;

use hdf5::sync::sync;
use hdf5_sys::h5pl::{H5PL_FILTER_PLUGIN, H5PLappend, H5PLremove, H5PLsize};
use hdf5_sys::h5z::H5Zfilter_avail;
use selvedge_base::text::escaped;

/// The variable of the environment that names the folders of plugins.
const PLUGIN_PATH: &str = "HDF5_PLUGIN_PATH";

unsafe extern "C" {
    /// The binding takes the number for a pointer.
    fn H5PLset_loading_state(kinds: c_uint) -> i32;
}

/// Whether the filter with this number is part of the program, or there is a plugin for it that may be
/// loaded.
pub(crate) fn is_filter_available(id: i32) -> bool {
    // SAFETY: the function takes any number.
    sync(|| unsafe { H5Zfilter_avail(id) }) > 0
}

/// Whether plugins are loaded.
static LOADED: OnceLock<()> = OnceLock::new();

/// Keeps libhdf5 from loading code, unless somebody [asked for it](load_plugins).
pub(super) fn load_no_plugins() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        sync(|| {
            if LOADED.get().is_none() {
                set_folders(0, &[]);
            }
        });
    });
}

/// Lets libhdf5 load filters from the folders that `HDF5_PLUGIN_PATH` names, and from no other: a folder
/// that it was compiled with is one of the machine that built it. From then on it does so in all of this
/// process.
pub(crate) fn load_plugins() {
    let path = env::var_os(PLUGIN_PATH).unwrap_or_default();
    let folders = env::split_paths(&path);
    let folders: Vec<CString> = folders
        .filter_map(|folder| CString::new(folder.as_os_str().as_bytes()).ok())
        .filter(|folder| !folder.is_empty())
        .collect();
    sync(|| {
        LOADED.get_or_init(|| ());
        set_folders(H5PL_FILTER_PLUGIN, &folders);
    });
}

/// What there is to do about a filter that is not there.
pub(crate) fn plugin_advice() -> String {
    const WHERE: &str =
        "Python's `hdf5plugin` brings most of them, and tells it as `hdf5plugin.PLUGIN_PATH`";
    let path = env::var_os(PLUGIN_PATH).filter(|path| !path.is_empty());
    match (LOADED.get(), path) {
        (None, _) => format!(
            "name the folder of its plugin in {PLUGIN_PATH} ({WHERE}), and say that plugins are loaded \
             (`load_plugins`; `--load-plugins`)"
        ),
        (Some(()), None) => format!(
            "plugins are loaded, but {PLUGIN_PATH} names no folder: name that of its plugin there ({WHERE})"
        ),
        (Some(()), Some(path)) => format!(
            "plugins are loaded, but none of {PLUGIN_PATH}={} gives it: name the folder of its plugin there \
             ({WHERE})",
            escaped(path.as_bytes())
        ),
    }
}

/// Sets which kinds of plugins are loaded, and from where. The lock of the library is held.
fn set_folders(kinds: c_uint, folders: &[CString]) {
    let mut count = 0;
    // SAFETY: the pointer is to a local variable.
    if unsafe { H5PLsize(&raw mut count) } < 0 {
        count = 0;
    }
    for _ in 0..count {
        // SAFETY: the list is the library's own, whose lock is held, and has as many entries.
        unsafe { H5PLremove(0) };
    }
    for folder in folders {
        // SAFETY: it is a string of C, which the library copies.
        unsafe { H5PLappend(folder.as_ptr()) };
    }
    // SAFETY: the function takes any number.
    unsafe { H5PLset_loading_state(kinds) };
}
