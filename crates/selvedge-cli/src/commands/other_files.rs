//! What is read beside the file that was named, of all commands that read values.

use std::path::PathBuf;

use selvedge_hdf5::ReaderOptions;

/// What a file may have read and loaded for it.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct OtherFiles {
    /// Read other files that an HDF5 file names, if they lie in its own folder or below it, or in DIR or below:
    /// external links, sources of virtual datasets, external storage
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    #[allow(
        clippy::option_option,
        reason = "clap's form of a flag with an optional value"
    )]
    follow_links: Option<Option<PathBuf>>,

    /// Load filters that are no part of this program, from the folders of HDF5_PLUGIN_PATH
    #[arg(long)]
    load_plugins: bool,
}

impl OtherFiles {
    /// How the file is opened.
    pub(super) fn options(&self) -> ReaderOptions {
        let options = ReaderOptions::default();
        let options = match &self.follow_links {
            None => options,
            Some(None) => options.follow_links(),
            Some(Some(folder)) => options.follow_links_inside(folder),
        };
        match self.load_plugins {
            true => options.load_plugins(),
            false => options,
        }
    }
}
