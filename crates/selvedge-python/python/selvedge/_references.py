"""References to values for readers of Zarr: kerchunk's JSON, VirtualiZarr, Icechunk."""

from __future__ import annotations

import hashlib
import math
import os
import pathlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from selvedge import _selvedge
from selvedge._arguments import as_path, as_source, is_url, listed
from selvedge._errors import DeclarationError, FileError
from selvedge._extras import package
from selvedge._program import argument, call, source, with_arguments

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

Path = str | os.PathLike[str]

PIECE = 8_000_000
# The seconds for which nothing may come from a server of objects.
TIMEOUT = 30.0
# The attribute of an array in Icechunk by which the next call knows that its pieces are where they were.
LAST = "selvedge_last_pieces"
# What the bits of these are stored as.
STORED = {"bfloat16": "uint16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8"}


def references(
    files: Path | Iterable[Path],
    target: Path | None = None,
    *,
    zarr: int = 2,
    url: str | None = None,
    piece: int = PIECE,
    skip_unsupported: bool = False,
    overwrite: bool = False,
) -> str:
    """Writes references to the values of a file, or of all ranks of a run, as kerchunk's JSON.

    Xarray, Dask and others read the values through them, of the steps that are committed now, without HDF5; a step
    is one request of one piece, where it was not compressed.

    Args:
        files: an HDF5 file or a joined view, or the files of the ranks; or the URL of one file in an object store.
        target: the file to write, with its folders; without it only what would be written is told.
        zarr: the form of Zarr, 2 (which xarray's kerchunk engine reads) or 3.
        url: where the files will lie for those who read: this, and their way from the folder that all are in.
            Without it, where they lie now.
        piece: about how many bytes a piece has. It has whole steps.
        skip_unsupported: leaves out tensors that have no references.
        overwrite: replaces a file.

    Returns:
        What the program says: how each array is cut.

    Raises:
        ProgramError: a tensor has no references, by name; ranks do not go together; or there is such a file.
    """
    arguments = ["references", *map(source, listed(files)), f"--zarr={zarr}", f"--piece={piece}"]
    arguments += ["--skip-unsupported"] * skip_unsupported
    if url is not None:
        arguments += [f"--url={url}"]
    if target is not None:
        arguments += ["--output", argument(target, new=True), "--parents", *["--overwrite"] * overwrite]
    return with_arguments(call(*arguments)[1])


@dataclass(frozen=True)
class VirtualizarrParser:
    """A parser for VirtualiZarr: of a file wherever it lies, or of a local joined view, in pieces of whole steps.

    VirtualiZarr's own parser takes whole chunks, of which one step costs up to 2 GB, and sees nothing in a joined
    view. This one has the committed steps alone, and names of dimensions.

    >>> registry = ObjectStoreRegistry({"s3://bucket": S3Store("bucket")})                # doctest: +SKIP
    >>> virtualizarr.open_virtual_dataset(url, registry, selvedge.VirtualizarrParser())   # doctest: +SKIP
    """

    piece: int = PIECE
    """About how many bytes a piece has."""
    skip_unsupported: bool = False
    """Leaves out tensors that have no references."""

    def __call__(self, url: str, registry: Any) -> Any:
        """The store of the file at `url`, which reads values through `registry`."""
        manifests = package("virtualizarr.manifests", "`VirtualizarrParser`", "zarr")
        where = urlsplit(url)
        if where.scheme in ("", "file"):
            path = unquote(where.path) if where.scheme else url
            found = _selvedge.References([path], self.piece, self.skip_unsupported)
            urls = _urls(found.files(), None)
        else:
            found, urls = self._elsewhere(url, registry), [url]
        tree: dict[str, Any] = {}
        for array in found.arrays():
            *groups, name = array.name.split("/")
            inside = tree
            for group in groups:
                inside = inside.setdefault(group, {})
            inside[name] = _manifest_array(array, urls)

        def grouped(members: dict[str, Any], attributes: dict[str, Any]) -> Any:
            arrays = {name: member for name, member in members.items() if not isinstance(member, dict)}
            groups = {name: grouped(member, {}) for name, member in members.items() if isinstance(member, dict)}
            return manifests.ManifestGroup(arrays=arrays, groups=groups, attributes=attributes)

        return manifests.ManifestStore(grouped(tree, _json(found.attributes())), registry=registry)

    def _elsewhere(self, url: str, registry: Any) -> _selvedge.References:
        """Of an object, whose structure is read through the registry: the first 256 kB mostly."""
        store, path = registry.resolve(url)
        identity = ("size", "e_tag", "last_modified")
        before = store.head(path)

        def fetch(offset: int, length: int) -> bytes:
            return bytes(store.get_range(path, start=offset, length=length))

        found = _selvedge.References.of_ranges(url, before["size"], fetch, self.piece, self.skip_unsupported)
        after = store.head(path)
        if any(before.get(key) != after.get(key) for key in identity):
            raise FileError(f"{url} was replaced while it was read; read it again")
        return found


