"""Reading recordings, and any HDF5 file."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from selvedge import _html, _selvedge
from selvedge._arguments import as_path, as_source, is_text, is_url, listed
from selvedge._arguments import shown as names_of
from selvedge._dtypes import SIZES
from selvedge._errors import ClosedError, DeclarationError, DtypeError, FileError, TensorNotFoundError
from selvedge._selection import Held, Tensor, dtype_or_none, product
from selvedge._sizes import shown

if TYPE_CHECKING:
    from selvedge._tools import Page

Path = str | os.PathLike[str]


def open(
    path: Path,
    *,
    assume_bf16: bool | list[str] = False,
    follow_links: bool | Path = False,
    load_plugins: bool = False,
    timeout: float = 30.0,
) -> File:
    """Opens a recording, or any HDF5 file, to read it.

    Args:
        path: the file. It may be recorded meanwhile: it shows the steps that are committed now, and `refresh`
            those that came since. Or the URL of an object, such as ``"s3://bucket/run.h5"`` (also ``gs://``, ``az://``,
            ``https://``), where the package was built with object stores: it is read where it lies, a step by one
            request, and held against its ETag; credentials are those of the environment.
        assume_bf16: takes 16-bit integers that say nothing of themselves for the bits of bfloat16, as files
            written by hand with h5py mostly have them: all, or those of these tensors.
        follow_links: reads other files that the file names, if they lie in its folder or below it, or below the folder
            that is given: at the other end of external links, as sources of virtual datasets, and as external storage.
            Without it only sources of virtual datasets are read, and `File.notes` tells of the others.
        load_plugins: lets HDF5 load filters that this package does not have, which is to run their code, from the
            folders of the environment's ``HDF5_PLUGIN_PATH``; from then on for all files of this process.
        timeout: of an object, the seconds for which nothing may come from its server before a request is given up.

    Raises:
        NotFoundError: there is no such file or object, or no such folder.
        FileError: it is not HDF5, or cannot be read; or it is an object, and the package was built without them.
    """
    return File(
        path, assume_bf16=assume_bf16, follow_links=follow_links, load_plugins=load_plugins, timeout=timeout
    )


class File(Mapping[str, "Tensor"]):
    """An open file: a mapping of names to tensors.

    It may be used by several threads. It can be pickled, and used after a fork: then it opens the file anew when it is
    first used, and of an object the same one or none.

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
        timeout: float = 30.0,
    ) -> None:
        source = as_source(path)
        self._path = source if is_url(source) else os.path.abspath(source)
        # Which object it is, once that is known.
        self._version: str | None = None
        self._timeout = timeout
        self._assumed = assume_bf16
        self._links = follow_links if isinstance(follow_links, bool) else os.path.abspath(as_path(follow_links))
        self._plugins = load_plugins
        self._begin()
        self._handle()

    def _begin(self) -> None:
        self._closed = False
        self._opening = os.getpid(), threading.Lock()
        # What was taken from it, which ends with it.
        self._held: weakref.WeakSet[Held] = weakref.WeakSet()
        self._raw: _selvedge.File | None = None
        self._pid = os.getpid()

    def _opened(self) -> _selvedge.File:
        try:
            if is_url(self._path):
                raw = _selvedge.File.of_object(self._path, self._version, self._timeout, self._plugins)
            else:
                raw = _selvedge.File(self._path, self._links, self._plugins)
        except FileError as error:
            if self._path.endswith(".safetensors"):
                fetched = "`selvedge.pull` fetches it, and " if is_url(self._path) else ""
                raise FileError(f"{error}; {fetched}`selvedge.load_safetensors` loads it") from None
            raise
        if self._assumed is True:
            for name in raw.names():
                tensor = raw.tensor(name)
                if dtype_or_none(tensor) in (None, "uint16", "int16") and "logical_dtype" not in dict(
                    tensor.attributes()
                ):
                    _assume(raw, name)
        elif self._assumed:
            for name in listed(self._assumed):
                raw.assume_bf16(name)
        return raw

    def _handle(self) -> _selvedge.File:
        if self._closed:
            raise self._was_closed()
        raw = self._raw
        # Locks of libhdf5 may have been held in the process that this one was forked from.
        if raw is None or self._pid != os.getpid():
            with self._lock():
                if self._closed:
                    raise self._was_closed()
                raw = self._raw
                if raw is None or self._pid != os.getpid():
                    raw = self._raw = self._opened()
                    self._version = raw.version()
                    self._pid = os.getpid()
        return raw

    def _lock(self) -> threading.Lock:
        """The lock of this process: another thread may have had that of the one it was forked from."""
        pid, lock = self._opening
        if pid != os.getpid():
            lock = threading.Lock()
            self._opening = os.getpid(), lock
        return lock

    def _was_closed(self) -> ClosedError:
        return ClosedError(f"{self._path} was closed; open it again")

    def _hold(self, raw: _selvedge.Tensor) -> Held:
        """A tensor that ends with the file."""
        held = Held(raw)
        with self._lock():
            if self._closed:
                raise self._was_closed()
            self._held.add(held)
        return held

    def refresh(self) -> int:
        """Shows the steps that were committed since, and returns how many there are now.

        Tensors and selections that were taken before go on with what they had. An object does not grow: its store is
        asked whether it is still the same one.

        Raises:
            FileError: the object was replaced by another one; open it again.
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

        if is_url(self._path):
            # The page is to be about the object that is open.
            self.refresh()
        opened = {"follow_links": self._links, "load_plugins": self._plugins, "assume_bf16": bool(self._assumed)}
        if self._assumed and "assume_bf16" not in options:
            left = [
                name
                for name, tensor in self.items()
                if dtype_or_none(tensor._known()) == "uint16" and "logical_dtype" not in tensor.attributes
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
        with self._lock():
            self._closed, self._raw = True, None
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
        return Tensor(self, name, self._hold(self._handle().tensor(name)))

    def __contains__(self, name: object) -> bool:
        return name in self._handle().names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._handle().names())

    def __len__(self) -> int:
        return len(self._handle().names())

    @property
    def path(self) -> str:
        """The file, or the URL of the object."""
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
        committed steps are there; nobody records into an object), ``unknown`` of a file of another program."""
        return self._handle().state()

    @property
    def notes(self) -> list[str]:
        """What is not as the run left it, and what cannot be read, in sentences."""
        return self._handle().notes()

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self._path, self._assumed, self._links, self._plugins, self._timeout, self._version)

    def __repr__(self) -> str:
        if self._closed:
            return f"<selvedge.File {_html.short(self._path)}, closed>"
        return f"<selvedge.File {_html.short(self._path)}: {len(self)} tensors, {self.steps:,} steps, {self.state}>"

    def _repr_html_(self) -> str:
        if self._closed:
            return _html.card(_html.short(self._path), ["closed"], (), ())
        planned = f" of {self.planned:,} planned" if self.planned else ""
        lines = [f"{self.steps:,} steps{planned}, {self.state}"]
        lines += [f"{name} = {value!r}" for name, value in self.attributes.items() if not name.startswith("selvedge_")]
        lines += self.notes
        rows = []
        for name, tensor in self.items():
            dtype = dtype_or_none(tensor._known()) or "not read"
            size = SIZES.get(dtype, 0) * product(tensor.shape)
            role = "each step" if tensor.is_step_tensor else "once"
            rows.append((name, dtype, _html.shape(tensor.shape), role, shown(size)))
        return _html.card(_html.short(self._path), lines, ("tensor", "dtype", "shape", "recorded", "size"), rows)


def _reopened(
    path: str, assumed: bool | list[str], links: bool | str, plugins: bool, timeout: float, version: str | None
) -> File:
    """A file in another process: of an object the one with this version.

    It is opened when it is first used: pools of Python take an error of what they unpickle for their own end, and wait.
    """
    file = File.__new__(File)
    file._path, file._assumed, file._links, file._plugins = as_source(path), assumed, links, plugins
    file._timeout, file._version = timeout, version
    file._begin()
    return file


def _assume(raw: _selvedge.File, name: str) -> None:
    try:
        raw.assume_bf16(name)
    except DtypeError:
        # Something else of two bytes, or of none that can be read.
        return
