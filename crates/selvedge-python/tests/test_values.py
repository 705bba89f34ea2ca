"""What is appended is what is in the file, bit for bit, whatever it was and however it lay in memory."""

from __future__ import annotations

import ctypes
import pathlib
import re
import sys
from collections.abc import Callable
from typing import Any

import h5py
import ml_dtypes
import numpy
import pytest
import torch
from conftest import Child

import selvedge
from selvedge import _selvedge

# All patterns of 16 bits, as a tensor of two axes; of wider dtypes random ones.
PATTERNS = numpy.arange(65_536, dtype=numpy.uint16).reshape(256, 256)

TORCH = {
    "bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32, "float64": torch.float64,
    "int8": torch.int8, "int16": torch.int16, "int32": torch.int32, "int64": torch.int64,
    "uint8": torch.uint8, "uint16": torch.uint16, "uint32": torch.uint32, "uint64": torch.uint64,
    "bool": torch.bool, "float8_e4m3fn": torch.float8_e4m3fn, "float8_e5m2": torch.float8_e5m2,
    "complex64": torch.complex64, "complex128": torch.complex128,
}  # fmt: skip
SIZES = {name: torch.empty(0, dtype=dtype).element_size() for name, dtype in TORCH.items()}
NUMPY = [name for name in TORCH if not name.startswith(("bfloat", "float8"))]
MARKED = {"bfloat16": "uint16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8"}


def bytes_of(dtype: str) -> numpy.ndarray[Any, Any]:
    """The bytes of 256 × 256 values: all patterns of two bytes, and of others as different ones as there are."""
    size = SIZES[dtype]
    if dtype == "bool":
        return (PATTERNS % 3 == 0).astype(numpy.uint8)
    if size == 1:
        return (PATTERNS & 255).astype(numpy.uint8)
    if size == 2:
        return PATTERNS.view(numpy.uint8)
    return numpy.random.default_rng(size).integers(0, 256, (256, 256 * size), numpy.uint8)


def as_torch(dtype: str) -> torch.Tensor:
    return torch.from_numpy(bytes_of(dtype).copy()).view(TORCH[dtype])


def recorded(path: pathlib.Path, value: Any) -> bytes:
    """The bytes that a stock h5py finds of a value that was recorded."""
    path.unlink(missing_ok=True)
    with selvedge.Recorder(path, steps=1, like={"W": value}) as run:
        run.append(W=value)
    with h5py.File(path) as file:
        return file["W"][0].tobytes()


