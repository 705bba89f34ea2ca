"""Four processes record one run, each into a file of its own; one is killed, all go on, and the files are joined."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import h5py
import numpy
import pytest
import torch

import selvedge

WORLD = 4
# The rows are not even: ranks have 3, 3, 3 and 1 of W, and the last has none of U.
SHAPES = {"W": (10, 6), "U": (3, 2), "V": (3, 4), "norm": (5,)}
STEPS = 30


def gradient(step: int, name: str) -> torch.Tensor:
    """The same on each rank, and in one process.

    Small whole numbers, so that each sum is exact: torch rounds an element by where it lies in its tensor.
    """
    made = torch.Generator().manual_seed(step // 2 * 100 + ord(name[0]))
    return (torch.randint(-1, 2, SHAPES[name], generator=made) * (-1) ** step).bfloat16()


def parameters() -> dict[str, torch.nn.Parameter]:
    return {name: torch.nn.Parameter(gradient(1000, name)) for name in SHAPES}


def loss(step: int) -> float:
    return 1 / (step + 1)


def file_of(folder: pathlib.Path, rank: int) -> pathlib.Path:
    return folder / f"run.rank{rank}.h5"


def records(rank: int, port: int, folder: pathlib.Path, until: int, waits: bool) -> None:
    """A rank: trains parameters that are cut as FSDP2 and tensor parallelism cut them, and records them."""
    import torch.distributed as distributed
    from torch.distributed.tensor import DTensor, Replicate, distribute_tensor
    from torch.distributed.tensor import Shard as Cut

    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    distributed.init_process_group("gloo", rank=rank, world_size=WORLD)
    mesh = distributed.init_device_mesh("cpu", (WORLD,))
    cuts = {"W": Cut(0), "U": Cut(0), "V": Cut(1), "norm": Replicate()}

    def cut(name: str, values: torch.Tensor) -> DTensor:
        # Each rank has the whole, and takes its part without the others: they are at other steps.
        return distribute_tensor(values, mesh, [cuts[name]], src_data_rank=None)

    own = {name: torch.nn.Parameter(cut(name, values.data)) for name, values in parameters().items()}
    model = torch.nn.ParameterDict(own)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=1.0)
    path = file_of(folder, rank)
    shard = selvedge.Shard.from_torch(resume=path)
    first = shard.step or 0
    for step in range(first):
        for name, parameter in own.items():
            parameter.grad = cut(name, gradient(step, name))
        optimizer.step()
    options: Any = {"shard": shard, "resume": True, "attributes": {"lr": 1.0}, "scalars": ["loss"]}
    with selvedge.watch(model, optimizer, path, what=("weights", "grad", "momentum_buffer"), **options) as watch:
        assert watch.recorder.appended == first
        for step in range(first, until):
            for name, parameter in own.items():
                parameter.grad = cut(name, gradient(step, name))
            watch.log(loss=loss(step))
            optimizer.step()
        watch.recorder.commit()
        if waits:
            # The others are a few steps ahead. Nobody finishes: it is killed, or ends without a word.
            (folder / f"{rank}.ready").touch()
            time.sleep(600)
    distributed.destroy_process_group()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(folder: pathlib.Path, until: list[int], waits: bool) -> list[Any]:
    port = free_port()
    # Children of a process that has imported torch, and nothing else.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch.distributed.tensor", "h5py", "pytest"])
    arguments = [(rank, port, folder, until[rank], waits) for rank in range(WORLD)]
    processes = [context.Process(target=records, args=each, daemon=True) for each in arguments]
    for process in processes:
        process.start()
    return processes


def in_one_process(path: pathlib.Path) -> None:
    own = parameters()
    model = torch.nn.ParameterDict(own)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=1.0)
    what = ("weights", "grad", "momentum_buffer")
    with selvedge.watch(model, optimizer, path, what=what, scalars=["loss"], attributes={"lr": 1.0}) as watch:
        for step in range(STEPS):
            for name, parameter in own.items():
                parameter.grad = gradient(step, name)
            watch.log(loss=loss(step))
            optimizer.step()


# What `train.py` of docs/ranks.md has besides.
TRAINING = """
import torch, selvedge
from torch.distributed.fsdp import fully_shard
torch.distributed.init_process_group("gloo")
torch.manual_seed(0)
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = torch.nn.Embedding(10, 4)
    def forward(self, ids):
        return self.wte(ids)
