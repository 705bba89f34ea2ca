"""References to values for readers of Zarr: kerchunk's JSON, VirtualiZarr, Icechunk."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlparse, urlsplit

from selvedge import _selvedge
from selvedge._arguments import as_path, as_source, is_url, listed
from selvedge._errors import DeclarationError, FileError
from selvedge._extras import package
from selvedge._program import argument, call, source, with_arguments
from selvedge._sizes import in_bytes
from selvedge._tools import _others

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

Path = str | os.PathLike[str]

PIECE = 8_000_000
# The seconds for which nothing may come from a server of objects.
TIMEOUT = 30.0
# The attribute of an array in Icechunk by which the next call knows that its pieces are where they were.
LAST = "selvedge_last_pieces"
# The attribute of an array, and of the group that a call is given, with the names of the attributes that the call put
# there: the others are somebody else's. A group has it only if a call was given it.
GIVEN = "selvedge_attributes"
# What the bits of these are stored as.
STORED = {"bfloat16": "uint16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8"}


def references(
    files: Path | Iterable[Path],
    target: Path | None = None,
    *,
    zarr: int = 2,
    url: str | None = None,
    piece: int | str = PIECE,
    skip_unsupported: bool = False,
    follow_links: bool | Path = False,
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
        piece: about how many bytes a piece has, or a text such as ``"8 MB"``. It has whole steps.
        skip_unsupported: leaves out tensors that have no references.
        follow_links: as for `open`: a folder that has the files of a view that lies elsewhere.
        overwrite: replaces a file.

    Returns:
        What the program says: how each array is cut.

    Raises:
        ProgramError: a tensor has no references, by name; ranks do not go together; or there is such a file.
    """
    arguments = ["references", *map(source, listed(files)), f"--zarr={zarr}", f"--piece={_piece(piece)}"]
    arguments += ["--skip-unsupported"] * skip_unsupported + _others(follow_links, False)
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

    piece: int | str = PIECE
    """About how many bytes a piece has, or a text such as ``"8 MB"``."""
    skip_unsupported: bool = False
    """Leaves out tensors that have no references."""
    follow_links: bool | Path = False
    """As for `open`: a folder that has the files of a view that lies elsewhere."""

    def __post_init__(self) -> None:
        _piece(self.piece)

    def __call__(self, url: str, registry: Any) -> Any:
        """The store of the file at `url`, which reads values through `registry`.

        Raises:
            FileError: the name has a character, such as `#` or `?`, for which VirtualiZarr would read another file.
        """
        manifests = package("virtualizarr.manifests", "`VirtualizarrParser`", "zarr")
        where = urlsplit(url)
        if where.scheme:
            _check_url(url)
        is_local = where.scheme in ("", "file")
        if is_local:
            path = unquote(where.path) if where.scheme else url
            found = _found([path], self.piece, self.skip_unsupported, self.follow_links)
        else:
            found = self._elsewhere(url, registry)
        with contextlib.closing(found):
            urls = _urls(found.files(), None) if is_local else [url]
            for location in urls:
                _check_url(location)
            return self._store(manifests, found, urls, registry)

    def _store(self, manifests: Any, found: _selvedge.References, urls: list[str], registry: Any) -> Any:
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

        found = _selvedge.References.of_ranges(url, before["size"], fetch, _piece(self.piece), self.skip_unsupported)
        after = store.head(path)
        if any(before.get(key) != after.get(key) for key in identity):
            found.close()
            raise FileError(f"{url} was replaced while it was read; read it again")
        return found


def _piece(size: float | str | None) -> int:
    """The bytes of a piece, which are those of the default where nothing is given."""
    found = in_bytes(size)
    return PIECE if found is None else found


def _found(files: list[str], piece: int | str, skip: bool, links: bool | Path) -> _selvedge.References:
    """References to the values of files of this machine, to be closed."""
    links = links if isinstance(links, bool) else as_path(links)
    return _selvedge.References(files, links, _piece(piece), skip)


