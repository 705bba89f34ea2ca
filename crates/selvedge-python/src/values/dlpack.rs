//! Tensors by DLPack: its C exchange interface, which costs a quarter of a microsecond, and its capsules.
//!
//! The structures are those of DLPack 1.3 (`dlpack.h`), whose layout is stable within a major version.

use std::cell::RefCell;
use std::ffi::{CStr, c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::rc::Rc;
use std::slice;

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCapsule, PyDict, PyList, PyString, PyType};
use selvedge_hdf5::{Dtype, TensorSpec};

use super::{Check, Found, Owner, Piece};
use crate::error;

const MAJOR: u32 = 1;
const CPU: i32 = 1;
/// The code of complex numbers.
const COMPLEX: u8 = 5;
/// Memory of the host that a GPU reads (CUDA's, ROCm's), and memory of both.
const HOST: [i32; 4] = [CPU, 3, 11, 13];
/// Memory of a GPU that torch names `cuda`: of CUDA and of ROCm.
const CUDA: [i32; 2] = [2, 10];
const EXCHANGE: &CStr = c"dlpack_exchange_api";
const VERSIONED: &CStr = c"dltensor_versioned";
const UNVERSIONED: &CStr = c"dltensor";
/// The most axes of a tensor: torch has no more, HDF5 half as many.
const MOST_AXES: usize = 64;

#[repr(C)]
struct DLTensor {
    data: *mut c_void,
    device_type: i32,
    device_id: i32,
    ndim: i32,
    code: u8,
    bits: u8,
    lanes: u16,
    shape: *const i64,
    /// In elements; null where the elements follow each other.
    strides: *const i64,
    byte_offset: u64,
}

#[repr(C)]
struct Managed {
    tensor: DLTensor,
    context: *mut c_void,
    deleter: *mut c_void,
}

#[repr(C)]
struct ManagedVersioned {
    major: u32,
    minor: u32,
    context: *mut c_void,
    deleter: *mut c_void,
    flags: u64,
    tensor: DLTensor,
}

type TensorFromObject = unsafe extern "C" fn(*mut c_void, *mut DLTensor) -> c_int;

#[repr(C)]
struct Exchange {
    major: u32,
    minor: u32,
    /// The interface of an older major version.
    previous: *const Exchange,
    allocate: *const c_void,
    managed_from_object: *const c_void,
    object_from_managed: *const c_void,
    tensor_from_object: Option<TensorFromObject>,
    work_stream: *const c_void,
}

/// What is known of a class whose objects were met before.
struct Known {
    class: Py<PyType>,
    /// Its exchange interface.
    exchange: Option<NonNull<Exchange>>,
    /// The method that tells of the lazy sign, which the interface leaves out.
    sign: Option<Py<PyAny>>,
    /// Whether its objects are parts of a tensor of several ranks, as torch's `DTensor`.
    is_distributed: bool,
}

thread_local! {
    /// The classes met last: a run has two or three.
    static KNOWN: RefCell<Vec<Rc<Known>>> = const { RefCell::new(Vec::new()) };
}

const REMEMBERED: usize = 8;

/// What tensors of torch that a step takes are mostly like: what was declared, on the host, its elements one after
/// the other.
pub(crate) struct Plain {
    dtype: Dtype,
    /// Length of each axis and the distance between its elements, in elements.
    axes: Box<[(i64, i64)]>,
    bytes: usize,
}

impl Plain {
    /// Whether numbers of the dtype are parts of complex ones. To these alone torch gives a lazy sign, by functions
    /// that it names: it may change while the tensor stays where it is.
    pub(crate) fn may_change_sign(&self) -> bool {
        matches!(self.dtype, Dtype::F16 | Dtype::F32 | Dtype::F64)
    }

    /// What a step of this tensor is mostly like.
    pub(crate) fn of(spec: &TensorSpec) -> Self {
        let mut elements = 1;
        let mut axes: Vec<(i64, i64)> = Vec::with_capacity(spec.shape.len());
        for &axis in spec.shape.iter().rev() {
            axes.push((axis.try_into().unwrap_or(i64::MAX), elements));
            elements = elements.saturating_mul(axis.try_into().unwrap_or(i64::MAX));
        }
        axes.reverse();
        let elements = usize::try_from(elements).unwrap_or(usize::MAX);
        Self {
            dtype: spec.dtype,
            axes: axes.into(),
            bytes: elements.saturating_mul(spec.dtype.size()),
        }
    }
}

