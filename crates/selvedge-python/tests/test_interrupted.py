"""Disks that stop and fill, Ctrl-C, kills and forks."""

from __future__ import annotations

import os
import pathlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import numpy
import pytest
import torch
import training
from conftest import Child, wait_for

import selvedge

Start = Callable[..., Child]

FILLS_THE_QUEUE = """
    import os, sys, time, torch, selvedge
    value = torch.zeros(256, 1024)
    run = selvedge.Recorder(sys.argv[1], like={"W": value}, queue="4 MiB")
    run.append(W=value)
    run.commit()
    print("started", flush=True)
    while not os.path.exists(sys.argv[2]):
        time.sleep(0.001)
    try:
        while True:
            run.append(W=value)
    except BaseException as error:
        print(type(error).__name__, flush=True)
        print(*getattr(error, "__notes__", []), error, getattr(error, "errno", None), sep="|", flush=True)
"""


def test_ctrl_c_while_the_disk_is_stopped(tmp_path: pathlib.Path, path: pathlib.Path, child: Start, disk: dict[str, str]) -> None:
    stopped = tmp_path / "stopped"
    recording = child(FILLS_THE_QUEUE, path, stopped, DISK_STOPPED=str(stopped), **disk)
    assert recording.line() == "started"
    stopped.touch()
    # It fills the queue and waits.
    time.sleep(1.0)
    began = time.monotonic()
    recording.interrupt()
    assert recording.line() == "KeyboardInterrupt"
    assert time.monotonic() - began < 0.5
    note = recording.line()
    assert "1 of" in note and "steps are committed to" in note, note
    stopped.unlink()
    assert recording.end()[0] == 0
    # Python's end has written what was appended.
    assert selvedge.open(path).steps >= 4


def test_ctrl_c_in_commit(tmp_path: pathlib.Path, path: pathlib.Path, child: Start, disk: dict[str, str]) -> None:
    stopped = tmp_path / "stopped"
    source = """
        import os, sys, selvedge
        with selvedge.Recorder(sys.argv[1], scalars=["loss"]) as run:
            run.append(loss=1.0)
            open(sys.argv[2], "w").close()
            run.append(loss=2.0)
            print("waits", flush=True)
            try:
                run.commit()
            except KeyboardInterrupt as error:
                print("interrupted", flush=True)
                os.unlink(sys.argv[2])
    """
    recording = child(source, path, stopped, DISK_STOPPED=str(stopped), **disk)
    assert recording.line() == "waits"
    time.sleep(0.2)
    began = time.monotonic()
    recording.interrupt()
    assert recording.line() == "interrupted"
    assert time.monotonic() - began < 0.5
    assert recording.end()[0] == 0
    file = selvedge.open(path)
    assert (file.steps, file.state) == (2, "finished")


def test_a_full_disk_is_told_to_the_loop(tmp_path: pathlib.Path, path: pathlib.Path, child: Start, disk: dict[str, str]) -> None:
    full = tmp_path / "full"
    recording = child(FILLS_THE_QUEUE, path, full, DISK_FULL=str(full), **disk)
    assert recording.line() == "started"
    full.touch()
    assert recording.line() == "StoppedError"
    told = recording.line()
    # ENOSPC is 28.
    assert "No space left on device" in told and told.endswith("|28"), told
    assert recording.end()[0] == 0
    assert selvedge.open(path).steps >= 1


def test_a_run_that_stopped_is_gone_on_with_in_its_process(path: pathlib.Path, child: Start) -> None:
    """`resume=True`, as its message says, raised the same error again and again: the file was still the stopped recorder's."""
    source = """
        import resource, sys, numpy, selvedge
        value = numpy.ones(100_000, "f4")
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        def cell(**options):
            return selvedge.Recorder(sys.argv[1], like={"W": value}, **options)
        for how, told in (("resume", True), ("overwrite", True), ("resume", False)):
            run = cell(overwrite=True)
            run.append(W=value)
            run.commit()
            resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
            run.append(W=value)
            if told:
                for call in (run.commit, lambda: run.append(W=value), run.finish, run.finish):
                    try:
                        call()
                        print("no error")
                    except selvedge.StoppedError as error:
                        assert "1 step" in str(error) and error.errno == 27, (error, error.errno)
                assert run.closed and run.committed == 1 and run.appended == 2
            else:
                try:
                    cell(**{how: True})
                    print("no error")
                except selvedge.StoppedError:
                    pass
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            again = cell(**{how: True})
            again.append(W=value)
            print(how, again.finish().steps)
    """
    code, printed, said = child(source, path).end()
    assert (code, printed.splitlines()) == (0, ["resume 2", "overwrite 1", "resume 2"]), said


@pytest.mark.parametrize("how", ["exit", "forgotten", "deleted", "told"])
def test_a_disk_that_fills_after_the_last_append_is_told(path: pathlib.Path, child: Start, how: str) -> None:
    """Nobody finishes the recorder: nothing was said of a run without a step."""
    source = """
        import resource, sys, numpy, selvedge
        def go():
            value = numpy.ones(100_000, "f4")
            run = selvedge.Recorder(sys.argv[1], like={"W": value})
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
            run.append(W=value)
            return run
        match sys.argv[2]:
            case "exit":
                run = go()
            case "forgotten":
                go()
            case "deleted":
                run = go()
                del run
            case "told":
                run = go()
                try:
                    run.commit()
                except selvedge.StoppedError:
                    pass
        print("ends")
    """
    code, printed, said = child(source, path, how).end()
    assert (code, printed) == (0, "ends\n"), said
    assert said.count("StoppedError: the recorder of") == (how != "told"), said