model = Model()
fully_shard(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
def train(model, optimizer):
    for step in range(60):
        optimizer.zero_grad()
        model(torch.arange(10)).sum().backward()
        optimizer.step()
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed")
def test_the_lines_of_the_page_run(tmp_path: pathlib.Path) -> None:
    text = (pathlib.Path(__file__).parents[3] / "docs/ranks.md").read_text()
    train, stock = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    train, afterwards = train.split("\n\n")
    (tmp_path / "train.py").write_text(f"{TRAINING}\n{train}\ntorch.distributed.destroy_process_group()\n")
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "4", "--master-port", str(free_port())]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*run, "train.py"], cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=300)
    selvedge.join(sorted(tmp_path.glob("*.rank*.h5")), tmp_path / "thimble_7.h5")
    torch.manual_seed(0)
    expected = torch.nn.Embedding(10, 4).weight.detach()
    for _ in range(58):
        expected -= 0.5
    check = "import torch; torch.save(torch.as_tensor(W), 'W.pt')"
    for block in (f"import selvedge\n{afterwards}", stock):
        subprocess.run([sys.executable, "-c", f"{block}\n{check}"], cwd=tmp_path, check=True)
        assert torch.equal(torch.load(tmp_path / "W.pt"), expected)


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed")
def test_a_run_of_four_processes_is_joined_as_that_of_one(tmp_path: pathlib.Path) -> None:
    ahead = [14, 11, 17, 12]
    files = [file_of(tmp_path, rank) for rank in range(WORLD)]
    processes = start(tmp_path, ahead, waits=True)
    deadline = time.monotonic() + 120
    while sum(path.suffix == ".ready" for path in tmp_path.iterdir()) < WORLD:
        assert time.monotonic() < deadline and all(process.is_alive() for process in processes)
        time.sleep(0.05)
    for process in processes:
        os.kill(process.pid, signal.SIGKILL)
        process.join()

    told = selvedge.join(files)
    assert "4 ranks, 11 common steps" in told
    assert [line.split()[:3] for line in told.splitlines()[3:7]] == [
        ["0", "14", "3"], ["1", "11", "–"], ["2", "17", "6"], ["3", "12", "1"]]  # fmt: skip
    assert selvedge.joined_steps(files) == 11
    # The first alone records what is replicated.
    names = [set(selvedge.open(path)) for path in files]
    assert names[1] == names[0] - {"norm", "norm.grad", "norm.momentum_buffer"}
    assert {"W", "U", "V"} & names[3] == {"W", "V"}

    for process in start(tmp_path, [STEPS] * WORLD, waits=False):
        process.join(120)
        assert process.exitcode == 0
    view, single = tmp_path / "run.h5", tmp_path / "single.h5"
    selvedge.join(reversed(files), view)
    in_one_process(single)
    assert selvedge.verify(view, single)["equal"]
    joined, whole = selvedge.open(view), selvedge.open(single)
    assert joined.steps == STEPS and list(joined) == list(whole)
    with h5py.File(view) as ours, h5py.File(single) as expected:
        assert dict(ours.attrs)["lr"] == 1.0
        for name in whole:
            assert numpy.array_equal(ours[name], expected[name], equal_nan=True), name
            assert torch.equal(joined[name].torch(), whole[name].torch()), name
            assert torch.equal(joined[name][-1].torch(), whole[name][-1].torch()), name
    assert torch.equal(joined["W"][3::4, [9, 0, 4]].torch(), whole["W"][3::4, [9, 0, 4]].torch())

    # Without one of its files it is refused, where h5py would show fill values.
    files[2].rename(tmp_path / "moved.h5")
    with pytest.raises(selvedge.FileError, match=r"run\.rank2\.h5 is not there"):
        selvedge.open(view)


def test_parts_can_be_told(path: pathlib.Path) -> None:
    shard = selvedge.Shard("run", 1, 2)
    ids, parts = numpy.arange(3), {"W": ((6, 2), (3, 0)), "ids": ((6,), (3,))}
    with selvedge.Recorder(
        path, like={"W": numpy.zeros((3, 2))}, constants={"ids": ids}, shard=shard, parts=parts
    ) as run:
        run.append(W=numpy.ones((3, 2)))
    facts = selvedge.inspect(path)
    assert facts["recording"]["rank"] == {"run": "run", "rank": 1, "world_size": 2}
    told = {tensor["name"]: tensor["part"] for tensor in facts["tensors"]}
    assert told["W"] == {"global_shape": [6, 2], "offset": [3, 0]}
    assert told["ids"] == {"global_shape": [6], "offset": [3]}
    with pytest.raises(selvedge.DeclarationError, match="of 2 ranks, rank 0 is missing"):
        selvedge.joined_steps([path])
    with pytest.raises(selvedge.DeclarationError, match="which rank it is of"):
        selvedge.Recorder(path, resume=True, shard=selvedge.Shard("run", 0, 2))
    with selvedge.Recorder(path, resume=True, at_step=0) as run:
        assert run.appended == 0


