//! Attributes whose names and texts may be any bytes. The binding makes a `str` of both unchecked.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{copy, null_mut};
use std::sync::OnceLock;

use hdf5::sync::sync;
use hdf5::types::{VarLenArray, VarLenUnicode};
use hdf5::{Attribute, Dataspace, Datatype, Location, ObjectReference1, h5check};
use hdf5_sys::h5::{H5_index_t, H5_iter_order_t};
use hdf5_sys::h5a::{
    H5A_info_t, H5Aclose, H5Acreate2, H5Aexists, H5Aiterate2, H5Aopen, H5Aread, H5Awrite,
};
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::H5P_DEFAULT;
use hdf5_sys::h5t::{
    H5T_C_S1, H5T_VARIABLE, H5T_cdata_t, H5T_class_t, H5T_cmd_t, H5T_cset_t, H5T_pers_t, H5Tcopy,
    H5Tcreate, H5Tget_size, H5Tget_super, H5Treclaim, H5Tregister, H5Tset_cset, H5Tset_size,
    H5Tvlen_create,
};

use super::StoredType;

/// The names of all attributes, in their order.
pub(crate) fn attribute_names(location: &Location) -> hdf5::Result<Vec<CString>> {
    extern "C" fn take(
        _: hid_t,
        name: *const c_char,
        _: *const H5A_info_t,
        names: *mut c_void,
    ) -> i32 {
        // SAFETY: libhdf5 hands on the pointer that it was given, which is to the list below, and
        // nobody else uses the list meanwhile.
        let names = unsafe { &mut *names.cast::<Vec<CString>>() };
        // SAFETY: a name is a string of C for the time of this call.
        names.push(unsafe { CStr::from_ptr(name) }.to_owned());
        0
    }
    let mut names: Vec<CString> = Vec::new();
    sync(|| {
        // SAFETY: the identifier is that of `location`, which is alive, and the function is called
        // with the list only while this call lasts.
        h5check(unsafe {
            H5Aiterate2(
                location.id(),
                H5_index_t::H5_INDEX_NAME,
                H5_iter_order_t::H5_ITER_INC,
                null_mut(),
                Some(take),
                (&raw mut names).cast(),
            )
        })
    })?;
    Ok(names)
}

/// Whether there is an attribute `name`.
pub(crate) fn has_attribute(location: &Location, name: &str) -> bool {
    let name = CString::new(name).ok();
    name.is_some_and(|name| open_attribute(location, &name).is_ok_and(|found| found.is_some()))
}

/// The attribute `name`; `None` where there is none.
pub(crate) fn open_attribute(location: &Location, name: &CStr) -> hdf5::Result<Option<Attribute>> {
    sync(|| {
        // SAFETY: the identifier is that of `location`, which is alive, and the name a string of C.
        if unsafe { H5Aexists(location.id(), name.as_ptr()) } == 0 {
            return Ok(None);
        }
        // SAFETY: as above.
        let id = h5check(unsafe { H5Aopen(location.id(), name.as_ptr(), H5P_DEFAULT) })?;
        // SAFETY: the identifier was opened for us just now, and nobody else has it.
        unsafe { hdf5::from_id(id) }.map(Some)
    })
}

/// The bytes of all elements, as the file has them. Not of text of variable length.
pub(crate) fn read_attribute(attribute: &Attribute) -> hdf5::Result<Vec<u8>> {
    let datatype = attribute.dtype()?;
    let length = attribute.size().checked_mul(datatype.size());
    let length = length.ok_or("an attribute of more bytes than there are addresses")?;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(length)
        .map_err(|_| format!("no memory for an attribute of {length} bytes"))?;
    bytes.resize(length, 0_u8);
    sync(|| {
        // SAFETY: the identifiers are those of objects that are alive, and the function writes as many
        // elements of the type as the attribute has, for which there is room.
        h5check(unsafe { H5Aread(attribute.id(), datatype.id(), bytes.as_mut_ptr().cast()) })
    })?;
    Ok(bytes)
}

/// The bytes of each element of an attribute that is text of variable length.
pub(crate) fn read_texts(attribute: &Attribute) -> hdf5::Result<Vec<Vec<u8>>> {
    let (datatype, space) = (attribute.dtype()?, attribute.space()?);
    if super::describe(&datatype) != StoredType::Text(None) {
        return Err("the attribute is no text of variable length".into());
    }
    let (length, most) = (said_length(attribute)?, attribute.file()?.size());
    if length > most {
        return Err(format!("texts of {length} bytes in a file of {most}").into());
    }
    let mut pointers = vec![null_mut::<c_char>(); attribute.size()];
    sync(|| {
        // SAFETY: the identifiers are those of objects that are alive, and of such a type the function
        // writes a pointer for each element, for which there is room.
        h5check(unsafe { H5Aread(attribute.id(), datatype.id(), pointers.as_mut_ptr().cast()) })?;
        let text = |&pointer: &*mut c_char| match pointer.is_null() {
            true => Vec::new(),
            // SAFETY: libhdf5 has put the address of a string of C there, which stays until it is
            // reclaimed.
            false => unsafe { CStr::from_ptr(pointer) }.to_bytes().to_vec(),
        };
        let texts = pointers.iter().map(text).collect();
        // SAFETY: the strings are given back to libhdf5, which allocated them, and not used again.
        unsafe {
            H5Treclaim(
                datatype.id(),
                space.id(),
                H5P_DEFAULT,
                pointers.as_mut_ptr().cast(),
            )
        };
        Ok(texts)
    })
}