def expected(value: torch.Tensor) -> bytes:
    """The bytes of a tensor in row-major order, by torch."""
    plain = value.detach().resolve_conj().resolve_neg().contiguous()
    return plain.view(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""


LAYOUTS = {
    "contiguous": lambda t: t,
    "transposed": lambda t: t.T,
    "every other row": lambda t: t[::2],
    "every third column": lambda t: t[:, 1::3],
    "a column": lambda t: t[:, 7],
    "expanded": lambda t: t[:1].expand(5, -1),
    "permuted": lambda t: t.reshape(16, 16, 16, 16).permute(2, 0, 3, 1),
    "a single value": lambda t: t[3, 5],
    "an offset": lambda t: t[9:, 100:],
    "flipped": lambda t: t.flip(0),
    "axes of one": lambda t: t[:, None, :, None],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", TORCH)
def test_every_dtype_in_every_layout(path: pathlib.Path, dtype: str, layout: str) -> None:
    value = LAYOUTS[layout](as_torch(dtype))
    assert recorded(path, value) == expected(value)


@pytest.mark.parametrize("dtype", NUMPY)
def test_arrays_of_numpy(path: pathlib.Path, dtype: str) -> None:
    array = bytes_of(dtype).view(dtype)
    for value in (array, array.T, array[::-1, ::-2], numpy.asfortranarray(array), array[4, 4]):
        assert recorded(path, value) == numpy.ascontiguousarray(value).tobytes()
    array.flags.writeable = False
    assert recorded(path, array) == array.tobytes()


@pytest.mark.parametrize("dtype", MARKED)
def test_arrays_of_ml_dtypes_have_no_buffer_format_and_are_recorded(path: pathlib.Path, dtype: str) -> None:
    array = bytes_of(dtype).view(getattr(ml_dtypes, dtype))
    for value in (array, array.T, array[::-2], array[3, 3:4].reshape(())):
        assert recorded(path, value) == numpy.ascontiguousarray(value).tobytes()
    with selvedge.open(path) as file:
        assert file["W"].dtype == dtype


def test_lazy_signs_are_seen(path: pathlib.Path) -> None:
    # DLPack's exchange interface does not know of them: the signs would be wrong without an error.
    numbers = torch.randn(7, 5, dtype=torch.complex64)
    conjugate = numbers.conj()
    assert conjugate.is_conj() and conjugate.imag.is_neg()
    for value in (conjugate, conjugate.imag, conjugate.imag.T, conjugate.mT):
        assert recorded(path, value) == expected(value)
    negative = torch._neg_view(torch.randn(4, dtype=torch.bfloat16))
    assert recorded(path, negative) == expected(negative)


def test_parameters_and_results_of_autograd(path: pathlib.Path) -> None:
    parameter = torch.nn.Parameter(torch.randn(3, 4, dtype=torch.bfloat16))
    loss = (parameter.float() ** 2).sum()
    for value in (parameter, loss, parameter.T):
        assert value.requires_grad
        assert recorded(path, value) == expected(value)

    class Named(torch.Tensor):
        """A subclass, as libraries have them."""

    named = torch.randn(2, 3).as_subclass(Named)
    assert recorded(path, named) == expected(named.as_subclass(torch.Tensor))


class OnlyCapsules:
    """A tensor of a library that knows DLPack's capsules alone: of version 1, or older."""

    def __init__(self, tensor: torch.Tensor, versioned: bool) -> None:
        self.tensor = tensor
        self.versioned = versioned
        self.asked = 0

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.tensor.__dlpack_device__()

    def __dlpack__(self, **options: Any) -> Any:
        self.asked += 1
        if not self.versioned:
            if options:
                raise TypeError("__dlpack__() takes no keyword arguments")
            return self.tensor.__dlpack__()
        return self.tensor.__dlpack__(**options)


@pytest.mark.parametrize("versioned", [True, False])
def test_anything_with_dlpack(path: pathlib.Path, versioned: bool) -> None:
    for dtype in ("bfloat16", "float32", "int64", "bool", "complex64"):
        for layout in ("contiguous", "transposed", "a single value"):
            tensor = LAYOUTS[layout](as_torch(dtype))
            value = OnlyCapsules(tensor, versioned)
            path.unlink(missing_ok=True)
            with selvedge.Recorder(path, tensors={"W": (dtype, tensor.shape)}) as run:
                run.append(W=value)
            with h5py.File(path) as file:
                assert file["W"][0].tobytes() == expected(tensor)
            assert value.asked == 2 - versioned


def test_a_tensor_without_the_exchange_interface_keeps_its_lazy_signs(path: pathlib.Path) -> None:
    # Torch before 2.10 is read by capsules; it has the methods that tell of the sign.
    class Older(OnlyCapsules):
        requires_grad = True

        def is_neg(self) -> bool:
            return self.tensor.is_neg()

        def is_conj(self) -> bool:
            return self.tensor.is_conj()

        def detach(self) -> Older:
            return Older(self.tensor.detach(), True)

        def resolve_neg(self) -> OnlyCapsules:
            return OnlyCapsules(self.tensor.resolve_neg(), True)

    tensor = torch.randn(4, 4, dtype=torch.complex64).conj().imag
    with selvedge.Recorder(path, tensors={"W": ("float32", (4, 4))}) as run:
        run.append(W=Older(tensor, True))
    with h5py.File(path) as file:
        assert file["W"][0].tobytes() == expected(tensor)


def test_numbers_of_python(path: pathlib.Path) -> None:
    dtypes = {name: name for name in TORCH if not name.startswith("float8")}
    values: dict[str, Any] = {name: 3 for name in dtypes} | {"bool": True, "complex64": 1 + 2j, "complex128": 1j}
    with selvedge.Recorder(path, scalars=dtypes) as run:
        run.append(values)
        run.append(values | {"bfloat16": 1.00390625, "float16": 0.1, "float32": 0.1, "float64": 0.1})
    file = selvedge.open(path)
    assert [file[name][0].item() for name in NUMPY] == [values[name] for name in NUMPY]
    # A float is rounded to the nearest, ties to even.
    assert file["bfloat16"][1].item() == 1.0
    assert file["float32"][1].item() == numpy.float32(0.1)
    assert file["float16"][1].item() == numpy.float16(0.1)
    assert file["float64"][1].item() == 0.1


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("int8", 128), ("uint8", -1), ("int64", 0.5), ("bool", 1), ("float32", True), ("float32", 1j),
     ("uint64", 1 << 64), ("float64", (1 << 53) + 1), ("float32", (1 << 24) + 1), ("bfloat16", 257), ("float16", 2049),
     ("float16", 70_000), ("float32", 1 << 127), ("float32", "0.5"), ("float32", None), ("float32", [0.5])],
)  # fmt: skip
def test_a_number_that_a_scalar_does_not_hold(path: pathlib.Path, dtype: str, value: Any) -> None:
    with selvedge.Recorder(path, scalars={"loss": dtype}) as run:
        with pytest.raises(selvedge.DtypeError, match="loss") as error:
            run.append(loss=value)
        assert isinstance(error.value, TypeError)
        assert run.appended == 0


