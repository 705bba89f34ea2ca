"""Recording a run, and planning it."""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from selvedge import _html, _selvedge
from selvedge._arguments import LARGEST, as_path, as_text, dtype_and_shape, named, whole
from selvedge._dtypes import SIZES, name_of
from selvedge._errors import DeclarationError, ExistsError, ProcessError
from selvedge._ranks import Declared, Part, Shard, checked
from selvedge._sizes import in_bytes, shown

Path = str | os.PathLike[str]
Read = Literal["whole", "steps", "tokens"]
Scalars = Sequence[str] | Mapping[str, Any]
Attribute = bool | int | float | str | Sequence[bool] | Sequence[int] | Sequence[float] | Sequence[str]


@dataclass(frozen=True)
class Plan:
    """What a run takes of disk and memory. Its text explains itself."""

    text: str
    """Chunks, disk and memory, in some lines."""
    step_bytes: int
    """Bytes of one step."""
    file_bytes: int
    """Bytes of the file, with all planned steps."""
    memory_bytes: int
    """Bytes of memory that its queue and the compression take, which `memory` limits."""
    queue_steps: int
    """Steps that fit its queue: so many the loop can be ahead of the disk."""

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return _html.card("Plan", self.text.splitlines(), (), ())


@dataclass(frozen=True)
class Summary:
    """A finished run."""

    text: str
    """A sentence for people."""
    steps: int
    """Committed steps of the file."""
    recorded: int
    """Steps that this recorder appended: fewer than `steps` in a run that was resumed."""
    bytes: int
    """Bytes of those steps."""
    seconds: float
    """From the start to the end."""
    append_seconds: float
    """What all calls of `append` took together."""
    longest_append: float
    """The longest of them, in seconds."""
    waited: float
    """The part of it that was spent waiting for the disk, in seconds."""
    waits: int
    """How many calls had to wait."""

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return _html.card("Recorded", [self.text], (), ())


# Recorders that are open. One that is left open is finished when Python ends.
_OPEN: weakref.WeakSet[Recorder] = weakref.WeakSet()


