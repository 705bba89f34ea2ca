"""Reads a tensor of two large chunks from a store 20 ms away, by our reader and by others: `cargo xtask neighbours --distant`.

    distant.py check FOLDER STEPS
    distant.py measure FOLDER STEPS READS DOCUMENT

The first says whether there is room and memory. READS is the example of `selvedge-object` of this name. The store is a server
of this process, which waits before each answer and counts; each reader is a process of its own, and what it returns is held
against what was recorded. The table goes into DOCUMENT, between two marks, if all readers returned the right values.
"""

from __future__ import annotations

import asyncio
import datetime
import functools
import http.server
import importlib.metadata
import json
import os
import pathlib
import platform
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import readers

WAIT = 0.02
SHAPE = (10_000, 64)
STEP_BYTES = 2 * SHAPE[0] * SHAPE[1]
URL = "s3://store/run.h5"
MARKS = ("<!-- Made by `cargo xtask neighbours --distant`. -->\n", "<!-- End of what it made. -->\n")
ALL, EACH, LIST, ROWS = "all", "each", "steps", "rows"
# How long a reader may take for a piece of work.
PATIENCE = 900
# Memory of the readers of whole chunks and of the values, in steps' bytes for each step.
MEMORY = 3.5
# Bytes of the disk that are left alone.
SPARE = 1 << 30

# What was drawn once: 100 steps of a thousandth of the length, and 3,699 rows.
DRAWN = random.Random(7)
PLACES = [DRAWN.random() for _ in range(100)]
CHOSEN = tuple(sorted(DRAWN.sample(range(SHAPE[0]), 3699)))


def step(number: int) -> numpy.ndarray:
    """The bits of a step: each of its values tells where it belongs."""
    first = numpy.arange(SHAPE[0] * SHAPE[1], dtype=numpy.uint32)
    return ((first + number * 40503) & 0xFFFF).astype("<u2").reshape(SHAPE)


@functools.cache
def checksum(steps: Sequence[int], rows: Sequence[int] | None = None) -> int:
    """The CRC-32 of these rows, or all, of these steps."""
    chosen, found = slice(None) if rows is None else list(rows), 0
    for number in steps:
        found = zlib.crc32(numpy.ascontiguousarray(step(number)[chosen]), found)
    return found


def record(path: pathlib.Path, steps: int) -> None:
    import ml_dtypes
    import selvedge

    # For 3,000 steps it is what the planner makes, too.
    chunk = f"{-(-steps // 2) * STEP_BYTES / 1e6} MB"
    with selvedge.Recorder(path, steps=steps, tensors={"W": ("bfloat16", SHAPE)}, chunk=chunk) as run:
        for number in range(steps):
            run.append(W=step(number).view(ml_dtypes.bfloat16))