/// Where a plain tensor lies: its object, what torch knows of it, and its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen([usize; 3]);

/// The tensors of a step, looked at one after the other. Those of one class mostly follow each other.
#[derive(Default)]
pub(crate) struct Tensors {
    last: Option<Rc<Known>>,
}

impl Tensors {
    fn class_of(&mut self, object: &Bound<'_, PyAny>) -> PyResult<&Known> {
        let known = match self.last.take().filter(|known| known.is_of(object)) {
            Some(known) => known,
            None => known(object)?,
        };
        Ok(self.last.insert(known))
    }

    /// Where the values of a plain tensor lie, for as long as it is held, but for a lazy sign; `None` of whatever else
    /// has to be looked at more closely.
    pub(crate) fn plain(
        &mut self,
        object: &Bound<'_, PyAny>,
        expected: &Plain,
    ) -> PyResult<Option<(Piece, Seen)>> {
        let known = self.class_of(object)?;
        let Some(exchange) = known.function().filter(|_| !known.is_distributed) else {
            return Ok(None);
        };
        let Some(tensor) = exchanged(object, exchange) else {
            // Whoever looks more closely meets the error again.
            drop(PyErr::take(object.py()));
            return Ok(None);
        };
        let axes = expected.axes.len();
        let is_plain = tensor.device_type == CPU
            // A complex one may be conjugated lazily.
            && tensor.code != COMPLEX
            && dtype_of(&tensor) == Some(expected.dtype)
            && usize::try_from(tensor.ndim) == Ok(axes)
            && !tensor.data.is_null()
            && (axes == 0 || !(tensor.shape.is_null() || tensor.strides.is_null()));
        if !is_plain {
            return Ok(None);
        }
        // SAFETY: shape and strides have a number for each axis, and there are so many.
        let number = |at: *const i64, axis: usize| unsafe { *at.wrapping_add(axis) };
        let found =
            (0..axes).map(|axis| (number(tensor.shape, axis), number(tensor.strides, axis)));
        if !found.eq(expected.axes.iter().copied()) {
            return Ok(None);
        }
        let offset = usize::try_from(tensor.byte_offset).unwrap_or(0);
        let data = tensor.data.cast_const().cast::<u8>().wrapping_add(offset);
        let seen = [object.as_ptr().addr(), tensor.shape.addr(), data.addr()];
        // SAFETY: who made the tensor promises that all its elements are readable while it is held; they follow each
        // other, and are so many bytes.
        let piece = unsafe { Piece::contiguous(data, expected.bytes) };
        Ok(Some((piece, Seen(seen))))
    }

    /// Whether any of these may have a lazy sign, which the exchange interface leaves out. One call of Python asks them
    /// all, which takes a third of the time of a call for each.
    pub(crate) fn may_have_signs<'a, 'py: 'a>(
        &mut self,
        py: Python<'py>,
        objects: impl Iterator<Item = &'a Bound<'py, PyAny>>,
    ) -> PyResult<bool> {
        static ANY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        static MAP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let mut method: Option<Py<PyAny>> = None;
        let mut asked = Vec::new();
        for object in objects {
            let known = self.class_of(object)?;
            match (&known.sign, &method) {
                // A part of a distributed tensor is asked when it is taken out.
                (None, _) => continue,
                _ if known.is_distributed => continue,
                (Some(sign), None) => method = Some(sign.clone_ref(py)),
                (Some(sign), Some(method)) if sign.is(method) => {}
                (Some(_), Some(_)) => return Ok(true),
            }
            asked.push(object);
        }
        let Some(method) = method else {
            return Ok(false);
        };
        let signs = MAP.import(py, "builtins", "map")?;
        let signs = signs.call1((method, PyList::new(py, asked)?))?;
        let any = ANY.import(py, "builtins", "any")?;
        any.call1((signs,))?.is_truthy()
    }
}

/// Whether it is a distributed tensor, of which this process has a part.
pub(crate) fn is_distributed(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(known(object)?.is_distributed)
}

/// A tensor in the memory of a device.
pub(crate) struct DeviceTensor<'py> {
    tensor: Bound<'py, PyAny>,
    device: i32,
}