class Recorder(_selvedge.Recorder):
    """Records steps of a run into an HDF5 file, while its loop goes on.

    `append` copies the values of a step and returns; a thread writes them. The file is plain HDF5, which h5py
    opens at any moment: it shows the committed steps, and those a kill of this process cannot lose. A step is
    committed as soon as the disk takes it, at most 100 ms later.

    Args:
        path: the file. Folders that are missing are made.
        steps: how many steps the run will have; without it the number is open. With it the disk is checked
            for all of them.
        like: step tensors, by name: a tensor or array of the dtype and shape (without an axis for the steps)
            that every step will have. Its values are not recorded.
        tensors: the same as ``(dtype, shape)``.
        scalars: numbers that every step has, such as the loss: names, which are float32, or a mapping of names
            to dtypes.
        constants: values that the run has once (masks, ids), by name: tensors, arrays, numbers or lists.
        attributes: hyperparameters: numbers, texts, bools, or lists of one of them.
        notebook: the notebook or program that makes the file.
        read: how the file will mostly be read, which decides its chunks: ``"whole"`` tensors, single
            ``"steps"``, or some ``"tokens"`` (rows of each step).
        compression: ``"none"``, or ``"fast"``: without loss, for tensors of two-byte elements.
        sync_every: puts steps on the medium with ``fdatasync`` after every so many, so that a power cut cannot
            lose them either. They are committed only then; ``(50, 10.0)`` is after 50 steps or 10 seconds, whichever
            is first, and ``(None, 10.0)`` by the clock alone.
        memory: the most memory that the queue and the compression may take, in bytes or as ``"24 GB"``. Beside it are
            a copy of the constants while the file is begun, and one of the largest tensor whose values do not lie
            one after the other (a transposed one), from the first step that has such.
        queue: the memory of its queue, ``"64 MiB"``: how far the loop can be ahead of the disk.
        chunk: what a chunk stays under, ``"2 GB"``.
        overwrite: replaces a file that is there.
        resume: goes on with the file that is there, after its last committed step, or begins it. Without tensors
            those of the file are taken.
        at_step: with `resume`, goes on at this step instead: what the file has after it is given up.
        shard: which rank of a run of several processes this is: `Shard.from_torch()`. Then a DTensor in `like` is
            recorded as the part of it that this rank has, and a replicated one by the first rank alone; what other
            ranks record is ignored in `append`. All else is recorded by each rank that declares it.
        parts: tensors and constants that are parts of larger ones, by name, where the tensor does not tell it
            itself: the shape of the whole, and the index in it at which the part begins.

    With `overwrite` or `resume`, a recorder of this process that still has the file is finished first, once the
    declaration is found right: so a notebook's cell can be run again.

    A recorder that nobody finishes, and that is no longer used, has its steps in the file, which is then not marked
    as finished (its state is ``"died"``). What goes wrong with its last steps is written to stderr.

    Raises:
        ExistsError: there is a file, and neither `overwrite` nor `resume`.
        DeclarationError: something cannot be declared so, or is not what the file has.
        BudgetError: it would take more memory than `memory`.
        FileError: somebody else writes the file, or the disk is too small.

    >>> with Recorder("run.h5", steps=2, tensors={"W": ("bfloat16", (10_000, 64))}, scalars=["loss"]) as run:
    ...     for batch in loader:
    ...         run.append(W=model.wte.weight, loss=loss)
    >>> print(run.summary)
    """

    summary: Summary | None
    """What there is to tell of the run when it is finished."""

    def __new__(
        cls,
        path: Path,
        steps: int | None = None,
        *,
        like: Mapping[str, Any] | None = None,
        tensors: Mapping[str, tuple[Any, Sequence[int]]] | None = None,
        scalars: Scalars = (),
        constants: Mapping[str, Any] | None = None,
        attributes: Mapping[str, Any] | None = None,
        notebook: Path | None = None,
        read: Read = "whole",
        compression: Literal["none", "fast"] = "none",
        sync_every: int | tuple[int | None, float] | None = None,
        memory: int | str | None = None,
        queue: int | str | None = None,
        chunk: int | str | None = None,
        overwrite: bool = False,
        resume: bool = False,
        at_step: int | None = None,
        shard: Shard | None = None,
        parts: Mapping[str, Part] | None = None,
    ) -> Self:
        path = os.path.abspath(as_path(path, new=True))
        if overwrite and resume:
            raise DeclarationError("`overwrite` begins the file anew and `resume` goes on with it: choose one")
        declared = _declared(like, tensors, scalars, constants, shard)
        declared.parts.update(checked(parts))
        resume = resume and os.path.exists(path)
        if not (declared.tensors or resume):
            if declared.elsewhere and shard is not None:
                raise DeclarationError(
                    f"rank {shard.rank} has nothing of {', '.join(f'`{name}`' for name in declared.elsewhere[:3])}, which "
                    "other ranks record, and no step tensor of its own: give all ranks a scalar, `scalars=['loss']`"
                )
            raise DeclarationError(
                "a run needs at least one step tensor: `like={'W': model.wte.weight}`, "
                "`tensors={'W': ('bfloat16', (10_000, 64))}` or `scalars=['loss']`"
            )
        if shard is not None and at_step is None and resume:
            at_step = shard.step
        given = named("attributes", attributes, "{'learning_rate': 1e-3}")
        options = _options(steps, notebook, read, compression, sync_every, memory, queue, chunk, overwrite, resume)
        options |= _of_ranks(declared, shard, at_step)
        values = [(name, *_attribute(value)) for name, value in given]
        others = _others(path) if overwrite or resume else []
        if others:
            # A mistake here leaves them at work.
            if at_step is not None and overwrite:
                raise DeclarationError("`at_step` goes on with a file, and `overwrite` begins it anew: choose one")
            if at_step is not None and at_step > (steps_there := max(other.appended for other in others)):
                raise DeclarationError(f"{path} has {steps_there:,} steps, and the run was to go on at step {at_step:,}")
            _selvedge.plan(path, declared.tensors, declared.constants, values, {**options, "at_step": None})
        for other in others:
            other.finish()
        try:
            self = super().__new__(cls, path, declared.tensors, declared.constants, values, options)
        except ExistsError as error:
            raise ExistsError(f"{error}, or go on with it (`resume=True`)") from None
        self.summary = None
        _OPEN.add(self)
        return self

    def finish(self) -> Summary:
        """Commits all steps and closes the file, which is then marked as finished.

        Ctrl-C interrupts the wait for the disk; `finish` can be called again.

        Raises:
            StoppedError: the disk is full, or somebody deleted the file.
        """
        if self.summary is None:
            text, steps, recorded, size, seconds, times = self._finish()
            self.summary = Summary(text, steps, recorded, size, seconds, *times)
            _OPEN.discard(self)
        return self.summary

    def __del__(self) -> None:
        """Waits for the steps of a recorder that nobody finished. Python writes an error of them to stderr."""
        self._leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finishes the file, also where the loop ended with an error: it has all steps that were appended."""
        try:
            self.finish()
        except Exception:
            # The error of the loop is what people want to see; a recorder that has stopped has said so there.
            if error is None:
                raise

    @property
    def plan(self) -> Plan:
        """What the run takes of disk and memory."""
        return Plan(self.plan_text, **self.plan_numbers)

    @property
    def status(self) -> str:
        """How far it is, in some words; for ``tqdm``'s ``set_postfix_str``."""
        return f"{self.committed:,} of {self.appended:,} steps committed"

    def __repr__(self) -> str:
        if self.summary is not None:
            return f"<selvedge.Recorder {os.path.basename(self.path)}, finished: {self.summary}>"
        return f"<selvedge.Recorder {os.path.basename(self.path)}: {self.status}>"

    def _repr_html_(self) -> str:
        lines = [str(self.summary) if self.summary is not None else self.status]
        lines += self.plan_text.splitlines()[-2:]
        rows = [
            (name, dtype, _html.shape(shape), shown(SIZES[dtype] * _product(shape)))
            for name, dtype, shape in self.tensors
        ]
        return _html.card(_html.short(self.path), lines, ("tensor", "dtype", "step", "bytes a step"), rows)


