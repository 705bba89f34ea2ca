//! Which filters there are, and where plugins for others come from.

use std::env;
use std::sync::Once;

use hdf5::sync::sync;
use hdf5_sys::h5pl::{H5PLremove, H5PLsize};
use hdf5_sys::h5z::H5Zfilter_avail;

/// The variable of the environment that names the folders of plugins.
const PLUGIN_PATH: &str = "HDF5_PLUGIN_PATH";

/// Whether the filter with this number is part of the program, or there is a plugin for it.
pub(crate) fn is_filter_available(id: i32) -> bool {
    // SAFETY: the function takes any number.
    sync(|| unsafe { H5Zfilter_avail(id) }) > 0
}

/// Forgets the folder of plugins that libhdf5 was compiled with, which is one of the machine that built
/// it: code is loaded from a folder only if the user names it.
pub(crate) fn forget_plugin_folders() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if env::var_os(PLUGIN_PATH).is_some() {
            return;
        }
        sync(|| {
            let mut count = 0;
            // SAFETY: the pointer is to a local variable.
            if unsafe { H5PLsize(&raw mut count) } < 0 {
                return;
            }
            for _ in 0..count {
                // SAFETY: the list is the library's own, whose lock is held, and has as many entries.
                unsafe { H5PLremove(0) };
            }
        });
    });
}
