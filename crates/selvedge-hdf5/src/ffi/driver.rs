//! The driver through which libhdf5 has its files: it is given one open file, and gets another only where
//! [`OtherFiles`] lets it.
//!
//! What a file says can make libhdf5 open others by their names, in nearly any of its calls: external
//! links do, and sources of virtual datasets. libhdf5 opens them by the driver of the file that names them.
//! So it is decided here, once for all of them, and a file is opened by us, who never wait for a pipe and
//! never open a device. (External storage alone is opened past any driver: such datasets are not read by
//! libhdf5 at all.)
//!
//! The structures are those of libhdf5 2, which the binding does not have. It refuses a class of another
//! version than this.

use std::cell::OnceCell;
use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_uint, c_ulong, c_void};
use std::io::{Error, ErrorKind};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::slice;
use std::sync::{Arc, OnceLock};

use hdf5::sync::sync;
use hdf5::{PropertyList, h5check};
use hdf5_sys::h5e::{H5E_CANTOPENFILE, H5E_DEFAULT, H5E_ERR_CLS, H5E_VFL, H5Epush2};
use hdf5_sys::h5f::H5F_ACC_RDWR;
use hdf5_sys::h5fd::H5FDregister;
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::{H5Pget_driver_info, H5Pset_driver};

use crate::layout::{Addressing, TreeOrder, is_circular, is_endless};
use crate::other_files::{OtherFiles, not_followed};
use crate::ranges::Data;
use crate::storage::{ReadAt, Storage};
use crate::write_back::WriteBack;

/// The version of a driver's class that this is.
const CLASS_VERSION: c_uint = 1;
/// A number that the HDF Group leaves to programs that show their drivers to no other.
const NUMBER: c_int = 511;
/// What the driver of libhdf5 for files of the system can do, and this one too: gathering small reads and
/// writes, SWMR, and files that any other driver opens. That its handle is a descriptor (0x80) is not said:
/// libhdf5 would look at what has the name of the file by now.
const FEATURES: c_ulong = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x1000 | 0x8000;
/// Which kinds of free room are managed together: metadata, and values.
const FREE_LISTS: [c_int; 7] = [1, 1, 1, 3, 3, 1, 1];
/// Files are closed when the last of their objects is.
const CLOSE_WEAK: c_int = 1;
/// What a function returns that failed.
const FAIL: c_int = -1;
/// What libhdf5 calls values, and what it reads as such: collections of the global heap, too.
const VALUES: c_int = 3;
/// What the end of a new file is a multiple of, in bytes, at every moment: what the recorder patches takes so
/// many, in one write. libhdf5 gives room at the end, and takes it back, byte by byte: after values of an odd
/// number of bytes the headers of the next datasets would lie at odd places.
const WORD: u64 = 8;
/// How much of a collection libhdf5 reads first, before it knows how long it is.
const COLLECTION: usize = 4096;

/// `H5FD_class_t`.
#[repr(C)]
#[allow(dead_code, reason = "libhdf5 reads it")]
struct Class {
    version: c_uint,
    value: c_int,
    name: *const c_char,
    most_address: u64,
    close_degree: c_int,
    terminate: *const c_void,
    superblock: [*const c_void; 3],
    properties_size: usize,
    properties_of: unsafe extern "C" fn(*mut OpenFile) -> *mut Properties,
    properties_copy: unsafe extern "C" fn(*const Properties) -> *mut Properties,
    properties_free: unsafe extern "C" fn(*mut Properties) -> c_int,
    transfer_size: usize,
    transfer: [*const c_void; 2],
    open: unsafe extern "C" fn(*const c_char, c_uint, hid_t, u64) -> *mut OpenFile,
    close: unsafe extern "C" fn(*mut OpenFile) -> c_int,
    compare: unsafe extern "C" fn(*const OpenFile, *const OpenFile) -> c_int,
    query: unsafe extern "C" fn(*const OpenFile, *mut c_ulong) -> c_int,
    type_map: *const c_void,
    allocation: [*const c_void; 2],
    end_of_addresses: unsafe extern "C" fn(*const OpenFile, c_int) -> u64,
    set_end_of_addresses: unsafe extern "C" fn(*mut OpenFile, c_int, u64) -> c_int,
    end_of_file: unsafe extern "C" fn(*const OpenFile, c_int) -> u64,
    handle: unsafe extern "C" fn(*mut OpenFile, hid_t, *mut *mut c_void) -> c_int,
    read: unsafe extern "C" fn(*mut OpenFile, c_int, hid_t, u64, usize, *mut c_void) -> c_int,
    write: unsafe extern "C" fn(*mut OpenFile, c_int, hid_t, u64, usize, *const c_void) -> c_int,
    vectors_and_selections: [*const c_void; 4],
    flush: *const c_void,
    truncate: unsafe extern "C" fn(*mut OpenFile, hid_t, bool) -> c_int,
    lock: unsafe extern "C" fn(*mut OpenFile, bool) -> c_int,
    unlock: unsafe extern "C" fn(*mut OpenFile) -> c_int,
    delete_and_control: [*const c_void; 2],
    free_lists: [c_int; 7],
}