def plan(
    path: Path,
    steps: int | None = None,
    *,
    like: Mapping[str, Any] | None = None,
    tensors: Mapping[str, tuple[Any, Sequence[int]]] | None = None,
    scalars: Scalars = (),
    constants: Mapping[str, Any] | None = None,
    read: Read = "whole",
    compression: Literal["none", "fast"] = "none",
    memory: int | str | None = None,
    queue: int | str | None = None,
    chunk: int | str | None = None,
) -> Plan:
    """What a run would take of disk and memory, without a file; the arguments are those of `Recorder`.

    Raises:
        DeclarationError: something cannot be declared so.
        BudgetError: it would take more memory than `memory`.
        FileError: the disk is too small.
    """
    declared = _declared(like, tensors, scalars, constants, None)
    text, numbers = _selvedge.plan(
        os.path.abspath(as_path(path, new=True)),
        declared.tensors,
        declared.constants,
        [],
        _options(steps, None, read, compression, None, memory, queue, chunk, True, False)
        | _of_ranks(declared, None, None),
    )
    return Plan(text, **numbers)


def _declared(
    like: Mapping[str, Any] | None,
    tensors: Mapping[str, tuple[Any, Sequence[int]]] | None,
    scalars: Scalars,
    constants: Mapping[str, Any] | None,
    shard: Shard | None,
) -> Declared:
    """Step tensors, with name, dtype and shape, and constants."""
    if shard is not None and not isinstance(shard, Shard):
        raise DeclarationError(f"shard: expected a `selvedge.Shard`, found `{type(shard).__name__}`")
    declared = Declared()
    for name, value in named("like", like, "{'W': model.wte.weight}"):
        if (own := declared.take(name, value, shard)) is not None:
            dtype, shape = _selvedge.describe(own, name)
            declared.tensors.append((name, dtype, shape))
    for name, asked in named("tensors", tensors, "{'W': ('bfloat16', (10_000, 64))}"):
        declared.tensors.append((name, *dtype_and_shape(f"tensors: `{name}`", asked)))
    if not isinstance(scalars, Mapping):
        if isinstance(scalars, str) or not isinstance(scalars, Iterable):
            raise DeclarationError(f"scalars={scalars!r}: expected a list of names, such as ['loss']")
        scalars = dict.fromkeys(scalars, "float32")
    declared.tensors += [(name, name_of(dtype), []) for name, dtype in named("scalars", scalars, "{'loss': 'float32'}")]
    for name, value in named("constants", constants, "{'dead_mask': dead}"):
        if (own := declared.take(name, value, shard)) is not None:
            declared.constants.append((name, _constant(name, own)))
    return declared