/// The references to objects of each element of an attribute that is lists of them.
pub(crate) fn read_references(
    attribute: &Attribute,
) -> hdf5::Result<Vec<VarLenArray<ObjectReference1>>> {
    let StoredType::Sequence(of) = super::describe(&attribute.dtype()?) else {
        return Err("the attribute is no list".into());
    };
    let (length, most) = (said_length(attribute)?, attribute.file()?.size());
    if *of != StoredType::Reference || length > most {
        return Err(format!("references of {length} bytes in a file of {most}").into());
    }
    attribute.read_raw()
}

/// How long the texts or the lists of an attribute say that they are, in bytes. libhdf5 takes memory for one before it
/// looks whether there is so much, up to 4 GiB times what an element takes: also of a text, whose elements take what the
/// file says.
///
/// It stores what has a variable length as its length and where it lies, and shows neither. So the attribute is read as
/// elements of 4 bytes that are nothing in particular, and our conversion makes those of what is stored.
fn said_length(attribute: &Attribute) -> hdf5::Result<u64> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let mut lengths = vec![[0; LENGTH]; attribute.size()];
    sync(|| {
        // SAFETY: the function takes any size.
        let id = h5check(unsafe { H5Tcreate(H5T_class_t::H5T_OPAQUE, LENGTH) })?;
        // SAFETY: the identifier was made for us just now, and nobody else has it.
        let of_length: Datatype = unsafe { hdf5::from_id(id) }?;
        if !REGISTERED.get_or_init(|| register(&of_length).is_ok()) {
            return Err("libhdf5 takes no conversion".into());
        }
        // SAFETY: the identifiers are those of objects that are alive, and the function writes as many
        // elements of the type as the attribute has, for which there is room.
        h5check(unsafe { H5Aread(attribute.id(), of_length.id(), lengths.as_mut_ptr().cast()) })?;
        // SAFETY: the identifier is that of a type that is alive.
        let id = h5check(unsafe { H5Tget_super(attribute.dtype()?.id()) })?;
        // SAFETY: the identifier was made for us just now, and nobody else has it.
        let element: Datatype = unsafe { hdf5::from_id(id) }?;
        let lengths = lengths.iter().map(|&length| u32::from_le_bytes(length));
        let elements: u64 = lengths.map(u64::from).sum();
        Ok(elements.saturating_mul(element.size() as u64))
    })
}

/// Bytes of the length of a text, which is the first part of what is stored of it.
const LENGTH: usize = 4;

/// Tells libhdf5 how what is stored of a text or a list of variable length becomes its length.
fn register(of_length: &Datatype) -> hdf5::Result<()> {
    // SAFETY: libhdf5 is initialised by whoever has a type, and its type of a character stays for ever.
    let id = h5check(unsafe { H5Tcopy(*H5T_C_S1) })?;
    // SAFETY: the identifier was made for us just now, and nobody else has it.
    let text: Datatype = unsafe { hdf5::from_id(id) }?;
    // SAFETY: the type is ours to change.
    h5check(unsafe { H5Tset_size(text.id(), H5T_VARIABLE) })?;
    // SAFETY: the identifier is that of a type that is alive.
    let id = h5check(unsafe { H5Tvlen_create(text.id()) })?;
    // SAFETY: the identifier was made for us just now, and nobody else has it.
    let list: Datatype = unsafe { hdf5::from_id(id) }?;
    for of in [&text, &list] {
        // SAFETY: the identifiers are those of types that are alive, the name is a string of C, and the function
        // stays for ever.
        h5check(unsafe {
            H5Tregister(
                H5T_pers_t::H5T_PERS_SOFT,
                c"length".as_ptr(),
                of.id(),
                of_length.id(),
                Some(keep_lengths),
            )
        })?;
    }
    Ok(())
}