def test_integers_that_a_float_has_are_recorded(path: pathlib.Path) -> None:
    # Others became another number without a word: 16,777,217 tokens were 16,777,216, and 70,000 infinite.
    values = {"float64": -(1 << 63), "float32": 3 << 40, "float16": 65_504, "bfloat16": -512}
    with selvedge.Recorder(path, scalars={name: name for name in values}) as run:
        run.append(values)
    file = selvedge.open(path)
    assert {name: file[name][0].item() for name in values} == values
    with (
        selvedge.Recorder(path, scalars=["tokens"], overwrite=True) as run,
        pytest.raises(selvedge.DtypeError, match=r"the integer 16777217, .* `float\(16777217\)` is rounded"),
    ):
        run.append(tokens=16_777_217)


def test_large_integers_of_constants(path: pathlib.Path) -> None:
    # NumPy makes floats of such a list.
    large = (1 << 63) + 1
    constants = {"list": [large, 5], "one": large, "mixed": [1, 0.5]}
    selvedge.Recorder(path, scalars=["loss"], constants=constants).finish()
    file = selvedge.open(path)
    assert [file[name].dtype for name in constants] == ["uint64", "uint64", "float64"]
    assert file["list"].numpy().tolist() == [large, 5] and file["one"].item() == large
    for wrong in ([large, -1], [large, 0.5], [[0.5], [(1 << 53) + 1]]):
        with pytest.raises(selvedge.DeclarationError, match="`k`: NumPy makes float64 .* its integer [0-9]+: give"):
            selvedge.Recorder(path, scalars=["loss"], constants={"k": wrong}, overwrite=True)
    with pytest.raises(selvedge.DtypeError, match="attribute `a`: .* the integer 9007199254740993"):
        selvedge.Recorder(path, scalars=["loss"], attributes={"a": [0.5, (1 << 53) + 1]}, overwrite=True)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.parametrize("what", ["constant", "plan", "safetensors", "append", "put"])
def test_a_copy_that_has_no_memory_is_an_error(path: pathlib.Path, child: Callable[..., Child], what: str) -> None:
    # It ended the process: nothing of the run was left to be told.
    source = """
        import resource, sys
        import numpy, selvedge
        path, what = sys.argv[1:]
        # No memory of its own, and strided.
        large = numpy.broadcast_to(numpy.int8(1), (1 << 14, 1 << 14))
        run = None
        if what in ("append", "put"):
            run = selvedge.Recorder(path, like={"W": large}, scalars=["loss"], queue=1)
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (128 << 20),) * 2)
        try:
            if what == "constant":
                selvedge.Recorder(path, scalars=["loss"], constants={"W": large})
            elif what == "plan":
                selvedge.plan(path, scalars=["loss"], constants={"W": large})
            elif what == "safetensors":
                selvedge.save_safetensors({"W": large}, path)
            elif what == "append":
                run.append(W=large, loss=0.5)
            else:
                run.put(W=large)
        except MemoryError as error:
            print(type(error).__name__, error)
    """
    code, printed, said = child(source, path, what).end()
    assert code == 0, said
    assert printed.startswith("BudgetError `W`: there is no memory for a copy of its values, which takes 268.44 MB"), said


def test_a_wrong_dtype_is_named_and_never_converted(path: pathlib.Path) -> None:
    # h5py assigns float32 to uint16 by truncation, without a word.
    with selvedge.Recorder(path, tensors={"W": ("bfloat16", (2, 3))}, scalars=["loss"]) as run:
        for value in (torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.uint16), numpy.zeros((2, 3), numpy.uint16)):
            found = str(value.dtype).removeprefix("torch.")
            with pytest.raises(selvedge.DtypeError, match=f"tensor `W` holds bfloat16, found {found}"):
                run.append(W=value, loss=0)
        with pytest.raises(selvedge.DtypeError, match="tensor `loss` holds float32, found float64"):
            run.append(W=torch.zeros(2, 3, dtype=torch.bfloat16), loss=numpy.float64(0.5))
        for shape in ((3, 2), (6,), (1, 2, 3), ()):
            with pytest.raises(selvedge.ShapeError, match=r"steps of shape \(2, 3\), found"):
                run.append(W=torch.zeros(shape, dtype=torch.bfloat16), loss=0)
        assert run.appended == 0


