"""Tensors of an open file, and parts of them: their values as arrays of NumPy and tensors of torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from selvedge import _html, _selvedge
from selvedge._dtypes import BITS, SIZES, to_numpy, to_torch
from selvedge._errors import DtypeError, FileError, OutOfRangeError
from selvedge._indices import Indices, as_array, pick, runs
from selvedge._sizes import in_bytes, shown

if TYPE_CHECKING:
    import numpy
    import torch

    from selvedge._file import File

    # Under other names: methods are called as the packages are.
    Array: TypeAlias = numpy.ndarray[Any, Any]
    TorchTensor: TypeAlias = torch.Tensor


class Held:
    """A tensor of an open file, which selections of it share: none where it comes from another process and was not needed
    yet, and none once the file is closed."""

    __slots__ = ("__weakref__", "raw")

    def __init__(self, raw: _selvedge.Tensor | None = None) -> None:
        self.raw = raw


class Selection:
    """Some steps of a tensor, and some rows of each. Nothing is read before its values are asked for.

    Indexing goes as in NumPy, for the first two axes of the tensor: integers, slices, lists, and masks; the other
    axes are taken whole. A list along each of the two is chosen one after the other: ``f["W"][steps][:, rows]``.

    An index may also be a text, as the program has them: ``f["W"]["log:50"]`` are fifty steps ever farther apart,
    ``"0..6000:10"`` every tenth, ``"0, 100, last"`` three.
    """

    __slots__ = ("_axes", "_file", "_held", "_name", "_pid")

    def __init__(
        self,
        file: File,
        name: str,
        held: Held,
        axes: tuple[tuple[Indices, bool], ...] | None = None,
    ) -> None:
        self._file = file
        self._name = name
        self._held = held
        self._pid = os.getpid()
        # Of each of the first two axes the indices, and whether the axis is kept.
        self._axes = tuple((range(axis), True) for axis in self._known().shape[:2]) if axes is None else axes

    @property
    def name(self) -> str:
        """The name of the tensor."""
        return self._name

    @property
    def dtype(self) -> str:
        """The name of its dtype: ``"bfloat16"``, ``"float32"``, …"""
        return self._known().dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape in elements: of a step tensor the steps first."""
        chosen = tuple(len(indices) for indices, kept in self._axes if kept)
        return chosen + tuple(self._known().shape[2:])

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return product(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the values in memory."""
        return self.size * SIZES[self.dtype]

    def __len__(self) -> int:
        if not self.shape:
            raise DtypeError(f"`{self._name}` is a single value and has no length; its value is `.item()`")
        return self.shape[0]

    def __getitem__(self, key: Any) -> Selection:
        """Chooses steps and rows.

        Raises:
            OutOfRangeError: an index that is not there, or more indices than axes; an `IndexError`.
        """
        keys = list(key) if isinstance(key, tuple) else [key]
        ndim = self.ndim
        dots = [number for number, one in enumerate(keys) if one is Ellipsis]
        if len(dots) > 1:
            raise OutOfRangeError("an index has one `...` at most")
        for at in dots:
            keys[at : at + 1] = [slice(None)] * max(0, ndim - len(keys) + 1)
        if len(keys) > ndim:
            shape = _html.shape(self.shape)
            raise OutOfRangeError(f"`{self._name}` of shape {shape} has {ndim} axes, found {len(keys)} indices")
        axes: list[tuple[Indices, bool]] = []
        lists = 0
        for indices, kept in self._axes:
            if not kept or not keys:
                axes.append((indices, kept))
                continue
            chosen, keep, is_list = pick(indices, keys.pop(0), self._name)
            lists += is_list
            axes.append((chosen, keep))
        if lists > 1:
            raise OutOfRangeError(
                "NumPy would pair these two lists; choose one after the other: `[steps][:, rows]` takes all rows of all "
                "steps"
            )
        if any(not isinstance(one, slice) or one != slice(None) for one in keys):
            raise OutOfRangeError(
                f"`{self._name}`: only its steps and rows are chosen in the file; index the values that are read: "
                "`.numpy()[...]`"
            )
        part = Selection(self._file, self._name, self._held, tuple(axes))
        # Where this one is the copy of a fork, so is what it has.
        part._pid = self._pid
        return part

    def __iter__(self) -> Iterator[Selection]:
        return (self[number] for number in range(len(self)))

    def _known(self) -> _selvedge.Tensor:
        """The tensor, for what is known of it."""
        raw = self._held.raw
        return self._raw_tensor() if raw is None else raw

    def _raw_tensor(self) -> _selvedge.Tensor:
        """The tensor, for its values."""
        # It opens the file anew where this is another process, and fails where it is closed.
        handle, raw = self._file._handle(), self._held.raw
        if raw is None or self._pid != os.getpid():
            raw = handle.tensor(self._name)
            self._held = self._file._hold(raw)
            self._pid = os.getpid()
        return raw

    def _fill(self, array: Any, as_float32: bool = False) -> None:
        raw = self._raw_tensor()
        if not self._axes:
            value = array
            if as_float32:
                value = _empty((), self.dtype)
            raw.read_single_into(value)
            if as_float32:
                array[...] = _widened(value, self.dtype)
            return
        rows = None
        if len(self._axes) > 1 and self._axes[1][0] != range(raw.shape[1]):
            rows = [int(row) for row in self._axes[1][0]]
        if self.size and not _fill_from_span(raw, array, self._axes[0][0], rows, as_float32):
            raw.read_into(array, runs(self._axes[0][0]), rows, as_float32)

    def bits(self) -> Array:
        """The values as NumPy has them, those of bfloat16 as uint16 and of float8 as uint8."""
        array = _empty(self.shape, self.dtype)
        self._fill(array)
        return array

    def numpy(self) -> Array:
        """The values as an array, bit for bit; of bfloat16 and float8 with the dtypes of `ml_dtypes`.

        Raises:
            MissingPackageError: it takes `ml_dtypes`, which is not installed.
        """
        made_of = to_numpy(self.dtype)
        values: Array = made_of(self.bits())
        return values

    def torch(self) -> TorchTensor:
        """The values as a tensor in the memory of the host, bit for bit, without a further copy.

        Raises:
            MissingPackageError: torch is not installed.
        """
        made_of = to_torch(self.dtype)
        values: TorchTensor = made_of(self.bits())
        return values

    def as_float32(self) -> Array:
        """The values of bfloat16, float16 or float32 as an array of float32, widened while they are read.

        Raises:
            DtypeError: of another dtype.
        """
        import numpy

        array = numpy.empty(self.shape, numpy.float32)
        self._fill(array, as_float32=True)
        return array

    def item(self) -> Any:
        """The single value, as a number of Python."""
        if self.size != 1:
            raise DtypeError(f"`{self._name}` of shape {_html.shape(self.shape)} is not a single value")
        if self.dtype in BITS:
            return self.as_float32().item() if self.dtype == "bfloat16" else self.torch().float().item()
        return self.bits().item()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Selection) and (isinstance(other, int | float) or hasattr(other, "__array__")):
            raise DtypeError(f"`{self._name}` was not read: compare its values, `.numpy() == …`")
        return self is other

    __hash__ = object.__hash__

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype, copy=False)

    def blocks(
        self, memory: int | str = "256 MB", form: Literal["numpy", "torch", "float32", "bits"] = "numpy"
    ) -> Iterator[Any]:
        """The values in blocks of whole steps, of which the next is read while one is worked on.

        Args:
            memory: what the blocks take together, at most, beside those that the caller keeps; a step fits in any
                case.
            form: what a block is: an array, a tensor of torch, an array of float32, or the bits.

        >>> total = sum(block.sum() for block in f["W"].blocks("1 GB", form="float32"))
        """
        if form not in ("numpy", "torch", "float32", "bits"):
            raise DtypeError(f"form={form!r}: expected 'numpy', 'torch', 'float32' or 'bits'")
        length = len(self)
        wide = 4 if form == "float32" else SIZES[self.dtype]
        step = max(1, product(self.shape[1:]) * wide)
        each = max(1, (in_bytes(memory) or 0) // 2 // step)
        own = self._file._hold(self._raw_tensor().apart())
        whole = Selection(self._file, self._name, own, self._axes)
        if any(kept for _, kept in self._axes):
            parts = [whole[first : first + each] for first in range(0, length, each)]
        else:
            # One row of one step, which is read as a whole.
            parts = [whole] if length else []

        def read(part: Selection) -> Any:
            return part.as_float32() if form == "float32" else getattr(part, form)()

        def blocks() -> Iterator[Any]:
            with ThreadPoolExecutor(1) as reader:
                ahead = [reader.submit(read, part) for part in parts[:1]]
                try:
                    for part in [*parts[1:], None]:
                        if not ahead:
                            return
                        block = ahead[0].result()
                        ahead.clear()
                        if part is not None:
                            ahead.append(reader.submit(read, part))
                        yield block
                        del block
                finally:
                    # Nobody waits for a server whose answer is no longer wanted.
                    if not all(block.done() for block in ahead) and (raw := own.raw) is not None:
                        raw.give_up()

        return blocks()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self._file, self._name, self._axes)

    def __repr__(self) -> str:
        if self._file._closed:
            return f"<selvedge.{type(self).__name__} {self._name} of {_html.short(self._file.path)}, closed>"
        return f"<selvedge.Selection of {self._name}: {self.dtype} {_html.shape(self.shape)}>"

    def _repr_html_(self) -> str:
        if self._file._closed:
            return _html.card(f"{self._name} of {_html.short(self._file.path)}", ["closed"], (), ())
        lines = [f"{self.dtype} {_html.shape(self.shape)}, {shown(self.nbytes)}"]
        return _html.card(f"{self._name} of {_html.short(self._file.path)}", lines, (), ())


def _fill_from_span(
    raw: _selvedge.Tensor, array: Array, steps: Indices, rows: list[int] | None, as_float32: bool
) -> bool:
    """Fills `array` from all steps between the first and the last of these, and returns whether it did: only where that
    is faster than one read for each, as of half of a million losses."""
    import numpy

    if len(steps) <= 256 or (isinstance(steps, range) and steps.step > 0):
        return False
    places = as_array(steps)
    first = int(places.min())
    count = int(places.max()) - first + 1
    # So many bytes between two that are wanted take as long as another read.
    if count * array[0].nbytes > min(len(steps) << 12, 64 << 20):
        return False
    span = numpy.empty((count, *array.shape[1:]), array.dtype)
    try:
        raw.read_into(span, [(first, count, 1)], rows, as_float32)
    except FileError:
        # One that is not wanted may be damaged.
        return False
    numpy.take(span, places - first, axis=0, out=array)
    return True


def _rebuilt(file: File, name: str, axes: tuple[tuple[Indices, bool], ...]) -> Selection:
    return Selection(file, name, Held(), axes)


class Tensor(Selection):
    """A tensor of a file: all of its steps, and what the file says of it."""

    __slots__ = ()

    @property
    def is_step_tensor(self) -> bool:
        """Whether it has a value for each step, along its first axis; others are constants."""
        return self._known().is_step_tensor

    @property
    def chunk_shape(self) -> tuple[int, ...] | None:
        """Shape of a chunk in elements."""
        chunk = self._known().chunk_shape
        return None if chunk is None else tuple(chunk)

    @property
    def attributes(self) -> dict[str, Any]:
        """Its own attributes."""
        return dict(self._known().attributes())

    def __reduce__(self) -> tuple[Any, ...]:
        # As it was: a live file may have more steps by now.
        return _tensor_again, (self._file, self._name, self._axes)

    def __repr__(self) -> str:
        if self._file._closed:
            return super().__repr__()
        dtype = dtype_or_none(self._known()) or "not read"
        if self.is_step_tensor:
            shape = _html.shape(self.shape[1:])
            return f"<selvedge.Tensor {self._name}: {dtype}, {self.shape[0]:,} steps of {shape}>"
        return f"<selvedge.Tensor {self._name}: {dtype} {_html.shape(self.shape)}>"


def _tensor_again(file: File, name: str, axes: tuple[tuple[Indices, bool], ...]) -> Tensor:
    return Tensor(file, name, Held(), axes)


def _empty(shape: tuple[int, ...], dtype: str) -> Array:
    import numpy

    return numpy.empty(shape, BITS.get(dtype, dtype))


def _widened(value: Any, dtype: str) -> Any:
    import numpy

    if dtype == "bfloat16":
        return (value.astype(numpy.uint32) << 16).view(numpy.float32)
    if dtype in ("float16", "float32"):
        return value.astype(numpy.float32)
    raise DtypeError(f"float32 is made of bfloat16, float16 and float32, found {dtype}")


def product(axes: Any) -> int:
    product = 1
    for axis in axes:
        product *= axis
    return product


def dtype_or_none(tensor: _selvedge.Tensor) -> str | None:
    try:
        return tensor.dtype
    except DtypeError:
        return None