impl<'py> DeviceTensor<'py> {
    /// The tensor of a device on which torch copies it while the loop goes on; `None` of another.
    pub(crate) fn of_cuda(&self) -> PyResult<Option<&Bound<'py, PyAny>>> {
        let py = self.tensor.py();
        let is_of_torch =
            CUDA.contains(&self.device) && self.tensor.hasattr(intern!(py, "record_stream"))?;
        Ok(is_of_torch.then_some(&self.tensor))
    }

    /// A copy in the memory of the host, which waits for the device.
    pub(crate) fn to_host(&self) -> PyResult<Bound<'py, PyAny>> {
        to_host(&self.tensor)
    }
}

/// Finds the values of an object whose class has the exchange interface; `None` of another.
pub(super) fn by_exchange<'py>(
    object: &Bound<'py, PyAny>,
    name: &str,
    check: Check<'_>,
) -> PyResult<Option<Found<'py>>> {
    let py = object.py();
    let known = known(object)?;
    if known.is_distributed {
        let local = object.call_method0(intern!(py, "to_local"))?;
        return super::locate(&local, name, None, check).map(Some);
    }
    let Some(exchange) = known.function() else {
        return Ok(None);
    };
    // A parameter that is not initialised yet cannot even tell its sign.
    let sign = known.sign.as_ref();
    let sign = sign.map(|sign| sign.bind(py).call1((object,)));
    let sign = sign.transpose();
    if let Some(sign) = sign.map_err(|cause| no_values(object, name, Some(cause)))?
        && sign.is_truthy()?
    {
        let plain = object
            .call_method0(intern!(py, "detach"))?
            .call_method0(intern!(py, "resolve_neg"))?;
        return by_exchange(&plain, name, check);
    }
    let Some(tensor) = exchanged(object, exchange) else {
        let cause = PyErr::take(py);
        return Err(no_values(object, name, cause));
    };
    if tensor.data.is_null() && object.hasattr(intern!(py, "trigger_wait"))? {
        // What other ranks still work on: a layer's output under tensor parallelism.
        let local = object.call_method0(intern!(py, "trigger_wait"))?;
        return by_exchange(&local, name, check);
    }
    if !HOST.contains(&tensor.device_type) {
        described(object, &tensor, name, check)?;
        return Ok(Some(Found::Device(DeviceTensor {
            tensor: object.clone(),
            device: tensor.device_type,
        })));
    }
    let is_complex = tensor.code == COMPLEX;
    if is_complex && object.call_method0(intern!(py, "is_conj"))?.is_truthy()? {
        let plain = object
            .call_method0(intern!(py, "detach"))?
            .call_method0(intern!(py, "resolve_conj"))?;
        return by_exchange(&plain, name, check);
    }
    let piece = piece(object, &tensor, name, check)?;
    Ok(Some(Found::Host(
        piece,
        Some(Owner::Object(object.clone())),
    )))
}

/// The tensor that an object is, as the function of its class tells it; `None` where that failed, and Python has the
/// error.
fn exchanged(object: &Bound<'_, PyAny>, exchange: TensorFromObject) -> Option<DLTensor> {
    let mut tensor = MaybeUninit::<DLTensor>::uninit();
    // SAFETY: the interface is valid for the life of the process and of a class of this object; it fills the
    // tensor, or sets a Python error and returns another number than 0.
    let failed = unsafe { exchange(object.as_ptr().cast(), tensor.as_mut_ptr()) };
    // SAFETY: it was filled.
    (failed == 0).then(|| unsafe { tensor.assume_init() })
}

impl Known {
    /// Whether the object is of this class.
    fn is_of(&self, object: &Bound<'_, PyAny>) -> bool {
        self.class.as_ptr() == object.get_type_ptr().cast()
    }

    /// The function that tells where an object's values lie.
    fn function(&self) -> Option<TensorFromObject> {
        let exchange = self.exchange?;
        // SAFETY: the interface stays where it is for the life of the process.
        unsafe { exchange.as_ref() }.tensor_from_object
    }
}

/// What is known of the class of an object.
fn known(object: &Bound<'_, PyAny>) -> PyResult<Rc<Known>> {
    let remembered = KNOWN.with_borrow(|all| all.iter().find(|known| known.is_of(object)).cloned());
    if let Some(found) = remembered {
        return Ok(found);
    }
    let found = Rc::new(look_up(&object.get_type())?);
    KNOWN.with_borrow_mut(|all| {
        all.truncate(REMEMBERED - 1);
        all.insert(0, found.clone());
    });
    Ok(found)
}

