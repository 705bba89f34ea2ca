"""Runs of several processes: which of them this is, and which part of a tensor it has."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from selvedge import _selvedge
from selvedge._arguments import as_path, axes, is_text, listed, named, whole
from selvedge._errors import DeclarationError, DtypeError, Error, FileError
from selvedge._extras import package

Path = str | os.PathLike[str]
Part = tuple[Sequence[int], Sequence[int]]
# Run, rank, number of ranks and committed steps of a file.
_OfRank = tuple[str, int, int, int]


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

    def __post_init__(self) -> None:
        if not is_text(self.run) or not self.run:
            raise DeclarationError(
                f"run={self.run!r}: expected the name of the run, a text that all of its ranks have and no other run, such "
                "as `uuid.uuid4().hex` of one of them"
            )
        for name, number in (("rank", self.rank), ("world_size", self.world_size)):
            expected = f"an integer from 0 on, such as `int(os.environ[\"{name.upper()}\"])` under torchrun"
            if whole(name, number, expected) is None:
                raise DeclarationError(f"{name}=None: expected {expected}")
        whole("step", self.step)

    @classmethod
    def from_torch(cls, resume: Path | None = None, group: Any = None) -> Self:
        """The rank of this process in `torch.distributed`, which is initialised. All ranks call it, once.

        Args:
            resume: this rank's file, if the run is to go on with it where there is one: then the run is that of the
                files, and `step` the last that all of them have. Where no rank has committed a step, all begin.
            group: the ranks of the run, where they are not all.

        Raises:
            DeclarationError: `torch.distributed` is not initialised, or this process is not in `group`. In all ranks: the
                files are of several runs, of other ranks, or of none; some ranks have no `resume` and others have; or a
                rank has no file or no steps, where others have steps, which would all be given up.
            FileError: the file of a rank cannot be read, in all ranks.
        """
        distributed = package("torch.distributed", "`Shard.from_torch`", instead=", or give `Shard` its numbers")
        if not (distributed.is_available() and distributed.is_initialized()):
            raise DeclarationError(
                "torch.distributed is not initialised; call `torch.distributed.init_process_group` first"
            )
        rank, world_size = distributed.get_rank(group), distributed.get_world_size(group)
        if rank < 0:
            raise DeclarationError("group: this process is none of its ranks; only those that record call `from_torch`")
        own: _OfRank | None = None
        problem: Error | None = None
        try:
            own = None if resume is None else _of_rank(as_path(resume, new=True))
        except Error as error:
            # The others wait for this rank: all of them hear of it.
            problem = error
        told: list[Any] = [None] * world_size
        of_files = problem is not None and not isinstance(problem, DeclarationError)
        text = None if problem is None else str(problem)
        mine = (_selvedge.new_run_id(), own, resume is not None, text, of_files)
        distributed.all_gather_object(told, mine, group=group)
        resumes = [resumes for _, _, resumes, *_ in told]
        if any(resumes) and not all(resumes):
            without = ", ".join(str(number) for number, given in enumerate(resumes) if not given)
            raise DeclarationError(f"resume: expected in all ranks or in none, found none in rank {without}")
        problems = [f"rank {number}: {text}" for number, (*_, text, _) in enumerate(told) if text is not None]
        if problems:
            kind = FileError if any(of_files for *_, of_files in told) else DeclarationError
            raise kind(f"resume: {'; '.join(problems)}")
        files = [found for _, found, *_ in told]
        step = None if resume is None else _common_step(files)
        known = next((found[0] for found in files if found is not None), told[0][0])
        return cls(known, rank, world_size, step)


def _of_rank(path: str) -> _OfRank | None:
    """What a file says of its rank, if there is one."""
    if not os.path.exists(path):
        return None
    found = _selvedge.rank_of(path)
    if found is None:
        raise DeclarationError(
            f"{path} is of no rank: it does not say which run and rank it is of, as the files do that are recorded with "
            "`shard`; put the file of this rank there, or give another path"
        )
    return found


def _common_step(files: Sequence[_OfRank | None]) -> int:
    """Where all ranks go on, which have these files."""
    known = [(rank, found) for rank, found in enumerate(files) if found is not None]
    if len({run for _, (run, *_) in known}) > 1:
        of = ", ".join(f"rank {rank}: {run}" for rank, (run, *_) in known)
        raise DeclarationError(f"resume: the files of the ranks are of several runs ({of})")
    for rank, (_, number, world_size, _) in known:
        if (number, world_size) != (rank, len(files)):
            raise DeclarationError(
                f"resume: the file of rank {rank} of {len(files)} is that of rank {number} of {world_size}: a run goes "
                "on with as many ranks as it had, each with its own file"
            )
    steps = max((committed for _, (*_, committed) in known), default=0)
    missing = ", ".join(str(rank) for rank, found in enumerate(files) if found is None)
    empty = ", ".join(str(rank) for rank, (*_, committed) in known if committed == 0)
    if steps and (missing or empty):
        without = [f"there is no file of rank {missing}"] if missing else []
        without += [f"there are no steps in the file of rank {empty}"] if empty else []
        raise DeclarationError(
            f"resume: {', and '.join(without)}, where others have up to {steps:,} steps, which would all be given up: put "
            "the file that was recorded where it was, or remove the files of all ranks to begin anew"
        )
    return min((committed for _, (*_, committed) in known), default=0)


def joined_steps(shards: Iterable[Path]) -> int:
    """The steps that all ranks of a run have committed, whose files these are: where all of them can go on.

    Raises:
        DeclarationError: they are not the files of all ranks of one run.
        FileError: a file cannot be read.
    """
    return _selvedge.joined_steps([as_path(path) for path in listed(shards)])


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
    for index, placement in enumerate(placements):
        # Cut as if the placements that follow had been made before it, as FSDP does after tensor parallelism; without
        # them a rank has several parts.
        follow = [mesh.size(at) for at in range(index + 1, len(placements)) if _cuts(placements[at], placement)]
        if getattr(placement, "split_factor", 1) not in (1, math.prod(follow)):
            raise DeclarationError(
                f"`{name}`: as it is placed, {tuple(placements)}, a rank has several parts of it that do not follow each "
                "other; `redistribute` it"
            )
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


def _cuts(placement: Any, other: Any) -> bool:
    """Whether a placement cuts the axis that another one cuts."""
    axis = getattr(placement, "dim", None)
    return axis is not None and axis == getattr(other, "dim", None)


def check_part(name: str, value: Any, declared: Part | None) -> None:
    """Refuses a DTensor whose part here is not that which this rank records."""
    part, _ = _part(name, value)
    if part != declared:
        there, here = ("all of it" if one is None else f"that of {one[0]} at {one[1]}" for one in (declared, part))
        raise DeclarationError(
            f"`{name}`: this rank records {there}, and was given {here} ({tuple(value.placements)}); `redistribute` it, "
            "or give what this rank has (`to_local()`)"
        )


def checked(parts: Mapping[str, Part] | None) -> dict[str, Part]:
    """Parts that were told."""
    found: dict[str, Part] = {}
    for name, part in named("parts", parts, "{'W': ((20_000, 64), (10_000, 0))}"):
        try:
            shape, offset = part
            found[name] = (axes(shape), axes(offset))
        except (TypeError, ValueError):
            raise DeclarationError(
                f"parts: `{name}`: expected the shape of the whole and where the part begins, integers from 0 on such as "
                f"((20_000, 64), (10_000, 0)), found {part!r}"
            ) from None
    return found