/// A file that libhdf5 has open.
#[repr(C)]
struct OpenFile {
    /// `H5FD_t`, which libhdf5 fills in: ten fields of at most eight bytes each.
    #[allow(dead_code, reason = "libhdf5 reads and writes it")]
    public: [u64; 16],
    data: Data,
    /// What a new file is written to.
    new: Option<Arc<WriteBack>>,
    /// The descriptor, at a place that a caller gets the address of; -1 of a file that lies elsewhere.
    descriptor: c_int,
    /// Device and inode; of a file that lies elsewhere a device that there is not.
    identity: (u64, u64),
    end_of_addresses: u64,
    end_of_file: u64,
    others: OtherFiles,
    /// Known once a structure was looked at that needs it.
    addressing: OnceCell<Option<Addressing>>,
    trees: TreeOrder,
}

impl OpenFile {
    fn new(data: Data, new: Option<Arc<WriteBack>>, others: &OtherFiles) -> std::io::Result<Self> {
        let (descriptor, identity) = match &data {
            Data::File(file) => {
                let found = file.metadata()?;
                (file.as_raw_fd(), (found.dev(), found.ino()))
            }
            // Two that are open at once have two addresses.
            Data::Ranges(ranges) => (-1, (u64::MAX, Arc::as_ptr(ranges).addr() as u64)),
        };
        Ok(Self {
            public: [0; 16],
            descriptor,
            identity,
            end_of_addresses: 0,
            end_of_file: data.len()?,
            data,
            new,
            others: others.clone(),
            addressing: OnceCell::new(),
            trees: TreeOrder::default(),
        })
    }

    /// What is wrong with `read`, which was read at `address`, if libhdf5 would never come to an end with it. It
    /// checks most of what it reads, but follows from one to the next what it finds in heaps and trees.
    fn without_end(&mut self, kind: c_int, address: u64, read: &[u8]) -> Option<&'static str> {
        if kind == VALUES {
            let is_collection = read.len() <= COLLECTION && read.starts_with(b"GCOL");
            return (is_collection && is_endless(&self.data, address))
                .then_some("the global heap there has no end");
        }
        let is_heap = read.starts_with(b"HEAP");
        if !is_heap && !read.starts_with(b"TREE") {
            return None;
        }
        let find = || Addressing::find(&self.data, self.data.len().ok()?);
        let addressing = (*self.addressing.get_or_init(find))?;
        if is_heap {
            return is_circular(&self.data, addressing, address, read)
                .then_some("the free room of the heap of names there goes in a circle");
        }
        (!self.trees.take(&self.data, addressing, address, read))
            .then_some("a node of the B-tree there leads back to itself, or has two parents")
    }
}

/// What a property list says of the driver.
#[derive(Clone)]
struct Properties {
    /// The file that is to be opened; `None` in the lists that libhdf5 makes itself, for a file that
    /// another one names.
    given: Option<Data>,
    /// What that is written to, if it is new.
    new: Option<Arc<WriteBack>>,
    others: OtherFiles,
}

