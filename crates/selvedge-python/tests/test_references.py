"""What stock readers of Zarr make of references, by kerchunk's JSON, VirtualiZarr and Icechunk."""

from __future__ import annotations

import functools
import gc
import http.server
import os
import pathlib
import re
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import h5py
import numpy
import pytest

import selvedge

# Their versions for Python 3.11 are others.
icechunk = pytest.importorskip("icechunk")
virtualizarr = pytest.importorskip("virtualizarr")
xarray = pytest.importorskip("xarray")
zarr = pytest.importorskip("zarr")

WORLD = 4
SHAPE = (256, 64)


def weights(step: int) -> numpy.ndarray[Any, Any]:
    """All 65,536 patterns of bfloat16 in four steps."""
    return (numpy.arange(256 * 64, dtype=numpy.uint16) * 4 + step).reshape(SHAPE)


def smooth(step: int) -> numpy.ndarray[Any, Any]:
    """What compresses."""
    return (0x3F00 + numpy.arange(256 * 64, dtype=numpy.uint16) % (7 + step)).reshape(SHAPE)


def expected(steps: int) -> dict[str, numpy.ndarray[Any, Any]]:
    return {
        "W": numpy.stack([weights(step) for step in range(steps)]),
        "V": numpy.stack([smooth(step) for step in range(steps)]),
        "loss": numpy.arange(steps, dtype=numpy.float32),
        "mask": numpy.arange(256) % 3 == 0,
        "scale": numpy.float64(0.5),
        "z": numpy.array([1 + 2j, complex(numpy.nan, 0)], numpy.complex64),
    }


def append(run: selvedge.Recorder, until: int, rows: slice = slice(None)) -> None:
    bits = {"W": "bfloat16", "V": "bfloat16"}
    for step in range(run.appended, until):
        values = {"W": weights(step)[rows], "V": smooth(step)[rows]}
        run.append(loss=float(step), **{name: bfloat16(values[name]) for name in bits})


def bfloat16(values: numpy.ndarray[Any, Any]) -> Any:
    import ml_dtypes

    return values.view(ml_dtypes.bfloat16)


def record(path: pathlib.Path, until: int, rank: int | None = None, **options: Any) -> selvedge.Recorder:
    rows = slice(None) if rank is None else slice(64 * rank, 64 * rank + 64)
    whole = expected(1)
    shape = whole["W"][0, rows].shape
    if rank is not None:
        options |= {"shard": selvedge.Shard("c0ffee", rank, WORLD)}
        options |= {"parts": {name: (SHAPE, (64 * rank, 0)) for name in ("W", "V")} | {"mask": ((256,), (64 * rank,))}}
    run = selvedge.Recorder(
        path,
        tensors={"W": ("bfloat16", shape), "V": ("bfloat16", shape)},
        scalars=["loss"],
        constants={"mask": whole["mask"][rows], "scale": whole["scale"], "z": whole["z"]},
        attributes={"lr": 1e-3, "worst": float("inf")},
        **options,
    )
    append(run, until, rows)
    run.commit()
    return run


KINDS = ["plain", "fast", "temporal", "live", "died", "ranks", "view"]


