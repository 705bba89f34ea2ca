"""The recipes, as they stand here, with real processes and servers: `cargo xtask recipes`.

Four processes train and record; one is killed, all go on, and what is joined is held against a run of one process, bit for
bit, by every way of reading it that the documentation has.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import runpy
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator

import h5py
import numpy
import psutil
import pytest
import torch
import xarray

import selvedge

HERE = pathlib.Path(__file__).parent
WORLD = 4
URL = "s3://recipes/runs"

sys.path.insert(0, str(HERE))
import task  # noqa: E402


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def recipe(script: str, *arguments: object, **environment: str) -> str:
    """Runs one to its end."""
    command = [sys.executable] if script.endswith(".py") else ["bash"]
    path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [*command, HERE / script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PATH": path, **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def train(script: str, folder: pathlib.Path, steps: int) -> subprocess.Popen[bytes]:
    options = ["--standalone", "--nproc-per-node", str(WORLD)]
    return subprocess.Popen([sys.executable, "-m", "torch.distributed.run", *options, HERE / script, folder, str(steps)])


def files(folder: pathlib.Path) -> list[pathlib.Path]:
    return [folder / f"run.rank{rank}.h5" for rank in range(WORLD)]


def committed(path: pathlib.Path) -> int:
    return selvedge.open(path).steps if path.exists() else 0


def recorded(script: str, folder: pathlib.Path) -> int:
    """Trains, with a kill of one process, and joins: how many steps there are."""
    folder.mkdir()
    run = train(script, folder, 1_000_000)
    wait_for(lambda: all(committed(path) > 20 for path in files(folder)))
    children = psutil.Process(run.pid).children(recursive=True)
    [victim] = [child for child in children if child.environ().get("RANK") == "2"]
    victim.send_signal(signal.SIGKILL)
    assert run.wait(120) != 0
    lengths = [committed(path) for path in files(folder)]
    common = min(lengths)
    assert f"{WORLD} ranks, {common} common steps" in selvedge.join(files(folder))
    assert selvedge.joined_steps(files(folder)) == common
    print(f"{script}: the ranks had {lengths} steps when one was killed")
    steps = common + 20
    assert train(script, folder, steps).wait(300) == 0
    assert [committed(path) for path in files(folder)] == [steps] * WORLD
    return steps


def alone(path: pathlib.Path, steps: int, losses: int) -> None:
    """The same training in this process: all examples at once, and the loss whole or as four have it."""
    model = task.model()
    weights = dict(model.named_parameters())
    optimizer = torch.optim.SGD(model.parameters(), lr=task.RATE)
    what = ("weights", "grad") if losses == 1 else ("weights",)
    if losses == 1:
        with selvedge.watch(model, optimizer, path, what=what, scalars=["loss"]) as watch:
            for step in range(steps):
                optimizer.zero_grad()
                loss = task.loss(model, step, 0, 1)
                (loss / WORLD).backward()
                watch.log(loss=loss)
                optimizer.step()
        return
    with selvedge.Recorder(path, like={"loss": torch.zeros(WORLD), **weights}) as run:
        for step in range(steps):
            optimizer.zero_grad()
            each = torch.stack([task.loss(model, step, rank, WORLD) for rank in range(WORLD)])
            (each.sum() / WORLD).backward()
            optimizer.step()
            run.append(loss=each.detach(), **weights)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The files of a run under FSDP, and `single.h5`, that of one process."""
    made = tmp_path_factory.mktemp("scale") / "fsdp"
    steps = recorded("fsdp.py", made)
    alone(made / "single.h5", steps, 1)
    return made


