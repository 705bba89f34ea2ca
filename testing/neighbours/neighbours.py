"""Makes files of each kind, lets each program read them, and writes the table of it: `cargo xtask neighbours`.

    neighbours.py FOLDER DOCUMENT

It fails where a program returns a wrong value, or anything that is not the same, and the list below says nothing of it; and
where the list tells of a trap that is no longer there.
"""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
from dataclasses import dataclass

import ml_dtypes
import numpy
import selvedge

HERE = pathlib.Path(__file__).parent
STEPS, SHAPE, WORLD = 13, (256, 64), 4
KINDS = ("plain", "compressed", "archived", "live", "joined")
ATTRIBUTES = {"lr": 1e-3, "name": "thimble", "logical_dtype": "bfloat16"}

SINGLE = "; a view first becomes one file: `selvedge rechunk run.h5 single.h5`"
WRONG = "**wrong: {}**"
BOOL = "`.astype(bool)` before the mask indexes"


@dataclass(frozen=True)
class Program:
    """A program, or a way of using one."""

    title: str
    reader: str
    """Its reader; those with `/way` or of another program are the way round."""
    trap: str = ""
    """What one would not expect; nothing where all is the same."""
    write: str = ""
    """What to write instead."""
    way: str = ""
    """The reader that does so, which is run as well."""


PROGRAMS = (
    Program("h5py", "h5py"),
    Program("PyTables", "pytables", "a mask comes as int8", BOOL, "pytables/way"),
    Program(
        "netCDF4",
        "netcdf4",
        "`0xFFFF`, a NaN of bfloat16, is the default fill value of netCDF's `uint16`, and masked; a mask comes as int8",
        f"`dataset.set_auto_mask(False)`, and {BOOL}",
        "netcdf4/way",
    ),
    Program("h5netcdf", "h5netcdf"),
    Program('xarray, `engine="h5netcdf"`, `phony_dims="access"`', "xarray-h5netcdf"),
    Program('xarray, `engine="netcdf4"`', "xarray-netcdf4", "a mask comes as int8", BOOL, "xarray-netcdf4/way"),
    Program("Dask, `from_array` of h5py", "dask"),
    Program(
        "pyfive",
        "pyfive",
        "a mask comes as int8; each dataset of a view is `None`",
        f"{BOOL}{SINGLE}",
        "pyfive/way",
    ),
    Program("h5wasm", "h5wasm", "a mask comes as an `Int8Array`", "`mask.map(Boolean)` where true is meant, not 1"),
    Program(
        "jsfive",
        "jsfive",
        "all values are JavaScript's numbers: int64 beyond 2⁵³ would be rounded, a NaN loses its payload; nothing of a view is there",
        f"h5wasm, for int64 and NaN with payloads{SINGLE}",
        "jsfive",
    ),
    Program(
        "Octave, `load -hdf5`",
        "octave",
        "float32 becomes double, a mask is left out with a warning, attributes are not read, axes are in reverse order",
        "record a mask as `uint8` as well",
    ),
    Program(
        "R, hdf5r",
        "hdf5r",
        "R's types: integers are int32, double or, where these would lose something, `integer64`; float32 becomes double; a mask is "
        "a factor; axes are in reverse order",
    ),
    Program(
        "R, rhdf5",
        "rhdf5",
        "int64 that is no int32 becomes `NA`, with a warning; float32 becomes double; a mask is a factor; axes are in reverse order",
        '`h5read(path, name, bit64conversion = "bit64")`',
        "rhdf5/way",
    ),
    Program("h5repack, then h5py", "h5repack"),
    Program(
        "h5dump `-b LE`",
        "h5dump",
        "of a mask, an enumeration, it writes an empty file, without an error",
        "`h5dump -d mask`: the text has `TRUE` and `FALSE`",
    ),
    Program(
        "ncdump",
        "ncdump",
        "`0xFFFF` is `_`; a NaN has no payload, so `loss` is wrong in one bit pattern; a mask is left out; numbers are text",
        "h5dump, for bits",
        "h5dump",
    ),
    Program(
        "kerchunk, by zarr-python",
        "kerchunk",
        "**of a view all values are wrong**: fill values, without an error",
        "`selvedge.references` of the files of the ranks",
        "ours-zarr",
    ),
    Program(
        "kerchunk, by xarray",
        "kerchunk-xarray",
        "**each zero becomes NaN, so values are wrong in every file**: 0 is HDF5's fill value, which xarray takes for the mark of a "
        "missing value; integers and masks become floats; of a view all values are wrong",
        "`mask_and_scale=False`, but for a view; or `selvedge.references`, which is what was run",
        "ours-xarray",
    ),
    Program(
        "VirtualiZarr, `HDFParser`",
        "virtualizarr",
        "**of a view all values are wrong**: fill values, without an error; a run without compression that is being recorded, or was "
        "never finished, has chunks beyond its last step: `IndexError`",
        "`selvedge.VirtualizarrParser()`",
        "ours-virtualizarr",
    ),
    Program(
        "TensorStore",
        "tensorstore",
        "has no driver for HDF5 or references",
        "`tensorstore.virtual_chunked` over `selvedge.open`",
        "tensorstore/way",
    ),
    Program("our references, by xarray", "ours-xarray"),
    Program("our references, by zarr-python", "ours-zarr"),
    Program("our parser, by VirtualiZarr", "ours-virtualizarr"),
    Program(
        "our parser, then `vz.to_kerchunk`, by xarray",
        "ours-to-kerchunk",
        "**each 0 of integers, each False of masks and each `0xFFFF` of bfloat16 becomes NaN, so values are wrong in every file**, and floats: "
        "Zarr 3 has a fill value for each array, and xarray takes that of kerchunk's Zarr 2 for the mark of a missing value; a tensor "
        "without axes is read as 0",
        "`selvedge.references`",
        "ours-xarray",
    ),
    Program("`to_icechunk`, by xarray", "icechunk"),
)


