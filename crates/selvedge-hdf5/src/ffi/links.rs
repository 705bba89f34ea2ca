//! The links of a group, whose names may be any bytes, and the objects that they lead to.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{null, null_mut};

use hdf5::plist::DatasetAccess;
use hdf5::sync::sync;
use hdf5::{Dataset, Group, Location, h5check};
use hdf5_sys::h5::{H5_index_t, H5_iter_order_t};
use hdf5_sys::h5i::{H5I_type_t, H5Iget_type, hid_t};
use hdf5_sys::h5l::{H5L_info2_t, H5L_type_t, H5Lget_val, H5Literate2, H5Lunpack_elink_val};
use hdf5_sys::h5o::{H5Oclose, H5Oopen, H5Oopen_by_token};
use hdf5_sys::h5p::H5P_DEFAULT;
use hdf5_sys::h5r::{H5R_type_t, H5Rdereference2};

use super::object::Token;

/// Places for chunks in such a cache, each a few bytes.
const CACHED_CHUNKS: usize = 127;

/// A member of a group.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) name: CString,
    pub(crate) target: LinkTarget,
}

/// Where a link leads.
#[derive(Debug)]
pub(crate) enum LinkTarget {
    /// To an object of the same file.
    Object(Token),
    /// To a path in the same file.
    Path(Vec<u8>),
    /// To a path in another file.
    OtherFile { file: Vec<u8>, path: Vec<u8> },
    /// It is of a kind that a program has defined for itself.
    Other,
}

/// An object of a file.
#[derive(Debug)]
pub(crate) enum Object {
    Group(Group),
    Dataset(Dataset),
    /// A datatype with a name.
    Other,
}

/// The links of a group, in the order of their names.
pub(crate) fn links(group: &Location) -> hdf5::Result<Vec<Link>> {
    extern "C" fn take(
        group: hid_t,
        name: *const c_char,
        info: *const H5L_info2_t,
        links: *mut c_void,
    ) -> i32 {
        // SAFETY: libhdf5 hands on the pointer that it was given, which is to the list below, and
        // nobody else uses the list meanwhile.
        let links = unsafe { &mut *links.cast::<Vec<Link>>() };
        // SAFETY: a name is a string of C for the time of this call.
        let name = unsafe { CStr::from_ptr(name) }.to_owned();
        // SAFETY: it is what is known of the link, for the time of this call.
        let info = unsafe { *info };
        // SAFETY: libhdf5 calls this with an open group and one of its links, under its lock.
        let target = unsafe { target(group, &name, info) };
        links.push(Link { name, target });
        0
    }
    let mut links: Vec<Link> = Vec::new();
    sync(|| {
        // SAFETY: the identifier is that of `group`, which is alive, and the function is called with the
        // list only while this call lasts.
        h5check(unsafe {
            H5Literate2(
                group.id(),
                H5_index_t::H5_INDEX_NAME,
                H5_iter_order_t::H5_ITER_INC,
                null_mut(),
                Some(take),
                (&raw mut links).cast(),
            )
        })
    })?;
    Ok(links)
}

