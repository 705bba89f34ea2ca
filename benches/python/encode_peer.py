"""The compressors that selvedge-deflate is held against, in memory.

`commands.py` says how it is driven. Times are in seconds and measured here.
"""

import json
import sys
import types
import zlib
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter

from commands import serve


class Absent(types.ModuleType):
    """A module that is imported for names that nobody uses here."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(name)

    def __call__(self, *args):
        # A decorator, among others.
        return args[0] if args else self


def zipnn():
    # It imports torch for tensors, of which there are none here: bytes go in and come out.
    for name in ("torch", "safetensors.torch"):
        if name not in sys.modules:
            sys.modules[name] = Absent(name)
    from zipnn import ZipNN

    codec = ZipNN(bytearray_dtype="bfloat16", input_format="byte", threads=1)
    # Its own byte grouping is its point: it gets the elements, all others the shuffled bytes.
    return lambda data: codec.compress(bytearray(data)), codec.decompress


def zlib_ng():
    from zlib_ng import zlib_ng as module

    return lambda data: module.compress(data, 1), module.decompress


def igzip():
    from isal import isal_zlib as module

    return lambda data: module.compress(data, 1), module.decompress


def lz4():
    import lz4.block as module

    return module.compress, module.decompress


def zstd():
    import zstandard as module

    return module.ZstdCompressor(level=1).compress, module.ZstdDecompressor().decompress


CODECS = {
    "zlib-1": lambda: (lambda data: zlib.compress(data, 1), zlib.decompress),
    "zlib-ng-1": zlib_ng,
    "igzip-1": igzip,
    "lz4": lz4,
    "zstd-1": zstd,
    "ZipNN": zipnn,
}


class Peer:
    def __init__(self):
        self.codecs = {}
        self.elements = self.shuffled = []

    def versions(self):
        found = {}
        for package in ("isal", "lz4", "zipnn", "zlib-ng", "zstandard"):
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                pass
        return json.dumps(found)

    def has(self, name):
        """Whether a codec is installed."""
        try:
            self.codecs[name] = CODECS[name]()
        except ImportError:
            return "no"
        return "yes"

    def prepare(self, elements, shuffled, chunk):
        """Reads the chunks of `chunk` bytes, as elements and shuffled."""

        def chunks(path):
            with open(path, "rb") as file:
                return list(iter(lambda: file.read(int(chunk)), b""))

        self.elements, self.shuffled = chunks(elements), chunks(shuffled)
        return ""

    def encode(self, name):
        """Compresses all chunks: the seconds that took, and the bytes that came out."""
        compress, decompress = self.codecs[name]
        chunks = self.elements if name == "ZipNN" else self.shuffled
        begin = perf_counter()
        compressed = [compress(chunk) for chunk in chunks]
        seconds = perf_counter() - begin
        for chunk, stream in zip(chunks, compressed):
            if bytes(decompress(stream)) != chunk:
                raise ValueError("it does not give its bytes back")
        return f"{seconds!r}\t{sum(map(len, compressed))}"


if __name__ == "__main__":
    serve(Peer())
