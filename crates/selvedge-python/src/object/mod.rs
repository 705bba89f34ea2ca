//! Files in object stores, of a package that was built with them; the layer above says so of one without.

#[cfg(feature = "object-store")]
mod by_store;
#[cfg(not(feature = "object-store"))]
mod without;

#[cfg(feature = "object-store")]
pub(crate) use by_store::Object;
#[cfg(not(feature = "object-store"))]
pub(crate) use without::Object;

/// How an object is opened.
#[cfg_attr(
    not(feature = "object-store"),
    expect(dead_code, reason = "only a package with stores opens one")
)]
pub(crate) struct Opening<'a> {
    pub(crate) url: &'a str,
    /// Which object it has to be, where that is known, as [`Object::version`] tells it.
    pub(crate) version: Option<String>,
    /// How long a server may take, in seconds.
    pub(crate) timeout: f64,
    /// Whether HDF5 may load filters.
    pub(crate) plugins: bool,
}
