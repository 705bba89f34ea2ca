"""How each program in Python reads files: `readers.py PROGRAM FILE OUT [FILE OUT]...`, in a process of its own.

A reader gets the path of a file, and returns arrays by name with the attributes, those of the run under "" and those of a
tensor under its name. What it returns is written to the folder OUT as it is; `neighbours.py` judges it.
"""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys
import traceback
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy

Read = tuple[dict[str, Any], dict[str, dict[str, Any]]]
NAMES = ("W", "V", "loss", "mask", "scale", "ids")
# The files of the ranks, for what refers to values where they lie.
RANKS = "joined.rank*.h5"


def taken(file: Any, attributes: Callable[[Any], Any], read: Callable[[Any], Any] = lambda node: node[()]) -> Read:
    """Of what is like h5py."""
    told = {"": dict(attributes(file))} | {name: dict(attributes(file[name])) for name in ("W",)}
    return {name: read(file[name]) for name in NAMES if name in file}, told


def of_xarray(run: Any) -> Read:
    arrays = {name: run[name].values for name in NAMES if name in run}
    return arrays, {"": dict(run.attrs), "W": dict(run["W"].attrs)}


def h5py(path: pathlib.Path) -> Read:
    import h5py

    with h5py.File(path) as file:
        return taken(file, lambda node: node.attrs)


def h5netcdf(path: pathlib.Path) -> Read:
    import h5netcdf

    with h5netcdf.File(path, phony_dims="access") as file:
        return taken(file, lambda node: node.attrs, lambda node: node[...])


def netcdf4(path: pathlib.Path, masks: bool = True) -> Read:
    import netCDF4

    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(masks)
        return (
            {name: file[name][...] for name in NAMES},
            {"": file.__dict__, "W": file["W"].__dict__},
        )


def netcdf4_unmasked(path: pathlib.Path) -> Read:
    arrays, told = netcdf4(path, masks=False)
    return arrays | {"mask": arrays["mask"].astype(bool)}, told


def pytables(path: pathlib.Path) -> Read:
    import tables

    def attributes(node: Any) -> dict[str, Any]:
        told = node._v_attrs
        return {name: told[name] for name in told._f_list("all")}

    with tables.open_file(path) as file:
        arrays = {name: file.get_node("/", name).read() for name in NAMES}
        return arrays, {"": attributes(file.root), "W": attributes(file.root.W)}


def pyfive(path: pathlib.Path) -> Read:
    import pyfive

    with pyfive.File(str(path)) as file:
        return taken(file, lambda node: node.attrs, lambda node: node[...])


def as_bool(read: Callable[[pathlib.Path], Read]) -> Callable[[pathlib.Path], Read]:
    def reads(path: pathlib.Path) -> Read:
        arrays, told = read(path)
        return arrays | {"mask": arrays["mask"].astype(bool)}, told

    return reads


def xarray_of(engine: str, **options: Any) -> Callable[[pathlib.Path], Read]:
    def reads(path: pathlib.Path) -> Read:
        import xarray

        with xarray.open_dataset(path, engine=engine, **options) as run:
            return of_xarray(run)

    return reads


def dask(path: pathlib.Path) -> Read:
    import dask.array
    import h5py

    with h5py.File(path) as file:
        steps = dask.array.from_array(file["W"], chunks=(4, *file["W"].shape[1:]))
        arrays, told = taken(file, lambda node: node.attrs, lambda node: dask.array.from_array(node).compute())
        return arrays | {"W": steps.compute()}, told


def opened(references: dict[str, Any], zarr_format: int = 2, **where: Any) -> Any:
    import zarr
    from zarr.storage import FsspecStore

    options = {"fo": references, "remote_protocol": "file", **where}
    store = FsspecStore.from_url("reference://", storage_options=options, read_only=True)
    return zarr.open_group(store, mode="r", zarr_format=zarr_format)


def kerchunk(path: pathlib.Path) -> Read:
    from kerchunk.hdf import SingleHdf5ToZarr

    return taken(opened(SingleHdf5ToZarr(str(path)).translate()), lambda node: node.attrs)