def test_a_training_is_killed_at_random_moments_and_goes_on(path: pathlib.Path) -> None:
    """Every committed step is that of an independent computation, bit for bit, also of a step that was made again."""
    moments = random.Random(5)
    program = [sys.executable, training.__file__, path]
    seen: list[tuple[int, torch.Tensor]] = []
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdin is not None and trainer.stdout is not None
        for _ in range(30):
            trainer.stdin.write("go on\n")
            trainer.stdin.flush()
            pid = int(trainer.stdout.readline())
            # It is read meanwhile, too.
            live = selvedge.open(path)
            enough = live.steps + moments.randrange(1, 30)
            wait_for(lambda live=live, enough=enough: live.refresh() >= enough, 120)
            time.sleep(moments.uniform(0, 0.02))
            seen.append((live.steps, live["loss"].torch()))
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: selvedge.open(path).state == "died")
            assert selvedge.open(path).steps >= live.steps
        trainer.stdin.close()
    file = selvedge.open(path)
    assert file.steps > 30
    recorded = {name: tensor.torch() for name, tensor in file.items()}
    for steps, loss in seen:
        assert torch.equal(loss, recorded["loss"][:steps])

    def compare(step: int, now: dict[str, torch.Tensor]) -> None:
        for name, value in now.items():
            bits = torch.int32 if value.dtype == torch.float32 else torch.int16
            assert torch.equal(value.detach().view(bits), recorded[name][step].view(bits)), (name, step)

    threads = torch.get_num_threads()
    model, optimizer = training.begin()
    named = list(model.named_parameters())
    assert set(recorded) == {"loss"} | {f"{name}{kind}" for name, _ in named for kind in ("", ".grad", ".exp_avg", ".exp_avg_sq")}
    for step, loss in zip(range(file.steps + 1), training.losses(model, optimizer, 0)):
        if step > 0:
            compare(step - 1, dict(named))
            compare(step - 1, {f"{name}.{kind}": optimizer.state[p][kind] for name, p in named for kind in training.WHAT[2:]})
        if step < file.steps:
            compare(step, {"loss": loss} | {f"{name}.grad": p.grad for name, p in named})
    torch.set_num_threads(threads)


def test_a_fork_is_told_at_once_and_the_run_is_safe(path: pathlib.Path) -> None:
    run = selvedge.Recorder(path, scalars=["loss"])
    run.append(loss=1.0)
    pid = os.fork()
    if pid == 0:
        code = 0
        for call in (lambda: run.append(loss=9.0), run.commit, run.finish, lambda: run.put(loss=1.0)):
            try:
                call()
                code = 1
            except selvedge.ProcessError as error:
                code |= 0 if "forked" in str(error) else 2
        del run
        os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    run.append(loss=2.0)
    run.finish()
    assert selvedge.open(path)["loss"].numpy().tolist() == [1.0, 2.0]


class Steps(torch.utils.data.Dataset):
    """Steps of a file, read by the workers of a loader."""

    def __init__(self, tensor: selvedge.Selection) -> None:
        self.tensor = tensor

    def __len__(self) -> int:
        return len(self.tensor)

    def __getitem__(self, step: int) -> torch.Tensor:
        return self.tensor[step].torch()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_data_loader_reads_and_its_workers_end(path: pathlib.Path, method: str) -> None:
    # While a run is recorded, and with the file open in this process.
    values = torch.arange(40 * 6).reshape(40, 2, 3).to(torch.bfloat16)
    run = selvedge.Recorder(path, like={"W": values[0]})
    for value in values:
        run.append(W=value)
    run.commit()
    data = Steps(selvedge.open(path)["W"])
    loader = torch.utils.data.DataLoader(data, batch_size=4, num_workers=2, multiprocessing_context=method)
    assert torch.equal(torch.cat(list(loader)), values)
    run.append(W=values[0])
    run.finish()
    assert selvedge.open(path).steps == 41


def test_a_file_that_somebody_removes(path: pathlib.Path) -> None:
    run = selvedge.Recorder(path, scalars=["loss"])
    run.append(loss=1.0)
    path.unlink()
    with pytest.raises(selvedge.StoppedError, match="deleted"):
        wait_for(lambda: run.append(loss=1.0) < 0)
    with pytest.raises(selvedge.StoppedError):
        run.finish()


def test_a_live_file_is_read_by_another_process(path: pathlib.Path, child: Start) -> None:
    source = """
        import sys, selvedge
        file = selvedge.open(sys.argv[1])
        print(file.state, file.steps, flush=True)
        sys.stdin.readline()
    """
    run = selvedge.Recorder(path, scalars=["loss"])
    run.append(loss=1.0)
    run.commit()
    file = selvedge.open(path)
    assert child(source, path).line() == "live 1"
    loss = file["loss"]
    for step in range(100):
        run.append(loss=step)
    run.commit()
    assert (file.steps, len(loss)) == (1, 1)
    assert file.refresh() == 101
    assert (len(file["loss"]), len(loss)) == (101, 1)
    assert file["loss"][-3:].numpy().tolist() == [97, 98, 99]
    assert numpy.asarray(loss).tolist() == [1.0]
    run.finish()