def _check_url(url: str) -> None:
    """Refuses a URL for which VirtualiZarr would read another file.

    Its stores (2.8.0) and the registry of obspec_utils (0.9.0) take what `urlparse` has for the path, as it stands: a `#`
    or a `?` and all that follows are no part of it, a line break is left out, and `%23` stays `%23`.
    """
    found = urlparse(url)
    if url.partition(":")[2].removeprefix("//") != found.netloc + found.path:
        # What follows may be a signature.
        raise FileError(
            f"VirtualiZarr would read `{found.path}`, and leave out what the name or the URL has more: expected no `#`, `?`, "
            "`;` or line break; rename the file, or leave that out of the URL"
        )


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
    piece: int | str = PIECE,
    skip_unsupported: bool = False,
    follow_links: bool | Path = False,
) -> str:
    """Commits references to the values of a file, or of all ranks of a run, to an Icechunk repository.

    Call it again when the run has gone on: arrays grow, and what is committed earlier stays as it is. It has the
    steps that are committed now, of ranks those that all of them have. Attributes that the file no longer has go. What
    the group has from others, arrays and attributes, stays.

    Args:
        files: an HDF5 file or a joined view, or the files of the ranks; or the URL of one file in an object store.
        repo: an `icechunk.Repository` that has a virtual chunk container for the files.
        branch: the branch that gets the commit.
        group: the path of a group for the arrays; without it, the root.
        message: what the commit says.
        url: where the files lie for those who read, as for `references`.
        piece: about how many bytes a piece has, or a text such as ``"8 MB"``. It has whole steps.
        skip_unsupported: leaves out tensors that have no references.
        follow_links: as for `open`: a folder that has the files of a view that lies elsewhere.

    Returns:
        The id of the commit; of the last one, where nothing has changed.

    Raises:
        Error: a tensor has no references, or ranks do not go together.
        DeclarationError: the group has something else of the name of a tensor or an attribute, or arrays of another run.
    """
    zarr = package("zarr", "`to_icechunk`")
    sources = [as_source(file) for file in listed(files)]
    is_object = len(sources) == 1 and is_url(sources[0])
    if is_object:
        found = _selvedge.References.of_object(sources[0], TIMEOUT, _piece(piece), skip_unsupported)
    else:
        # The files of ranks are joined where they are files of this machine.
        found = _found([as_path(file) for file in sources], piece, skip_unsupported, follow_links)
    with contextlib.closing(found):
        if is_object:
            name = sources[0].rpartition("/")[2]
            urls = [sources[0] if url is None else f"{url.rstrip('/')}/{name}"]
        else:
            # Icechunk takes them for what a browser does.
            urls = [quote(location, safe="/:") for location in _urls(found.files(), url)]
        session = repo.writable_session(branch)
        root = zarr.open_group(session.store, mode="a", zarr_format=3)
        inside = root.require_group(group) if group else root
        arrays = found.arrays()
        names = {array.name for array in arrays}
        others = [name for name in _earlier(inside) if name not in names or GIVEN not in inside.attrs]
        if others:
            why = "and the run has none of it" if GIVEN in inside.attrs else "which was made with another `group=`"
            raise DeclarationError(
                f"the repository has {', '.join(f'`{name}`' for name in sorted(others)[:3])} of an earlier commit, {why}: "
                "take another `group=`, or delete what is there first"
            )
        _set(inside, _json(found.attributes()))
        for array in arrays:
            _put(session.store, inside, array, urls)
        if not session.has_uncommitted_changes:
            return str(session.snapshot_id)
        return str(session.commit(message or f"{found.steps()} steps of {', '.join(urls[:1])}"))


def _earlier(group: Any, prefix: str = "") -> Iterator[str]:
    """The names of the arrays that earlier calls put into a group, and into groups below it that no call was given."""
    for name, member in group.members():
        if _is_array(member):
            if LAST in member.attrs:
                yield prefix + name
        elif GIVEN not in member.attrs:
            yield from _earlier(member, f"{prefix}{name}/")


