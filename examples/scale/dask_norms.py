"""Norms of every step by xarray and Dask, from Icechunk in S3.

    python dask_norms.py s3://BUCKET/PREFIX NORMS.npy [tcp://SCHEDULER:8786]

Without a scheduler it takes the threads of this process. The workers of a scheduler need the packages, and the environment
with the credentials; the values go from the store to them, and only the norms come back.
"""

import os
import sys
from urllib.parse import urlsplit

import icechunk
import numpy
import xarray

url = sys.argv[1].rstrip("/")
bucket, prefix = urlsplit(url).netloc, urlsplit(url).path.strip("/")
endpoint = os.environ.get("AWS_ENDPOINT_URL")
repo = icechunk.Repository.open(
    icechunk.s3_storage(
        bucket=bucket,
        prefix=f"{prefix}/run.icechunk",
        from_env=True,
        endpoint_url=endpoint,
        allow_http=endpoint is not None and endpoint.startswith("http:"),
        force_path_style=endpoint is not None,
    ),
    authorize_virtual_chunk_access=icechunk.containers_credentials({f"{url}/": icechunk.s3_from_env_credentials()}),
)
# `chunks={}`: a piece of the references is a block of Dask.
run = xarray.open_zarr(repo.readonly_session("main").store, consolidated=False, chunks={})


def norms(bits: numpy.ndarray) -> numpy.ndarray:
    """Of each step, of the bits of bfloat16: they are the upper half of a float32."""
    values = (bits.astype("uint32") << 16).view("float32").astype("float64")
    return numpy.sqrt(numpy.square(values).sum(axis=(-2, -1)))


if __name__ == "__main__":
    if len(sys.argv) > 3:
        import distributed

        client = distributed.Client(sys.argv[3])
        print(f"{len(client.scheduler_info()['workers'])} workers")
    # A step of all ranks makes one block, whose parts come from the objects of the ranks.
    weight = run["weight"]
    weight = weight.chunk({axis: -1 for axis in weight.dims[1:]})
    found = xarray.apply_ufunc(
        norms, weight, input_core_dims=[weight.dims[1:]], dask="parallelized", output_dtypes=["float64"]
    )
    numpy.save(sys.argv[2], found.compute().values)