def _of_ranks(declared: Declared, shard: Shard | None, at_step: int | None) -> dict[str, Any]:
    """The options that concern runs of several processes."""
    return {
        "at_step": whole("at_step", at_step),
        "shard": None if shard is None else (shard.run, shard.rank, shard.world_size),
        "parts": declared.parts,
        "elsewhere": declared.elsewhere,
    }


def _options(
    steps: int | None,
    notebook: Path | None,
    read: str,
    compression: str,
    sync_every: int | tuple[int | None, float] | None,
    memory: int | str | None,
    queue: int | str | None,
    chunk: int | str | None,
    overwrite: bool,
    resume: bool,
) -> dict[str, Any]:
    every, seconds = _sync_every(sync_every)
    return {
        "steps": whole("steps", steps),
        "notebook": None if notebook is None else as_text("notebook", os.fsdecode(notebook)),
        "read": read,
        "chunk_bytes": in_bytes(chunk),
        "queue_bytes": in_bytes(queue),
        "memory": in_bytes(memory),
        "sync_every": every,
        "sync_after": seconds,
        "compression": compression,
        "overwrite": overwrite,
        "resume": resume,
    }


def _sync_every(given: Any) -> tuple[int | None, float | None]:
    """After how many steps, and after how many seconds."""
    every, seconds = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    is_count = every is None or (hasattr(every, "__index__") and 0 < every < LARGEST)
    if isinstance(seconds, int | float | None) and is_count:
        return every, seconds
    raise DeclarationError(
        f"sync_every={given!r}: expected a number of steps, such as 100, or that and seconds, such as (100, 10.0)"
    )


def _constant(name: str, value: Any) -> Any:
    if not isinstance(value, (list, tuple, range)):
        return value
    import numpy

    try:
        array = numpy.asarray(value)
    except (TypeError, ValueError) as error:
        raise DeclarationError(f"constants: `{name}`: expected numbers of one shape: {error}") from None
    if array.dtype.kind != "f":
        return array
    # NumPy makes floats of large integers, and of integers among floats.
    integers = list(_integers(value))
    if integers and len(integers) == array.size and 0 <= min(integers) and max(integers) < 1 << 64:
        return numpy.asarray(value, dtype=numpy.uint64)
    if (lost := next((number for number in integers if float(number) != number), None)) is not None:
        raise DeclarationError(
            f"constants: `{name}`: NumPy makes {array.dtype} of this list, which does not have its integer {lost}: give an "
            "array of the dtype that is meant, such as numpy.array(…, 'uint64')"
        )
    return array


def _integers(value: Any) -> Iterator[int]:
    """The integers of Python in a list of lists."""
    for item in value:
        if isinstance(item, (list, tuple, range)):
            yield from _integers(item)
        elif isinstance(item, int):
            yield item


def _attribute(value: Any) -> tuple[Any, bool]:
    """Numbers and arrays of NumPy and torch as those of Python, and whether they are float32."""
    if hasattr(value, "tolist") and not isinstance(value, type):
        return value.tolist(), hasattr(value, "dtype") and name_of(value.dtype) == "float32"
    return os.fsdecode(value) if isinstance(value, os.PathLike) else value, False


def _product(axes: Iterable[int]) -> int:
    product = 1
    for axis in axes:
        product *= axis
    return product


def _others(path: str) -> list[Recorder]:
    """Recorders of this process that have the file: those of a cell which is run again."""
    real = os.path.realpath(path)
    return [other for other in list(_OPEN) if os.path.realpath(other.path) == real and not other.closed]


def _finish_all() -> None:
    for recorder in list(_OPEN):
        try:
            # One that has stopped has told the loop.
            if not recorder.closed:
                recorder.finish()
        except ProcessError:
            # In a child it is another process's.
            continue
        except Exception as error:
            # Nobody else is there to be told.
            sys.excepthook(type(error), error, error.__traceback__)


atexit.register(_finish_all)
