"""A CUDA device that is simulated: work is queued on streams, and made later in any order that their events allow. So what
is recorded of it is right only if everything waits that has to.

It stands in for the part of `torch.cuda` that the package uses. Its tensors are wrappers of ones of the CPU; DLPack is told
that they are of CUDA, at an address that nobody can read. Memory that the caching allocator would give to the loop's next
tensor is overwritten when the loop's stream comes there.
"""

from __future__ import annotations

import contextlib
import ctypes
import random
import types
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

# DLPack's codes of the kinds of elements.
_CODES = {torch.bfloat16: 4, torch.float32: 2, torch.int16: 0, torch.uint8: 1, torch.complex64: 5, torch.bool: 6}
_VIEWS = {"alias", "as_strided", "detach", "permute", "select", "slice", "t", "transpose", "view"}


class Event:
    def __init__(self, device: Device) -> None:
        self._device = device
        self.is_done = True

    def record(self, stream: Stream) -> None:
        self.is_done = False
        stream.queue.append((None, self._finish))

    def _finish(self) -> None:
        self.is_done = True

    def synchronize(self) -> None:
        self._device.waits += 1
        self._device.run(lambda: self.is_done)

    def query(self) -> bool:
        if self._device.error is not None and not self._device.passes:
            raise self._device.error
        return self.is_done


class Stream:
    def __init__(self, device: Device) -> None:
        self._device = device
        # An event that is waited for, and what is done then.
        self.queue: deque[tuple[Event | None, Callable[[], object]]] = deque()
        device.streams.append(self)

    def wait_stream(self, other: Stream) -> None:
        event = Event(self._device)
        event.record(other)
        self.queue.append((event, lambda: None))

    def is_ready(self) -> bool:
        if not self.queue:
            return False
        event, _ = self.queue[0]
        return event is None or event.is_done


class Device:
    """The device, and what can be wrong with it."""

    def __init__(self, seed: int = 0, beside: Device | None = None) -> None:
        # Of several devices, the first one has the streams of all.
        self.first, self.name = (self, "cuda:0") if beside is None else (beside, "cuda:1")
        self.streams: list[Stream] = []
        self.current = Stream(self)
        self.waits = 0
        # Of the memory that is pinned: lengths by address.
        self.pinned: dict[int, int] = {}
        self.cannot_pin = False
        self.error: BaseException | None = None
        # Whether the error is none of the device, but one of a handler that came while it was waited for.
        self.passes = False
        # What happens once, in the middle of a wait.
        self.meanwhile: Callable[[], object] | None = None
        self.is_full = False
        # Copies beside the loop's work lose their bytes.
        self.loses = False
        self._random = random.Random(seed)

    def tensor(self, values: torch.Tensor) -> Tensor:
        return Tensor(values.clone(), _Memory(self))

    def do(self, work: Callable[[], object]) -> None:
        self.first.current.queue.append((None, work))

    def queued(self) -> int:
        return sum(len(stream.queue) for stream in self.streams)

    def run(self, is_done: Callable[[], bool]) -> None:
        """Does what can be done, in any order, until there is what somebody waits for."""
        while not is_done():
            if self.error is not None:
                raise self.error
            if (meanwhile := self.meanwhile) is not None:
                self.meanwhile = None
                meanwhile()
                continue
            ready = [stream for stream in self.streams if stream.is_ready()]
            assert ready, "it waits for ever"
            _, work = self._random.choice(ready).queue.popleft()
            work()

    def synchronize(self) -> None:
        event = Event(self.first)
        event.record(self.first.current)
        event.synchronize()

    @contextlib.contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    def register(self, start: int, length: int, flags: int) -> int:
        assert flags == 1 and start not in self.pinned
        if self.cannot_pin:
            return 2
        self.pinned[start] = length
        return 0

    def unregister(self, start: int) -> int:
        assert self.queued() == 0 or self.error is not None, "it may still be written to"
        del self.pinned[start]
        return 0