class Store(http.server.ThreadingHTTPServer):
    """One object, under any name that ends as that of the file does, for readers of HTTP and of S3."""

    daemon_threads = True
    # A reader opens many connections at once; one that finds no place waits a second before it tries again.
    request_queue_size = 128

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.path, self.size = path, path.stat().st_size
        self.requests, self.bytes, self.lock = 0, 0, threading.Lock()
        self.endpoint = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that closes its connection is no error."""

    def taken(self) -> tuple[int, int]:
        with self.lock:
            found = self.requests, self.bytes
            self.requests = self.bytes = 0
        return found


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Store

    def do_HEAD(self) -> None:
        self.do_GET(is_head=True)

    def do_GET(self, is_head: bool = False) -> None:
        time.sleep(WAIT)
        store = self.server
        if not self.path.partition("?")[0].endswith(f"/{store.path.name}"):
            self.send_error(404)
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = 0, store.size - 1
        if asked:
            first = int(asked[1])
            last = min(int(asked[2]), last) if asked[2] else last
        length = last + 1 - first
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{store.size}")
        self.send_header("Content-Length", str(length))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Sat, 28 Nov 2026 00:00:00 GMT")
        self.end_headers()
        with store.lock:
            store.requests += 1
            store.bytes += 0 if is_head else length
        if not is_head:
            with store.path.open("rb") as file:
                self.connection.sendfile(file, first, length)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


# What is opened in the process of a reader.


def s3() -> dict[str, Any]:
    return {"anon": True, "endpoint_url": os.environ["AWS_ENDPOINT"]}


def by_s3fs() -> Any:
    import h5py
    import s3fs

    return h5py.File(s3fs.S3FileSystem(**s3()).open(URL))["W"]


def by_ros3() -> Any:
    import h5py

    return h5py.File(f"{os.environ['AWS_ENDPOINT']}/store/run.h5", driver="ros3")["W"]


def by_kerchunk() -> Any:
    import s3fs
    from kerchunk.hdf import SingleHdf5ToZarr

    with s3fs.S3FileSystem(**s3()).open(URL) as file:
        found = SingleHdf5ToZarr(file, URL).translate()
    return readers.opened(found, remote_protocol="s3", remote_options=s3() | {"asynchronous": True})["W"]


def s3_store() -> Any:
    from obstore.store import S3Store

    options = {"allow_http": True}
    return S3Store("store", endpoint=os.environ["AWS_ENDPOINT"], region="us-east-1", skip_signature=True, client_options=options)


def by_parser(parser: Callable[[], Any]) -> Callable[[], Any]:
    def opens() -> Any:
        import zarr
        from obspec_utils.registry import ObjectStoreRegistry

        store = parser()(URL, ObjectStoreRegistry({"s3://store": s3_store()}))
        return zarr.open_group(store, mode="r", zarr_format=3)["W"]

    return opens


def theirs() -> Any:
    from virtualizarr.parsers import HDFParser

    return HDFParser()


def ours(**options: int) -> Callable[[], Any]:
    def made() -> Any:
        import selvedge

        return selvedge.VirtualizarrParser(**options)

    return made


OPENERS: dict[str, Callable[[], Any]] = {
    "s3fs": by_s3fs,
    "ros3": by_ros3,
    "kerchunk": by_kerchunk,
    "virtualizarr": by_parser(theirs),
    "pieces": by_parser(ours()),
    "step-pieces": by_parser(ours(piece=1)),
    "ranges": s3_store,
}


async def ranges(store: Any, size: int) -> int:
    """All bytes of the object, by 12 requests of 8 MiB at a time, and nothing more."""
    import obstore

    gate, length = asyncio.Semaphore(12), 8 << 20

    async def one(start: int) -> Any:
        async with gate:
            return await obstore.get_range_async(store, "run.h5", start=start, length=min(length, size - start))

    # They are kept, as the values of a reader are.
    parts = await asyncio.gather(*[one(start) for start in range(0, size, length)])
    return sum(map(len, parts))


def child(reader: str, what: str, numbers: list[int], limit: int) -> None:
    """Opens, says so, waits until that was counted, reads, and says how long each read took and what came."""
    array = OPENERS[reader]()
    print("opened", flush=True)
    input()
    if reader == "ranges":
        reads = [lambda: asyncio.run(ranges(array, limit))]
    elif what == EACH:
        reads = [lambda number=number: array[number] for number in numbers]
    elif what == ROWS:
        axes = (slice(limit), numpy.array(numbers))
        reads = [lambda: array.oindex[axes] if hasattr(array, "oindex") else array[axes]]
    else:
        reads = [lambda: array[:]]
    seconds, found = [], 0
    for read in reads:
        began = time.perf_counter()
        values = read()
        seconds.append(time.perf_counter() - began)
        if reader != "ranges":
            found = zlib.crc32(memoryview(numpy.ascontiguousarray(values)).cast("B"), found)
    print(json.dumps({"seconds": seconds, "found": found}), flush=True)
    # Threads of the readers' libraries can end a process that is about to end by itself with an abort.
    os._exit(0)


# What is measured, in the process of the store.


@dataclass(frozen=True)
class Cost:
    """What opening and the reads after it asked for, and how long each read took."""

    opening: tuple[int, int]
    """Requests and bytes."""
    reading: tuple[int, int]
    seconds: list[float]

    def __str__(self) -> str:
        return f"{traffic(*self.reading)} · {timed(sum(self.seconds))}"


def traffic(requests: int, size: float) -> str:
    size /= 1e6
    return f"{requests:,} · {size:,.{2 if size < 100 else 0}f} MB"


def timed(seconds: float) -> str:
    return f"{seconds:.{3 if seconds < 1 else 1}f} s"


@dataclass(frozen=True)
class Reader:
    title: str
    name: str
    """Of `OPENERS`; nothing for our own reader."""
    packages: str = ""
    most_steps: int = 100
    """Of the 100 at random; fewer where each costs a whole chunk."""
    most_rows: int = 0
    """Of so many steps rows are read; of all without it."""
    whole: bool = True
    """Whether rows and all are read, too."""


READERS = (
    Reader("`selvedge-object`", ""),
    Reader("our references, pieces of 8 MB, by zarr-python over VirtualiZarr's store", "pieces"),
    Reader("… a piece for each step", "step-pieces", whole=False),
    Reader("VirtualiZarr's `HDFParser`, by zarr-python over its store", "virtualizarr", "virtualizarr zarr obstore", 3),
    Reader("kerchunk, by zarr-python over s3fs", "kerchunk", "kerchunk fsspec s3fs", 3, whole=False),
    Reader("h5py over s3fs", "s3fs", "h5py", most_rows=100),
    Reader("h5py with ROS3", "ros3", most_rows=100),
)


class Failed(Exception):
    """Why a reader did not read."""


class Measuring:
    def __init__(self, reads: str, folder: pathlib.Path, steps: int) -> None:
        self.path, self.reads, self.steps = folder / "run.h5", reads, steps
        self.began = time.monotonic()
        self.say(f"recording {steps:,} steps, {steps * STEP_BYTES / 1e9:.2f} GB")
        record(self.path, steps)
        self.store = Store(self.path)
        told = {"AWS_ENDPOINT": self.store.endpoint, "AWS_ALLOW_HTTP": "true", "AWS_SKIP_SIGNATURE": "true"}
        self.environment = os.environ | told | {"AWS_REGION": "us-east-1"}
        self.random = tuple(int(place * steps) for place in PLACES)
        self.problems: list[str] = []

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self.began:4.0f} s] {text}", flush=True)

    def cost(self, reader: Reader, what: str, numbers: Sequence[int], limit: int, expected: int) -> Cost | None:
        """What a process took that opens and reads; nothing where that failed."""
        self.say(f"{reader.title}, {what}")
        try:
            cost, found = self.measure(reader, what, numbers, limit)
            if reader.name != "ranges" and found != expected:
                raise Failed("wrong values")
        except Failed as error:
            self.problems.append(f"{reader.title}, {what}: {error}")
            self.say(f"    failed: {error}")
            return None
        self.say(f"    {cost}")
        return cost

    def measure(self, reader: Reader, what: str, numbers: Sequence[int], limit: int) -> tuple[Cost, int]:
        """What it took, and the checksum of what came."""
        if reader.name:
            command = [sys.executable, "-W", "ignore", __file__, "read", reader.name, what, str(limit)]
        else:
            command = [self.reads, URL, "W", what]
        text = ",".join(map(str, numbers))
        command += [text] * bool(text)
        self.store.taken()
        with tempfile.TemporaryFile("w+") as errors:
            options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors, "text": True}
            process = subprocess.Popen(command, env=self.environment, **options)
            clock = threading.Timer(PATIENCE, process.kill)
            clock.start()
            try:
                opened = process.stdout.readline()
                before = self.store.taken() if reader.name else (0, 0)
                said, _ = process.communicate("\n")
            finally:
                in_time = clock.is_alive()
                clock.cancel()
                process.kill()
                process.wait()
            errors.seek(0)
            told = errors.read().strip().splitlines()[-1:]
        if process.returncode:
            late = f"no end after {PATIENCE} seconds"
            raise Failed(late if not in_time else "".join(told) or f"its process ended with {process.returncode}")
        after = self.store.taken()
        if reader.name:
            answer = json.loads(said)
            return Cost(before, after, answer["seconds"]), answer["found"]
        *reads, last = said.splitlines()
        lines = [re.findall(r"[\d.]+", line) for line in [opened, *reads]]
        opening, *rest = [(int(requests), int(size)) for requests, size, _ in lines]
        reading = sum(requests for requests, _ in rest), sum(size for _, size in rest)
        counted = opening[0] + reading[0], opening[1] + reading[1]
        if counted != after:
            raise Failed(f"it counted {counted} requests and bytes, and the store {after}")
        return Cost(opening, reading, [float(seconds) for _, _, seconds in lines[1:]]), int(last.split()[-1], 16)

    def row(self, reader: Reader, all_values: int) -> tuple[str, float]:
        """The row of a reader, and the median of the seconds of a step."""
        some = self.random[: reader.most_steps]
        one = self.cost(reader, EACH, some[:1], 0, checksum(some[:1]))
        each = one and self.cost(reader, EACH, some, 0, checksum(some))
        if one is None or each is None:
            return f"| {reader.title} | failed | | | | |", 0
        median = statistics.median(each.seconds)
        spread = f"({min(each.seconds):.3f} to {max(each.seconds):.3f})"
        cells = [traffic(*one.opening), f"{traffic(*one.reading)} · {timed(median)} {spread}", fewer(each, len(some), 100)]
        if reader.whole:
            limit = min(reader.most_rows or self.steps, self.steps)
            rows = self.cost(reader, ROWS, CHOSEN, limit, checksum(range(limit), CHOSEN))
            cells += [fewer(rows, limit, self.steps), fewer(self.cost(reader, ALL, [], 0, all_values), 1, 1)]
        else:
            cells += ["", ""]
        return f"| {reader.title} | {' | '.join(cells)} |", median


def fewer(cost: Cost | None, steps: int, wanted: int) -> str:
    """A cell, which says where it is of fewer steps than its column."""
    return "failed" if cost is None else str(cost) + (f" **for {steps} steps**" if steps < wanted else "")


def processor() -> str:
    try:
        told = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    except OSError:
        told = None
    return told[1] if told else platform.processor() or platform.machine()


def check_room(folder: pathlib.Path, steps: int) -> None:
    """Readers of whole chunks need several times the tensor."""
    import psutil

    size = steps * STEP_BYTES
    needs = (
        ("of memory for readers of whole chunks", MEMORY * size, psutil.virtual_memory().available),
        (f"of disk in {folder.parent}", size + SPARE, shutil.disk_usage(folder.parent).free),
    )
    for what, needed, there in needs:
        if there < needed:
            sys.exit(
                f"{steps:,} steps take some {needed / 1e9:.1f} GB {what}, and {there / 1e9:.1f} GB are free: give fewer "
                "steps (`--steps`)"
            )


def main(folder: pathlib.Path, steps: int, reads: str, document: pathlib.Path) -> int:
    """Measures in this folder, which is removed whatever happens."""
    before, first, rest = document.read_text().partition(MARKS[0])
    _, last, after = rest.partition(MARKS[1])
    if not (first and last):
        sys.exit(f"{document} has no place for the table: expected the lines {' and '.join(map(str.strip, MARKS))}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        measuring = Measuring(reads, folder, steps)
        text = measured(measuring, steps)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if measuring.problems:
        print("\n".join([text, "Not written, because of this:", *measuring.problems]))
        return 1
    document.write_text(before + MARKS[0] + text + MARKS[1] + after)
    return 0


def measured(measuring: Measuring, steps: int) -> str:
    """The text of the table."""
    import h5py

    load = os.getloadavg()[0]
    with h5py.File(measuring.path) as file:
        chunk = file["W"].chunks[0]
    has_ros3 = bool(getattr(h5py.h5.get_config(), "ros3", False))
    all_values = checksum(range(steps))
    rows, seconds = [], {}
    for reader in READERS:
        if reader.name == "ros3" and not has_ros3:
            continue
        made, seconds[reader.name] = measuring.row(reader, all_values)
        rows.append(made)
    drawn = measuring.random
    together = measuring.cost(READERS[0], LIST, drawn, 0, checksum(drawn))
    rows.insert(1, f"| … the 100 as one list of steps | | | {fewer(together, 1, 1)} | | |")
    size = measuring.store.size
    # In turns, so that what else the machine does meets both.
    apart = Reader("ranged requests", "ranges", whole=False)
    turns = [
        [measuring.cost(apart, ALL, [], size, 0), measuring.cost(READERS[0], ALL, [], 0, all_values)] for _ in range(3)
    ]
    bare, whole = ([sum(turn[side].seconds) for turn in turns if turn[side]] for side in (0, 1))
    if measuring.problems:
        return "\n".join(rows)
    versions = {name for reader in READERS for name in reader.packages.split() if reader.name != "ros3"}
    told = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in sorted(versions))
    faster = [f"{seconds['virtualizarr'] / seconds[name]:,.0f}" for name in ("", "pieces", "step-pieces")]
    ros3 = "" if has_ros3 else f" The wheel of h5py {h5py.__version__} has no ROS3 driver."
    return f"""
{steps:,} steps of {SHAPE} bfloat16, {steps * STEP_BYTES / 1e9:.2f} GB, not compressed, in {-(-steps // chunk)} chunks of \
{STEP_BYTES * chunk / 1e9:.2f} GB. The store is a server on \
the same machine that waits {WAIT * 1000:.0f} ms before each answer; each cell is a process of its own, which opens the file first. A cell \
has requests, bytes and seconds, opening apart; the seconds of one step are the median of the steps of the next column, with the least and \
the most. What came was held against what was recorded.

{datetime.date.today().isoformat()}, {processor()}, {os.cpu_count()} cores, load {load:.1f} before and {os.getloadavg()[0]:.1f} after; \
Python {platform.python_version()}, selvedge {importlib.metadata.version("selvedge")}, {told}.{ros3}

| | opening | one step | 100 random steps, one after the other | 3,699 of 10,000 rows of all steps | the whole tensor |
|---|---|---|---|---|---|
""" + "\n".join(rows) + f"""

**A step comes {faster[0]} times sooner** than by zarr-python over references to whole chunks, and by zarr-python over our references \
{faster[1]} times (pieces of 8 MB) and {faster[2]} times (a piece for each step). The whole tensor took \
{statistics.median(whole):.1f} s ({min(whole):.1f} to {max(whole):.1f}) where {-(-size // (8 << 20))} ranged requests of 8 MiB, twelve at a time, and nothing \
more took {statistics.median(bare):.1f} s ({min(bare):.1f} to {max(bare):.1f}), in turns: \
{statistics.median(whole) / statistics.median(bare):.2f} times as long.

"""

if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    if command == "read":
        reader, what, limit, *numbers = rest
        child(reader, what, [int(number) for number in "".join(numbers).split(",") if number], int(limit))
    else:
        folder, steps = pathlib.Path(rest[0]).absolute(), int(rest[1])
        check_room(folder, steps)
        if command == "measure":
            # The folder is removed then, too.
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
            sys.exit(main(folder, steps, rest[2], pathlib.Path(rest[3])))