/// Keeps of each element its first bytes.
extern "C" fn keep_lengths(
    from: hid_t,
    to: hid_t,
    data: *mut H5T_cdata_t,
    count: usize,
    stride: usize,
    _: usize,
    elements: *mut c_void,
    _: *mut c_void,
    _: hid_t,
) -> i32 {
    // SAFETY: libhdf5 hands over what it is asked to do.
    let command = unsafe { (*data).command };
    if command == H5T_cmd_t::H5T_CONV_FREE {
        return 0;
    }
    // SAFETY: libhdf5 hands over the identifiers of both types.
    let sizes = [from, to].map(|id| unsafe { H5Tget_size(id) });
    // Opaque bytes of another length are somebody else's, and nothing becomes those.
    if sizes[0] < LENGTH || sizes[1] != LENGTH {
        return -1;
    }
    if command == H5T_cmd_t::H5T_CONV_INIT {
        return 0;
    }
    let [from, to] = sizes.map(|size| if stride == 0 { size } else { stride });
    for nth in 0..count {
        let elements = elements.cast::<u8>();
        let (from, to) = (
            elements.wrapping_add(nth * from),
            elements.wrapping_add(nth * to),
        );
        // SAFETY: both are within the elements that libhdf5 hands over, which are of the larger size, and no
        // element before its turn is written to.
        unsafe { copy(from, to, LENGTH) };
    }
    0
}

/// Writes the attribute `name` as text of fixed length that ends with a zero byte, as HDF5's dimension
/// scales have theirs. The binding fills such texts with zeros, and HDF5 does not know them again.
pub(crate) fn write_terminated(location: &Location, name: &CStr, text: &CStr) -> hdf5::Result<()> {
    let bytes = text.to_bytes_with_nul();
    sync(|| {
        // SAFETY: libhdf5 is initialised by whoever has the location, and its type of a character
        // stays for ever.
        let id = h5check(unsafe { H5Tcopy(*H5T_C_S1) })?;
        // SAFETY: the identifier was made for us just now, and nobody else has it.
        let datatype: Datatype = unsafe { hdf5::from_id(id) }?;
        // SAFETY: the type is ours to change.
        h5check(unsafe { H5Tset_size(datatype.id(), bytes.len()) })?;
        if !text.to_bytes().is_ascii() {
            // SAFETY: as above.
            h5check(unsafe { H5Tset_cset(datatype.id(), H5T_cset_t::H5T_CSET_UTF8) })?;
        }
        let space = Dataspace::try_new(())?;
        // SAFETY: an element has as many bytes as the type, which are these.
        unsafe { write_element(location, name, &datatype, &space, bytes.as_ptr().cast()) }
    })
}

/// Writes the attribute `name`, which has one element, and is made with these types, space and properties.
///
/// # Safety
///
/// `value` is the address of an element of this type.
unsafe fn write_element(
    location: &Location,
    name: &CStr,
    datatype: &Datatype,
    space: &Dataspace,
    value: *const c_void,
) -> hdf5::Result<()> {
    sync(|| {
        // SAFETY: the identifiers are those of objects that are alive, and the name is a string of C.
        let id = h5check(unsafe {
            H5Acreate2(
                location.id(),
                name.as_ptr(),
                datatype.id(),
                space.id(),
                // So the name is not marked as UTF-8, and the message is of the old, aligned kind.
                H5P_DEFAULT,
                H5P_DEFAULT,
            )
        })?;
        // SAFETY: of one element the function reads as many bytes as the type has, which are there.
        let written = h5check(unsafe { H5Awrite(id, datatype.id(), value) });
        // SAFETY: the identifier was made for us just now, and nobody else has it.
        let closed = h5check(unsafe { H5Aclose(id) });
        written.and(closed).map(drop)
    })
}

/// What attributes of one number or one text are made with. libhdf5 takes longer for it than for the attribute, and a
/// model has hundreds of tensors with two of them: so it is kept.
pub(crate) struct ScalarAttributes {
    number: Datatype,
    text: Datatype,
    space: Dataspace,
}

impl ScalarAttributes {
    pub(crate) fn get() -> hdf5::Result<&'static Self> {
        static KEPT: OnceLock<ScalarAttributes> = OnceLock::new();
        if let Some(kept) = KEPT.get() {
            return Ok(kept);
        }
        let made = Self {
            number: Datatype::from_type::<i64>()?,
            text: Datatype::from_type::<VarLenUnicode>()?,
            space: Dataspace::try_new(())?,
        };
        Ok(KEPT.get_or_init(|| made))
    }

    /// Writes the attribute `name`, which is ASCII.
    pub(crate) fn write_number(&self, of: &Location, name: &CStr, value: i64) -> hdf5::Result<()> {
        let at = (&raw const value).cast();
        // SAFETY: the element is this number.
        unsafe { write_element(of, name, &self.number, &self.space, at) }
    }

    /// Writes the attribute `name`, which is ASCII, as text of variable length.
    pub(crate) fn write_text(&self, of: &Location, name: &CStr, text: &CStr) -> hdf5::Result<()> {
        let text = text.as_ptr();
        let at = (&raw const text).cast();
        // SAFETY: the element is the address of a string of C.
        unsafe { write_element(of, name, &self.text, &self.space, at) }
    }
}