def kerchunk_xarray(path: pathlib.Path) -> Read:
    import xarray
    from kerchunk.hdf import SingleHdf5ToZarr

    return of_xarray(xarray.open_dataset(SingleHdf5ToZarr(str(path)).translate(), engine="kerchunk"))


def parts(path: pathlib.Path) -> list[pathlib.Path]:
    """The file, or those of the ranks."""
    return sorted(path.parent.glob(RANKS)) if path.name.startswith("joined") else [path]


def ours(path: pathlib.Path, zarr_format: int) -> pathlib.Path:
    import selvedge

    target = path.parent / f"{path.stem}.{zarr_format}.json"
    selvedge.references(parts(path), target, zarr=zarr_format, piece=50_000, overwrite=True)
    return target


def ours_xarray(path: pathlib.Path) -> Read:
    import xarray

    return of_xarray(xarray.open_dataset(str(ours(path, 2)), engine="kerchunk"))


def ours_zarr(path: pathlib.Path) -> Read:
    return taken(opened(json.loads(ours(path, 3).read_text()), 3), lambda node: node.attrs)


def registry() -> Any:
    from obspec_utils.registry import ObjectStoreRegistry
    from obstore.store import LocalStore

    return ObjectStoreRegistry({"file://": LocalStore()})


def virtualizarr(path: pathlib.Path, parser: Any = None) -> Read:
    import xarray
    from virtualizarr.parsers import HDFParser

    store = (parser or HDFParser())(path.absolute().as_uri(), registry())
    return of_xarray(xarray.open_zarr(store, consolidated=False, zarr_format=3))


def ours_to_kerchunk(path: pathlib.Path) -> Read:
    import selvedge
    import virtualizarr
    import xarray

    target = path.parent / f"{path.stem}.vz.json"
    parser = selvedge.VirtualizarrParser(piece=50_000)
    arguments = (path.absolute().as_uri(), registry(), parser)
    with virtualizarr.open_virtual_dataset(*arguments, loadable_variables=[]) as virtual:
        virtual.vz.to_kerchunk(str(target), format="json")
    return of_xarray(xarray.open_dataset(str(target), engine="kerchunk"))


def ours_virtualizarr(path: pathlib.Path) -> Read:
    import selvedge

    return virtualizarr(path, selvedge.VirtualizarrParser(piece=50_000))


def icechunk(path: pathlib.Path) -> Read:
    import icechunk
    import xarray

    import selvedge

    where = f"file://{path.parent}/"
    config = icechunk.RepositoryConfig.default()
    container = icechunk.VirtualChunkContainer(where, icechunk.local_filesystem_store(str(path.parent)))
    config.set_virtual_chunk_container(container)
    access = {where: icechunk.credentials.LocalFileSystemAccess}
    repo = icechunk.Repository.create(icechunk.in_memory_storage(), config, authorize_virtual_chunk_access=access)
    selvedge.to_icechunk(parts(path), repo, piece=50_000)
    return of_xarray(xarray.open_zarr(repo.readonly_session("main").store, consolidated=False))


def tensorstore(path: pathlib.Path) -> Read:
    import tensorstore

    driver = {"driver": "hdf5", "kvstore": {"driver": "file", "path": str(path)}}
    return {"W": tensorstore.open(driver).result().read().result()}, {}