fn look_up(class: &Bound<'_, PyType>) -> PyResult<Known> {
    let py = class.py();
    let mut exchange = None;
    if let Some(capsule) = class.getattr_opt(intern!(py, "__dlpack_c_exchange_api__"))?
        && let Ok(capsule) = capsule.cast::<PyCapsule>()
        && let Ok(pointer) = capsule.pointer_checked(Some(EXCHANGE))
    {
        let mut at = pointer.cast::<Exchange>().as_ptr().cast_const();
        while let Some(found) = NonNull::new(at.cast_mut()) {
            // SAFETY: the capsule's name says what it points to, and each interface to an older one.
            let table = unsafe { found.as_ref() };
            if table.major == MAJOR {
                exchange = Some(found);
                break;
            }
            at = table.previous;
        }
    }
    let sign = match exchange {
        Some(_) => class.getattr_opt(intern!(py, "is_neg"))?.map(Bound::unbind),
        None => None,
    };
    Ok(Known {
        class: class.clone().unbind(),
        exchange,
        sign,
        is_distributed: class.hasattr(intern!(py, "to_local"))?,
    })
}

/// Finds the values of an object that hands out capsules.
pub(super) fn by_capsule<'py>(
    object: &Bound<'py, PyAny>,
    name: &str,
    check: Check<'_>,
) -> PyResult<Found<'py>> {
    let py = object.py();
    let mut object = object.clone();
    // What torch keeps with a tensor and a capsule does not.
    for (asked, resolved) in [("is_neg", "resolve_neg"), ("is_conj", "resolve_conj")] {
        if let Some(method) = object.getattr_opt(asked)?
            && method.call0()?.is_truthy()?
        {
            object = object.call_method0("detach")?.call_method0(resolved)?;
        }
    }
    if let Some(wanted) = object.getattr_opt(intern!(py, "requires_grad"))?
        && wanted.is_truthy()?
    {
        object = object.call_method0("detach")?;
    }
    let device: (i32, i32) = object
        .call_method0(intern!(py, "__dlpack_device__"))
        .and_then(|device| device.extract())
        .map_err(|cause| no_values(&object, name, Some(cause)))?;
    if !HOST.contains(&device.0) {
        object = to_host(&object)?;
    }
    let capsule = capsule(&object).map_err(|cause| no_values(&object, name, Some(cause)))?;
    let tensor = tensor_in(&capsule)?;
    let piece = piece(&object, tensor, name, check)?;
    // The capsule was not renamed, and so frees the tensor when it goes.
    Ok(Found::Host(piece, Some(Owner::Object(capsule.into_any()))))
}

fn capsule<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyCapsule>> {
    let py = object.py();
    let options = PyDict::new(py);
    options.set_item(intern!(py, "max_version"), (MAJOR, 3))?;
    let capsule = match object.call_method(intern!(py, "__dlpack__"), (), Some(&options)) {
        // Who knows only the interface before version 1 does not know the argument.
        Err(error) if error.is_instance_of::<PyTypeError>(py) => {
            object.call_method0(intern!(py, "__dlpack__"))?
        }
        other => other?,
    };
    Ok(capsule.cast_into::<PyCapsule>()?)
}

/// The tensor that a capsule points to.
fn tensor_in<'a>(capsule: &'a Bound<'_, PyCapsule>) -> PyResult<&'a DLTensor> {
    if let Ok(pointer) = capsule.pointer_checked(Some(VERSIONED)) {
        // SAFETY: the capsule's name says what it points to, and it lives as long as the capsule. The version
        // comes first in all of them.
        let managed = unsafe { pointer.cast::<ManagedVersioned>().as_ref() };
        if managed.major != MAJOR {
            let text = format!(
                "expected DLPack {MAJOR}, found {}.{}",
                managed.major, managed.minor
            );
            return Err(error::dtype(capsule.py(), text));
        }
        return Ok(&managed.tensor);
    }
    let pointer = capsule.pointer_checked(Some(UNVERSIONED))?;
    // SAFETY: as above.
    Ok(&unsafe { pointer.cast::<Managed>().as_ref() }.tensor)
}

/// A copy in the memory of the host, which waits for the device.
fn to_host<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    py.import(intern!(py, "selvedge._devices"))?
        .call_method1(intern!(py, "to_host"), (object,))
}

