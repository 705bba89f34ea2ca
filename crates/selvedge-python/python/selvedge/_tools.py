"""Looking into files, holding them against each other, writing them anew, putting them in order."""

from __future__ import annotations

import json
import operator
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from selvedge import _html, _selvedge
from selvedge._arguments import as_path, listed
from selvedge._program import argument, call, source, with_arguments

Path = str | os.PathLike[str]


def _others(follow_links: bool | Path, load_plugins: bool) -> list[str]:
    """What the program is told of files and filters that a file names."""
    links = [] if follow_links is False else ["--follow-links"]
    if not isinstance(follow_links, bool):
        links = [f"--follow-links={as_path(follow_links)}"]
    return links + ["--load-plugins"] * load_plugins


def inspect(
    path: Path, *, assume_bf16: bool = False, follow_links: bool | Path = False, load_plugins: bool = False
) -> dict[str, Any]:
    """What a file says of itself: tensors with dtypes, shapes and chunks, attributes, provenance, state.

    Any HDF5, safetensors, .npy or .npz file, or the URL of an HDF5 file in an object store; headers only. It is what ``selvedge inspect --json`` prints.
    `assume_bf16` takes uint16 without a marker for the bits of bfloat16; `follow_links` and `load_plugins` are
    those of `open`.

    Raises:
        ProgramError: the file cannot be read.
    """
    bf16 = ["--assume-bf16"] * assume_bf16
    _, printed = call("inspect", "--json", *bf16, *_others(follow_links, load_plugins), source(path))
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

    Whatever their formats and chunks, and wherever they lie: each may be a URL. Returns what ``selvedge verify --json`` prints, with the answer as
    ``"equal"``; `assume_bf16` takes uint16 without a marker for the bits of bfloat16, and `skip_unsupported`
    leaves out what cannot be read here, for its type, a filter or a file that is not there. `follow_links` and
    `load_plugins` are those of `open`.

    Raises:
        ProgramError: it cannot be told: a file cannot be read or has no checksums, or nothing was compared.
    """
    arguments = ["verify", "--json", *_others(follow_links, load_plugins), source(path)]
    if other is not None:
        arguments.append(source(other))
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
    assume_bf16: Iterable[str] = (),
    skip_unsupported: bool = False,
    skip_damaged: bool = False,
    follow_links: bool | Path = False,
    load_plugins: bool = False,
) -> str:
    """Writes a trajectory anew, with chunks for another way of reading, and reads it back to compare.

    Args:
        path: any HDF5 trajectory.
        target: the new file, which gets its name when it is complete. Folders that are missing are made.
        read: how it is mostly read: ``"whole"`` tensors, single ``"steps"``, or some ``"tokens"``.
        compression: ``"none"``, ``"fast"`` or, for an archive, ``"temporal"``.
        checksums: makes new checksums of ranges of steps, for `verify`; without it those of the file stay.
        overwrite: replaces a file.
        assume_bf16: the names of tensors of uint16 that are taken for the bits of bfloat16, and marked as such.
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
    arguments = ["rechunk", argument(path), argument(target, new=True), f"--for={read}", f"--compression={compression}"]
    arguments += ["--parents", *_others(follow_links, load_plugins)]
    arguments += [f"--assume-bf16={name}" for name in listed(assume_bf16)]
    arguments += ["--checksums"] * checksums + ["--overwrite"] * overwrite
    arguments += ["--skip-unsupported"] * skip_unsupported + ["--skip-damaged"] * skip_damaged
    return with_arguments(call(*arguments)[1])


class Page(str):
    """What the program says of a page about a run. A notebook shows the page, if it has no file of its own."""

    html: str | None = None
    """The page, if it has no file of its own."""

    def _repr_html_(self) -> str | None:
        return None if self.html is None else _html.frame(self.html)


def report(
    path: Path,
    page: Path | None = None,
    *others: Path,
    quick: bool = False,
    steps: bool | str | Iterable[int] = False,
    tensors: Iterable[str] = (),
    vocabulary: Path | None = None,
    overwrite: bool = False,
    assume_bf16: bool = False,
    skip_unsupported: bool = False,
    follow_links: bool | Path = False,
    load_plugins: bool = False,
) -> Page:
    """Makes a page about a run, for a browser or a notebook: what moved, when, and where it stopped.

    Args:
        path: an HDF5, safetensors, .npy or .npz file, or the URL of an HDF5 file in an object store.
        page: the page, one file of less than 5 MB that needs no network. Folders that are missing are made. Without
            it, or with ``None``, the page has no file, and a notebook shows it.
        others: more files, which share the charts.
        quick: reads some steps only, in some seconds.
        steps: takes the first axis for steps, where the file does not say so: all of them, or only those that are named,
            as ``"0..500"``, ``"log:50"`` or ``[0, 10, 20]``, each with the one before it.
        tensors: the names of those that are wanted; all without them.
        vocabulary: the tokens that rows are of: a text file, a ``vocab.json`` or a ``tokenizer.json``.
        overwrite: replaces a page.
        assume_bf16: takes uint16 without a marker for the bits of bfloat16.
        skip_unsupported: tensors that cannot be read here are told in the page, and are no error.
        follow_links: as for `open`.
        load_plugins: as for `open`.

    Returns:
        What the program says of it; without `page` that, with the page as `.html`.

    Raises:
        OutOfRangeError: `steps` are no text that names steps.
        ProgramError: there is such a page, or a file cannot be read; where it is a tensor, the page tells of the
            others.
    """
    arguments = ["report", source(path), *map(source, others), *_others(follow_links, load_plugins)]
    arguments += [f"--tensor={name}" for name in listed(tensors)]
    if vocabulary is not None:
        arguments += ["--vocabulary", argument(vocabulary)]
    if (named := _named_steps(steps)) is not None:
        arguments.append(f"--steps={named}")
    arguments += ["--quick"] * quick + ["--assume-bf16"] * assume_bf16
    arguments += ["--overwrite"] * overwrite + ["--skip-unsupported"] * skip_unsupported
    if page is not None:
        return Page(with_arguments(call(*arguments, "--parents", "--output", argument(page, new=True))[1]))
    with tempfile.TemporaryDirectory() as folder:
        made = os.path.join(folder, "page.html")
        shown = Page(with_arguments(call(*arguments, "--output", made)[1]).replace(made, "a page"))
        with open(made, encoding="utf-8", newline="") as file:
            shown.html = file.read()
    return shown


def _named_steps(steps: bool | str | Iterable[int]) -> str | None:
    """Steps as the program names them; nothing where the file says what its steps are."""
    if isinstance(steps, bool):
        return ".." if steps else None
    named = steps if isinstance(steps, str) else ", ".join(str(operator.index(step)) for step in steps)
    # The program takes what does not name steps for a file.
    _selvedge.named_indices(named, 1 << 62, "steps")
    return named


def join(shards: Iterable[Path], view: Path | None = None, *, overwrite: bool = False) -> str:
    """Checks that the files of the ranks of a run go together, and writes a view of them, if it is given a name.
    Folders that are missing are made.

    The view has the steps that all ranks have. `open` and h5py read it; `open` refuses where one of the files is
    missing or changed, and h5py shows fill values.

    Returns:
        What the program says: which rank is how far, what each tensor is made of.

    Raises:
        ProgramError: they do not go together, by name; or there is such a file.
    """
    arguments = ["join", *map(argument, listed(shards))]
    if view is not None:
        arguments += ["--output", argument(view, new=True), "--parents", *["--overwrite"] * overwrite]
    return with_arguments(call(*arguments)[1])


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
    return Recovery(*_selvedge.recover(as_path(path)))
