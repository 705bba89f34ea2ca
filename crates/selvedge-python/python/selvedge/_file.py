"""Reading recordings, and any HDF5 file."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from selvedge import _html, _selvedge
from selvedge._arguments import as_path, is_text, listed
from selvedge._arguments import shown as names_of
from selvedge._dtypes import BITS, SIZES, to_numpy, to_torch
from selvedge._errors import ClosedError, DeclarationError, DtypeError, FileError, OutOfRangeError, TensorNotFoundError
from selvedge._indices import Indices, as_array, pick, runs
from selvedge._sizes import in_bytes, shown

if TYPE_CHECKING:
    import numpy
    import torch

    from selvedge._tools import Page

    # Under other names: methods are called as the packages are.
    Array: TypeAlias = numpy.ndarray[Any, Any]
    TorchTensor: TypeAlias = torch.Tensor

Path = str | os.PathLike[str]


def open(
    path: Path, *, assume_bf16: bool | list[str] = False, follow_links: bool | Path = False, load_plugins: bool = False
) -> File:
    """Opens a recording, or any HDF5 file, to read it.

    Args:
        path: the file. It may be recorded meanwhile: it shows the steps that are committed now, and `refresh`
            those that came since.
        assume_bf16: takes 16-bit integers that say nothing of themselves for the bits of bfloat16, as files
            written by hand with h5py mostly have them: all, or those of these tensors.
        follow_links: reads other files that the file names, if they lie in its folder or below it, or below the folder
            that is given: at the other end of external links, as sources of virtual datasets, and as external storage.
            Without it only sources of virtual datasets are read, and `File.notes` tells of the others.
        load_plugins: lets HDF5 load filters that this package does not have, which is to run their code, from the
            folders of the environment's ``HDF5_PLUGIN_PATH``; from then on for all files of this process.

    Raises:
        NotFoundError: there is no such file, or no such folder.
        FileError: it is not HDF5, or cannot be read.
    """
    return File(path, assume_bf16=assume_bf16, follow_links=follow_links, load_plugins=load_plugins)


class File(Mapping[str, "Tensor"]):
    """An open file: a mapping of names to tensors.

    It may be used by several threads. It can be pickled, and used after a fork: then it opens the file anew.

    >>> f = selvedge.open("tensors/Thimble/thimble_7.h5")
    >>> f["W"]                                        # doctest: +SKIP
    <selvedge.Tensor W: bfloat16, 6,001 steps of (10000, 64)>
    >>> f["W"][-1].torch()                            # the last step
    >>> f["W"][::10, f["dead_mask"].numpy()].numpy()  # every tenth step, of some rows
    """

    def __init__(
        self,
        path: Path,
        *,
        assume_bf16: bool | list[str] = False,
        follow_links: bool | Path = False,
        load_plugins: bool = False,
    ) -> None:
        self._path = os.path.abspath(as_path(path))
        self._assumed = assume_bf16
        self._links = follow_links if isinstance(follow_links, bool) else os.path.abspath(as_path(follow_links))
        self._plugins = load_plugins
        self._opening = threading.Lock()
        # What was taken from it, which ends with it.
        self._held: weakref.WeakSet[_Held] = weakref.WeakSet()
        self._raw: _selvedge.File | None = self._opened()
        self._pid = os.getpid()

    def _opened(self) -> _selvedge.File:
        try:
            raw = _selvedge.File(self._path, self._links, self._plugins)
        except FileError as error:
            if self._path.endswith(".safetensors"):
                raise FileError(f"{error}; `selvedge.load_safetensors` loads it") from None
            raise
        if self._assumed is True:
            for name in raw.names():
                tensor = raw.tensor(name)
                if _dtype_or_none(tensor) in (None, "uint16", "int16") and "logical_dtype" not in dict(
                    tensor.attributes()
                ):
                    _assume(raw, name)
        elif self._assumed:
            for name in listed(self._assumed):
                raw.assume_bf16(name)
        return raw

    def _handle(self) -> _selvedge.File:
        raw = self._raw
        if raw is None:
            raise self._was_closed()
        if self._pid != os.getpid():
            # Locks of libhdf5 may have been held in the process that this one was forked from.
            with self._opening:
                raw = self._raw = self._opened()
                self._pid = os.getpid()
        return raw

    def _was_closed(self) -> ClosedError:
        return ClosedError(f"{self._path} was closed; open it again")

    def _tensor(self, name: str) -> _Held:
        held = _Held(self._handle().tensor(name))
        with self._opening:
            if self._raw is None:
                raise self._was_closed()
            self._held.add(held)
        return held

    def refresh(self) -> int:
        """Shows the steps that were committed since, and returns how many there are now.

        Tensors and selections that were taken before go on with what they had.
        """
        return self._handle().refresh()

    def report(self, page: Path | None = None, *others: Path, **options: Any) -> Page:
        """Makes a page about it, for a browser or, without a name, a notebook.

        It is made by :func:`selvedge.report`, which has the `options`; those that it was opened with are taken.

        Raises:
            DeclarationError: it was opened with names in `assume_bf16`, and has other tensors of uint16, which a page
                takes for bfloat16 as well.
        """
        from selvedge._tools import report

        opened = {"follow_links": self._links, "load_plugins": self._plugins, "assume_bf16": bool(self._assumed)}
        if self._assumed and "assume_bf16" not in options:
            left = [
                name
                for name, tensor in self.items()
                if _dtype_or_none(tensor._raw) == "uint16" and "logical_dtype" not in tensor.attributes
            ]
            if left:
                raise DeclarationError(
                    f"{self._path}: a page takes all tensors of uint16 without a marker for bfloat16, or none, and "
                    f"`assume_bf16` leaves out {names_of(left)}: say `report(…, assume_bf16=True)` or False"
                )
        return report(self._path, page, *others, **(opened | options))

    def close(self) -> None:
        """Closes the file, for others to write it. Tensors that were taken from it can no longer be read.

        What another thread reads meanwhile is read to its end, and the file is closed then.
        """
        with self._opening:
            self._raw = None
            for held in self._held:
                held.raw = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getitem__(self, name: str) -> Tensor:
        """The tensor of this name.

        Raises:
            TensorNotFoundError: there is none; a `KeyError`.
        """
        if not is_text(name):
            raise TensorNotFoundError(f"{self._path}: expected the name of a tensor, found {name!r}")
        return Tensor(self, name, self._tensor(name))

    def __contains__(self, name: object) -> bool:
        return name in self._handle().names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._handle().names())

    def __len__(self) -> int:
        return len(self._handle().names())

    @property
    def path(self) -> str:
        """The file."""
        return self._path

    @property
    def steps(self) -> int:
        """Committed steps: those that all step tensors have."""
        return self._handle().committed()

    @property
    def planned(self) -> int | None:
        """Steps that the run was planned for; none for an open number."""
        return self._handle().planned()

    @property
    def attributes(self) -> dict[str, Any]:
        """Hyperparameters and provenance."""
        return dict(self._handle().attributes())

    @property
    def state(self) -> Literal["live", "died", "finished", "recovered", "unknown"]:
        """How the recording ended: ``live`` while a recorder is at work, ``died`` where it was killed (the
        committed steps are there), ``unknown`` of a file of another program."""
        return self._handle().state()

    @property
    def notes(self) -> list[str]:
        """What is not as the run left it, and what cannot be read, in sentences."""
        return self._handle().notes()

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self._path, self._assumed, self._links, self._plugins)

    def __repr__(self) -> str:
        if self._raw is None:
            return f"<selvedge.File {_html.short(self._path)}, closed>"
        return f"<selvedge.File {_html.short(self._path)}: {len(self)} tensors, {self.steps:,} steps, {self.state}>"

    def _repr_html_(self) -> str:
        if self._raw is None:
            return _html.card(_html.short(self._path), ["closed"], (), ())
        planned = f" of {self.planned:,} planned" if self.planned else ""
        lines = [f"{self.steps:,} steps{planned}, {self.state}"]
        lines += [f"{name} = {value!r}" for name, value in self.attributes.items() if not name.startswith("selvedge_")]
        lines += self.notes
        rows = []
        for name, tensor in self.items():
            dtype = _dtype_or_none(tensor._raw) or "not read"
            size = SIZES.get(dtype, 0) * _product(tensor.shape)
            role = "each step" if tensor.is_step_tensor else "once"
            rows.append((name, dtype, _html.shape(tensor.shape), role, shown(size)))
        return _html.card(_html.short(self._path), lines, ("tensor", "dtype", "shape", "recorded", "size"), rows)


def _reopened(path: str, assumed: bool | list[str], links: bool | str, plugins: bool) -> File:
    return File(path, assume_bf16=assumed, follow_links=links, load_plugins=plugins)


def _dtype_or_none(tensor: _selvedge.Tensor) -> str | None:
    try:
        return tensor.dtype
    except DtypeError:
        return None


def _assume(raw: _selvedge.File, name: str) -> None:
    try:
        raw.assume_bf16(name)
    except DtypeError:
        # Something else of two bytes, or of none that can be read.
        return


class _Held:
    """A tensor of an open file: none once the file is closed. Selections of it share it."""

    __slots__ = ("__weakref__", "raw")

    def __init__(self, raw: _selvedge.Tensor) -> None:
        self.raw: _selvedge.Tensor | None = raw


class Selection:
    """Some steps of a tensor, and some rows of each. Nothing is read before its values are asked for.

    Indexing goes as in NumPy, for the first two axes of the tensor: integers, slices, lists, and masks; the other
    axes are taken whole. A list along each of the two is chosen one after the other: ``f["W"][steps][:, rows]``.

    An index may also be a text, as the program has them: ``f["W"]["log:50"]`` are fifty steps ever farther apart,
    ``"0..6000:10"`` every tenth, ``"0, 100, last"`` three.
    """

    __slots__ = ("_axes", "_file", "_held", "_name", "_pid")

    def __init__(
        self, file: File, name: str, held: _Held, axes: tuple[tuple[Indices, bool], ...] | None = None
    ) -> None:
        self._file = file
        self._name = name
        self._held = held
        self._pid = os.getpid()
        # Of each of the first two axes the indices, and whether the axis is kept.
        self._axes = tuple((range(axis), True) for axis in self._raw.shape[:2]) if axes is None else axes

    @property
    def _raw(self) -> _selvedge.Tensor:
        if (raw := self._held.raw) is None:
            raise self._file._was_closed()
        return raw

    @property
    def name(self) -> str:
        """The name of the tensor."""
        return self._name

    @property
    def dtype(self) -> str:
        """The name of its dtype: ``"bfloat16"``, ``"float32"``, …"""
        return self._raw.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape in elements: of a step tensor the steps first."""
        chosen = tuple(len(indices) for indices, kept in self._axes if kept)
        return chosen + tuple(self._raw.shape[2:])

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return _product(self.shape)

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
        return Selection(self._file, self._name, self._held, tuple(axes))

    def __iter__(self) -> Iterator[Selection]:
        return (self[number] for number in range(len(self)))

    def _raw_tensor(self) -> _selvedge.Tensor:
        if self._pid != os.getpid():
            self._held = self._file._tensor(self._name)
            self._pid = os.getpid()
        return self._raw

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
        step = max(1, _product(self.shape[1:]) * wide)
        each = max(1, (in_bytes(memory) or 0) // 2 // step)
        if any(kept for _, kept in self._axes):
            parts = [self[first : first + each] for first in range(0, length, each)]
        else:
            # One row of one step, which is read as a whole.
            parts = [self] if length else []

        def read(part: Selection) -> Any:
            return part.as_float32() if form == "float32" else getattr(part, form)()

        def blocks() -> Iterator[Any]:
            with ThreadPoolExecutor(1) as reader:
                ahead = [reader.submit(read, part) for part in parts[:1]]
                for part in [*parts[1:], None]:
                    if not ahead:
                        return
                    block = ahead.pop().result()
                    if part is not None:
                        ahead.append(reader.submit(read, part))
                    yield block
                    del block

        return blocks()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self._file, self._name, self._axes)

    def __repr__(self) -> str:
        if self._held.raw is None:
            return f"<selvedge.{type(self).__name__} {self._name} of {_html.short(self._file.path)}, closed>"
        return f"<selvedge.Selection of {self._name}: {self.dtype} {_html.shape(self.shape)}>"

    def _repr_html_(self) -> str:
        if self._held.raw is None:
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
    return Selection(file, name, file._tensor(name), axes)


