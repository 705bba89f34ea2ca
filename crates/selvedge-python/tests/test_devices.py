"""Tensors of a device: what is recorded, and who waits for whom. The device is simulated (`simulated.py`); `gpu.sh` has
what is to be seen on a real one."""

from __future__ import annotations

import gc
import pathlib
import threading
import warnings

import pytest
import torch
from simulated import Device, install

import selvedge


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    return install(monkeypatch)


def steps_of(path: pathlib.Path, name: str = "W") -> list[float]:
    """The value of each step, whose elements are all the same."""
    values = selvedge.open(path)[name].as_float32().reshape(selvedge.open(path).steps, -1)
    assert (values == values[:, :1]).all()
    return values[:, 0].tolist()


@pytest.mark.parametrize("seed", range(20))
def test_the_bytes_are_those_of_the_moment(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Whatever order the device makes its work in, and whatever the loop does next."""
    device = install(monkeypatch, seed)
    weights, loss = device.tensor(torch.zeros(4, 3).bfloat16()), device.tensor(torch.zeros(()))
    with selvedge.Recorder(path, steps=60, like={"W": weights, "grad": weights}, scalars=["loss"], queue=2000) as run:
        for step in range(60):
            gradient = device.tensor(torch.full((4, 3), -step).bfloat16())
            run.put(grad=gradient)
            # Its memory is the next tensor's.
            del gradient
            weights.fill_(step)
            loss.fill_(0.5 * step)
            run.append(W=weights, loss=loss if step % 3 else 0.5 * step)
            weights.fill_(-1)
            assert run.appended == step + 1
    assert device.queued() == 0 or not device.pinned
    assert steps_of(path) == list(range(60)) and steps_of(path, "grad") == [-step for step in range(60)]
    assert steps_of(path, "loss") == [0.5 * step for step in range(60)]


def test_the_loop_waits_for_the_step_before_and_no_other(path: pathlib.Path, device: Device) -> None:
    weights = device.tensor(torch.zeros(4).bfloat16())
    with selvedge.Recorder(path, steps=50, like={f"W{n}": weights for n in range(8)}) as run:
        for step in range(50):
            weights.fill_(step)
            run.append({f"W{n}": weights for n in range(8)})
            # What it copies is under way: one wait for a step, and those that check the first one.
            assert device.queued() > 0 and device.waits == step + 8 * (step > 0), step
        assert sum(device.pinned.values()) >= 64 * run.plan.queue_steps
        assert run.commit() == 50
        assert device.waits == 58
    assert device.pinned == {} and steps_of(path, "W7") == list(range(50))


def test_dtypes_layouts_and_shapes(path: pathlib.Path, device: Device) -> None:
    bits = torch.arange(65_536, dtype=torch.int32).to(torch.int16).reshape(256, 256)
    given = {
        "all": bits.view(torch.bfloat16),
        "transposed": bits.view(torch.bfloat16).T,
        "strided": bits.view(torch.bfloat16)[::2, 1::3],
        "number": torch.tensor(1.5),
        "bool": torch.tensor([True, False]),
        "complex": torch.tensor([1 + 2j, -0.0 - 1j]),
    }
    tensors = {name: device.tensor(value.contiguous()) for name, value in given.items()}
    tensors["transposed"] = device.tensor(bits.view(torch.bfloat16)).T
    tensors["strided"] = device.tensor(bits.view(torch.bfloat16))[::2, 1::3]
    with selvedge.Recorder(path, steps=2, like=tensors) as run:
        run.append(tensors)
        run.append({**tensors, "all": given["all"]})
    for name, value in given.items():
        for step in range(2):
            found = selvedge.open(path)[name][step].torch()
            assert found.dtype == value.dtype and found.shape == value.shape
            assert bytes(found.reshape(-1).view(torch.uint8)) == bytes(value.reshape(-1).contiguous().view(torch.uint8)), name


def test_what_is_wrong_is_told_before_anything_is_copied(path: pathlib.Path, device: Device) -> None:
    weights, other = device.tensor(torch.zeros(4, 3).bfloat16()), device.tensor(torch.zeros(4, 3))
    with selvedge.Recorder(path, steps=1, like={"W": weights}) as run:
        with pytest.raises(selvedge.DtypeError, match="tensor `W` holds bfloat16, found float32"):
            run.append(W=other)
        with pytest.raises(selvedge.ShapeError, match=r"tensor `W` has steps of shape \(4, 3\), found \(3, 4\)"):
            run.append(W=weights.T)
        with pytest.raises(selvedge.DeclarationError, match="given twice"):
            run.append({"W": weights}, W=weights)
        assert device.queued() == device.waits == 0
        run.append(W=weights)
        with pytest.raises(selvedge.DeclarationError, match="1 step"):
            run.append(W=weights)
        run.put(W=weights)
    assert selvedge.open(path).steps == 1


def test_what_is_put_last_counts(path: pathlib.Path, device: Device) -> None:
    here = torch.full((2,), 3.0)
    with selvedge.Recorder(path, steps=4, like={"W": here}) as run:
        run.put(W=device.tensor(torch.full((2,), 1.0)))
        run.append(W=here)
        run.put(W=here)
        run.append(W=device.tensor(torch.full((2,), 2.0)))
        run.put(W=device.tensor(torch.full((2,), 1.0)))
        run.put(W=device.tensor(torch.full((2,), 4.0)))
        run.append()
        run.put(W=device.tensor(torch.full((2,), 1.0)))
        device.is_full = True
        run.append(W=device.tensor(torch.full((2,), 5.0)))
    assert steps_of(path) == [3, 2, 4, 5]


def test_a_device_that_fails(path: pathlib.Path, device: Device) -> None:
    """The step that it was to copy is not recorded, and those before it are."""
    weights = device.tensor(torch.zeros(4))
    run = selvedge.Recorder(path, steps=9, like={"W": weights})
    for step in range(3):
        weights.fill_(step)
        run.append(W=weights)
    device.error = RuntimeError("CUDA error: device-side assert triggered")
    with pytest.raises(RuntimeError, match="device-side assert") as raised:
        run.append(W=weights)
    assert raised.value.__notes__ == ["step 2 was not recorded"]
    assert run.appended == 2
    run.append(W=torch.full((4,), 7.0))
    run.finish()
    assert steps_of(path) == [0, 1, 7]


def test_an_error_in_the_middle_leaves_nothing_half(
    path: pathlib.Path, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, other = device.tensor(torch.zeros(4)), device.tensor(torch.zeros(4))
    with selvedge.Recorder(path, steps=2, like={"W": weights, "V": other}) as run:
        run.append(W=weights, V=other)
        with monkeypatch.context() as patch:
            patch.setattr(type(other), "record_stream", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                run.append(W=weights, V=other)
        with pytest.raises(selvedge.DeclarationError, match="the step lacks `W`"):
            run.append(V=other)
        _, side = device.streams
        assert side.queue
        # The copy that was begun is over before other values come.
        run.append(W=torch.ones(4), V=torch.ones(4))
        assert not side.queue
    assert steps_of(path) == steps_of(path, "V") == [0, 1]


@pytest.mark.parametrize("how", ["is_full", "cannot_pin", "loses"])
def test_a_device_that_cannot(path: pathlib.Path, device: Device, how: str) -> None:
    """Without memory for its copy, without memory that can be pinned, and where what comes is wrong: the values are right."""
    setattr(device, how, True)
    weights = device.tensor(torch.zeros(2, 3))
    told: list[str] = []
    with selvedge.Recorder(path, steps=20, like={"W": weights.T}) as run:
        for step in range(20):
            weights.fill_(step + 1)
            with warnings.catch_warnings(record=True) as found:
                warnings.simplefilter("always")
                run.append(W=weights.T)
            told += [str(one.message) for one in found]
            weights.fill_(-1)
    assert steps_of(path) == list(range(1, 21))
    expected = {
        "is_full": [],
        "cannot_pin": ["the memory of the recorder's queue ("],
        "loses": ["1 tensors of the first step came from their device with other bytes"],
    }
    assert len(told) == len(expected[how]) and all(map(str.startswith, told, expected[how])), told


def test_a_run_that_nobody_finishes(path: pathlib.Path, device: Device) -> None:
    weights = device.tensor(torch.zeros(4))
    run = selvedge.Recorder(path, steps=9, like={"W": weights})
    for step in range(4):
        weights.fill_(step)
        run.append(W=weights)
    run.put(W=weights)
    del run
    gc.collect()
    assert device.pinned == {} and steps_of(path) == [0, 1, 2, 3]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), TimeoutError("a handler's"), RuntimeError("too")])
def test_what_comes_in_between_while_it_waits_costs_no_step(
    path: pathlib.Path, device: Device, error: BaseException
) -> None:
    weights = device.tensor(torch.zeros(4))
    with selvedge.Recorder(path, steps=3, like={"W": weights}) as run:
        weights.fill_(1)
        run.append(W=weights)
        device.error, device.passes = error, True
        weights.fill_(2)
        with pytest.raises(type(error)):
            run.append(W=weights)
        assert run.appended == 1
        device.error = None
        run.append(W=weights)
    assert steps_of(path) == [1, 2]


def test_handlers_and_threads_see_the_step_that_is_waited_for(path: pathlib.Path, device: Device) -> None:
    """While the loop waits for the step before, others commit it as well, or finish the file with it."""
    weights = device.tensor(torch.zeros(4))
    run = selvedge.Recorder(path, steps=9, like={"W": weights})
    found: list[int] = []
    for step in range(3):
        weights.fill_(step)
        if step == 1:
            device.meanwhile = lambda: found.append(run.commit())
        if step == 2:
            device.meanwhile = lambda: found.append(run.finish().steps)
            with pytest.raises(selvedge.ClosedError, match="finished"):
                run.append(W=weights)
        else:
            run.append(W=weights)
    assert found == [1, 2] and (run.appended, run.closed) == (2, True)
    assert steps_of(path) == [0, 1] and device.pinned == {}


def test_a_handler_cannot_append_in_the_middle_of_a_step(path: pathlib.Path, device: Device) -> None:
    weights = device.tensor(torch.zeros(4))
    with selvedge.Recorder(path, steps=3, like={"W": weights}) as run:
        run.append(W=weights)
        device.meanwhile = lambda: run.append(W=weights)
        with pytest.raises(selvedge.DeclarationError, match="handler set a flag"):
            run.append(W=weights)
        run.append(W=weights)
    assert selvedge.open(path).steps == 2


def test_threads_share_a_run(path: pathlib.Path, device: Device) -> None:
    weights = {name: device.tensor(torch.full((4,), float(value))) for name, value in {"a": 1, "b": 2}.items()}
    run = selvedge.Recorder(path, steps=80, like={"W": weights["a"], "V": weights["a"]})
    wrong: list[BaseException] = []

    def append(name: str) -> None:
        try:
            for _ in range(40):
                run.append(W=weights[name], V=weights[name])
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=append, args=(name,)) for name in weights]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.finish()
    assert not wrong, wrong
    found = steps_of(path)
    assert found == steps_of(path, "V") and sorted(found) == [1] * 40 + [2] * 40


@pytest.mark.parametrize("seed", range(6))
def test_a_tensor_that_is_put_again_in_the_first_step(
    path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """As the output of a layer is in each of several passes before the optimizer's step, of one device or another."""
    device = install(monkeypatch, seed)
    other = Device(beside=device)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with selvedge.Recorder(path, steps=6, like={"W": device.tensor(torch.zeros(2))}) as run:
            for step in range(6):
                for value in (-3.0, -2.0, -1.0, float(step)):
                    place = other if step >= 3 and value == -1.0 else device
                    run.put(W=place.tensor(torch.full((2,), value)))
                run.append()
    assert steps_of(path) == list(range(6))


def test_a_model_that_is_watched(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hooks of `watch` see tensors of a device as they see others."""
    device = install(monkeypatch)
    run = selvedge.Recorder(path, steps=2, like={"W": device.tensor(torch.zeros(2)), "W.grad": torch.zeros(2)})
    before, after = run._columns(["W.grad"]), run._columns(["W"])
    for step in range(2):
        gradient = device.tensor(torch.full((2,), step + 0.5))
        run._put(before, [gradient])
        del gradient
        run._append(after, [device.tensor(torch.full((2,), float(step)))], {})
    run.finish()
    assert steps_of(path) == [0, 1] and steps_of(path, "W.grad") == [0.5, 1.5]


def test_memory_that_mps_shares_with_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tensor of MPS is looked at where it is, once the device has made it."""
    from selvedge._devices import _shared

    asked: list[str] = []
    monkeypatch.setattr(torch.mps, "synchronize", lambda: asked.append("synchronize"))
    monkeypatch.setattr(torch.mps, "_host_alias_storage", lambda storage: asked.append("alias") or storage, raising=False)
    values = torch.arange(12.0).reshape(3, 4)
    complex_values = torch.tensor([1 + 2j, 3 - 4j])
    for tensor in (values, values.T, values[1:, ::2], values[2, 3], complex_values.conj(), complex_values.conj().imag):
        found = _shared(tensor)
        assert torch.equal(found, tensor) and found.data_ptr() == tensor.data_ptr()
    assert asked[:2] == ["alias", "synchronize"]
