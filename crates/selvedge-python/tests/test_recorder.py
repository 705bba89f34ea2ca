"""Declaring a run, appending to it, and what there is to see of it."""

from __future__ import annotations

import gc
import os
import pathlib
import threading
import time
from typing import Any

import h5py
import numpy
import pytest
import torch

import selvedge


def test_a_run_as_the_readme_has_it(path: pathlib.Path) -> None:
    weights = torch.randn(100, 8, dtype=torch.bfloat16)
    dead = torch.arange(100) % 7 == 0
    with selvedge.Recorder(
        path, steps=10, like={"W": weights}, scalars=["loss"], constants={"dead_mask": dead, "ids": [3, 1, 2]},
        attributes={"learning_rate": 1e-3, "layers": 12, "optimizer": "AdamW", "betas": [0.9, 0.95],
                    "seed": numpy.int64(7), "tied": True}, notebook="1.31a_thimble_7.ipynb",
    ) as run:  # fmt: skip
        for step in range(10):
            assert run.append(W=weights * step, loss=torch.tensor(float(step))) == step
        assert run.commit() == 10
        assert run.committed == run.appended == 10
    assert run.closed and run.summary is not None
    assert (run.summary.steps, run.summary.recorded) == (10, 10)
    with h5py.File(path) as file:
        # The seed's own line.
        stored = torch.from_numpy(file["W"][:]).view(torch.bfloat16)
        assert torch.equal(stored, torch.stack([weights * step for step in range(10)]))
        assert file["loss"][:].tolist() == list(range(10))
        assert numpy.array_equal(file["dead_mask"][:], dead.numpy())
        assert file["ids"][:].tolist() == [3, 1, 2]
        assert dict(file.attrs)["learning_rate"] == 1e-3
        assert file.attrs["betas"].tolist() == [0.9, 0.95]
        assert file.attrs["notebook"] == "1.31a_thimble_7.ipynb"
        assert file["W"].attrs["logical_dtype"] == "bfloat16"
        assert file.attrs["seed"] == 7 and file.attrs["tied"]


def test_a_step_has_all_tensors_or_is_not_recorded(path: pathlib.Path) -> None:
    with selvedge.Recorder(path, steps=2, scalars=["loss", "norm"]) as run:
        with pytest.raises(selvedge.DeclarationError, match="lacks `norm`"):
            run.append(loss=1.0)
        with pytest.raises(selvedge.TensorNotFoundError, match="no tensor `lr` was declared; .* `loss`, `norm`") as error:
            run.append(loss=1.0, norm=1.0, lr=1.0)
        assert isinstance(error.value, KeyError)
        with pytest.raises(selvedge.DeclarationError, match=r"append\(W=weights\)` .* found `torch.Tensor`"):
            run.append(torch.zeros(2))
        with pytest.raises(selvedge.DeclarationError, match="given twice"):
            run.append({"loss": 1.0, "norm": 2.0}, norm=1.0)
        run.append({"loss": 1.0}, norm=2.0)
        run.append({"norm": 2.0, "loss": 1.0})
        with pytest.raises(selvedge.DeclarationError, match="planned for 2 steps"):
            run.append(loss=1.0, norm=2.0)
    assert selvedge.open(path)["norm"].numpy().tolist() == [2.0, 2.0]


def test_a_tensor_can_be_put_before_the_others_are_there(path: pathlib.Path) -> None:
    gradient = torch.ones(4, 4).T
    with selvedge.Recorder(path, like={"W": gradient, "grad": gradient}) as run:
        for step in range(3):
            run.put(grad=gradient * 7)
            gradient.fill_(step)
            run.put(grad=gradient)
            gradient.zero_()
            with pytest.raises(selvedge.DeclarationError, match="lacks `W`"):
                run.append()
            run.append(W=gradient)
            with pytest.raises(selvedge.DeclarationError, match="lacks `grad`"):
                run.append(W=gradient)
        run.put(grad=gradient)
        run.append(W=gradient, grad=gradient + 9)
        with pytest.raises(selvedge.TensorNotFoundError):
            run.put(gradient=gradient)
    file = selvedge.open(path)
    assert file["grad"].numpy()[:, 0, 0].tolist() == [0, 1, 2, 9]
    assert not file["W"].numpy()[:3].any()