@pytest.fixture(params=KINDS)
def files(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[list[pathlib.Path]]:
    """Files of every kind, of 13 steps that all tensors and ranks have."""
    kind = request.param
    # What a URL and a template would take for their own.
    path = tmp_path / "a run 100%.h5"
    if kind in ("ranks", "view"):
        ranks = [tmp_path / f"rank{rank}.h5" for rank in range(WORLD)]
        for rank, shard in enumerate(ranks):
            record(shard, 13 + rank, rank, steps=20).finish()
        selvedge.join(ranks, path)
        yield ranks if kind == "ranks" else [path]
        return
    run = record(path, 13, steps=20, compression="fast" if kind == "fast" else "none")
    if kind == "live":
        yield [path]
    if kind == "died":
        # As a kill leaves it: nothing ends the file.
        copy = tmp_path / "died.h5"
        copy.write_bytes(path.read_bytes())
        yield [copy]
    run.finish()
    if kind == "temporal":
        archive = tmp_path / "archive.h5"
        selvedge.rechunk(path, archive, compression="temporal")
        yield [archive]
    if kind in ("plain", "fast"):
        yield [path]


def check(found: Any, steps: int = 13) -> None:
    """Whether arrays of Zarr, or variables of xarray, are the values."""
    for name, values in expected(steps).items():
        array = numpy.asarray(found[name][...])
        assert array.dtype == values.dtype and array.shape == values.shape, name
        assert array.tobytes() == values.tobytes(), name
    assert found["W"].attrs["logical_dtype"] == "bfloat16"
    assert found.attrs["lr"] == 1e-3 and found.attrs["worst"] == "Infinity"


def opened(references: pathlib.Path, form: int) -> Any:
    options = {"fo": str(references), "remote_protocol": "file"}
    return zarr.storage.FsspecStore.from_url("reference://", storage_options=options, read_only=True)


def registry() -> Any:
    from obspec_utils.registry import ObjectStoreRegistry
    from obstore.store import LocalStore

    return ObjectStoreRegistry({"file://": LocalStore()})


@pytest.mark.parametrize("piece", [1, 8_000_000])
def test_stock_readers_find_the_values(files: list[pathlib.Path], tmp_path: pathlib.Path, piece: int) -> None:
    from virtualizarr.parsers import KerchunkJSONParser

    for form in (2, 3):
        references = tmp_path / f"{form}.json"
        assert "13 steps" in selvedge.references(files, references, zarr=form, piece=piece)
        store = opened(references, form)
        check(zarr.open_group(store, mode="r", zarr_format=form))
        found = xarray.open_zarr(store, consolidated=False, zarr_format=form)
        check(found)
        assert found["W"].dims == ("step", "dim_256", "dim_64") and found["mask"].dims == ("dim_256",)
    check(xarray.open_dataset(str(tmp_path / "2.json"), engine="kerchunk"))
    store = KerchunkJSONParser()(f"file://{tmp_path}/2.json", registry())
    check(xarray.open_zarr(store, consolidated=False, zarr_format=3))


def test_virtualizarr_has_the_pieces(files: list[pathlib.Path], tmp_path: pathlib.Path) -> None:
    if len(files) > 1:
        files = [tmp_path / "a run 100%.h5"]
    parser = selvedge.VirtualizarrParser(piece=100_000)
    virtual = virtualizarr.open_virtual_dataset(str(files[0]), registry(), parser)
    assert virtual["W"].dims == ("step", "dim_256", "dim_64")
    url = files[0].as_uri()
    check(xarray.open_zarr(parser(url, registry()), consolidated=False, zarr_format=3))


def repository(tmp_path: pathlib.Path) -> Any:
    tmp_path.mkdir(exist_ok=True)
    prefix = f"file://{tmp_path}/"
    access = {prefix: icechunk.credentials.LocalFileSystemAccess}
    config = icechunk.RepositoryConfig.default()
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, icechunk.local_filesystem_store(str(tmp_path))))
    return icechunk.Repository.create(icechunk.in_memory_storage(), config, authorize_virtual_chunk_access=access)


def committed(repo: Any, **at: Any) -> Any:
    return zarr.open_group(repo.readonly_session(**(at or {"branch": "main"})).store, mode="r")


def test_icechunk_has_the_values(files: list[pathlib.Path], tmp_path: pathlib.Path) -> None:
    repo = repository(tmp_path)
    commit = selvedge.to_icechunk(files, repo, piece=100_000)
    check(committed(repo))
    check(xarray.open_zarr(repo.readonly_session("main").store, consolidated=False))
    # Nothing has changed.
    assert selvedge.to_icechunk(files, repo, piece=100_000) == commit


