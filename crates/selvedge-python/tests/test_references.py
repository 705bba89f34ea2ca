"""What stock readers of Zarr make of references, by kerchunk's JSON, VirtualiZarr and Icechunk."""

from __future__ import annotations

import functools
import http.server
import os
import pathlib
import re
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

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