def test_a_cell_that_is_run_twice(path: pathlib.Path) -> None:
    def cell(**options: Any) -> selvedge.Recorder:
        return selvedge.Recorder(path, scalars=["loss"], **options)

    first = cell()
    first.append(loss=1.0)
    with pytest.raises(selvedge.ExistsError, match=r"\(`overwrite=True`\), or go on with it \(`resume=True`\)") as error:
        cell()
    assert isinstance(error.value, FileExistsError)
    again = cell(resume=True)
    assert first.closed and again.appended == 1
    again.append(loss=2.0)
    with pytest.raises(selvedge.ClosedError, match="resume=True"):
        first.append(loss=3.0)
    assert first.committed == 1
    anew = cell(overwrite=True)
    assert anew.appended == 0
    anew.finish()
    assert anew.finish() is anew.summary
    with pytest.raises(selvedge.DeclarationError, match="choose one"):
        cell(overwrite=True, resume=True)


def test_resume_begins_a_file_that_is_not_there(path: pathlib.Path) -> None:
    for run_number in range(3):
        with selvedge.Recorder(path, scalars=["loss"], resume=True) as run:
            assert run.appended == run_number
            run.append(loss=run_number)
    with pytest.raises(selvedge.DeclarationError, match="cannot resume"):
        selvedge.Recorder(path, scalars={"loss": "float64"}, resume=True)
    # Without tensors those of the file are taken.
    with selvedge.Recorder(path, resume=True) as run:
        assert run.tensors == [("loss", "float32", [])]


def test_an_error_of_the_loop_leaves_a_whole_file(path: pathlib.Path) -> None:
    with pytest.raises(ZeroDivisionError), selvedge.Recorder(path, scalars=["loss"]) as run:
        run.append(loss=1.0)
        1 / 0  # noqa: B018
    assert selvedge.open(path).state == "finished"
    assert run.summary is not None and run.summary.steps == 1


def test_a_recorder_that_is_forgotten_writes_its_steps(path: pathlib.Path) -> None:
    run = selvedge.Recorder(path, scalars=["loss"])
    for step in range(1000):
        run.append(loss=step)
    assert selvedge.open(path).state == "live"
    del run
    gc.collect()
    file = selvedge.open(path)
    assert (file.steps, file.state) == (1000, "died")
    assert selvedge.recover(path).committed == 1000
    assert selvedge.open(path).state == "recovered"


def test_a_cell_with_a_mistake_leaves_the_run_at_work(path: pathlib.Path) -> None:
    """It was finished before the mistake was found."""
    run = selvedge.Recorder(path, scalars=["loss"])
    run.append(loss=1.0)
    for options in (
        {"overwrite": True, "read": "bad"},
        {"overwrite": True, "memory": 1},
        {"overwrite": True, "attributes": {"a": object()}},
        {"overwrite": True, "sync_every": "5"},
        {"overwrite": True, "tensors": {"loss": ("float32", ())}},
        {"resume": True, "compression": "bad"},
        {"resume": True, "tensors": {"W": ("float32", (2,))}},
    ):
        with pytest.raises(selvedge.Error):
            selvedge.Recorder(path, scalars=["loss"], **options)
        assert not run.closed
    run.append(loss=2.0)
    assert selvedge.Recorder(path, scalars=["loss"], resume=True, at_step=2).appended == 2
    assert run.finish().steps == 2


def test_float32_attributes_are_float32(path: pathlib.Path) -> None:
    """They were written as float64: 0.1 was 0.10000000149011612."""
    given = {"f4": numpy.float32(0.1), "f8": numpy.float64(0.1), "f2": numpy.float16(0.5), "list": [0.1, 0.2], "float": 0.1}
    given |= {"array": numpy.array([0.1, 0.2], "f4"), "torch": torch.tensor([0.1]), "of_one": torch.tensor(0.1), "i4": numpy.int32(3)}
    for _ in range(2):
        with selvedge.Recorder(path, scalars=["loss"], attributes=given, resume=True) as run:
            run.append(loss=1.0)
    with h5py.File(path) as file:
        dtypes = {name: file.attrs[name].dtype.name for name in given}
        assert file.attrs["f4"] == numpy.float32(0.1) and file.attrs["array"].tolist() == given["array"].tolist()
    wide = dict.fromkeys(("f8", "f2", "list", "float"), "float64")
    assert dtypes == dict.fromkeys(("f4", "array", "torch", "of_one"), "float32") | wide | {"i4": "int64"}


