"""Records a training that FSDP2 cuts over processes.

    torchrun --nproc-per-node 4 fsdp.py FOLDER STEPS

Each process has its own file in the folder. After a kill the same line goes on, at the last step that all of them have.
"""

import pathlib
import sys

import task
import torch
import torch.distributed as distributed
from torch.distributed.fsdp import fully_shard

import selvedge

folder, steps = pathlib.Path(sys.argv[1]), int(sys.argv[2])
distributed.init_process_group("gloo")  # "nccl" with GPUs
rank, world = distributed.get_rank(), distributed.get_world_size()
path = folder / f"run.rank{rank}.h5"

model = task.model()
fully_shard(model, mesh=distributed.init_device_mesh("cpu", (world,)))
optimizer = torch.optim.SGD(model.parameters(), lr=task.RATE)

# The one collective of the recording: all agree on the run, and on the step at which they go on.
shard = selvedge.Shard.from_torch(resume=path)
first = shard.step or 0
if first:
    # What was recorded is the checkpoint: each rank finds its own part in its own file.
    with selvedge.open(path) as recorded, torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.to_local().copy_(recorded[name][first - 1].torch())

# Leave `chunk` out: it is for a model as small as this, whose files would be as long as a chunk of a large one.
options = {"shard": shard, "resume": True, "chunk": "100 kB"}
with selvedge.watch(model, optimizer, path, scalars=["loss"], **options) as watch:
    for step in range(first, steps):
        optimizer.zero_grad()
        loss = task.loss(model, step, rank, world)
        loss.backward()
        distributed.all_reduce(loss)
        watch.log(loss=loss)
        optimizer.step()
distributed.destroy_process_group()