def tensorstore_virtual(path: pathlib.Path) -> Read:
    import tensorstore

    import selvedge

    file = selvedge.open(path)

    def array(name: str) -> numpy.ndarray:
        tensor = file[name]
        if not tensor.shape:
            return tensor.numpy()
        kind = tensor[:1].bits().dtype if tensor.dtype == "bfloat16" else tensor.numpy().dtype

        def read(domain: Any, into: numpy.ndarray, _: Any) -> None:
            steps = tensor[domain.origin[0] : domain.origin[0] + domain.shape[0]]
            values = steps.bits() if tensor.dtype == "bfloat16" else steps.numpy()
            rest = tuple(slice(first, first + size) for first, size in zip(domain.origin[1:], domain.shape[1:], strict=True))
            into[...] = values[(slice(None), *rest)]

        layout = tensorstore.ChunkLayout(read_chunk_shape=[4, *tensor.shape[1:]])
        store = tensorstore.virtual_chunked(read, dtype=kind, shape=tensor.shape, chunk_layout=layout)
        return store.read().result()

    told = {"": dict(file.attributes), "W": dict(file["W"].attributes)}
    return {name: array(name) for name in NAMES}, told


def h5repack(path: pathlib.Path) -> Read:
    target = path.parent / f"{path.stem}.repacked.h5"
    subprocess.run(["h5repack", path, target], check=True, capture_output=True, text=True)
    return h5py(target)


def h5dump(path: pathlib.Path) -> Read:
    kinds = {"W": "<u2", "V": "<u2", "loss": "<f4", "mask": "i1", "scale": "<f8", "ids": "<i8"}
    arrays = {}
    for name, kind in kinds.items():
        target = path.parent / "dumped.bin"
        target.unlink(missing_ok=True)
        text = subprocess.run(
            ["h5dump", "-d", name, "-b", "LE", "-o", target, path], check=True, capture_output=True, text=True
        ).stdout
        [shape] = re.findall(r"DATASPACE\s+(?:SIMPLE \{ \((.*?)\)|SCALAR)", text)
        # Of an enumeration it writes nothing.
        if target.stat().st_size:
            arrays[name] = numpy.fromfile(target, kind).reshape([int(axis) for axis in shape.split(",") if axis])
    text = subprocess.run(["h5dump", "-A", path], check=True, capture_output=True, text=True).stdout
    told = dict(re.findall(r'ATTRIBUTE "(\w+)" \{.*?DATA \{\s*\(0\): (.*?)\s*\}', text, re.DOTALL))
    wanted = {name: told[name] for name in ("lr", "name", "logical_dtype") if name in told}
    told = {name: value.strip('"') if value.startswith('"') else float(value) for name, value in wanted.items()}
    return arrays, {"": told, "W": told}


def ncdump(path: pathlib.Path) -> Read:
    kinds = {"W": "<u2", "V": "<u2", "loss": "<f4", "mask": "i1", "scale": "<f8", "ids": "<i8"}
    text = subprocess.run(
        ["ncdump", "-p", "9,17", path], check=True, capture_output=True, text=True, errors="replace"
    ).stdout
    header = text.partition("variables:")[0]
    axes = {name: int(size) for name, size in re.findall(r"(\w+) = (?:UNLIMITED ; // \()?(\d+)", header)}
    shapes = dict(re.findall(r"^\t\w+ (\w+)\(?(.*?)\)? ;$", text, re.MULTILINE))
    data = dict(re.findall(r"^ (\w+) =\s(.*?) ;$", text.partition("data:")[2], re.DOTALL | re.MULTILINE))
    arrays = {}
    for name in NAMES:
        if name not in data:
            continue
        words = [word.strip() for word in data[name].split(",")]
        values = numpy.array([0 if word == "_" else float(word.rstrip("UfLsb")) for word in words], kinds[name])
        masked = numpy.array([word == "_" for word in words])
        shape = [axes[axis.strip()] for axis in shapes[name].split(",") if axis]
        arrays[name] = (numpy.ma.array(values, mask=masked) if masked.any() else values).reshape(shape)
    told = dict(re.findall(r'^\t\t\w* ?\w*:(\w+) = (.*?) ;$', text, re.MULTILINE))
    told = {name: value.strip('"') for name, value in told.items()}
    return arrays, {"": told | {"lr": float(told["lr"])}, "W": told}


def versions(*names: str) -> str:
    return ", ".join(f"{name} {version(name)}" for name in names)


def of_tools(program: str, *arguments: str) -> str:
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    return re.findall(r"\d+\.\d+(?:\.\d+)?", done.stdout + done.stderr)[0]