def expected() -> dict[str, numpy.ndarray]:
    """All 65,536 patterns of bfloat16 in four steps of `W`; `V` compresses; a NaN with a payload among the losses."""
    numbers = numpy.arange(SHAPE[0] * SHAPE[1], dtype=numpy.uint16)
    loss = numpy.arange(STEPS, dtype=numpy.float32)
    loss[:4] = numpy.array([0x7FC12345, 0x80000000, 0x7F800000, 1], numpy.uint32).view(numpy.float32)
    return {
        "W": numpy.stack([(numbers * 4 + step).reshape(SHAPE) for step in range(STEPS)]),
        "V": numpy.stack([(0x3F00 + numbers % (7 + step)).astype(numpy.uint16).reshape(SHAPE) for step in range(STEPS)]),
        "loss": loss,
        "mask": numpy.arange(SHAPE[0]) % 3 == 0,
        "scale": numpy.array(0.5),
        "ids": numpy.arange(SHAPE[0]) * 2**40,
    }


VALUES = expected()


def record(path: pathlib.Path, rank: int | None = None, ahead: int = 0, **options: object) -> selvedge.Recorder:
    rows = slice(None) if rank is None else slice(64 * rank, 64 * rank + 64)
    if rank is not None:
        parts = {name: (SHAPE, (64 * rank, 0)) for name in ("W", "V")}
        parts |= {name: (SHAPE[:1], (64 * rank,)) for name in ("mask", "ids")}
        options |= {"shard": selvedge.Shard("c0ffee", rank, WORLD), "parts": parts}
    shape = VALUES["W"][0, rows].shape
    run = selvedge.Recorder(
        path,
        steps=20,
        tensors={"W": ("bfloat16", shape), "V": ("bfloat16", shape)},
        scalars=["loss"],
        constants={"mask": VALUES["mask"][rows], "ids": VALUES["ids"][rows], "scale": VALUES["scale"]},
        attributes={"lr": ATTRIBUTES["lr"], "name": ATTRIBUTES["name"]},
        # Several chunks, of which a live file has some before their steps.
        chunk="150 kB",
        **options,
    )
    for step in range(STEPS + ahead):
        values = {name: VALUES[name][step % STEPS, rows].view(ml_dtypes.bfloat16) for name in ("W", "V")}
        run.append(loss=VALUES["loss"][step % STEPS], **values)
    run.commit()
    return run


