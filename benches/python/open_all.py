"""Opens every notebook and tensor file below a folder, as somebody would who writes a check by hand."""

import json
import os
import struct
import sys

import h5py

opened = broken = 0
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        path = os.path.join(folder, name)
        try:
            if name.endswith(".ipynb"):
                with open(path) as file:
                    json.load(file)
            elif name.endswith(".h5"):
                with h5py.File(path) as file:
                    [(file[key].shape, file[key].dtype, file[key].chunks, dict(file[key].attrs)) for key in file]
            elif name.endswith(".safetensors"):
                with open(path, "rb") as file:
                    json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
            else:
                continue
            opened += 1
        except (OSError, ValueError, struct.error):
            broken += 1
print(opened, "opened,", broken, "broken")