@pytest.mark.filterwarnings("ignore")
def test_what_has_no_values_is_refused(path: pathlib.Path) -> None:
    class Wrapper(torch.Tensor):
        """A tensor around others, as DTensor and nested tensors are: its own memory is none."""

        @classmethod
        def __torch_dispatch__(cls, *arguments: Any, **options: Any) -> Any:
            raise NotImplementedError

    freed = torch.zeros(3)
    freed.untyped_storage().resize_(0)
    refused = {
        "uninitialised": torch.nn.UninitializedParameter(),
        "wrapper": torch.Tensor._make_wrapper_subclass(Wrapper, (2, 3)),
        "freed": freed,
        "meta": torch.empty(2, 3, device="meta"),
        "sparse": torch.eye(3).to_sparse(),
        "csr": torch.eye(3).to_sparse_csr(),
        "text": numpy.array(["a", "b"]),
        "object": numpy.array([None, 1]),
        "big-endian": numpy.zeros(3, ">f4"),
        "record": numpy.zeros(3, [("a", "f4")]),
        "date": numpy.zeros(3, "datetime64[s]"),
        "quantized": torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8),
    }
    for name, value in refused.items():
        with pytest.raises(selvedge.DtypeError, match=name):
            selvedge.Recorder(path, like={name: value})
        assert not path.exists()
    found = {
        "meta": "found a `Tensor` of torch.float32",
        "sparse": "found a `Tensor` of torch.float32 (torch.sparse_coo)",
        "date": "found a `ndarray` of datetime64[s]",
        "wrapper": "found a `Wrapper` of torch.float32",
    }
    for name, text in found.items():
        with pytest.raises(selvedge.DtypeError, match=re.escape(text)):
            selvedge.Recorder(path, like={name: refused[name]})


def test_masked_arrays_are_recorded_where_nothing_is_masked(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    masked = numpy.ma.masked_array([1.0, 2.0, 3.0], mask=[False, True, False])
    told = "`W` is a masked array with masked values.*filled"
    with selvedge.Recorder(path, steps=2, like={"W": masked.filled(0)}) as run:
        with pytest.raises(selvedge.DtypeError, match=told):
            run.append(W=masked)
        run.append(W=masked.filled(7))
        run.append(W=numpy.ma.masked_array([1.0, 2.0, 3.0]))
    assert selvedge.open(path)["W"].numpy().tolist() == [[1, 7, 3], [1, 2, 3]]
    with pytest.raises(selvedge.DtypeError, match=told):
        selvedge.save_safetensors({"W": masked}, tmp_path / "W_1.safetensors")
    assert not (tmp_path / "W_1.safetensors").exists()


def test_the_bytes_are_those_of_the_moment(path: pathlib.Path) -> None:
    # PyTorch's own asynchronous save once stored the new values.
    weights = torch.zeros(1000, 64, dtype=torch.bfloat16)
    with selvedge.Recorder(path, steps=200, like={"W": weights}) as run:
        for step in range(200):
            weights.fill_(step)
            run.append(W=weights)
            weights.fill_(-1)
    values = selvedge.open(path)["W"].torch()
    assert torch.equal(values, torch.arange(200).to(torch.bfloat16)[:, None, None].expand(-1, 1000, 64))


def test_the_structures_are_those_of_dlpack() -> None:
    # The interface is found at all: without it each tensor would cost thirty times as much, without a word.
    capsule = torch.Tensor.__dlpack_c_exchange_api__
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    major = ctypes.cast(get(capsule, b"dlpack_exchange_api"), ctypes.POINTER(ctypes.c_uint32))[0]
    assert major == 1

    class Counted(torch.Tensor):
        asked = 0

        def __dlpack__(self, *arguments: Any, **options: Any) -> Any:
            Counted.asked += 1
            return super().__dlpack__(*arguments, **options)

    assert _selvedge.describe(torch.zeros(2, 3).as_subclass(Counted), "W") == ("float32", [2, 3])
    assert Counted.asked == 0