def test_a_mistake_in_the_declaration(path: pathlib.Path) -> None:
    for wrong, match in (
        ({"tensors": {"W": ("float31", (2,))}}, "tensor `W`: no dtype `float31`"),
        ({"tensors": {"a/b": ("float32", (2,))}}, "a/b"),
        ({"scalars": "loss"}, r"\['loss'\]"),
        ({"scalars": ["loss", "loss"], "tensors": {"loss": ("float32", ())}}, "twice"),
        ({"scalars": ["loss"], "read": "rows"}, "'tokens'"),
        ({"scalars": ["loss"], "compression": "temporal"}, "'fast'"),
        ({"scalars": ["loss"], "memory": "a lot"}, "24 GB"),
        ({"scalars": ["loss"], "attributes": {"a": object()}}, "attribute `a`"),
        ({"scalars": ["loss"], "steps": 0}, "0 steps"),
        ({"scalars": ["loss"], "steps": "10"}, "steps='10': expected a number"),
        ({"scalars": ["loss"], "steps": 2.5}, "steps=2.5"),
        ({"scalars": ["loss"], "sync_every": "5"}, "sync_every='5'"),
        ({"scalars": ["loss"], "sync_every": 0}, "sync_every=0"),
        ({"scalars": ["loss"], "sync_every": (1, 2, 3)}, "sync_every"),
        ({"scalars": ["loss"], "sync_every": (None, "1")}, "sync_every"),
        ({"scalars": ["loss"], "steps": 1 << 64}, "steps=18446744073709551616"),
        ({"scalars": ["loss"], "sync_every": 1 << 70}, "sync_every=1180591620717411303424"),
        ({"scalars": ["loss"], "sync_every": (50, 1e300)}, "sync_every: 1e300 seconds"),
        ({"scalars": ["loss"], "queue": 1 << 70}, "size 1180591620717411303424"),
        ({"scalars": ["loss"], "queue": "9999999999999999 TB"}, "size '9999999999999999 TB'"),
        ({"scalars": ["loss"], "notebook": "\ud800"}, "notebook: expected a text"),
        ({"tensors": {"W": ("float32", (1 << 70,))}}, "`W`: expected a dtype and the shape"),
        ({"scalars": ["\ud800"]}, "scalars: expected names for keys"),
        ({"scalars": ["loss"], "shard": 3}, "expected a `selvedge.Shard`, found `int`"),
        ({"scalars": ["loss"], "constants": {"c": None}}, "`c`: expected a tensor, .* found `None`"),
        ({"scalars": ["loss"], "constants": {"c": [[1], [1, 2]]}}, "`c`: expected numbers of one shape"),
        ({"scalars": ["loss"], "attributes": {"a": 2**70}}, "attribute `a`: expected integers of 64 bits"),
        ({"scalars": ["loss"], "attributes": {"a": [2**70]}}, "attribute `a`: expected integers of 64 bits"),
        ({"scalars": ["loss"], "attributes": {"a": b"x"}}, "attribute `a`: .* found `bytes`"),
        ({"tensors": {"W": ("float32", (-1,))}}, "`W`: expected a dtype and the shape"),
        ({"scalars": ["loss"], "queue": 1.5}, "size 1.5"),
        ({"scalars": ["loss"], "attributes": ["lr"]}, "attributes: expected a mapping .* found `list`"),
        ({"scalars": ["loss"], "constants": {3: 1}}, "constants: expected names for keys, .* found 3"),
        ({"scalars": 3}, "scalars=3: expected a list"),
        ({"like": torch.zeros(2)}, "like: expected a mapping .* found `Tensor`"),
        ({"tensors": {"W": "bfloat16"}}, "`W`: expected a dtype and the shape .* found 'bfloat16'"),
        ({"tensors": {"W": ("bfloat16", 4)}}, "`W`: expected a dtype and the shape"),
        ({}, "at least one step tensor: `like="),
    ):
        with pytest.raises(selvedge.Error, match=match):
            selvedge.Recorder(path, **wrong)
        assert not path.exists()
    with pytest.raises(selvedge.BudgetError, match="more than the budget") as error:
        selvedge.Recorder(path, tensors={"W": ("float32", (1000, 1000))}, memory="1 MB")
    assert isinstance(error.value, MemoryError)