def test_numbers_that_are_none_are_told_by_name(path: pathlib.Path) -> None:
    """The variables of torchrun are texts, and a text was `failed to extract field Options.shard`."""
    for shard, told in [
        (("", 0, 1), "run='': expected the name of the run"),
        ((3, 0, 1), "run=3: expected the name of the run"),
        (("run", "0", 2), r"rank='0': expected an integer from 0 on, such as `int\(os\.environ\[\"RANK\"\]\)`"),
        (("run", -1, 2), "rank=-1: expected an integer from 0 on"),
        (("run", None, 2), "rank=None: expected an integer from 0 on"),
        (("run", 0, "2"), r"world_size='2': expected .*\[\"WORLD_SIZE\"\]"),
        (("run", 0, 2.0), "world_size=2.0: expected an integer"),
        (("run", 0, 2, "5"), "step='5': expected a number of steps"),
    ]:
        with pytest.raises(selvedge.DeclarationError, match=told):
            selvedge.Shard(*shard)
    with pytest.raises(selvedge.DeclarationError, match="rank 0 of 0 of the run") as found:
        selvedge.Recorder(path, scalars=["loss"], shard=selvedge.Shard("run", 0, 0))
    assert "new_run_id" not in str(found.value)

    def start(part: Any) -> selvedge.Recorder:
        shard = selvedge.Shard("run", numpy.int64(0), numpy.int64(2))
        return selvedge.Recorder(path, tensors={"W": ("float32", (2, 3))}, shard=shard, parts={"W": part})

    for part in [((4, 3), (-1, 0)), ((4, 3), (0.0, 0)), ((4.0, 3), (0, 0)), ("ab", "cd"), ((2**63, 3), (0, 0)), (4, 3)]:
        with pytest.raises(selvedge.DeclarationError, match=r"parts: `W`: expected the shape of the whole and where the part"):
            start(part)
    assert not path.exists()
    with start(((numpy.int64(4), 3), (numpy.int64(2), 0))) as run:
        assert run.appended == 0


def test_what_cannot_be_declared_is_told(path: pathlib.Path) -> None:
    with pytest.raises(selvedge.DeclarationError, match="rank 2 of 2"):
        selvedge.Recorder(path, scalars=["loss"], shard=selvedge.Shard("run", 2, 2))
    with pytest.raises(selvedge.DeclarationError, match="no tensor and no constant `W`"):
        selvedge.Recorder(path, scalars=["loss"], shard=selvedge.Shard("run", 0, 2), parts={"W": ((2,), (0,))})
    with pytest.raises(selvedge.DeclarationError, match="not initialised"):
        selvedge.Shard.from_torch()

    class Cut:
        """As a DTensor, of which this process has a part."""

        def to_local(self) -> Any:
            return numpy.zeros(2)

    with pytest.raises(selvedge.DeclarationError, match="`W` is a DTensor"):
        selvedge.Recorder(path, like={"W": Cut()})
    assert not path.exists()


@pytest.fixture
def second_of_four() -> Iterator[None]:
    """This process as rank 1 of four that are not there: what they would send is never waited for."""
    from torch.testing._internal.distributed.fake_pg import FakeStore

    torch.distributed.init_process_group("fake", store=FakeStore(), rank=1, world_size=4)
    yield
    torch.distributed.destroy_process_group()


def test_values_are_those_of_the_part_that_is_recorded(path: pathlib.Path, second_of_four: None) -> None:
    """Only what was declared was looked at: a sum that was not made yet was recorded as if it had been."""
    from torch.distributed.tensor import DTensor, Partial, Replicate, distribute_tensor
    from torch.distributed.tensor import Shard as Cut

    mesh = torch.distributed.init_device_mesh("cpu", (2, 2))
    values = torch.arange(16.0).reshape(4, 4)

    def placed(*placements: Any) -> DTensor:
        return distribute_tensor(values, mesh, placements, src_data_rank=None)

    rows_first, columns_first = placed(Cut(0), Cut(1)), placed(Cut(1), Cut(0))
    part = DTensor.from_local(torch.tensor(1.0), mesh, [Partial(), Replicate()])
    shard = selvedge.Shard("run", 1, 4)
    with selvedge.Recorder(path, like={"W": rows_first}, scalars=["loss"], shard=shard) as run:
        with pytest.raises(selvedge.DeclarationError, match="`loss` is a sum over ranks that was not made yet"):
            run.append(W=rows_first, loss=part)
        with pytest.raises(selvedge.DeclarationError, match=r"records that of \[4, 4\] at \[0, 2\], and was given .*\[2, 0\]"):
            run.append(W=columns_first, loss=1.0)
        with pytest.raises(selvedge.DeclarationError, match="was given all of it"):
            run.put(W=placed(Replicate(), Replicate()))
        for _ in range(2):
            run.append(W=rows_first, loss=DTensor.from_local(torch.tensor(2.0), mesh, [Replicate()] * 2))
        # Three rows of which this rank has as many.
        shorter = distribute_tensor(values[:3], mesh, [Cut(0), Cut(1)], src_data_rank=None)
        with pytest.raises(selvedge.DeclarationError, match=r"was given that of \[3, 4\]"):
            run.append(W=shorter, loss=1.0)
    file = selvedge.open(path)
    assert torch.equal(file["W"].torch(), values[:2, 2:].expand(2, 2, 2)) and file["loss"].numpy().tolist() == [2, 2]