def make(folder: pathlib.Path) -> selvedge.Recorder:
    """The files, by kind, and the recorder of the one that is live."""
    record(folder / "plain.h5").finish()
    record(folder / "compressed.h5", compression="fast").finish()
    selvedge.rechunk(folder / "plain.h5", folder / "archived.h5", compression="temporal")
    ranks = [folder / f"joined.rank{rank}.h5" for rank in range(WORLD)]
    for rank, path in enumerate(ranks):
        record(path, rank, ahead=rank).finish()
    selvedge.join(ranks, folder / "joined.h5")
    selvedge.rechunk(folder / "joined.h5", folder / "single.h5")
    return record(folder / "live.h5")


def command(reader: str) -> list[str] | None:
    """How it is started; nothing where this machine lacks it."""
    program = reader.removesuffix("/way")
    if program in ("h5wasm", "jsfive"):
        node = shutil.which("node") if "NODE_FOLDER" in os.environ else None
        return node and [node, str(HERE / "read.mjs"), program]
    if program == "octave":
        octave = shutil.which("octave-cli")
        return octave and [octave, "--no-gui", "--quiet", str(HERE / "read.m")]
    if program in ("hdf5r", "rhdf5"):
        rscript = shutil.which("Rscript")
        has = rscript and subprocess.run([rscript, "-e", f"library({program})"], capture_output=True).returncode == 0
        return [rscript, str(HERE / "read.R"), reader] if has else None
    if program in ("h5repack", "h5dump", "ncdump") and shutil.which(program) is None:
        return None
    return [sys.executable, "-W", "ignore", str(HERE / "readers.py"), reader]


@dataclass(frozen=True)
class Outcome:
    """What a program made of a file."""

    notes: tuple[str, ...]
    """Nothing where all values are the same, bit for bit, and of the same dtype."""
    attributes: tuple[str, ...] = ()
    is_wrong: bool = False
    version: str = ""

    def cell(self) -> str:
        return ", ".join(self.notes) or "same"


def run(reader: str, files: dict[str, pathlib.Path], folder: pathlib.Path) -> dict[str, Outcome] | None:
    """What a program makes of the file of each kind."""
    outs = {kind: folder / kind for kind in files}
    for out in outs.values():
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
    pairs = [(str(path), str(outs[kind])) for kind, path in files.items()]
    started = command(reader)
    if started is None:
        return None
    # One process for all files where it is Python, whose packages take long to import.
    for arguments in [sum(pairs, ())] if started[0] == sys.executable else pairs:
        try:
            done = subprocess.run([*started, *arguments], capture_output=True, text=True, timeout=600, cwd=files["plain"].parent)
            said = done.stdout + done.stderr
        except subprocess.TimeoutExpired:
            said = "no end after 600 seconds"
        if said:
            (pathlib.Path(arguments[-1]) / "printed").write_text(said)
    return {kind: judge(out) for kind, out in outs.items()}


def judge(out: pathlib.Path) -> Outcome:
    told = out / "version"
    version = told.read_text().strip() if told.exists() else ""
    if not (out / "read.json").exists():
        return Outcome(("refused",), version=version)
    read = json.loads((out / "read.json").read_text())
    groups: dict[str, list[str]] = {}
    is_wrong = False
    for name, values in VALUES.items():
        note, wrong = judged(name, values, read["arrays"].get(name), out)
        if note:
            groups.setdefault(note, []).append(f"`{name}`")
        is_wrong |= wrong
    notes = tuple(note.format(" ".join(names)) for note, names in groups.items())
    attributes = []
    for name, value in ATTRIBUTES.items():
        found = read["attributes"].get("W" if name == "logical_dtype" else "", {}).get(name)
        if found != value:
            attributes.append(f"no `{name}`" if found is None else f"`{name}` is {found!r}")
    return Outcome(notes, tuple(attributes), is_wrong, version)