def test_a_plan_is_made_without_a_file(path: pathlib.Path) -> None:
    names = ("W", "grad_W", "momentum_W", "variance_W")
    tensors = {name: ("bfloat16", (10_000, 64)) for name in names}
    plan = selvedge.plan(path, 60, tensors=tensors, scalars=["loss"])
    assert plan.step_bytes == 4 * 1_280_000 + 4
    assert "60 steps of 5.12 MB" in str(plan) and "budget" in plan._repr_html_()
    assert not path.exists()
    with pytest.raises(selvedge.FileError, match="short"):
        selvedge.plan(path, 10**9, tensors=tensors)
    run = selvedge.Recorder(path, 60, tensors=tensors, scalars=["loss"])
    assert run.plan.file_bytes == plan.file_bytes


def test_what_a_notebook_shows(path: pathlib.Path) -> None:
    with selvedge.Recorder(path, 5, tensors={"<W>": ("bfloat16", (3, 4))}, scalars=["loss"]) as run:
        run.append({"<W>": torch.zeros(3, 4, dtype=torch.bfloat16)}, loss=1.0)
        run.commit()
        assert run.status == "1 of 1 steps committed"
        assert "thimble_1.h5: 1 of 1" in repr(run)
        html = run._repr_html_()
        assert "&lt;W&gt;" in html and "<W>" not in html and "(3, 4)" in html
    assert "finished" in repr(run)
    assert "append took" in run._repr_html_()
    assert "append took" in str(run.summary) and "append took" in run.summary._repr_html_()


def test_compression_and_durability(path: pathlib.Path) -> None:
    value = torch.randn(256, 256, dtype=torch.bfloat16)
    with selvedge.Recorder(path, 4, like={"W": value}, compression="fast", sync_every=2, queue="4 MiB") as run:
        for _ in range(4):
            run.append(W=value)
    assert path.stat().st_size < 0.9 * 4 * value.numel() * 2
    assert torch.equal(selvedge.open(path)["W"][3].torch(), value)


def test_steps_are_committed_by_the_clock(path: pathlib.Path) -> None:
    with selvedge.Recorder(path, scalars=["loss"], sync_every=(50, 0.05)) as run:
        run.append(loss=1.0)
        for _ in range(200):
            if run.committed == 1:
                break
            time.sleep(0.05)
        assert run.committed == 1
    with pytest.raises(selvedge.DeclarationError, match="sync_every: -1"):
        selvedge.Recorder(path, scalars=["loss"], sync_every=(None, -1.0), overwrite=True)


def test_threads_append_to_their_own_runs(tmp_path: pathlib.Path) -> None:
    # Copies of large steps are made without the interpreter's lock.
    def work(number: int) -> None:
        value = torch.full((300, 300), float(number))
        with selvedge.Recorder(tmp_path / f"run_{number}.h5", like={"W": value}) as run:
            for _ in range(50):
                run.append(W=value)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        values = selvedge.open(tmp_path / f"run_{number}.h5")["W"].numpy()
        assert values.shape == (50, 300, 300) and (values == number).all()


def test_threads_share_a_run(path: pathlib.Path) -> None:
    with selvedge.Recorder(path, scalars={"who": "int64"}) as run:
        def work(number: int) -> None:
            for _ in range(500):
                run.append(who=number)
                assert run.committed <= run.appended

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    counts = numpy.bincount(selvedge.open(path)["who"].numpy())
    assert counts.tolist() == [500] * 4


def test_memory_does_not_grow(path: pathlib.Path) -> None:
    small = torch.randn(16, dtype=torch.bfloat16)

    def resident() -> int:
        return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    with selvedge.Recorder(path, like={"W": small, "flipped": small[::2]}, scalars=["loss"], queue="2 MiB") as run:
        before = 0
        for step in range(1_000_000):
            run.append(W=small, flipped=small[::2], loss=step)
            if step == 100_000:
                before = resident()
        assert resident() - before < 4 << 20
    assert selvedge.open(path)["loss"][-1].item() == 999_999