def _manifest_array(array: _selvedge.ReferencedArray, urls: list[str]) -> Any:
    import numpy
    from virtualizarr.manifests import ChunkManifest, ManifestArray
    from virtualizarr.manifests.manifest import INLINED_CHUNK_PATH
    from virtualizarr.manifests.utils import create_v3_array_metadata

    kind: Any = numpy.dtype(STORED.get(array.dtype, array.dtype))
    metadata = create_v3_array_metadata(
        shape=tuple(array.shape),
        data_type=kind,
        chunk_shape=tuple(array.chunk_shape),
        fill_value=_fill(array.dtype, kind),
        codecs=[
            {"name": f"numcodecs.{name}", "configuration": {"elementsize": size} if size else {}}
            for name, size in array.codecs
        ],
        attributes=_attributes(array),
        dimension_names=array.dimension_names,
    )
    files, offsets, lengths, inline = _pieces(array, 0)
    grid = tuple(array.grid_shape)
    paths = numpy.array([*urls, ""], numpy.dtypes.StringDType())[files]
    inlined = {}
    for number, values in inline:
        paths[number] = INLINED_CHUNK_PATH
        inlined[tuple(int(at) for at in numpy.unravel_index(number, grid))] = values
    manifest = ChunkManifest.from_arrays(
        paths=paths.reshape(grid), offsets=offsets.reshape(grid), lengths=lengths.reshape(grid), inlined=inlined
    )
    return ManifestArray(metadata, manifest)


def to_icechunk(
    files: Path | Iterable[Path],
    repo: Any,
    *,
    branch: str = "main",
    group: str = "",
    message: str | None = None,
    url: str | None = None,
    piece: int = PIECE,
    skip_unsupported: bool = False,
) -> str:
    """Commits references to the values of a file, or of all ranks of a run, to an Icechunk repository.

    Call it again when the run has gone on: arrays grow, and what is committed earlier stays as it is. It has the
    steps that are committed now, of ranks those that all of them have.

    Args:
        files: an HDF5 file or a joined view, or the files of the ranks; or the URL of one file in an object store.
        repo: an `icechunk.Repository` that has a virtual chunk container for the files.
        branch: the branch that gets the commit.
        group: the path of a group for the arrays; without it, the root.
        message: what the commit says.
        url: where the files lie for those who read, as for `references`.
        piece: about how many bytes a piece has. It has whole steps.
        skip_unsupported: leaves out tensors that have no references.

    Returns:
        The id of the commit; of the last one, where nothing has changed.

    Raises:
        Error: a tensor has no references, or ranks do not go together.
        DeclarationError: the group has another array of the name of a tensor, or arrays of another run.
    """
    zarr = package("zarr", "`to_icechunk`")
    sources = [as_source(file) for file in listed(files)]
    if len(sources) == 1 and is_url(sources[0]):
        found = _selvedge.References.of_object(sources[0], TIMEOUT, piece, skip_unsupported)
        name = sources[0].rpartition("/")[2]
        urls = [sources[0] if url is None else f"{url.rstrip('/')}/{name}"]
    else:
        # The files of ranks are joined where they are files of this machine.
        found = _selvedge.References([as_path(file) for file in sources], piece, skip_unsupported)
        # Icechunk takes them for what a browser does.
        urls = [quote(location, safe="/:") for location in _urls(found.files(), url)]
    session = repo.writable_session(branch)
    root = zarr.open_group(session.store, mode="a", zarr_format=3)
    inside = root.require_group(group) if group else root
    arrays = found.arrays()
    names = {array.name for array in arrays}
    others = [name for name, array in inside.arrays() if name not in names and LAST in array.attrs]
    if others:
        raise DeclarationError(
            f"the repository has {', '.join(f'`{name}`' for name in sorted(others)[:3])} of an earlier commit, and the run "
            "has none of it: take another `group=`, or delete what is there first"
        )
    _set(inside, _json(found.attributes()))
    for array in arrays:
        _put(session.store, inside, array, urls)
    if not session.has_uncommitted_changes:
        return str(session.snapshot_id)
    return str(session.commit(message or f"{found.steps()} steps of {', '.join(urls[:1])}"))