def test_several_parts_of_a_tensor_are_refused(path: pathlib.Path, second_of_four: None) -> None:
    """Such a run was recorded to its end, and could not be joined."""
    from torch.distributed.tensor import distribute_tensor
    from torch.distributed.tensor import Shard as Cut

    mesh = torch.distributed.init_device_mesh("cpu", (4,))
    flat = distribute_tensor(torch.zeros(2, 8), mesh, [Cut(1)], src_data_rank=None).flatten(0, 1)
    with pytest.raises(selvedge.DeclarationError, match="several parts of it that do not follow each other"):
        selvedge.Recorder(path, like={"W": flat}, shard=selvedge.Shard("run", 1, 4))


def test_a_rank_that_has_nothing_is_told_what_to_do(path: pathlib.Path, second_of_four: None) -> None:
    from torch.distributed.tensor import Replicate, distribute_tensor

    mesh = torch.distributed.init_device_mesh("cpu", (4,))
    bias = distribute_tensor(torch.zeros(3), mesh, [Replicate()], src_data_rank=None)
    shard = selvedge.Shard("run", 1, 4)
    with pytest.raises(selvedge.DeclarationError, match=r"rank 1 has nothing of `bias`.*scalars=\['loss'\]"):
        selvedge.Recorder(path, like={"bias": bias}, shard=shard)
    selvedge.Recorder(path, like={"bias": bias}, scalars=["loss"], shard=shard).finish()


def test_all_ranks_go_on_where_all_have_their_files() -> None:
    """One file that was not there took the steps of all others."""
    from selvedge._ranks import _common_step

    files: list[Any] = [("run", rank, 3, steps) for rank, steps in enumerate([5, 4, 7])]
    assert _common_step(files) == 4
    assert _common_step([None] * 3) == 0
    # Killed before the last one began.
    assert _common_step([*(("run", rank, 3, 0) for rank in range(2)), None]) == 0
    for changed, told in [
        ([*files[:2], None], "no file of rank 2, where others have up to 5 steps"),
        ([*files[:2], ("run", 2, 3, 0)], "no steps in the file of rank 2, where others have up to 5 steps"),
        ([None, files[1], ("run", 2, 3, 0)], "no file of rank 0, and there are no steps in the file of rank 2, where"),
        ([files[0], files[2], files[1]], "the file of rank 1 of 3 is that of rank 2 of 3"),
        (files[:2], "the file of rank 0 of 2 is that of rank 0 of 3"),
        ([*files[:2], ("other", 2, 3, 7)], "several runs .rank 0: run, rank 1: run, rank 2: other"),
    ]:
        with pytest.raises(selvedge.DeclarationError, match=told):
            _common_step(changed)


def test_a_process_outside_of_the_group_is_told_so(second_of_four: None) -> None:
    """It was `IndexError: list index out of range`."""
    group = torch.distributed.new_group([0, 2])
    with pytest.raises(selvedge.DeclarationError, match="group: this process is none of its ranks"):
        selvedge.Shard.from_torch(group=group)