class _Memory:
    """What the views of one allocation share."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.values: torch.Tensor | None = None
        self.is_kept = False

    def __del__(self) -> None:
        if self.values is not None and not self.is_kept:
            values = self.values
            self.device.do(lambda: values.fill_(99))


class Tensor(torch.Tensor):
    """A tensor of the device."""

    inner: torch.Tensor
    memory: _Memory

    @staticmethod
    def __new__(cls, inner: torch.Tensor, memory: _Memory) -> Tensor:
        made: Tensor = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype
        )
        made.inner, made.memory = inner, memory
        return made

    def __init__(self, inner: torch.Tensor, memory: _Memory) -> None:
        if memory.values is None:
            memory.values = inner

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return torch.device(self.memory.device.name)

    def record_stream(self, stream: Stream) -> None:  # type: ignore[override]
        self.memory.is_kept = True

    def cpu(self) -> torch.Tensor:  # type: ignore[override]
        self.memory.device.synchronize()
        return self.inner.clone()

    @classmethod
    def __torch_dispatch__(cls, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, function.overloadpacket.__name__
        memory = next(arg.memory for arg in args if isinstance(arg, cls))
        inner = [arg.inner if isinstance(arg, cls) else arg for arg in args]
        device = memory.device
        if name in _VIEWS:
            return cls(function(*inner, **kwargs), memory)
        if name == "clone":
            if device.is_full:
                raise torch.OutOfMemoryError("CUDA out of memory (simulated)")
            made, values = torch.empty_like(inner[0], **kwargs), inner[0]
            device.do(lambda: made.copy_(values))
            return cls(made, _Memory(device))
        if name == "copy_" and not isinstance(args[0], cls):
            target, values, is_beside = *inner[:2], bool(args[2:] and args[2])
            device.do(lambda: target.zero_() if device.loses and is_beside else target.copy_(values))
            if not is_beside:
                device.synchronize()
            return target
        assert name in ("fill_", "mul_"), f"the simulated device has no {name}"
        device.do(lambda: function(*inner, **kwargs))
        return args[0]


class _DLTensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p), ("device", ctypes.c_int32 * 2), ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16), ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p),
        ("byte_offset", ctypes.c_uint64),
    )  # fmt: skip


@ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(_DLTensor))
def _tensor_from_object(tensor: Any, found: Any) -> int:
    axes = ctypes.c_int64 * tensor.dim()
    # They live as long as the tensor.
    tensor.axes = axes(*tensor.shape), axes(*tensor.stride())
    shape, strides = map(ctypes.addressof, tensor.axes)
    code, bits = _CODES[tensor.dtype], 8 * tensor.element_size()
    found[0] = _DLTensor(1, (2, 0), tensor.dim(), code, bits, 1, shape, strides, 0)
    return 0


class _Exchange(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_uint32 * 2), ("previous", ctypes.c_void_p), ("allocate", ctypes.c_void_p),
        ("managed_from_object", ctypes.c_void_p), ("object_from_managed", ctypes.c_void_p),
        ("tensor_from_object", ctypes.c_void_p), ("work_stream", ctypes.c_void_p),
    )  # fmt: skip


_EXCHANGE = _Exchange((1, 3), None, None, None, None, ctypes.cast(_tensor_from_object, ctypes.c_void_p), None)
_NAME = b"dlpack_exchange_api"
_capsule = ctypes.pythonapi.PyCapsule_New
_capsule.restype, _capsule.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
Tensor.__dlpack_c_exchange_api__ = _capsule(ctypes.addressof(_EXCHANGE), _NAME, None)  # type: ignore[attr-defined]


def install(monkeypatch: pytest.MonkeyPatch, seed: int = 0) -> Device:
    """A device that torch has until the test ends."""
    device = Device(seed)
    runtime = types.SimpleNamespace(cudaHostRegister=device.register, cudaHostUnregister=device.unregister)
    for name, stand_in in {
        "Event": lambda blocking: Event(device),
        "Stream": lambda _: Stream(device),
        "cudart": lambda: runtime,
        "current_stream": lambda _: device.current,
        "device": lambda _: contextlib.nullcontext(),
        "stream": device.stream,
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    return device