def _put(store: Any, group: Any, array: _selvedge.ReferencedArray, urls: list[str]) -> None:
    """Puts an array there, or what has come since."""
    import numpy

    kind = numpy.dtype(STORED.get(array.dtype, array.dtype))
    shape, grid = tuple(array.shape), tuple(array.grid_shape)
    there = group.get(array.name)
    first = 0
    if there is None:
        import zarr.codecs.numcodecs as numcodecs

        codecs = {"shuffle": numcodecs.Shuffle, "zlib": numcodecs.Zlib, "fletcher32": numcodecs.Fletcher32}
        there = group.create_array(
            array.name,
            shape=shape,
            dtype=kind,
            chunks=tuple(array.chunk_shape),
            filters=None,
            compressors=[codecs[name](**({"elementsize": size} if size else {})) for name, size in array.codecs] or None,
            fill_value=_fill(array.dtype, kind),
            dimension_names=array.dimension_names,
        )
    else:
        expected = (tuple(array.chunk_shape), shape[1:], kind, len(array.codecs))
        have = (getattr(there, "chunks", None), there.shape[1:], there.dtype, len(there.compressors))
        if expected != have:
            raise DeclarationError(
                f"`{array.name}` is in the repository as pieces {have[0]} of {have[2]} with steps of {have[1]}, and "
                f"would be {expected[0]} of {kind} with steps of {expected[1]}: use the same `piece=`, or another `group=`"
            )
        # A run that gave steps up has others in their place, elsewhere if they are compressed.
        last = _last(there.shape, there.chunks)
        if there.shape <= shape and there.attrs.get(LAST) == _digest(array, last, urls):
            first = last
            if there.shape == shape:
                return _set(there, _attributes(array))
        there.resize(shape)
    attributes = _attributes(array)
    files, offsets, lengths, inline = _pieces(array, first)
    if len(files):
        locations = [urls[file] for file in files]
        path = there.path
        for number, values in inline:
            locations[number] = ""
        refused = store.set_virtual_refs_arr(
            path,
            (grid[0] - first, *grid[1:]) if grid else (),
            locations,
            offsets,
            lengths,
            validate_containers=True,
            arr_offset=(first, *[0] * (len(grid) - 1)) if first else None,
        )
        if refused:
            raise DeclarationError(
                f"the repository has no virtual chunk container for {', '.join(sorted(set(locations) - {''})[:2])}: "
                "give its configuration one (`set_virtual_chunk_container`), or say with `url=` where the files lie"
            )
        for number, values in inline:
            _put_inline(store, path, number, grid, first, values)
    _set(there, attributes | {LAST: _digest(array, _last(shape, there.chunks), urls)})


def _set(node: Any, attributes: dict[str, Any]) -> None:
    if dict(node.attrs) | attributes != dict(node.attrs):
        node.attrs.update(attributes)


def _last(shape: tuple[int, ...], chunks: tuple[int, ...]) -> int:
    """The number along the first axis of the last piece."""
    return max(shape[0] - 1, 0) // chunks[0] if shape else 0


def _put_inline(store: Any, path: str, number: int, grid: tuple[int, ...], first: int, values: bytes) -> None:
    import numpy
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    place = [int(at) for at in numpy.unravel_index(number, grid)]
    place[0] += first
    key = "/".join([path, "c", *map(str, place)])
    sync(store.set(key, default_buffer_prototype().buffer.from_bytes(values)))


def _digest(array: _selvedge.ReferencedArray, row: int, urls: list[str]) -> str:
    """Of where the pieces at one index of the first axis lie."""
    files, offsets, lengths, _ = _pieces(array, row)
    count = 1
    for axis in array.grid_shape[1:]:
        count *= axis
    found = hashlib.blake2b(digest_size=16)
    for file, offset, length in zip(files[:count], offsets[:count], lengths[:count], strict=True):
        found.update(f"{urls[file]} {offset} {length}\n".encode())
    return found.hexdigest()


def _pieces(array: _selvedge.ReferencedArray, first: int) -> tuple[Array, Array, Array, list[tuple[int, bytes]]]:
    import numpy

    files, offsets, lengths, inline = array.pieces(first)
    return numpy.frombuffer(files, "<u4"), numpy.frombuffer(offsets, "<u8"), numpy.frombuffer(lengths, "<u8"), inline


def _attributes(array: _selvedge.ReferencedArray) -> dict[str, Any]:
    attributes = _json(array.attributes())
    if array.dtype in STORED:
        attributes["logical_dtype"] = array.dtype
    return attributes


def _json(found: list[tuple[str, Any]]) -> dict[str, Any]:
    """Attributes as JSON has them, without numbers for infinity and NaN: Zarr's words for them."""

    def value(given: Any) -> Any:
        if isinstance(given, list):
            return [value(one) for one in given]
        if not isinstance(given, float) or math.isfinite(given):
            return given
        return "NaN" if math.isnan(given) else "Infinity" if given > 0 else "-Infinity"

    return {name: value(given) for name, given in found}


def _fill(dtype: str, kind: Any) -> Any:
    """What shows that a piece is missing: NaN, where the dtype has one."""
    if dtype in STORED:
        return {"uint16": 0xFFFF, "uint8": 0xFF}[kind.name]
    return float("nan") if kind.kind in "fc" else kind.type(0)


def _urls(files: Sequence[Path], prefix: str | None) -> list[str]:
    found = [pathlib.Path(file).resolve() for file in files]
    if prefix is None:
        return [f"file://{file}" for file in found]
    folder = os.path.commonpath([file.parent for file in found]) if found else "/"
    return [f"{prefix.rstrip('/')}/{file.relative_to(folder).as_posix()}" for file in found]