def _there(group: Any, name: str) -> Any:
    """The array of this name that an earlier call put into a group; an error where there is something else."""
    *folders, _ = places = ["/".join(name.split("/")[:end]) for end in range(1, name.count("/") + 2)]
    for place in places:
        found = group.get(place)
        if found is None:
            return None
        is_ours = not _is_array(found) and GIVEN not in found.attrs if place in folders else LAST in found.attrs
        if not is_ours:
            raise DeclarationError(
                f"the repository has `{place}`, which is not from this run, and the run has a tensor `{name}`: take another "
                "`group=`, or delete what is there first"
            )
    return found


def _is_array(node: Any) -> bool:
    return hasattr(node, "shape")


def _put(store: Any, group: Any, array: _selvedge.ReferencedArray, urls: list[str]) -> None:
    """Puts an array there, or what has come since."""
    import numpy

    kind = numpy.dtype(STORED.get(array.dtype, array.dtype))
    shape, grid = tuple(array.shape), tuple(array.grid_shape)
    attributes, codecs = _attributes(array), _codecs(array)
    there = _there(group, array.name)
    first = 0
    if there is None:
        there = group.create_array(
            array.name,
            shape=shape,
            dtype=kind,
            chunks=tuple(array.chunk_shape),
            filters=None,
            compressors=codecs or None,
            fill_value=_fill(array.dtype, kind),
            dimension_names=array.dimension_names,
        )
    else:
        dtypes = (attributes.get("logical_dtype", kind.name), there.attrs.get("logical_dtype", there.dtype.name))
        expected = _layout(dtypes[0], array.chunk_shape, shape[1:], codecs)
        have = _layout(dtypes[1], there.chunks, there.shape[1:], there.compressors)
        if expected != have:
            raise DeclarationError(
                f"`{array.name}` is in the repository as {have}, and would be {expected}: take another `group=`, or, where only "
                "the pieces differ, the `piece=` of before"
            )
        # A run that gave steps up has others in their place, elsewhere if they are compressed.
        last = _last(there.shape, there.chunks)
        if there.shape <= shape and there.attrs.get(LAST) == _digest(array, last, urls):
            first = last
            if there.shape == shape:
                return _set(there, attributes)
        there.resize(shape)
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
    _set(there, attributes, {LAST: _digest(array, _last(shape, there.chunks), urls)})


def _codecs(array: _selvedge.ReferencedArray) -> list[Any]:
    import zarr.codecs.numcodecs as numcodecs

    kinds = {"shuffle": numcodecs.Shuffle, "zlib": numcodecs.Zlib, "fletcher32": numcodecs.Fletcher32}
    return [kinds[name](**({"elementsize": size} if size else {})) for name, size in array.codecs]


def _layout(dtype: str, chunks: Iterable[int], step: Iterable[int], codecs: Iterable[Any]) -> str:
    """What an array keeps from its first commit on, as errors say it."""
    through = ", ".join(str(codec.to_dict()["name"]).removeprefix("numcodecs.") for codec in codecs)
    said = f"pieces {tuple(chunks)} of {dtype} with steps of {tuple(step)}"
    return f"{said} through {through}" if through else said


def _set(node: Any, attributes: dict[str, Any], marks: dict[str, str] | None = None) -> None:
    """Gives a node the attributes of the run, and removes those that an earlier call gave it and the run no longer has.

    Attributes that others gave it stay, and one of the same name with another value is an error.
    """
    have = dict(node.attrs)
    given = have.get(GIVEN, [])
    own = {name: value for name, value in have.items() if name not in given}
    others = [name for name, value in attributes.items() if own.get(name, value) != value]
    if others:
        raise DeclarationError(
            f"`{node.name}` in the repository has an attribute `{others[0]}` that is not from this run, and the run has another "
            "value of this name: take another `group=`, or delete what is there first"
        )
    ours = {name: value for name, value in attributes.items() if name not in own}
    wanted = own | ours | {GIVEN: sorted(ours)} | (marks or {})
    if wanted != have:
        node.attrs.put(wanted)


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
