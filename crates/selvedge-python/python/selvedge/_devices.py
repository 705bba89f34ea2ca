"""Tensors of a device: their values in the memory of the host."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import torch

    TorchTensor: TypeAlias = torch.Tensor

# Memory that is pinned is so for all devices of the process: CUDA's flag `cudaHostRegisterPortable`, and HIP's.
_PORTABLE = 1


def to_host(tensor: Any) -> Any:
    """The values in host memory. It waits until the device has made them."""
    if not hasattr(tensor, "cpu"):
        import numpy

        # jax and others copy on their way to NumPy.
        return numpy.asarray(tensor)
    tensor = tensor.detach()
    if tensor.device.type == "mps":
        with contextlib.suppress(Exception):
            return _shared(tensor)
    return tensor.cpu()


def _shared(tensor: TorchTensor) -> TorchTensor:
    """The memory of a tensor of MPS, which the host shares, without a copy: `append` copies it once and not twice.

    Raises:
        Exception: this torch does not tell where it is, or it is no memory that the host has.
    """
    import torch

    alias = torch.mps._host_alias_storage(tensor.untyped_storage())
    torch.mps.synchronize()
    found = torch.empty(0, dtype=tensor.dtype)
    found.set_(alias, tensor.storage_offset(), tensor.shape, tensor.stride())
    # What torch keeps with a tensor and its memory does not have.
    found = torch._neg_view(found) if tensor.is_neg() else found
    return torch._conj(found) if tensor.is_conj() else found


class Copies:
    """Copies of tensors of CUDA devices into the memory of a recorder, which the loop does not wait for.

    A step's tensors are first copied on their device, in the order of the loop's own work: so the values are those of
    the moment, whatever the loop does next. From there they go to the host on a stream of their own, beside the
    loop's next work, into memory that is pinned. Where the device has no memory for its copy the loop waits.

    The copies of the first step are held against ones that are waited for. If they differ all later ones are waited
    for, and a warning says so.

    Args:
        memory: addresses and lengths in bytes of the memory. It stays where it is until `release` was called.
    """

    def __init__(self, memory: Sequence[tuple[int, int]]) -> None:
        self._memory = [(start, length, _bytes_at(start, length)) for start, length in memory]
        self._pinned: list[int] | None = None
        self._pid = os.getpid()
        # Of each device, the stream of the copies, and what tells that those begun last are done.
        self._streams: dict[Any, Any] = {}
        self._events: dict[Any, Any] = {}
        # The device from which the bytes at an address are under way.
        self._under_way: dict[int, Any] = {}
        # Copies of the first step, by address: the values on the device, and the memory.
        self._unchecked: dict[int, tuple[TorchTensor, TorchTensor]] = {}
        self._is_checked = False
        self._waits = False

    def start(self, tensors: Sequence[tuple[TorchTensor, int]]) -> None:
        """Begins to copy tensors, each to an address. Their bytes are there when `wait` has returned."""
        import torch

        if self._pinned is None:
            self._pin()
        by_device: dict[Any, list[tuple[TorchTensor, TorchTensor]]] = {}
        for tensor, address in tensors:
            values = tensor.detach().resolve_conj().resolve_neg()
            target = self._place(address, values.numel() * values.element_size())
            by_device.setdefault(values.device, []).append((values, target))
        for device, copies in by_device.items():
            # Two devices do not wait for each other, and what is put last counts.
            if any(self._under_way.get(target.data_ptr(), device) != device for _, target in copies):
                self.wait()
            with torch.cuda.device(device):
                self._start_on(device, copies)

    def _start_on(self, device: Any, copies: list[tuple[TorchTensor, TorchTensor]]) -> None:
        import torch

        try:
            staged = [] if self._waits else [(_staged(values), target) for values, target in copies]
        except torch.OutOfMemoryError:
            staged = []
        if not staged:
            # Those that were begun before may be of the same tensors.
            self.wait()
            for values, target in copies:
                target.copy_(_flat(values if values.is_contiguous() else values.cpu().contiguous()))
            return
        side = self._streams.get(device)
        if side is None:
            side = self._streams[device] = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        try:
            with torch.cuda.stream(side):
                for values, target in staged:
                    target.copy_(values, non_blocking=True)
                    # Its memory is nobody else's before the copy is made.
                    values.record_stream(side)
        finally:
            # Also of copies that were begun before an error.
            self._under_way.update((target.data_ptr(), device) for _, target in staged)
            event = torch.cuda.Event(blocking=True)
            event.record(side)
            self._events[device] = event
        if not self._is_checked:
            self._unchecked.update((copy[1].data_ptr(), copy) for copy in staged)

    def wait(self) -> None:
        """Waits until all copies that were begun are made.

        Raises:
            RuntimeError: the device failed; what is in the memory is not to be used.
        """
        # In a process that was forked there is no device, and the memory is another.
        if self._pid != os.getpid():
            return
        # Others may wait meanwhile: another thread, and the handler of a signal.
        for device, event in list(self._events.items()):
            event.synchronize()
            if self._events.get(device) is event:
                del self._events[device]
        if not self._events:
            self._under_way.clear()
        if self._unchecked:
            self._check()

    def has_failed(self) -> bool:
        """Whether the device has, so that what is in the memory is not to be used."""
        try:
            for event in list(self._events.values()):
                event.query()
        except RuntimeError:
            return True
        return False

    def _check(self) -> None:
        import torch

        wrong = 0
        for address, (values, target) in list(self._unchecked.items()):
            expected = values.cpu()
            if not torch.equal(target, expected):
                target.copy_(expected)
                wrong += 1
            self._unchecked.pop(address, None)
        self._is_checked = True
        if wrong:
            self._waits = True
            warnings.warn(
                f"{wrong} tensors of the first step came from their device with other bytes than they have there when they "
                "were copied beside the loop's work; they were copied anew, and from now on `append` waits for the device. "
                "This is a fault of Selvedge, or of this device's driver: please report it, with both versions",
                RuntimeWarning,
                stacklevel=2,
            )

    def release(self) -> None:
        """Waits, and lets go of the memory."""
        if self._pid != os.getpid():
            return
        try:
            self.wait()
        finally:
            pinned, self._pinned, self._memory = self._pinned or [], [], []
            if pinned:
                import torch

                runtime = torch.cuda.cudart()
                for start in pinned:
                    runtime.cudaHostUnregister(start)

    def _pin(self) -> None:
        """Pins the memory. Copies into other memory are right, and keep the loop."""
        import torch

        runtime, self._pinned = torch.cuda.cudart(), []
        for start, length, _ in self._memory:
            failed = int(runtime.cudaHostRegister(start, length, _PORTABLE))
            if failed == 0:
                self._pinned.append(start)
                continue
            # The runtime keeps the error for whoever asks next, which is the next work of the device.
            with contextlib.suppress(RuntimeError):
                torch.zeros(1, device="cuda")
            warnings.warn(
                f"the memory of the recorder's queue ({length:,} bytes) cannot be pinned (error {failed} of the device's "
                "runtime), so `append` waits for copies of the device; a smaller `queue` may help",
                RuntimeWarning,
                stacklevel=2,
            )
            return

    def _place(self, address: int, length: int) -> TorchTensor:
        """The memory at an address."""
        for start, size, memory in self._memory:
            if start <= address and address + length <= start + size:
                return memory[address - start : address - start + length]
        raise RuntimeError(f"expected an address of the recorder's memory, found {address:#x}")


def _bytes_at(start: int, length: int) -> TorchTensor:
    """The memory at an address, as long as somebody keeps it."""
    import ctypes

    import torch

    return torch.frombuffer((ctypes.c_ubyte * length).from_address(start), dtype=torch.uint8)


def _staged(values: TorchTensor) -> TorchTensor:
    """The bytes of a copy on the device."""
    import torch

    return _flat(values.clone(memory_format=torch.contiguous_format))


def _flat(values: TorchTensor) -> TorchTensor:
    """The bytes of values that lie one after the other."""
    import torch

    return values.reshape(-1).view(torch.uint8)
