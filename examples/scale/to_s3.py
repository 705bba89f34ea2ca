"""Joins the files of all processes, puts them into S3, and commits them to Icechunk there.

    python to_s3.py FOLDER s3://BUCKET/PREFIX

Credentials and endpoint are those of the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, and for a store
that is not Amazon's AWS_ENDPOINT_URL.
"""

import os
import pathlib
import sys
from urllib.parse import urlsplit

import icechunk
import obstore
from obstore.store import S3Store

import selvedge

folder, url = pathlib.Path(sys.argv[1]), sys.argv[2].rstrip("/")
bucket, prefix = urlsplit(url).netloc, urlsplit(url).path.strip("/")
files = sorted(folder.glob("run.rank*.h5"))

# It refuses unless they are all files of one run.
print(selvedge.join(files, folder / "run.h5", overwrite=True))

endpoint = os.environ.get("AWS_ENDPOINT_URL")
is_plain = endpoint is not None and endpoint.startswith("http:")
store = S3Store(bucket, prefix=prefix, endpoint=endpoint, client_options={"allow_http": is_plain})
for file in files:
    obstore.put(store, file.name, file, mode="create")  # An object of this name is an error.

# For a few thousand references: one file of JSON. A piece of 16 kB suits this small model; the default is 8 MB.
selvedge.references(files, folder / "run.json", url=url, piece=16_000, overwrite=True)
obstore.put(store, "run.json", folder / "run.json")

# For more, and for a run that goes on: a repository, into which each call commits what has come.
options = {"endpoint_url": endpoint, "allow_http": is_plain, "force_path_style": endpoint is not None}
config = icechunk.RepositoryConfig.default()
config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(f"{url}/", icechunk.s3_store(**options)))
repo = icechunk.Repository.open_or_create(
    icechunk.s3_storage(bucket=bucket, prefix=f"{prefix}/run.icechunk", from_env=True, **options),
    config,
    authorize_virtual_chunk_access=icechunk.containers_credentials({f"{url}/": icechunk.s3_from_env_credentials()}),
)
print(selvedge.to_icechunk(files, repo, url=url, piece=16_000))
