"""Looking into files, holding them against each other, writing them anew, putting them in order."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from selvedge import _selvedge
from selvedge._arguments import listed
from selvedge._program import call

Path = str | os.PathLike[str]


def _others(follow_links: bool | Path, load_plugins: bool) -> list[str]:
    """What the program is told of files and filters that a file names."""
    links = [] if follow_links is False else ["--follow-links"]
    if not isinstance(follow_links, bool):
        links = [f"--follow-links={os.fspath(follow_links)}"]
    return links + ["--load-plugins"] * load_plugins


def inspect(path: Path, *, follow_links: bool | Path = False, load_plugins: bool = False) -> dict[str, Any]:
    """What a file says of itself: tensors with dtypes, shapes and chunks, attributes, provenance, state.

    Any HDF5, safetensors, .npy or .npz file; headers only. It is what ``selvedge inspect --json`` prints.
    `follow_links` and `load_plugins` are those of `open`.

    Raises:
        ProgramError: the file cannot be read.
    """
    _, printed = call("inspect", "--json", *_others(follow_links, load_plugins), path)
    # The program takes several files.
    file: dict[str, Any] = json.loads(printed)["files"][0]
    return file


def verify(
    path: Path,
    other: Path | None = None,
    *,
    assume_bf16: bool = False,
    skip_unsupported: bool = False,
    follow_links: bool | Path = False,
    load_plugins: bool = False,
) -> dict[str, Any]:
    """Whether two files hold the same values, bit for bit, or one those that its checksums were made of.

    Whatever their formats and chunks. Returns what ``selvedge verify --json`` prints, with the answer as
    ``"equal"``; `assume_bf16` takes uint16 without a marker for the bits of bfloat16, and `skip_unsupported`
    leaves out what cannot be read here, for its type, a filter or a file that is not there. `follow_links` and
    `load_plugins` are those of `open`.

    Raises:
        ProgramError: it cannot be told: a file cannot be read or has no checksums, or nothing was compared.
    """
    arguments: list[Path] = ["verify", "--json", *_others(follow_links, load_plugins), path]
    if other is not None:
        arguments.append(other)
        arguments += ["--assume-bf16"] * assume_bf16 + ["--skip-unsupported"] * skip_unsupported
    code, printed = call(*arguments, answers=(0, 1))
    report: dict[str, Any] = json.loads(printed)
    return {"equal": code == 0, **report}


def rechunk(
    path: Path,
    target: Path,
    *,
    read: str = "whole",
    compression: str = "none",
    checksums: bool = False,
    overwrite: bool = False,
    skip_unsupported: bool = False,
    skip_damaged: bool = False,
    follow_links: bool | Path = False,
    load_plugins: bool = False,
) -> str:
    """Writes a trajectory anew, with chunks for another way of reading, and reads it back to compare.

    Args:
        path: any HDF5 trajectory.
        target: the new file, which gets its name when it is complete.
        read: how it is mostly read: ``"whole"`` tensors, single ``"steps"``, or some ``"tokens"``.
        compression: ``"none"``, ``"fast"`` or, for an archive, ``"temporal"``.
        checksums: makes new checksums of ranges of steps, for `verify`; without it those of the file stay.
        overwrite: replaces a file.
        skip_unsupported: leaves out what cannot be read here, for its type, a filter or a file that is not
            there, and what a trajectory cannot hold.
        skip_damaged: leaves out tensors whose values are damaged.
        follow_links: as for `open`.
        load_plugins: as for `open`.

    Returns:
        What the program says of it.

    Raises:
        ProgramError: there is such a file, or it cannot be made; then there is none.
    """
    arguments: list[Path] = ["rechunk", path, target, "--for", read, "--compression", compression]
    arguments += _others(follow_links, load_plugins)
    arguments += ["--checksums"] * checksums + ["--overwrite"] * overwrite
    arguments += ["--skip-unsupported"] * skip_unsupported + ["--skip-damaged"] * skip_damaged
    return call(*arguments)[1]


def report(
    path: Path,
    page: Path,
    *others: Path,
    quick: bool = False,
    steps: bool = False,
    tensors: Iterable[str] = (),
    vocabulary: Path | None = None,
    overwrite: bool = False,
    skip_unsupported: bool = False,
    follow_links: bool | Path = False,
    load_plugins: bool = False,
) -> str:
    """Makes a page about a run, for a browser: what moved, when, and where it stopped.

    Args:
        path: an HDF5, safetensors, .npy or .npz file.
        page: the page, one file of less than 5 MB that needs no network.
        others: more files, which share the charts.
        quick: reads some steps only, in some seconds.
        steps: takes the first axis for steps, where the file does not say so.
        tensors: the names of those that are wanted; all without them.
        vocabulary: the tokens that rows are of: a text file, a ``vocab.json`` or a ``tokenizer.json``.
        overwrite: replaces a page.
        skip_unsupported: tensors that cannot be read here are told in the page, and are no error.
        follow_links: as for `open`.
        load_plugins: as for `open`.

    Returns:
        What the program says of it.

    Raises:
        ProgramError: there is such a page, or a file cannot be read; where it is a tensor, the page tells of the
            others.
    """
    arguments: list[Path] = ["report", path, *others, "--output", page, *_others(follow_links, load_plugins)]
    for name in listed(tensors):
        arguments += ["--tensor", name]
    if vocabulary is not None:
        arguments += ["--vocabulary", vocabulary]
    arguments += ["--quick"] * quick + ["--steps"] * steps
    arguments += ["--overwrite"] * overwrite + ["--skip-unsupported"] * skip_unsupported
    return call(*arguments)[1]


def join(shards: Iterable[Path], view: Path | None = None, *, overwrite: bool = False) -> str:
    """Checks that the files of the ranks of a run go together, and writes a view of them, if it is given a name.

    The view has the steps that all ranks have. `open` and h5py read it; `open` refuses where one of the files is
    missing or changed, and h5py shows fill values.

    Returns:
        What the program says: which rank is how far, what each tensor is made of.

    Raises:
        ProgramError: they do not go together, by name; or there is such a file.
    """
    arguments: list[Path] = ["join", *listed(shards)]
    if view is not None:
        arguments += ["--output", view, *["--overwrite"] * overwrite]
    return call(*arguments)[1]


@dataclass(frozen=True)
class Recovery:
    """What `recover` found."""

    committed: int
    """Steps that every step tensor has."""
    changed: bool
    """Whether the file was changed."""
    text: str
    """A sentence for people."""

    def __str__(self) -> str:
        return self.text


def recover(path: Path) -> Recovery:
    """Puts a file in order whose writer died. Without it the committed steps are as readable.

    Writes a few bytes in place. A file that was finished is not changed.

    Raises:
        FileError: somebody writes the file, or it is no trajectory.
    """
    return Recovery(*_selvedge.recover(os.fspath(path)))