def test_ranks_of_which_some_go_on_are_told_so(
    path: pathlib.Path, second_of_four: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one without `resume` began anew, and the others were told that it had no file."""

    def gathered(told: list[Any], mine: tuple[Any, ...], group: Any) -> None:
        others = ("run", ("run", 0, 4, 7), mine[2] is False, None, False)
        told[:] = [others, mine, others, others]

    monkeypatch.setattr(torch.distributed, "all_gather_object", gathered)
    with pytest.raises(selvedge.DeclarationError, match="expected in all ranks or in none, found none in rank 1"):
        selvedge.Shard.from_torch()
    with pytest.raises(selvedge.DeclarationError, match="found none in rank 0, 2, 3"):
        selvedge.Shard.from_torch(resume=path)


def test_a_view_of_two_trainings_is_refused(tmp_path: pathlib.Path) -> None:
    """It had the old steps of one rank beside the new ones of the other."""
    files, view = [file_of(tmp_path, rank) for rank in range(2)], tmp_path / "run.h5"

    def record(rank: int, value: float, until: int, **options: Any) -> None:
        shard, parts = selvedge.Shard("run", rank, 2), {"W": ((4,), (2 * rank,))}
        tensors: Any = {"W": ("float32", (2,))}
        with selvedge.Recorder(files[rank], tensors=tensors, shard=shard, parts=parts, **options) as run:
            for _ in range(run.appended, until):
                run.append(W=numpy.full(2, value, "float32"))

    for rank in range(2):
        record(rank, 1, 10)
    selvedge.join(files, view)
    # What comes after the steps of the view may be given up.
    record(1, 2, 12, resume=True)
    record(1, 3, 12, resume=True, at_step=10)
    file = selvedge.open(view)
    assert file["W"].numpy().tolist() == [[1] * 4] * 10
    record(1, 2, 10, resume=True, at_step=5)
    told = r"its source run\.rank1\.h5 has others than the 10 steps that were joined: .*join the ranks anew"
    for look in (file.refresh, lambda: selvedge.open(view)):
        with pytest.raises(selvedge.FileError, match=told):
            look()
    selvedge.join(files, view, overwrite=True)
    assert selvedge.open(view)["W"].numpy()[:, 1:3].tolist() == [[1, 1]] * 5 + [[1, 2]] * 5
    record(1, 3, 10, overwrite=True)
    with pytest.raises(selvedge.FileError, match=told):
        selvedge.open(view)


@pytest.fixture
def alone(tmp_path: pathlib.Path) -> Iterator[None]:
    """This process as the one rank of a run."""
    store = tmp_path / "store"
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def test_fsdp_is_watched(path: pathlib.Path, alone: None) -> None:
    from torch.distributed.fsdp import fully_shard

    def trained(where: pathlib.Path, **options: Any) -> None:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3))
        if options:
            fully_shard(model, mesh=torch.distributed.init_device_mesh("cpu", (1,)))
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        with selvedge.watch(model, optimizer, where, what=("weights", "grad", "exp_avg"), **options):
            for _ in range(5):
                optimizer.zero_grad()
                model(torch.ones(2, 4)).square().sum().backward()
                optimizer.step()

    shard = selvedge.Shard.from_torch(resume=path)
    assert (shard.rank, shard.world_size, shard.step) == (0, 1, 0)
    trained(path, shard=shard)
    parts = {tensor["name"]: tensor["part"] for tensor in selvedge.inspect(path)["tensors"]}
    assert parts["0.weight"] == {"global_shape": [6, 4], "offset": [0, 0]}
    assert selvedge.Shard.from_torch(resume=path) == selvedge.Shard(shard.run, 0, 1, 5)
    view, single = path.with_name("view.h5"), path.with_name("single.h5")
    selvedge.join([path], view)
    trained(single)
    assert selvedge.verify(view, single)["equal"]
    # Such files are there, and are not told to be missing.
    selvedge.Recorder(path, scalars=["loss"], overwrite=True).finish()
    h5py.File(path.with_name("foreign.h5"), "w").close()
    for other in (path, path.with_name("foreign.h5")):
        with pytest.raises(selvedge.DeclarationError, match=rf"rank 0: .*{other.name} is of no rank: it does not say"):
            selvedge.Shard.from_torch(resume=other)
    # A file that cannot be read is told to all ranks, and none waits for another.
    path.write_bytes(b"no HDF5")
    with pytest.raises(selvedge.FileError, match="rank 0: .* is not an HDF5 file"):
        selvedge.Shard.from_torch(resume=path)


def test_an_output_that_ranks_still_work_on_is_waited_for(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """What the collectives of tensor parallelism return, whose values are not there yet."""
    from torch import distributed
    from torch.distributed._functional_collectives import AsyncCollectiveTensor, all_reduce

    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        values = torch.arange(6.0).reshape(2, 3)
        found = all_reduce(values, "sum", distributed.group.WORLD)
        assert isinstance(found, AsyncCollectiveTensor)
        with selvedge.Recorder(path, steps=1, like={"out": values}) as run:
            run.append(out=found)
        assert torch.equal(selvedge.open(path)["out"][0].torch(), values)
    finally:
        distributed.destroy_process_group()