@pytest.mark.parametrize("compression", ["none", "fast"])
def test_icechunk_grows_with_the_run(tmp_path: pathlib.Path, compression: str) -> None:
    ranks = [tmp_path / f"rank{rank}.h5" for rank in range(WORLD)]
    runs = [record(path, 5 + rank, rank, compression=compression) for rank, path in enumerate(ranks)]
    repo = repository(tmp_path)
    first = selvedge.to_icechunk(ranks, repo, group="runs/a", piece=50_000, message="begun")
    for rank, run in enumerate(runs):
        append(run, 20, slice(64 * rank, 64 * rank + 64))
        run.finish()
    second = selvedge.to_icechunk(ranks, repo, group="runs/a", piece=50_000)
    check(committed(repo)["runs/a"], 20)
    check(committed(repo, snapshot_id=first)["runs/a"], 5)
    # Ranks that gave steps up have others in their place, and then more.
    for rank, path in enumerate(ranks):
        rows = slice(64 * rank, 64 * rank + 64)
        run = selvedge.Recorder(path, resume=True, shard=selvedge.Shard("c0ffee", rank, WORLD, 10))
        for step in range(10, 23):
            values = {"W": bfloat16(weights(step)[rows]), "V": bfloat16(smooth(step + 1)[rows])}
            run.append(loss=float(step), **values)
        run.finish()
    selvedge.to_icechunk(ranks, repo, group="runs/a", piece=50_000)
    found = committed(repo)["runs/a"]
    changed = numpy.stack([smooth(step if step < 10 else step + 1) for step in range(23)])
    assert numpy.array_equal(found["V"][...], changed) and found["W"].shape[0] == 23
    with pytest.raises(selvedge.DeclarationError, match="`V` is in the repository as pieces"):
        selvedge.to_icechunk(ranks, repo, group="runs/a", piece=1_000_000 if compression == "none" else 0)
    assert second != first


class Server(http.server.SimpleHTTPRequestHandler):
    """A server of ranges that remembers them."""

    ranges: ClassVar[list[tuple[int, int]]] = []
    changed: ClassVar[list[float]] = []

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(os.path.getsize(self.translate_path(self.path))))
        self.send_header("Last-Modified", self.date_time_string(self.changed.pop() if self.changed else 0))
        self.end_headers()

    def do_GET(self) -> None:
        first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        self.ranges.append((first, last + 1 - first))
        with open(self.translate_path(self.path), "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(first)
            data = file.read(last - first + 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{first + len(data) - 1}/{size}")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: pathlib.Path) -> Iterator[str]:
    """The URL of a server of the files of a test."""
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=str(tmp_path)))
    threading.Thread(target=made.serve_forever, daemon=True).start()
    Server.ranges.clear()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()


@pytest.mark.parametrize("compression", ["none", "fast"])
def test_a_step_is_one_request(tmp_path: pathlib.Path, server: str, compression: str) -> None:
    from obstore.store import HTTPStore
    from virtualizarr.parsers import KerchunkJSONParser

    path = tmp_path / "run.h5"
    record(path, 100, steps=100, compression=compression).finish()
    selvedge.references(path, tmp_path / "run.json", piece=1, url=server)
    stores = registry()
    stores.register(server, HTTPStore(server, client_options={"allow_http": True}))
    json = KerchunkJSONParser()(f"file://{tmp_path}/run.json", stores)
    assert Server.ranges == []
    parsed = selvedge.VirtualizarrParser(piece=1)(f"{server}/run.h5", stores)
    # The structure of a file of a known length lies at its beginning, that of a compressed one also elsewhere.
    assert Server.ranges[0] == (0, 262144) and len(Server.ranges) <= (1 if compression == "none" else 30)
    for store in (json, parsed):
        found = xarray.open_zarr(store, consolidated=False, zarr_format=3, chunks=None)
        Server.ranges.clear()
        assert numpy.array_equal(found["W"][57].values, weights(57))
        [(_, length)] = Server.ranges
        assert length == 2 * 256 * 64 if compression == "none" else length <= 2 * 256 * 64 + 16
    check(xarray.open_zarr(parsed, consolidated=False, zarr_format=3), 100)
    Server.changed[:] = [1e9, 0]
    with pytest.raises(selvedge.FileError, match="was replaced while it was read"):
        selvedge.VirtualizarrParser()(f"{server}/run.h5", stores)