READERS: dict[str, tuple[Callable[[pathlib.Path], Read], Callable[[], str]]] = {
    "h5py": (h5py, lambda: versions("h5py")),
    "h5netcdf": (h5netcdf, lambda: versions("h5netcdf")),
    "netcdf4": (netcdf4, lambda: versions("netCDF4")),
    "netcdf4/way": (netcdf4_unmasked, lambda: versions("netCDF4")),
    "pytables": (pytables, lambda: versions("tables")),
    "pytables/way": (as_bool(pytables), lambda: versions("tables")),
    "pyfive": (pyfive, lambda: versions("pyfive")),
    "pyfive/way": (as_bool(pyfive), lambda: versions("pyfive")),
    "xarray-h5netcdf": (xarray_of("h5netcdf", phony_dims="access"), lambda: versions("xarray", "h5netcdf")),
    "xarray-netcdf4": (xarray_of("netcdf4"), lambda: versions("xarray", "netCDF4")),
    "xarray-netcdf4/way": (as_bool(xarray_of("netcdf4")), lambda: versions("xarray", "netCDF4")),
    "dask": (dask, lambda: versions("dask", "h5py")),
    "kerchunk": (kerchunk, lambda: versions("kerchunk", "zarr")),
    "kerchunk-xarray": (kerchunk_xarray, lambda: versions("kerchunk", "xarray")),
    "virtualizarr": (virtualizarr, lambda: versions("virtualizarr", "zarr")),
    "ours-xarray": (ours_xarray, lambda: versions("xarray", "kerchunk")),
    "ours-zarr": (ours_zarr, lambda: versions("zarr", "fsspec")),
    "ours-virtualizarr": (ours_virtualizarr, lambda: versions("virtualizarr", "zarr")),
    "ours-to-kerchunk": (ours_to_kerchunk, lambda: versions("virtualizarr", "kerchunk", "xarray")),
    "icechunk": (icechunk, lambda: versions("icechunk", "xarray")),
    "tensorstore": (tensorstore, lambda: versions("tensorstore")),
    "tensorstore/way": (tensorstore_virtual, lambda: versions("tensorstore")),
    "h5repack": (h5repack, lambda: of_tools("h5repack", "--version")),
    "h5dump": (h5dump, lambda: of_tools("h5dump", "--version")),
    "ncdump": (ncdump, lambda: of_tools("ncdump")),
}


def plain(value: Any) -> Any:
    """An attribute as JSON has it."""
    value = value.tolist() if hasattr(value, "tolist") else value
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    return value.decode() if isinstance(value, bytes) else value


def write(out: pathlib.Path, arrays: dict[str, Any], attributes: dict[str, dict[str, Any]]) -> None:
    listed = {}
    for name, array in arrays.items():
        if array is None:
            continue
        masked = int(numpy.ma.count_masked(array))
        values = numpy.ascontiguousarray(numpy.ma.getdata(array))
        if values.dtype == object:
            numbers = [numpy.nan if value is None else float(value) for value in values.flat]
            values, kind = numpy.array(numbers).reshape(values.shape), "object"
        else:
            kind = values.dtype.newbyteorder("<").str
            values = values.astype(kind)
        (out / f"{name}.bin").write_bytes(values.tobytes())
        listed[name] = {"dtype": kind, "shape": numpy.shape(array), "masked": masked}
    kept = {key: {name: plain(value) for name, value in those.items()} for key, those in attributes.items()}
    (out / "read.json").write_text(json.dumps({"arrays": listed, "attributes": kept}, default=str))


if __name__ == "__main__":
    reads, told = READERS[sys.argv[1]]
    for file, folder in zip(sys.argv[2::2], sys.argv[3::2], strict=True):
        out = pathlib.Path(folder)
        (out / "version").write_text(told())
        try:
            write(out, *reads(pathlib.Path(file)))
        except Exception:
            (out / "said").write_text(traceback.format_exc())
