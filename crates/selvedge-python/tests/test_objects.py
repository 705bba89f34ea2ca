"""Files in object stores, read and written from Python; and what a package says that was built without them."""

from __future__ import annotations

import json
import multiprocessing
import os
import pathlib
import pickle
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ml_dtypes
import numpy
import pytest
import torch
from conftest import Child, wait_for
from stores import Store

import selvedge
from selvedge import _selvedge

Start = Callable[..., Child]
Array = numpy.ndarray[Any, Any]

HEAD = 128 << 10
STEPS = 60
# Bytes of a step of W, and elements of a row of it.
STEP, ROW = 32 << 10, 64
SECRET = "hunter2hunter2hunter2"
DTYPES = [
    "bfloat16", "float8_e4m3fn", "float8_e5m2", "float16", "float32", "float64", "complex64", "complex128",
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A server of objects, which the environment names as that of S3."""
    made = Store()
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT": made.endpoint,
        "AWS_ALLOW_HTTP": "true",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    yield made
    made.close()


def step(number: int) -> Array:
    """The bits of a step of W, of which half of the bytes compress."""
    random = numpy.random.default_rng(number)
    return (0x3F00 | random.integers(0, 256, (256, ROW), numpy.uint16)).astype(numpy.uint16)


def record(path: pathlib.Path, compression: Any = "none", steps: int = STEPS, shift: int = 0) -> None:
    with selvedge.Recorder(
        path,
        steps=steps,
        tensors={"W": ("bfloat16", (256, ROW)), "V": ("bfloat16", (256, ROW))},
        scalars=["loss"],
        constants={"mask": numpy.arange(256) % 3 == 0},
        attributes={"lr": 1e-3},
        compression=compression,
    ) as run:
        for number in range(steps):
            values = step(number + shift).view(ml_dtypes.bfloat16)
            run.append(W=values, V=values, loss=float(number))


@pytest.fixture(params=["none", "fast"])
def compression(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pushed(path: pathlib.Path, store: Store, compression: str) -> str:
    """The URL of a run as `push` puts it there, of which nothing has been asked yet."""
    record(path, compression)
    assert "are in the store, read back and the same" in selvedge.push(path, "s3://bucket/run.h5")
    store.taken()
    return "s3://bucket/run.h5"


def ranges(store: Store) -> list[tuple[int, int]]:
    """The ranges that were asked for."""
    taken = store.taken()
    assert all(method == "GET" for method, _, _ in taken), taken
    return [(first, length) for _, first, length in taken]


def test_opening_is_one_request_and_a_step_another(pushed: str, store: Store, compression: str) -> None:
    file = selvedge.open(pushed)
    [(first, length)] = ranges(store)
    assert first == 0 and length == min(HEAD, len(store.objects["/bucket/run.h5"]))
    # What the file says is at its beginning.
    assert (file.path, list(file), file.steps, file.planned) == (pushed, ["V", "W", "loss", "mask"], STEPS, STEPS)
    assert file.attributes["lr"] == 1e-3 and file.state == "finished" and file.notes == []
    assert repr(file) == f"<selvedge.File {pushed}: 4 tensors, 60 steps, finished>"
    assert f"<b>{pushed}</b>" in file._repr_html_() and f"W of {pushed}" in file["W"]._repr_html_()
    assert file["W"].shape == (STEPS, 256, ROW)
    assert ranges(store) == []
    # The first read of a compressed file finds its chunks.
    assert numpy.array_equal(file["W"][59].bits(), step(59))
    found = ranges(store)
    assert len(found) == (1 if compression == "none" else 2)
    for number in (13, 31, 58):
        assert numpy.array_equal(file["W"][number].bits(), step(number))
        [(_, length)] = ranges(store)
        assert length == STEP if compression == "none" else length <= STEP
    # One connection of HTTP as well.
    assert numpy.array_equal(selvedge.open(store.endpoint + "/bucket/run.h5")["W"][7].bits(), step(7))


def test_it_is_indexed_as_a_file_of_this_machine(pushed: str, store: Store, path: pathlib.Path) -> None:
    local, file = selvedge.open(path), selvedge.open(pushed)
    mask = numpy.arange(256) % 5 == 0
    for index in [
        -1, slice(None, None, 7), slice(None, None, -1), [3, 1, 1, 59], numpy.arange(STEPS) % 4 == 1, "log:5",
        (slice(None), 17), (slice(0, 60, 10), mask), (5, [200, 3]), (slice(0, 0), slice(None)),
    ]:
        assert numpy.array_equal(file["W"][index].bits(), local["W"][index].bits()), index
    assert torch.equal(file["V"].torch(), local["V"].torch())
    assert numpy.array_equal(file["W"][::9].as_float32(), local["W"][::9].as_float32())
    assert file["W"][2].numpy().dtype == ml_dtypes.bfloat16
    assert file["loss"][-1].item() == 59.0 and numpy.array_equal(file["mask"].numpy(), local["mask"].numpy())
    assert numpy.array_equal(numpy.stack([part.bits() for part in file["W"][:3]]), local["W"][:3].bits())
    blocks = list(file["W"].blocks("300 kB", form="float32"))
    assert len(blocks) > 5 and numpy.array_equal(numpy.concatenate(blocks), local["W"].as_float32())
    assert torch.equal(torch.cat(list(file["V"].blocks("300 kB", form="torch"))), local["V"].torch())
    with pytest.raises(selvedge.OutOfRangeError):
        file["W"][60]
    with pytest.raises(selvedge.TensorNotFoundError, match=r"s3://bucket/run\.h5"):
        file["U"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_all_dtypes_are_those_of_the_file(path: pathlib.Path, store: Store, dtype: str) -> None:
    kind = numpy.dtype(getattr(ml_dtypes, dtype, dtype))
    length = 500 * kind.itemsize
    bits = numpy.random.default_rng(7).integers(0, 2 if dtype == "bool" else 256, (20, length), numpy.uint8)
    with selvedge.Recorder(path, steps=20, tensors={"T": (dtype, (500,))}, scalars={"one": dtype}) as run:
        for row in bits:
            run.append(T=row.view(kind), one=row.view(kind)[0])
    local, file = selvedge.open(path), selvedge.open(store.put("/run.h5", path.read_bytes()))
    for name in local:
        assert file[name].dtype == dtype
        assert file[name].numpy().tobytes() == local[name].numpy().tobytes()
        assert file[name].numpy().dtype == kind and file[name].torch().dtype == local[name].torch().dtype
    assert file["T"].numpy().tobytes() == bits.tobytes()


def test_a_list_of_steps_waits_once_for_all(path: pathlib.Path, store: Store) -> None:
    record(path)
    file = selvedge.open(store.put("/run.h5", path.read_bytes()))
    # So far apart that each is a request.
    steps = [40, 3, 58, 22, 11, 31, 49, 1, 37, 16]
    store.taken()
    store.delay = 0.2
    began = time.monotonic()
    found = file["W"][steps].bits()
    took = time.monotonic() - began
    store.delay = 0.0
    assert numpy.array_equal(found, numpy.stack([step(number) for number in steps]))
    requests = len(ranges(store))
    assert 1 <= requests <= 10 and took < 0.2 * 4, (requests, took)


def test_an_object_that_is_replaced_is_an_error(pushed: str, store: Store, path: pathlib.Path) -> None:
    file = selvedge.open(pushed)
    first = file["W"][3].bits()
    assert file.refresh() == STEPS
    assert [length for _, length in ranges(store)][-1:] == [1]
    other = path.with_name("other.h5")
    record(other, steps=STEPS, shift=100)
    copied = pickle.dumps(file["W"][4:6])
    store.objects["/bucket/run.h5"] = other.read_bytes()
    changed = r"s3://bucket/run\.h5 was changed since it was opened: expected ETag .*, found .*open it again"
    for ask in (lambda: file["W"][3].bits(), lambda: file["W"][5].numpy(), file.refresh, lambda: list(file["V"].blocks())):
        with pytest.raises(selvedge.FileError, match=changed):
            ask()
    # Neither does another process put both together.
    with pytest.raises(selvedge.FileError, match=changed):
        pickle.loads(copied).bits()
    with pytest.raises(selvedge.FileError, match=changed):
        file.report()
    again = selvedge.open(pushed)
    assert numpy.array_equal(again["W"][3].bits(), step(103)) and numpy.array_equal(first, step(3))
    del store.objects["/bucket/run.h5"]
    with pytest.raises(selvedge.FileError, match="404"):
        again["W"][9].bits()
    with pytest.raises(FileNotFoundError, match=r"s3://bucket/run\.h5 is not there: the server answers 404"):
        selvedge.open(pushed)


def whole(selection: selvedge.Selection) -> bytes:
    """What another process reads."""
    return selection.bits().tobytes()


@pytest.mark.parametrize("compression", ["none"])
@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_another_process_reads_the_same_object(pushed: str, store: Store, path: pathlib.Path, method: str) -> None:
    # A server of forks has the environment of its first day, and the store has another address in each test.
    file = selvedge.open(store.endpoint + "/bucket/run.h5")
    expected = [step(number).tobytes() for number in (3, 20)]
    # The threads that talk to servers are there, and are not in a process that is forked.
    assert whole(file["W"][3]) == expected[0]
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(whole, [file["W"][3], file["W"][20]]) == expected
        # A pool would wait for ever for what cannot be unpickled.
        record(path.with_name("other.h5"), shift=100)
        store.objects["/bucket/run.h5"] = path.with_name("other.h5").read_bytes()
        with pytest.raises(selvedge.FileError, match="was changed since it was opened"):
            pool.map(whole, [file["W"][3]])


class Steps(torch.utils.data.Dataset[torch.Tensor]):
    """A data set whose file each worker has as it was forked or unpickled."""

    def __init__(self, url: str) -> None:
        self.values = selvedge.open(url)["W"]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.values[index].torch()


@pytest.mark.parametrize("compression", ["fast"])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_data_loader_reads(pushed: str, method: str) -> None:
    data = Steps(pushed)
    assert torch.equal(data[0].view(torch.uint16), torch.from_numpy(step(0)))
    loader = torch.utils.data.DataLoader(data, batch_size=10, num_workers=2, multiprocessing_context=method)
    for number, batch in enumerate(loader):
        assert numpy.array_equal(batch[4].view(torch.uint16).numpy(), step(10 * number + 4))


def test_threads_read(pushed: str, store: Store) -> None:
    file = selvedge.open(pushed)
    with ThreadPoolExecutor(16) as pool:
        found = pool.map(lambda number: file["W"][number].bits(), [*range(STEPS)] * 3)
        assert all(numpy.array_equal(bits, step(number % STEPS)) for number, bits in enumerate(found))


def test_other_threads_run_while_a_server_waits(path: pathlib.Path, store: Store) -> None:
    record(path)
    file = selvedge.open(store.put("/run.h5", path.read_bytes()))
    store.stalled = HEAD
    reading = threading.Thread(target=lambda: file["W"][50].bits())
    reading.start()
    wait_for(lambda: store.waiting == 1)
    began = time.monotonic()
    sum(range(100_000))
    # What needs no server, of the same file and of others; they are closed meanwhile, too.
    for _ in range(10):
        assert file.steps == STEPS and selvedge.open(path)["W"].shape[0] == STEPS
    assert time.monotonic() - began < 1 and reading.is_alive()
    store.stalled = None
    reading.join()


WAITS = """
    import os, signal, sys, threading, time, selvedge
    url, what = sys.argv[1:3]
    file = None if what == "open" else selvedge.open(url)
    def read(number):
        try:
            file["W"][number].bits()
        except selvedge.FileError as error:
            print("other", error, flush=True)
        else:
            print("other read it", flush=True)
    print("opened", flush=True)
    sys.stdin.readline()
    others = [threading.Thread(target=read, args=(number,)) for number in (49, 50)] if what == "threads" else []
    for thread in others:
        thread.start()
    print("goes on", flush=True)
    try:
        if what == "open":
            selvedge.open(url)
        elif what == "blocks":
            list(file["W"][40:].blocks("70 kB"))
        elif what == "refresh":
            file.refresh()
        elif what == "list":
            file["W"][[30, 59, 40, 50, 41]].bits()
        else:
            file["W"][51].bits()
    except KeyboardInterrupt:
        print("KeyboardInterrupt", flush=True)
    sys.stdin.readline()
    for thread in others:
        thread.join()
    if file is not None:
        print(file["W"][51].bits().tobytes().hex(), flush=True)
"""


@pytest.mark.parametrize("what", ["open", "step", "list", "refresh", "blocks", "threads"])
def test_ctrl_c_while_a_server_sends_nothing(
    tmp_path: pathlib.Path, store: Store, child: Start, what: str, compression: str
) -> None:
    path = tmp_path / "run.h5"
    record(path, compression)
    selvedge.push(path, "s3://bucket/run.h5")
    waiting = child(WAITS, "s3://bucket/run.h5", what)
    assert waiting.line() == "opened"
    store.stalled = 0 if what in ("open", "refresh") else HEAD
    waiting.say()
    assert waiting.line() == "goes on"
    wait_for(lambda: store.waiting >= (3 if (what, compression) == ("threads", "none") else 1))
    time.sleep(0.3)
    began = time.monotonic()
    waiting.interrupt()
    assert waiting.line() == "KeyboardInterrupt"
    assert time.monotonic() - began < 0.5
    store.stalled = None
    waiting.say()
    code, printed, said = waiting.end()
    assert code == 0, said
    # The others read what they wanted, and so does the next read.
    expected = ["other read it"] * 2 if what == "threads" else []
    assert printed.split("\n") == [*expected, *([step(51).tobytes().hex()] if what != "open" else []), ""]


def test_a_server_that_sends_nothing_is_given_up(pushed: str, store: Store) -> None:
    file = selvedge.open(pushed, timeout=0.3)
    store.stalled = HEAD
    began = time.monotonic()
    with pytest.raises(selvedge.FileError, match=r"s3://bucket/run\.h5: nothing came from the server for 0\.3 s"):
        file["W"][50].bits()
    with pytest.raises(selvedge.FileError, match="for 0.3 s"):
        pickle.loads(pickle.dumps(file))["W"][50].bits()
    assert time.monotonic() - began < 5
    store.stalled = None
    assert numpy.array_equal(file["W"][50].bits(), step(50))
    for timeout in (0, -1, float("nan"), float("inf")):
        with pytest.raises(selvedge.DeclarationError, match=rf"(?i)timeout={timeout}.*expected seconds"):
            selvedge.open(pushed, timeout=timeout)


def test_a_block_that_is_not_wanted_is_not_waited_for(path: pathlib.Path, store: Store) -> None:
    record(path)
    file = selvedge.open(store.put("/run.h5", path.read_bytes()))
    store.delay = 2.0
    for block in file["W"][40:44].blocks("70 kB", form="bits"):
        assert numpy.array_equal(block, [step(40)])
        began = time.monotonic()
        break
    assert time.monotonic() - began < 1
    store.delay = 0.0
    assert numpy.array_equal(list(file["W"][40:44].blocks("70 kB", form="bits"))[1], [step(41)])


def test_no_error_has_credentials(store: Store, path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session" + SECRET)
    record(path, steps=2)
    for ask in (
        lambda: selvedge.open("s3://bucket/none.h5"),
        lambda: selvedge.inspect("s3://bucket/none.h5"),
        lambda: selvedge.verify("s3://bucket/none.h5", path),
        lambda: selvedge.pull("s3://bucket/none.h5", path.with_name("new.h5")),
        lambda: selvedge.push(path, f"s3://me:{SECRET}@bucket/run.h5"),
        lambda: selvedge.open(f"https://me:{SECRET}@host/run.h5"),
        lambda: selvedge.open(f"https://host/run.h5?X-Amz-Signature={SECRET}"),
        lambda: selvedge.open(f"https://me:{SECRET}@host:port/run.h5"),
        lambda: selvedge.recover(f"https://me:{SECRET}@host/run.h5"),
        lambda: selvedge.Recorder(f"https://me:{SECRET}@host/run.h5", scalars=["loss"]),
    ):
        with pytest.raises(selvedge.Error) as caught:
            ask()
        said += [str(caught.value), repr(caught.value)]
    # Requests of the same second are signed alike.
    assert store.credentials and all("AKIDEXAMPLE" in one for one in store.credentials)
    for secret in [SECRET, "AKIDEXAMPLE", *(one.rpartition("=")[2] for one in store.credentials)]:
        assert not any(secret in one for one in said), said


def test_the_tools_take_urls(pushed: str, store: Store, path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    assert selvedge.inspect(pushed)["recording"]["committed_steps"] == STEPS
    assert selvedge.verify(pushed, path)["equal"]
    record(tmp_path / "other.h5", shift=1)
    assert not selvedge.verify(tmp_path / "other.h5", pushed)["equal"]
    assert "60 steps" in selvedge.references(pushed, tmp_path / "run.json", zarr=3)
    assert json.loads((tmp_path / "run.json").read_text())["refs"]["W/c/0/0/0"][0] == pushed
    page = selvedge.open(pushed).report(quick=True)
    assert page.html is not None and "run.h5" in page.html
    pulled = tmp_path / "new/pulled.h5"
    assert "were fetched" in selvedge.pull(pushed, pulled)
    assert selvedge.verify(path, pulled)["equal"]
    with pytest.raises(selvedge.ProgramError, match="`overwrite=True`"):
        selvedge.pull(pushed, pulled)
    with pytest.raises(selvedge.ProgramError, match="exists already.*`overwrite=True`"):
        selvedge.push(path, pushed)
    selvedge.push(tmp_path / "other.h5", pushed, overwrite=True)
    assert not selvedge.verify(pushed, path)["equal"]
    for url in ("run.h5", tmp_path / "run.h5"):
        with pytest.raises(selvedge.DeclarationError, match="expected the URL of an object, such as 's3://bucket/run.h5'"):
            selvedge.push(path, url)  # type: ignore[arg-type]


def test_icechunk_has_the_values_of_an_object(pushed: str, store: Store) -> None:
    icechunk, zarr = pytest.importorskip("icechunk"), pytest.importorskip("zarr")
    options = {"endpoint_url": store.endpoint, "allow_http": True, "force_path_style": True, "region": "us-east-1"}
    config = icechunk.RepositoryConfig.default()
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer("s3://bucket/", icechunk.s3_store(**options)))
    access = icechunk.containers_credentials({"s3://bucket/": icechunk.s3_from_env_credentials()})
    repo = icechunk.Repository.create(icechunk.in_memory_storage(), config, authorize_virtual_chunk_access=access)
    selvedge.to_icechunk(pushed, repo)
    found = zarr.open_group(repo.readonly_session("main").store, mode="r")
    assert numpy.array_equal(found["W"][31], step(31)) and found["loss"].shape == (STEPS,)
    with pytest.raises(selvedge.FileError, match=r"s3://… is in an object store, and this takes files of this machine"):
        selvedge.to_icechunk([pushed, pushed], repo)


def test_the_lines_of_the_documentation_run(store: Store, here: pathlib.Path) -> None:
    text = (pathlib.Path(__file__).parents[3] / "docs/object-stores.md").read_text()
    [block] = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    with selvedge.Recorder("thimble_7.h5", steps=30, like={"W": torch.zeros(12, 4)}, constants={"dead_mask": numpy.arange(12) > 7}) as run:
        for number in range(30):
            run.append(W=torch.full((12, 4), float(number)))
    names: dict[str, Any] = {}
    exec(compile(block, "docs/object-stores.md", "exec"), names)
    assert torch.equal(names["step"], torch.full((12, 4), 29.0)) and names["rows"].shape == (3, 4, 4)
    assert pathlib.Path("copy.h5").read_bytes() == store.objects["/thimble/runs/thimble_7.h5"]
    for name in ("thimble_7.h5", "copy.h5"):
        os.remove(name)


URL = "s3://bucket/run.h5"
MODEL = torch.nn.Linear(2, 2)
# What takes a file of this machine alone, and what writes one.
LOCAL: list[Callable[[Any], object]] = [
    selvedge.recover,
    selvedge.load_safetensors,
    lambda url: selvedge.rechunk(url, "new.h5"),
    lambda url: selvedge.join([url]),
    lambda url: selvedge.joined_steps([url]),
    lambda url: selvedge.push(url, "s3://bucket/other.h5"),
    lambda url: selvedge.open("run.h5", follow_links=url),
    lambda url: selvedge.report("run.h5", "page.html", vocabulary=url),
]
NEW: list[Callable[[Any], object]] = [
    lambda url: selvedge.Recorder(url, scalars=["loss"]),
    lambda url: selvedge.Recorder(url, scalars=["loss"], resume=True),
    lambda url: selvedge.plan(url, steps=3, scalars=["loss"]),
    lambda url: selvedge.watch(MODEL, torch.optim.SGD(MODEL.parameters(), 0.1), url),
    lambda url: selvedge.save_safetensors({"W": numpy.ones(2)}, url),
    lambda url: selvedge.rechunk("run.h5", url),
    lambda url: selvedge.join(["run.h5"], url),
    lambda url: selvedge.references("run.h5", url),
    lambda url: selvedge.report("run.h5", url),
    lambda url: selvedge.pull("s3://bucket/run.h5", url),
]
READ: list[Callable[[Any], object]] = [
    selvedge.open,
    selvedge.inspect,
    selvedge.report,
    selvedge.references,
    lambda url: selvedge.verify(url, "run.h5"),
    lambda url: selvedge.verify("run.h5", url),
    lambda url: selvedge.to_icechunk(url, None),
    lambda url: selvedge.pull(url, "new.h5"),
    lambda url: selvedge.push("run.h5", url),
]


@pytest.fixture
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pathlib.Path]:
    """A folder with a file, in which nothing else comes to be."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    record(folder / "run.h5", steps=2)
    yield folder
    assert os.listdir(folder) == ["run.h5"]


def test_what_takes_no_url_says_so_and_makes_no_folder(here: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("zarr")
    for ask in LOCAL:
        for url in (URL, URL.encode()):
            with pytest.raises(selvedge.FileError, match=r"^s3://… is in an object store.*`selvedge\.pull\(URL, FILE\)` makes"):
                ask(url)
    for ask in NEW:
        with pytest.raises(selvedge.FileError, match=r"^s3://… .* what is written .*`selvedge\.push\(FILE, URL\)` puts it there"):
            ask(URL)
    for ask in [*LOCAL, *NEW, *READ]:
        for mangled in (pathlib.Path(URL), str(pathlib.Path("https://host/run.h5")), pathlib.Path(URL).absolute()):
            with pytest.raises(selvedge.FileError, match=r":/… is what a path makes of a URL.*`(s3|https)://…` as a text"):
                ask(mangled)
    with pytest.raises(selvedge.FileError, match="name the file by its path"):
        selvedge.recover("file:///run.h5")


def test_a_package_without_stores_says_how_to_have_them(here: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("zarr")
    monkeypatch.setattr(_selvedge, "OBJECT_STORES", False)
    command = r"`pip install \./crates/selvedge-python --config-settings=build-args='--features object-store'`"
    for ask in READ:
        with pytest.raises(selvedge.FileError, match=rf"^s3://… is in an object store, .* without them; .*{command}"):
            ask(URL)
    for ask in [*LOCAL, *NEW]:
        with pytest.raises(selvedge.FileError, match=r"^s3://… is in an object store, "):
            ask(URL)
    # The documents have the command as the error does.
    for document in ("docs/python.md", "docs/object-stores.md"):
        text = (pathlib.Path(__file__).parents[3] / document).read_text()
        assert "pip install ./crates/selvedge-python --config-settings=build-args='--features object-store'" in text