def test_what_is_not_there_is_an_error(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "run.h5"
    record(path, 3, steps=3).finish()
    repo = repository(tmp_path)
    with pytest.raises(selvedge.DeclarationError, match=r"no virtual chunk container for file://.*run\.h5"):
        selvedge.to_icechunk(path, repository(tmp_path / "elsewhere"))
    selvedge.to_icechunk(path, repo)
    for form in (2, 3):
        selvedge.references(path, tmp_path / f"{form}.json", zarr=form)
    whole = path.read_bytes()
    for left in (None, 1000):
        path.unlink()
        if left is not None:
            path.write_bytes(whole[:left])
        for found in (
            *(zarr.open_group(opened(tmp_path / f"{form}.json", form), mode="r", zarr_format=form) for form in (2, 3)),
            committed(repo),
        ):
            for name in ("W", "scale"):
                with pytest.raises(Exception, match="fetch|reshape|no such|range|not found|chunk"):
                    print(left, found, name, found[name][...])
        path.write_bytes(b"")


def test_what_an_earlier_run_had_is_no_part_of_this_one(tmp_path: pathlib.Path) -> None:
    """It stayed, and showed bytes of the new file as its values."""
    path, repo = tmp_path / "a.h5", repository(tmp_path)
    for names, group in [("AB", ""), ("A", ""), ("A", "new")]:
        with selvedge.Recorder(path, tensors={name: ("float32", (4,)) for name in names}, overwrite=True) as run:
            run.append({name: numpy.full(4, 1.0, "f4") for name in names})
        if (names, group) == ("A", ""):
            with pytest.raises(selvedge.DeclarationError, match="`B` of an earlier commit.*another `group=`"):
                selvedge.to_icechunk(path, repo)
        else:
            selvedge.to_icechunk(path, repo, group=group)
    assert list(committed(repo)["new"]) == ["A"]


def foreign(path: pathlib.Path, arrays: dict[str, Any]) -> None:
    """A file of any program, with tensors in groups."""
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values


def five(first: float) -> numpy.ndarray[Any, Any]:
    return first + numpy.arange(20.0).reshape(5, 4)


def test_what_an_earlier_run_had_in_groups_is_no_part_of_this_one(tmp_path: pathlib.Path) -> None:
    """Arrays in groups were not looked at: `dec/W` stayed, and showed the bytes of `enc/Q` as its values."""
    path, repo = tmp_path / "a.h5", repository(tmp_path)
    foreign(path, {"enc/W": five(0), "dec/W": five(100)})
    first = selvedge.to_icechunk(path, repo)
    foreign(path, {"enc/W": five(1000), "enc/Q": five(7000)})
    with pytest.raises(selvedge.DeclarationError, match="`dec/W` of an earlier commit, and the run has none of it"):
        selvedge.to_icechunk(path, repo)
    assert repo.lookup_branch("main") == first

    # What other calls put into groups of their own does not stand in the way, and is not taken for this run's.
    repo = repository(tmp_path / "other")
    path = tmp_path / "other" / "a.h5"
    foreign(path, {"enc/W": five(0)})
    for group in ("runs/a", "/runs/b/", "", "runs/a", ""):
        selvedge.to_icechunk(path, repo, group=group)
    arrays = sorted(name for name, node in committed(repo).members(max_depth=None) if isinstance(node, zarr.Array))
    assert arrays == ["enc/W", "runs/a/enc/W", "runs/b/enc/W"]
    last = repo.lookup_branch("main")
    foreign(path, {"W": five(0)})
    with pytest.raises(selvedge.DeclarationError, match="`W` of an earlier commit, which was made with another `group=`"):
        selvedge.to_icechunk(path, repo, group="enc")
    foreign(path, {"enc/W": five(0), "runs/a/W": five(0)})
    with pytest.raises(selvedge.DeclarationError, match="`runs/a`, which is not from this run.* a tensor `runs/a/W`"):
        selvedge.to_icechunk(path, repo)
    assert repo.lookup_branch("main") == last


def test_values_of_the_user_are_not_replaced(tmp_path: pathlib.Path) -> None:
    """An array of the name, the shape and the dtype of a constant was taken for one of an earlier commit."""
    path, repo = tmp_path / "a.h5", repository(tmp_path)
    foreign(path, {"mask": numpy.arange(10), "enc/W": five(0), "free": five(0)})
    session = repo.writable_session("main")
    root = zarr.open_group(session.store, mode="a")
    own = root.create_array("mask", shape=(10,), dtype="int64", chunks=(10,), compressors=None)
    own[:] = numpy.arange(10) * 111
    session.commit("mine")
    with pytest.raises(selvedge.DeclarationError, match="`mask`, which is not from this run.* a tensor `mask`.*`group=`"):
        selvedge.to_icechunk(path, repo)
    assert committed(repo)["mask"][:].tolist() == [0, 111, 222, 333, 444, 555, 666, 777, 888, 999]

    foreign(path, {"mask/W": five(0)})
    with pytest.raises(selvedge.DeclarationError, match="`mask`, which is not from this run.* a tensor `mask/W`"):
        selvedge.to_icechunk(path, repo)
    # A group is no array.
    foreign(path, {"G": five(0)})
    session = repo.writable_session("main")
    zarr.open_group(session.store, mode="a").create_group("G")
    session.commit("mine")
    with pytest.raises(selvedge.DeclarationError, match="`G`, which is not from this run"):
        selvedge.to_icechunk(path, repo)
    # What has other names stays beside the run.
    foreign(path, {"W": five(3)})
    selvedge.to_icechunk(path, repo)
    found = committed(repo)
    assert found["mask"][9] == 999 and numpy.array_equal(found["W"][:], five(3))


def test_attributes_go_with_the_run_that_had_them(tmp_path: pathlib.Path) -> None:
    """A file that was written anew without an attribute had it for ever."""
    path, repo = tmp_path / "a.h5", repository(tmp_path)

    def write(**attributes: Any) -> None:
        foreign(path, {"W": five(0)})
        with h5py.File(path, "r+") as file:
            file.attrs.update(attributes)
            file["W"].attrs.update({f"W_{name}": value for name, value in attributes.items()})

    write(lr=1.0, old="yes")
    selvedge.to_icechunk(path, repo)
    session = repo.writable_session("main")
    root = zarr.open_group(session.store, mode="a")
    root.attrs["title"], root["W"].attrs["unit"] = "mine", "m"
    session.commit("attributes of the user")
    write(lr=2.0, new=[1, 2])
    commit = selvedge.to_icechunk(path, repo)
    shown = {name: value for name, value in committed(repo).attrs.items() if not name.startswith("selvedge_")}
    assert shown == {"title": "mine", "lr": 2.0, "new": [1, 2]}
    shown = {name: value for name, value in committed(repo)["W"].attrs.items() if not name.startswith("selvedge_")}
    assert shown == {"unit": "m", "W_lr": 2.0, "W_new": [1, 2]}
    assert selvedge.to_icechunk(path, repo) == commit
    # Those of the user are not replaced either.
    write(lr=2.0, title="the run's")
    with pytest.raises(selvedge.DeclarationError, match="`/` in the repository has an attribute `title` that is not from"):
        selvedge.to_icechunk(path, repo)
    assert repo.lookup_branch("main") == commit


def test_an_array_of_another_meaning_is_another_one(tmp_path: pathlib.Path) -> None:
    """Integers in the place of bfloat16 had its `logical_dtype`, and other filters the earlier codecs, if as many."""
    path, repo = tmp_path / "a.h5", repository(tmp_path)
    with selvedge.Recorder(path, tensors={"W": ("bfloat16", (4,))}) as run:
        run.append(W=bfloat16(numpy.arange(4, dtype=numpy.uint16)))
    selvedge.to_icechunk(path, repo)
    with selvedge.Recorder(path, tensors={"W": ("uint16", (4,))}, overwrite=True) as run:
        run.append(W=numpy.arange(4, dtype=numpy.uint16))
    said = r"`W` is in the repository as pieces .* of bfloat16 with steps of \(4,\), and would be pieces .* of uint16 with"
    with pytest.raises(selvedge.DeclarationError, match=said):
        selvedge.to_icechunk(path, repo)
    assert committed(repo)["W"].attrs["logical_dtype"] == "bfloat16"

    for filters in ({"shuffle": True, "compression": "gzip"}, {"compression": "gzip", "fletcher32": True}):
        with h5py.File(path, "w") as file:
            file.create_dataset("W", data=five(0), chunks=(1, 4), **filters)
        if "shuffle" in filters:
            selvedge.to_icechunk(path, repo, group="filters")
    with pytest.raises(selvedge.DeclarationError, match="through shuffle, zlib, and would be .* through zlib, fletcher32:"):
        selvedge.to_icechunk(path, repo, group="filters")


def test_virtualizarr_is_given_no_name_that_it_takes_for_another(tmp_path: pathlib.Path, server: str) -> None:
    """What follows a `#` is no part of the path for it: values of `run` were read for those of `run#2`."""
    names = ["run#2", "run?2", "a\nb"]
    foreign(tmp_path / "run", {"W": five(0)})
    foreign(tmp_path / "ab", {"W": five(0)})
    parser = selvedge.VirtualizarrParser()
    for path in (tmp_path / name for name in names):
        foreign(path, {"W": five(100)})
        for url in (str(path), path.as_uri(), f"file://{path}"):
            with pytest.raises(selvedge.FileError, match="VirtualiZarr would read `.*/(run|ab)`.* rename the file"):
                parser(url, registry())
        with pytest.raises(selvedge.FileError, match="VirtualiZarr would read"):
            virtualizarr.open_virtual_dataset(str(path), registry(), parser)
    found = zarr.open_group(parser(str(tmp_path / "run"), registry()), mode="r")
    assert numpy.array_equal(found["W"][:], five(0))
    # Of what is left out of a URL nothing is said: it may be a secret.
    for more in ("#2", "?signature=hidden", ";hidden"):
        with pytest.raises(selvedge.FileError, match="VirtualiZarr would read `/run`") as refused:
            parser(f"{server}/run{more}", registry())
        assert "hidden" not in str(refused.value)
    assert Server.ranges == []


def test_files_of_a_view_elsewhere_are_read_where_that_is_asked_for(tmp_path: pathlib.Path) -> None:
    """It was advised to pass `follow_links=True`, which no function for references took, and which would not have helped."""
    ranks = [tmp_path / "ranks" / f"rank{rank}.h5" for rank in range(WORLD)]
    for rank, path in enumerate(ranks):
        record(path, 13, rank, steps=13).finish()
    view, json = tmp_path / "views" / "view.h5", tmp_path / "view.json"
    selvedge.join(ranks, view)
    repo = repository(tmp_path)
    for refused in (
        lambda: selvedge.open(view),
        lambda: selvedge.references(view, json),
        lambda: selvedge.to_icechunk(view, repo),
        lambda: selvedge.VirtualizarrParser()(str(view), registry()),
    ):
        with pytest.raises(selvedge.Error, match=r"rank0.h5 is not read.*`follow_links=DIR`") as said:
            refused()
        assert "follow_links=True" not in str(said.value)
    assert selvedge.open(view, follow_links=tmp_path).steps == 13
    selvedge.references(view, json, follow_links=tmp_path)
    check(zarr.open_group(opened(json, 2), mode="r", zarr_format=2))
    selvedge.to_icechunk(view, repo, follow_links=str(tmp_path))
    check(committed(repo))
    parser = selvedge.VirtualizarrParser(follow_links=tmp_path)
    check(zarr.open_group(parser(str(view), registry()), mode="r"))
    # A link may lie beside the file, and what helps is not known.
    with h5py.File(tmp_path / "links.h5", "w") as file:
        file["near"] = h5py.ExternalLink("views/view.h5", "/W")
    advice = "inside of a folder (`follow_links=True`, or `follow_links=DIR`)"
    [note] = selvedge.open(tmp_path / "links.h5").notes
    assert note.endswith(advice)
    assert advice in " ".join(selvedge.references(tmp_path / "links.h5").split())


def test_pieces_have_sizes_as_people_say_them(tmp_path: pathlib.Path) -> None:
    path, repo = tmp_path / "run.h5", repository(tmp_path)
    record(path, 12, steps=12).finish()
    commit = selvedge.to_icechunk(path, repo, piece=100_000)
    assert committed(repo)["W"].chunks == (3, *SHAPE)
    assert selvedge.to_icechunk(path, repo, piece="100 kB") == commit
    store = selvedge.VirtualizarrParser(piece="100 kB")(str(path), registry())
    assert zarr.open_group(store, mode="r")["W"].chunks == (3, *SHAPE)
    assert selvedge.references(path, piece="100 kB") == selvedge.references(path, piece=100_000)
    assert selvedge.references(path, piece="100 kB") != selvedge.references(path)
    wrong: Any
    for wrong in (-1, "8 parsecs", 1.5, 1 << 64):
        for function in (
            lambda: selvedge.references(path, piece=wrong),
            lambda: selvedge.to_icechunk(path, repo, piece=wrong),
            lambda: selvedge.VirtualizarrParser(piece=wrong),
        ):
            with pytest.raises(selvedge.DeclarationError, match=f"size {wrong!r}: expected a number of bytes"):
                function()


def test_files_are_closed_when_references_are_made(tmp_path: pathlib.Path) -> None:
    """Frames that zarr keeps held the file open and locked until the garbage was collected."""
    path, repo = tmp_path / "a.h5", repository(tmp_path)
    foreign(path, {"enc/W": five(0), "mask": numpy.arange(3)})
    gc.collect()
    gc.disable()
    try:
        selvedge.to_icechunk(path, repo)
        h5py.File(path, "r+").close()
        store = selvedge.VirtualizarrParser()(str(path), registry())
        h5py.File(path, "r+").close()
        with pytest.raises(selvedge.DeclarationError) as refused:
            selvedge.to_icechunk(path, repository(tmp_path / "elsewhere"))
        h5py.File(path, "r+").close()
        assert "no virtual chunk container" in str(refused.value)
        assert numpy.array_equal(zarr.open_group(store, mode="r")["enc/W"][:], five(0))
    finally:
        gc.enable()


def test_the_lines_of_the_documentation_run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (pathlib.Path(__file__).parents[3] / "docs/references.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    record(tmp_path / "thimble_7.h5", 58, steps=60).finish()
    selvedge.references("thimble_7.h5", "thimble_7.json")
    names: dict[str, Any] = {"folder": tmp_path}
    for number, block in enumerate(blocks):
        exec(compile(block, f"docs/references.md, block {number}", "exec"), names)
    assert numpy.array_equal(names["W"], weights(57)) and names["virtual"]["W"].shape == (58, *SHAPE)
