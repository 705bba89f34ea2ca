"""The groups `encode`: the compressors that selvedge-deflate is held against. `commands.py` says how it is driven."""

import sys
from importlib import import_module
from unittest.mock import MagicMock

from commands import serve, timed, versions


def level_1(zlib):
    return lambda data: zlib.compress(data, 1), zlib.decompress


def zipnn(zipnn):
    codec = zipnn.ZipNN(bytearray_dtype="bfloat16", input_format="byte", threads=1)
    return lambda data: codec.compress(bytearray(data)), codec.decompress


# For each the module, and what makes its two functions.
CODECS = {
    "zlib-1": ("zlib", level_1),
    "zlib-ng-1": ("zlib_ng.zlib_ng", level_1),
    "igzip-1": ("isal.isal_zlib", level_1),
    "lz4": ("lz4.block", lambda lz4: (lz4.compress, lz4.decompress)),
    "zstd-1": ("zstandard", lambda zstd: (zstd.ZstdCompressor(level=1).compress, zstd.ZstdDecompressor().decompress)),
    "ZipNN": ("zipnn", zipnn),
}


class Peer:
    def prepare(self, elements, shuffled, chunk):
        """Reads the chunks of `chunk` bytes, as elements and shuffled, and returns which codecs are installed."""
        for name, path in ("elements", elements), ("shuffled", shuffled):
            with open(path, "rb") as file:
                setattr(self, name, list(iter(lambda: file.read(chunk), b"")))
        self.codecs = {}
        # ZipNN imports torch for tensors, of which there are none here: bytes go in and come out.
        for name in ("torch", "safetensors.torch"):
            sys.modules.setdefault(name, MagicMock())
        for name, (module, functions) in CODECS.items():
            try:
                self.codecs[name] = functions(import_module(module))
            except ImportError:
                pass
        return list(self.codecs)

    def encode(self, name):
        """Compresses all chunks: the seconds that took, and the bytes that came out."""
        compress, decompress = self.codecs[name]
        # Its own byte grouping is ZipNN's point: it gets the elements, all others the shuffled bytes.
        chunks = self.elements if name == "ZipNN" else self.shuffled
        figures, compressed = timed(lambda: [compress(chunk) for chunk in chunks])
        for chunk, stream in zip(chunks, compressed):
            if bytes(decompress(stream)) != chunk:
                raise ValueError("it does not give its bytes back")
        return figures | {"on_disk": sum(map(len, compressed))}


serve(Peer(), versions("isal", "lz4", "zipnn", "zlib-ng", "zstandard"))