@pytest.fixture(scope="module")
def store(folder: pathlib.Path) -> Iterator[dict[str, str]]:
    """The environment of programs that find the run in S3, which moto plays."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL
    )
    endpoint = f"http://127.0.0.1:{port}"
    environment = {
        "AWS_ACCESS_KEY_ID": "recipes",
        "AWS_SECRET_ACCESS_KEY": "recipes",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        # For `selvedge.open`, whose stores otherwise want TLS.
        "AWS_ALLOW_HTTP": "true",
    }

    def is_there() -> bool:
        try:
            urllib.request.urlopen(urllib.request.Request(f"{endpoint}/recipes", method="PUT")).close()
        except OSError:
            return False
        return True

    wait_for(is_there)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        said = recipe("to_s3.py", folder, URL)
        assert "common steps" in said
        yield environment
    server.kill()
    server.wait()


def whole(folder: pathlib.Path, name: str) -> numpy.ndarray:
    with h5py.File(folder / "single.h5") as file:
        return file[name][:]


def norms(folder: pathlib.Path) -> numpy.ndarray:
    values = selvedge.open(folder / "single.h5")["weight"].as_float32().astype("float64")
    return numpy.sqrt(numpy.square(values).sum(axis=(1, 2)))


def check(found: object, folder: pathlib.Path) -> None:
    """Whether what has arrays by name has those of the single process, bit for bit."""
    for name in ("weight", "bias", "weight.grad", "bias.grad", "loss"):
        expected, values = whole(folder, name), numpy.asarray(found[name])  # type: ignore[index]
        assert values.dtype == expected.dtype and values.shape == expected.shape, name
        assert values.tobytes() == expected.tobytes(), name


def test_ddp_goes_on_after_a_kill(tmp_path: pathlib.Path) -> None:
    steps = recorded("ddp.py", tmp_path / "ddp")
    view, single = tmp_path / "ddp/run.h5", tmp_path / "single.h5"
    selvedge.join(files(tmp_path / "ddp"), view)
    alone(single, steps, WORLD)
    assert selvedge.verify(view, single)["equal"]
    assert selvedge.open(view)["loss"].shape == (steps, WORLD)


def test_a_view_is_the_run_of_one_process(folder: pathlib.Path, store: dict[str, str]) -> None:
    view = folder / "run.h5"
    assert selvedge.verify(view, folder / "single.h5")["equal"]
    with h5py.File(view) as file:
        check({name: file[name][:] for name in file}, folder)
    ours = selvedge.open(view)
    check({name: ours[name].bits() if name != "loss" else ours[name].numpy() for name in ours}, folder)


def test_xarray_reads_icechunk_and_kerchunk_from_s3(
    folder: pathlib.Path, store: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["dask_norms.py", URL, "-"])
    check(runpy.run_path(str(HERE / "dask_norms.py"))["run"], folder)
    check(xarray.open_dataset(f"{URL}/run.json", engine="kerchunk", storage_options={"remote_protocol": "s3"}), folder)
    # Objects are not replaced.
    with pytest.raises(AssertionError, match="AlreadyExists"):
        recipe("to_s3.py", folder, URL)


@pytest.fixture
def scheduler(tmp_path: pathlib.Path, store: dict[str, str]) -> Iterator[str]:
    """A scheduler of Dask and two workers, each a process of its own."""
    address = f"tcp://127.0.0.1:{free_port()}"
    python, port = [sys.executable, "-m"], address.rpartition(":")[2]
    processes = [subprocess.Popen([*python, "distributed.cli.dask_scheduler", "--port", port, "--no-dashboard"])]
    options = ["--no-dashboard", "--nthreads", "1", "--local-directory", str(tmp_path)]
    for _ in range(2):
        processes.append(subprocess.Popen([*python, "distributed.cli.dask_worker", address, *options]))
    yield address
    for process in reversed(processes):
        process.terminate()
        process.wait()


def test_dask_reads_by_threads(folder: pathlib.Path, store: dict[str, str], tmp_path: pathlib.Path) -> None:
    recipe("dask_norms.py", URL, tmp_path / "norms.npy")
    assert numpy.array_equal(numpy.load(tmp_path / "norms.npy"), norms(folder))


def test_a_cluster_reads(
    folder: pathlib.Path, scheduler: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import distributed

    with distributed.Client(scheduler) as client:
        client.wait_for_workers(2, timeout=120)
        assert "2 workers" in recipe("dask_norms.py", URL, tmp_path / "norms.npy", scheduler)
        assert numpy.array_equal(numpy.load(tmp_path / "norms.npy"), norms(folder))
        monkeypatch.setattr(sys, "argv", ["dask_norms.py", URL, "-"])
        check(client.gather(client.compute(runpy.run_path(str(HERE / "dask_norms.py"))["run"])), folder)


def test_a_cluster_reads_an_object_where_it_lies(folder: pathlib.Path, scheduler: str) -> None:
    import distributed

    url = f"{URL}/single.h5"
    selvedge.push(folder / "single.h5", url)
    file = selvedge.open(url)
    parts = [file["weight"][first : first + 10] for first in range(0, file.steps, 10)]
    with distributed.Client(scheduler) as client:
        client.wait_for_workers(2, timeout=120)
        found = numpy.concatenate(client.gather(client.map(lambda part: part.bits(), parts)))
        assert numpy.array_equal(found, whole(folder, "weight"))
        # A worker that comes later reads the same object, or none.
        selvedge.push(folder / "run.rank0.h5", url, overwrite=True)
        late = client.submit(lambda part: part.bits(), parts[0], pure=False)
        with pytest.raises(selvedge.FileError, match="was changed since it was opened"):
            late.result()


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: it has no wheel for this Python")
def test_ray_reads(folder: pathlib.Path, store: dict[str, str], tmp_path: pathlib.Path) -> None:
    recipe("ray_norms.py", folder / "run.h5", tmp_path / "norms.npy")
    assert numpy.array_equal(numpy.load(tmp_path / "norms.npy"), norms(folder))
    import ray

    def values(name: str) -> numpy.ndarray:
        with selvedge.open(view) as file:
            return file[name].bits() if name != "loss" else file[name].numpy()

    view, names = folder / "run.h5", list(selvedge.open(folder / "run.h5"))
    ray.init(include_dashboard=False)
    read = ray.remote(values)
    check(dict(zip(names, ray.get([read.remote(name) for name in names]), strict=True)), folder)
    ray.shutdown()


def test_an_array_of_jobs_reads(folder: pathlib.Path, store: dict[str, str], tmp_path: pathlib.Path) -> None:
    # As SLURM starts them: the script, with these variables.
    for job in range(4):
        told = {"SLURM_ARRAY_TASK_ID": str(job), "SLURM_ARRAY_TASK_COUNT": "4"}
        recipe("slurm_norms.sh", folder / "run.h5", tmp_path, **told)
    found = [numpy.load(tmp_path / f"norms.{job}.npy") for job in range(4)]
    assert numpy.array_equal(numpy.concatenate(found), norms(folder))