def judged(name: str, values: numpy.ndarray, told: dict | None, out: pathlib.Path) -> tuple[str, bool]:
    if told is None:
        return "no {}", False
    if told["dtype"] == "object":
        found = numpy.fromfile(out / f"{name}.bin", "<f8")
    else:
        found = numpy.fromfile(out / f"{name}.bin", told["dtype"])
    if tuple(told["shape"]) != values.shape:
        lone = found.size == values.size
        # Languages without arrays of fewer axes than one or two.
        if not (lone and [axis for axis in told["shape"] if axis != 1] == [axis for axis in values.shape if axis != 1]):
            return WRONG, True
    found = found.reshape(values.shape)
    if told["masked"]:
        return f"{{}} masked ({told['masked']:,})", False
    if found.dtype == values.dtype and told["dtype"] != "object":
        return (WRONG, True) if (bits(found) != bits(values)).any() else ("", False)
    # Of another dtype: the same numbers, or others.
    kind = told["dtype"] if told["dtype"] == "object" else found.dtype.name
    wrong = found.astype("float64") != values.astype("float64")
    if values.dtype.kind == "f":
        wrong &= ~(numpy.isnan(found.astype("float64")) & numpy.isnan(values.astype("float64")))
    return (WRONG, True) if wrong.any() else (f"{{}} {kind}", False)


def bits(array: numpy.ndarray) -> numpy.ndarray:
    return numpy.frombuffer(array.tobytes(), f"u{array.dtype.itemsize}")


def main(folder: pathlib.Path, document: pathlib.Path) -> int:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    live = make(folder)
    problems, missing, rows, traps = [], [], [], []
    files = {kind: folder / f"{kind}.h5" for kind in KINDS}
    for program in PROGRAMS:
        outcomes = run(program.reader, files, folder / "read" / program.reader)
        if outcomes is None:
            missing.append(program.title)
            print(f"{program.title}: not on this machine")
            continue
        found = list(outcomes.values())
        version = found[0].version
        read = [outcome for outcome in found if outcome.notes != ("refused",)]
        lost = {attribute for outcome in read for attribute in outcome.attributes}
        attributes = ", ".join(sorted(lost)) or "kept" if read else "–"
        cells = [outcome.cell() for outcome in found]
        print(f"{program.title} ({version}): {' | '.join(cells)} | {attributes}", flush=True)
        rows.append(f"| {program.title} | {version} | {' | '.join(cells)} | {attributes} |")
        is_same = all(cell == "same" for cell in cells) and attributes == "kept"
        if is_same == bool(program.trap):
            problems.append(f"{program.title}: {'the trap is gone' if is_same else 'not the same, and no word of it'}")
        if any(outcome.is_wrong for outcome in found) and "wrong" not in program.trap:
            problems.append(f"{program.title}: wrong values, and no warning")
        if not program.trap:
            continue
        then = way(program, files, problems) if program.way else "–"
        traps.append(f"| {program.title} | {program.trap} | {program.write or '–'} | {then} |")
    live.finish()
    if problems:
        print("\n".join(["", *problems]))
        return 1
    document.write_text(page(rows, traps, missing))
    return 0


def way(program: Program, files: dict[str, pathlib.Path], problems: list[str]) -> str:
    """What the way round comes to, for each kind of file."""
    folder = files["plain"].parent
    if program.write.endswith(SINGLE):
        files = files | {"joined": folder / "single.h5"}
    outcomes = run(program.way, files, folder / "read" / f"{program.reader}.way")
    assert outcomes is not None
    cells: dict[str, list[str]] = {}
    for kind, outcome in outcomes.items():
        cells.setdefault(outcome.cell(), []).append(kind)
        if outcome.is_wrong:
            problems.append(f"{program.title}: the way round is wrong for {kind}")
    then = "; ".join(f"{', '.join(kinds)}: {cell}" for cell, kinds in cells.items())
    print(f"    {program.write}: {then}", flush=True)
    return f"all kinds: {next(iter(cells))}" if len(cells) == 1 else then


def page(rows: list[str], traps: list[str], missing: list[str]) -> str:
    lines = (HERE / "page.md").read_text()
    absent = f"Not on the machine, and not run: {', '.join(missing)}." if missing else ""
    return (
        lines.replace("DATE", datetime.date.today().isoformat())
        .replace("ROWS", "\n".join(rows))
        .replace("TRAPS", "\n".join(traps))
        .replace("ABSENT\n\n", f"{absent}\n\n" if absent else "")
    )


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).absolute(), pathlib.Path(sys.argv[2])))
