"""Runs of several processes: which of them this is, and which part of a tensor it has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from selvedge import _selvedge
from selvedge._arguments import listed, named
from selvedge._errors import DeclarationError, DtypeError, Error, FileError
from selvedge._extras import package

Path = str | os.PathLike[str]
Part = tuple[Sequence[int], Sequence[int]]


@dataclass(frozen=True)
class Shard:
    """Which of the processes of a run records: a *rank*, with a file of its own.

    The files are joined by `join` afterwards; no rank waits for another while it records.

    >>> shard = selvedge.Shard.from_torch()
    >>> run = selvedge.Recorder(f"run.rank{shard.rank}.h5", like={"W": model.weight}, shard=shard)
    """

    run: str
    """The name of the run: the same in all ranks, and in no other run."""
    rank: int
    """The rank, counted from 0."""
    world_size: int
    """How many ranks there are."""
    step: int | None = None
    """With `resume`, the step at which all ranks go on; without it each goes on after its own last one."""

    @classmethod
    def from_torch(cls, resume: Path | None = None, group: Any = None) -> Self:
        """The rank of this process in `torch.distributed`, which is initialised. All ranks call it, once.

        Args:
            resume: this rank's file, if the run is to go on with it where there is one: then the run is that of the
                files, and `step` the last that all of them have. A rank without a file begins it.
            group: the ranks of the run, where they are not all.

        Raises:
            DeclarationError: `torch.distributed` is not initialised, or the files are of several runs.
            FileError: the file of a rank cannot be read, in all ranks.
        """
        distributed = package("torch.distributed", "`Shard.from_torch`", instead=", or give `Shard` its numbers")
        if not (distributed.is_available() and distributed.is_initialized()):
            raise DeclarationError(
                "torch.distributed is not initialised; call `torch.distributed.init_process_group` first"
            )
        rank, world_size = distributed.get_rank(group), distributed.get_world_size(group)
        own: tuple[str, int, int, int] | None = None
        problem: str | None = None
        try:
            own = _selvedge.rank_of(os.fspath(resume)) if resume is not None and os.path.exists(resume) else None
        except Error as error:
            # The others wait for this rank: all of them hear of it.
            problem = str(error)
        told: list[Any] = [None] * world_size
        distributed.all_gather_object(told, (_selvedge.new_run_id(), own, problem), group=group)
        problems = [f"rank {number}: {text}" for number, (_, _, text) in enumerate(told) if text is not None]
        if problems:
            raise FileError(f"resume: {'; '.join(problems)}")
        files = [found for _, found, _ in told]
        known = [found for found in files if found is not None]
        if len({found[0] for found in known}) > 1:
            of = ", ".join(f"rank {rank}: {found[0]}" for rank, found in enumerate(files) if found is not None)
            raise DeclarationError(f"resume: the files of the ranks are of several runs ({of})")
        step = None if resume is None else min(0 if found is None else found[3] for found in files)
        return cls(known[0][0] if known else told[0][0], rank, world_size, step)


def joined_steps(shards: Iterable[Path]) -> int:
    """The steps that all ranks of a run have committed, whose files these are: where all of them can go on.

    Raises:
        DeclarationError: they are not the files of all ranks of one run.
        FileError: a file cannot be read.
    """
    return _selvedge.joined_steps([os.fspath(path) for path in listed(shards)])


@dataclass
class Declared:
    """The step tensors and constants that this rank records."""

    tensors: list[tuple[str, str, list[int]]] = field(default_factory=list)
    constants: list[tuple[str, Any]] = field(default_factory=list)
    parts: dict[str, Part] = field(default_factory=dict)
    """What is a part of a tensor of all ranks: the shape of that, and where the part begins."""
    elsewhere: list[str] = field(default_factory=list)
    """What other ranks record: it is replicated, or this rank has nothing of it."""

    def take(self, name: str, value: Any, shard: Shard | None) -> Any | None:
        """The values that this rank records of a tensor; nothing where it records none."""
        if value is None:
            raise DtypeError(f"`{name}`: expected a tensor, an array or a number, found `None`")
        if not hasattr(value, "to_local"):
            return value
        if shard is None:
            raise DeclarationError(
                f"`{name}` is a DTensor, of which this process may have a part: say which rank it is "
                "(`shard=selvedge.Shard.from_torch()`), or give what it has (`to_local()`)"
            )
        part, is_recorded = _part(name, value)
        if not is_recorded:
            self.elsewhere.append(name)
            return None
        if part is not None:
            self.parts[name] = part
        return value.to_local()


def _part(name: str, value: Any) -> tuple[Part | None, bool]:
    """Which part of a DTensor this rank has (of a replicated one all), and whether it is the one to record it."""
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    mesh, placements = value.device_mesh, value.placements
    if any(placement.is_partial() for placement in placements):
        raise DeclarationError(f"`{name}` is a sum over ranks that was not made yet; `redistribute` it")
    shape, offset = compute_local_shape_and_global_offset(value.shape, mesh, placements)
    at = mesh.get_coordinate()
    if at is None or 0 in shape:
        return None, False
    # The first of those that have the same.
    is_first = all(index == 0 for index, placement in zip(at, placements, strict=True) if placement.is_replicate())
    if all(placement.is_replicate() for placement in placements):
        return None, is_first
    local = tuple(value.to_local().shape)
    if local != tuple(shape):
        raise DeclarationError(
            f"`{name}`: this rank has values of shape {local}, where its placement {tuple(placements)} makes "
            f"{tuple(shape)}"
        )
    return (list(value.shape), list(offset)), is_first


def checked(parts: Mapping[str, Part] | None) -> dict[str, Part]:
    """Parts that were told."""
    found: dict[str, Part] = {}
    for name, part in named("parts", parts, "{'W': ((20_000, 64), (10_000, 0))}"):
        try:
            shape, offset = part
            found[name] = (list(shape), list(offset))
        except (TypeError, ValueError):
            raise DeclarationError(
                f"parts: `{name}`: expected the shape of the whole and where the part begins, found {part!r}"
            ) from None
    return found