/// The dtype of a tensor, and lengths and distances of its axes (the latter in elements, or none where its elements
/// follow each other), once they were judged.
fn described<'a>(
    object: &Bound<'_, PyAny>,
    tensor: &'a DLTensor,
    name: &str,
    check: Check<'_>,
) -> PyResult<(Dtype, &'a [i64], &'a [i64])> {
    let py = object.py();
    let axes = usize::try_from(tensor.ndim).unwrap_or(0);
    if axes > MOST_AXES {
        let text = format!("`{name}` has {axes} axes, and a tensor of a file at most 31");
        return Err(error::shape(py, text));
    }
    let Some(dtype) = dtype_of(tensor) else {
        let text = format!(
            "`{name}` has elements of DLPack's type {} with {} bits, which Selvedge does not record",
            tensor.code, tensor.bits
        );
        return Err(error::dtype(py, text));
    };
    let slice_of = |at: *const i64| -> &[i64] {
        if axes == 0 || at.is_null() {
            return &[];
        }
        // SAFETY: shape and strides have a number for each axis.
        unsafe { slice::from_raw_parts(at, axes) }
    };
    let (shape, strides) = (slice_of(tensor.shape), slice_of(tensor.strides));
    check(dtype, shape)?;
    if tensor.data.is_null() && !shape.contains(&0) {
        // A wrapper of other tensors (DTensor, nested ones), or one whose memory was given back.
        return Err(no_values(object, name, None));
    }
    Ok((dtype, shape, strides))
}

fn piece(
    object: &Bound<'_, PyAny>,
    tensor: &DLTensor,
    name: &str,
    check: Check<'_>,
) -> PyResult<Piece> {
    let (dtype, shape, strides) = described(object, tensor, name, check)?;
    let element = dtype.size();
    let stride = |axis: usize| -> isize {
        let elements = match strides.get(axis) {
            Some(&stride) => stride,
            None => shape[axis + 1..].iter().product(),
        };
        isize::try_from(elements)
            .unwrap_or(0)
            .wrapping_mul(element as isize)
    };
    let offset = usize::try_from(tensor.byte_offset).unwrap_or(0);
    let data = tensor.data.cast_const().cast::<u8>().wrapping_add(offset);
    // SAFETY: who made the tensor promises that all its elements are readable while its owner is held.
    Ok(unsafe { Piece::new(data, element, shape, stride) })
}

/// The dtype of DLPack's code and bits.
fn dtype_of(tensor: &DLTensor) -> Option<Dtype> {
    if tensor.lanes != 1 {
        return None;
    }
    Some(match (tensor.code, tensor.bits) {
        (0, 8) => Dtype::I8,
        (0, 16) => Dtype::I16,
        (0, 32) => Dtype::I32,
        (0, 64) => Dtype::I64,
        (1, 8) => Dtype::U8,
        (1, 16) => Dtype::U16,
        (1, 32) => Dtype::U32,
        (1, 64) => Dtype::U64,
        (2, 16) => Dtype::F16,
        (2, 32) => Dtype::F32,
        (2, 64) => Dtype::F64,
        (4, 16) => Dtype::Bf16,
        (COMPLEX, 64) => Dtype::C64,
        (COMPLEX, 128) => Dtype::C128,
        (6, 8) => Dtype::Bool,
        (10, 8) => Dtype::F8E4M3,
        (12, 8) => Dtype::F8E5M2,
        _ => return None,
    })
}

/// A tensor without values that could be read: a meta tensor, a sparse one.
fn no_values(object: &Bound<'_, PyAny>, name: &str, cause: Option<PyErr>) -> PyErr {
    let py = object.py();
    // What cannot be told is left out: a lazy parameter has no dtype.
    let told = |what: &Bound<'_, PyString>| {
        let found = object.getattr_opt(what).ok().flatten()?;
        found.str().ok().map(|text| text.to_string())
    };
    let mut found = object
        .get_type()
        .name()
        .map_or_else(|_| "an object".to_owned(), |class| format!("a `{class}`"));
    if let Some(dtype) = told(intern!(py, "dtype")) {
        found += &format!(" of {dtype}");
    }
    if let Some(layout) = told(intern!(py, "layout")).filter(|layout| layout != "torch.strided") {
        found += &format!(" ({layout})");
    }
    let text = format!(
        "the values of `{name}` cannot be read: expected a dense tensor of a dtype that Selvedge records with its values in \
         memory (of a distributed one that is `to_local()`), found {found}"
    );
    let error = error::dtype(py, text);
    error.set_cause(py, cause);
    error
}