/// Where a link leads.
///
/// # Safety
///
/// `group` is the identifier of an open group, whose link `name` is as `info` says, and the lock of the
/// library is held.
unsafe fn target(group: hid_t, name: &CStr, mut info: H5L_info2_t) -> LinkTarget {
    if info.type_ == H5L_type_t::H5L_TYPE_HARD {
        // SAFETY: a hard link has a token there.
        let token = unsafe { info.u.token() };
        // SAFETY: the pointer is to a field of the local variable.
        return LinkTarget::Object(Token::new(unsafe { *token }));
    }
    if info.type_ != H5L_type_t::H5L_TYPE_SOFT && info.type_ != H5L_type_t::H5L_TYPE_EXTERNAL {
        return LinkTarget::Other;
    }
    // SAFETY: a link by name has the size of its value there.
    let size = unsafe { info.u.val_size() };
    // SAFETY: the pointer is to a field of the local variable.
    let mut value = vec![0_u8; unsafe { *size }];
    // SAFETY: the caller's group is open, the name is a string of C, and there is the room that is told.
    let read = unsafe {
        H5Lget_val(
            group,
            name.as_ptr(),
            value.as_mut_ptr().cast(),
            value.len(),
            H5P_DEFAULT,
        )
    };
    if read < 0 {
        return LinkTarget::Other;
    }
    if info.type_ == H5L_type_t::H5L_TYPE_SOFT {
        let end = value.iter().position(|&byte| byte == 0);
        value.truncate(end.unwrap_or(value.len()));
        return LinkTarget::Path(value);
    }
    let (mut file, mut path) = (null::<c_char>(), null::<c_char>());
    // SAFETY: the value is the one of this link, and the pointers are to local variables.
    let unpacked = unsafe {
        H5Lunpack_elink_val(
            value.as_ptr().cast(),
            value.len(),
            null_mut(),
            &raw mut file,
            &raw mut path,
        )
    };
    if unpacked < 0 || file.is_null() || path.is_null() {
        return LinkTarget::Other;
    }
    // SAFETY: both are strings of C within the value.
    let text = |text: *const c_char| unsafe { CStr::from_ptr(text) }.to_bytes().to_vec();
    LinkTarget::OtherFile {
        file: text(file),
        path: text(path),
    }
}

/// The object that a token is of, in the file that `location` is in.
pub(crate) fn open_object(location: &Location, token: Token) -> hdf5::Result<Object> {
    sync(|| {
        // SAFETY: the identifier is that of `location`, which is alive; a token that is of no object is
        // an error.
        let id = h5check(unsafe { H5Oopen_by_token(location.id(), token.raw()) })?;
        // SAFETY: the identifier was opened for us just now.
        unsafe { of_id(id) }
    })
}

/// The dataset that a token is of, with a cache of so many bytes for its chunks; of a virtual one each source has such a
/// cache, if the dataset is not open already.
pub(crate) fn open_with_cache(
    location: &Location,
    token: Token,
    bytes: usize,
) -> hdf5::Result<Object> {
    // What was read whole is the first to go.
    let access = DatasetAccess::build()
        .chunk_cache(CACHED_CHUNKS, bytes, 1.0)
        .finish()?;
    let address = token.address();
    sync(|| {
        // No function that takes a token takes an access list, too.
        // SAFETY: the identifiers are those of objects that are alive, and a reference to an object is its address, to
        // which the pointer is; one that is of no object is an error.
        let id = h5check(unsafe {
            H5Rdereference2(
                location.id(),
                access.id(),
                H5R_type_t::H5R_OBJECT1,
                (&raw const address).cast(),
            )
        })?;
        // SAFETY: the identifier was opened for us just now.
        unsafe { of_id(id) }
    })
}

/// The object that the link `name` of a group leads to.
pub(crate) fn open_link(group: &Location, name: &CStr) -> hdf5::Result<Object> {
    sync(|| {
        // SAFETY: the identifier is that of `group`, which is alive, and the name a string of C.
        let id = h5check(unsafe { H5Oopen(group.id(), name.as_ptr(), H5P_DEFAULT) })?;
        // SAFETY: the identifier was opened for us just now.
        unsafe { of_id(id) }
    })
}

/// The object of an identifier.
///
/// # Safety
///
/// The identifier is valid, and nobody else has it.
unsafe fn of_id(id: hid_t) -> hdf5::Result<Object> {
    // SAFETY: the identifier is valid.
    match unsafe { H5Iget_type(id) } {
        H5I_type_t::H5I_DATASET => {
            // SAFETY: from here on the identifier belongs to what is returned.
            unsafe { hdf5::from_id(id) }.map(Object::Dataset)
        }
        H5I_type_t::H5I_GROUP => {
            // SAFETY: as above.
            unsafe { hdf5::from_id(id) }.map(Object::Group)
        }
        _ => {
            // SAFETY: the identifier is valid, and not used again.
            unsafe { H5Oclose(id) };
            Ok(Object::Other)
        }
    }
}