/// Lets a property list of access open this file, whatever path goes with it, and later files that it
/// names only as `others` says.
pub(super) fn set_driver(
    access: &PropertyList,
    file: Data,
    new: Option<Arc<WriteBack>>,
    others: &OtherFiles,
) -> hdf5::Result<()> {
    let properties = Properties {
        given: Some(file),
        new,
        others: others.clone(),
    };
    sync(|| {
        let driver = registered()?;
        // SAFETY: the identifiers are that of a property list, which is alive, and that of the driver,
        // which stays registered; the library copies the properties by the driver's own function.
        h5check(unsafe { H5Pset_driver(access.id(), driver, (&raw const properties).cast()) })
    })?;
    Ok(())
}

/// The identifier of the driver.
fn registered() -> hdf5::Result<hid_t> {
    static DRIVER: OnceLock<hid_t> = OnceLock::new();
    if let Some(&driver) = DRIVER.get() {
        return Ok(driver);
    }
    let class = Class {
        version: CLASS_VERSION,
        value: NUMBER,
        name: c"selvedge".as_ptr(),
        most_address: i64::MAX.cast_unsigned(),
        close_degree: CLOSE_WEAK,
        terminate: null(),
        superblock: [null(); 3],
        properties_size: size_of::<Properties>(),
        properties_of,
        properties_copy,
        properties_free,
        transfer_size: 0,
        transfer: [null(); 2],
        open,
        close,
        compare,
        query,
        type_map: null(),
        allocation: [null(); 2],
        end_of_addresses,
        set_end_of_addresses,
        end_of_file,
        handle,
        read,
        write,
        vectors_and_selections: [null(); 4],
        flush: null(),
        truncate,
        lock,
        unlock,
        delete_and_control: [null(); 2],
        free_lists: FREE_LISTS,
    };
    // SAFETY: the class is that of the version that it says, which the library checks and copies; its
    // name stays for ever.
    let driver = h5check(unsafe { H5FDregister((&raw const class).cast()) })?;
    Ok(*DRIVER.get_or_init(|| driver))
}

unsafe extern "C" fn properties_of(file: *mut OpenFile) -> *mut Properties {
    // SAFETY: libhdf5 hands on a file that `open` returned, and that is not closed.
    let file = unsafe { &*file };
    Box::into_raw(Box::new(Properties {
        given: None,
        new: None,
        others: file.others.clone(),
    }))
}

unsafe extern "C" fn properties_copy(properties: *const Properties) -> *mut Properties {
    // SAFETY: libhdf5 hands on what `set_driver` gave it, or what one of these functions returned.
    let properties = unsafe { &*properties };
    Box::into_raw(Box::new(properties.clone()))
}

unsafe extern "C" fn properties_free(properties: *mut Properties) -> c_int {
    // SAFETY: libhdf5 frees what these functions returned, each once.
    drop(unsafe { Box::from_raw(properties) });
    0
}

unsafe extern "C" fn open(
    name: *const c_char,
    flags: c_uint,
    access: hid_t,
    _: u64,
) -> *mut OpenFile {
    // SAFETY: libhdf5 calls this under its lock, with a property list that has this driver.
    let properties = unsafe { H5Pget_driver_info(access) }.cast::<Properties>();
    // SAFETY: it is null, or the address of properties that the list has, which is alive for this call.
    let Some(properties) = (unsafe { properties.as_ref() }) else {
        return null_mut();
    };
    // SAFETY: a name is a string of C for the time of this call.
    let name = unsafe { CStr::from_ptr(name) };
    let path = Path::new(OsStr::from_bytes(name.to_bytes()));
    let opened = match &properties.given {
        Some(data) => Ok(data.clone()),
        None => {
            let write = flags & H5F_ACC_RDWR != 0;
            let opened = properties.others.open(path, write);
            opened
                .map(Data::from)
                .map_err(|error| not_followed(path, error))
        }
    };
    let new = properties.new.clone();
    let opened = opened.and_then(|data| OpenFile::new(data, new, &properties.others));
    let file = match opened {
        Ok(file) => file,
        Err(error) => {
            tell(&format!("cannot open {}: {error}", path.display()));
            return null_mut();
        }
    };
    Box::into_raw(Box::new(file))
}