class Tensor(Selection):
    """A tensor of a file: all of its steps, and what the file says of it."""

    __slots__ = ()

    @property
    def is_step_tensor(self) -> bool:
        """Whether it has a value for each step, along its first axis; others are constants."""
        return self._raw.is_step_tensor

    @property
    def chunk_shape(self) -> tuple[int, ...] | None:
        """Shape of a chunk in elements."""
        chunk = self._raw.chunk_shape
        return None if chunk is None else tuple(chunk)

    @property
    def attributes(self) -> dict[str, Any]:
        """Its own attributes."""
        return dict(self._raw.attributes())

    def __reduce__(self) -> tuple[Any, ...]:
        # As it was: a live file may have more steps by now.
        return _tensor_again, (self._file, self._name, self._axes)

    def __repr__(self) -> str:
        if self._held.raw is None:
            return super().__repr__()
        dtype = _dtype_or_none(self._raw) or "not read"
        if self.is_step_tensor:
            shape = _html.shape(self.shape[1:])
            return f"<selvedge.Tensor {self._name}: {dtype}, {self.shape[0]:,} steps of {shape}>"
        return f"<selvedge.Tensor {self._name}: {dtype} {_html.shape(self.shape)}>"


def _tensor_again(file: File, name: str, axes: tuple[tuple[Indices, bool], ...]) -> Tensor:
    return Tensor(file, name, file._tensor(name), axes)


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


def _product(axes: Any) -> int:
    product = 1
    for axis in axes:
        product *= axis
    return product