unsafe extern "C" fn close(file: *mut OpenFile) -> c_int {
    // SAFETY: libhdf5 closes what `open` returned, once.
    drop(unsafe { Box::from_raw(file) });
    0
}

/// Two that are one file are shared, but not between callers who may open other files by them.
unsafe extern "C" fn compare(one: *const OpenFile, other: *const OpenFile) -> c_int {
    // SAFETY: libhdf5 hands on files that `open` returned, and that are not closed.
    let one = unsafe { &*one };
    // SAFETY: as above.
    let other = unsafe { &*other };
    match one.identity.cmp(&other.identity) as c_int {
        0 if one.others != other.others => 1,
        order => order,
    }
}

unsafe extern "C" fn query(_: *const OpenFile, features: *mut c_ulong) -> c_int {
    // SAFETY: it is null, or there is the room.
    if let Some(features) = unsafe { features.as_mut() } {
        *features = FEATURES;
    }
    0
}

unsafe extern "C" fn end_of_addresses(file: *const OpenFile, _: c_int) -> u64 {
    // SAFETY: libhdf5 hands on a file that `open` returned, and that is not closed.
    unsafe { (*file).end_of_addresses }
}

unsafe extern "C" fn set_end_of_addresses(file: *mut OpenFile, _: c_int, address: u64) -> c_int {
    // SAFETY: as above, and its lock lets nobody else use it.
    let file = unsafe { &mut *file };
    file.end_of_addresses = match file.new.is_some() {
        true => address.next_multiple_of(WORD),
        false => address,
    };
    0
}

/// The length that the file has now: one that grows meanwhile is not taken for one that was cut.
unsafe extern "C" fn end_of_file(file: *const OpenFile, _: c_int) -> u64 {
    // SAFETY: libhdf5 hands on a file that `open` returned, and that is not closed.
    let file = unsafe { &*file };
    let now = file.data.len().unwrap_or(0);
    file.end_of_file.max(now)
}

unsafe extern "C" fn handle(file: *mut OpenFile, _: hid_t, handle: *mut *mut c_void) -> c_int {
    // SAFETY: as above. The field stays where it is until the file is closed.
    let descriptor = unsafe { &raw mut (*file).descriptor };
    // SAFETY: there is the room for a pointer.
    unsafe { *handle = descriptor.cast() };
    0
}

unsafe extern "C" fn read(
    file: *mut OpenFile,
    kind: c_int,
    _: hid_t,
    address: u64,
    size: usize,
    buffer: *mut c_void,
) -> c_int {
    // SAFETY: libhdf5 hands on a file that `open` returned, that is not closed, and that its lock lets
    // nobody else use.
    let file = unsafe { &mut *file };
    if size == 0 {
        return 0;
    }
    // SAFETY: there is room for so many bytes, which nobody else uses meanwhile.
    let buffer = unsafe { slice::from_raw_parts_mut(buffer.cast::<MaybeUninit<u8>>(), size) };
    let filled = fill(&file.data, address, buffer).and_then(|()| {
        // SAFETY: all of it was filled.
        let read = unsafe { slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), size) };
        match file.without_end(kind, address, read) {
            Some(wrong) => Err(Error::other(wrong)),
            None => Ok(()),
        }
    });
    match filled {
        Ok(()) => 0,
        Err(error) => {
            tell(&format!(
                "cannot read {size} bytes at byte {address}: {error}"
            ));
            FAIL
        }
    }
}

/// Reads from `address` on, and zeros after the end of the file.
fn fill(data: &Data, address: u64, mut buffer: &mut [MaybeUninit<u8>]) -> std::io::Result<()> {
    let file = match data {
        Data::File(file) => file,
        Data::Ranges(ranges) => {
            let here = ranges.size().saturating_sub(address);
            let here = buffer
                .len()
                .min(usize::try_from(here).unwrap_or(usize::MAX));
            let (before, after) = buffer.split_at_mut(here);
            after.fill(MaybeUninit::new(0));
            before.fill(MaybeUninit::new(0));
            // SAFETY: all of it was filled just now, and a byte has no invalid values.
            let bytes = unsafe { slice::from_raw_parts_mut(before.as_mut_ptr().cast(), here) };
            return match here {
                0 => Ok(()),
                _ => data.read_exact_at(bytes, address),
            };
        }
    };
    let mut at = address;
    while !buffer.is_empty() {
        match rustix::io::pread(file, &mut *buffer, at) {
            Ok(([], rest)) => {
                rest.fill(MaybeUninit::new(0));
                return Ok(());
            }
            Ok((read, _)) => {
                let read = read.len();
                at = at.saturating_add(read as u64);
                buffer = &mut std::mem::take(&mut buffer)[read..];
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

unsafe extern "C" fn write(
    file: *mut OpenFile,
    _: c_int,
    _: hid_t,
    address: u64,
    size: usize,
    buffer: *const c_void,
) -> c_int {
    // SAFETY: libhdf5 hands on a file that `open` returned, that is not closed, and that its lock lets
    // nobody else use.
    let file = unsafe { &mut *file };
    if size == 0 {
        return 0;
    }
    // SAFETY: there are so many bytes.
    let bytes = unsafe { slice::from_raw_parts(buffer.cast::<u8>(), size) };
    let written = match (&file.new, &file.data) {
        (Some(new), _) => new.write_all_at(bytes, address),
        (None, Data::File(file)) => FileExt::write_all_at(&**file, bytes, address),
        (None, Data::Ranges(_)) => Err(ErrorKind::ReadOnlyFilesystem.into()),
    };
    match written {
        Ok(()) => {
            file.end_of_file = file.end_of_file.max(address.saturating_add(size as u64));
            0
        }
        Err(error) => {
            tell(&format!(
                "cannot write {size} bytes at byte {address}: {error}"
            ));
            FAIL
        }
    }
}

/// Gives the file the length that its addresses have.
unsafe extern "C" fn truncate(file: *mut OpenFile, _: hid_t, _: bool) -> c_int {
    // SAFETY: as of `write`.
    let file = unsafe { &mut *file };
    if file.end_of_addresses == file.end_of_file {
        return 0;
    }
    let set = match (&file.new, &file.data) {
        (Some(new), _) => new.set_len(file.end_of_addresses),
        (None, Data::File(plain)) => plain.set_len(file.end_of_addresses),
        (None, Data::Ranges(_)) => Err(ErrorKind::ReadOnlyFilesystem.into()),
    };
    match set {
        Ok(()) => {
            file.end_of_file = file.end_of_addresses;
            0
        }
        Err(error) => {
            tell(&format!("cannot set the length of the file: {error}"));
            FAIL
        }
    }
}

/// Nobody asks for libhdf5's locks: every file here has locks of its own. A driver that could not lock
/// would leave HDF5's mark of a writer out.
unsafe extern "C" fn lock(_: *mut OpenFile, _: bool) -> c_int {
    0
}

unsafe extern "C" fn unlock(_: *mut OpenFile) -> c_int {
    0
}

/// Puts the reason of a failure where libhdf5 has its own.
fn tell(message: &str) {
    let message = CString::new(message.replace('\0', "")).unwrap_or_default();
    // SAFETY: all of them are strings of C, which the library copies, the identifiers are its own, and its
    // lock is held.
    unsafe {
        H5Epush2(
            H5E_DEFAULT,
            c"driver.rs".as_ptr(),
            c"driver".as_ptr(),
            line!(),
            *H5E_ERR_CLS,
            *H5E_VFL,
            *H5E_CANTOPENFILE,
            c"%s".as_ptr(),
            message.as_ptr(),
        );
    }
}
