"""Records a training that DistributedDataParallel repeats in each process.

    torchrun --nproc-per-node 4 ddp.py FOLDER STEPS

All processes have all weights, so the first one records them, and each one what only it has: here its own loss, which is
one element of a tensor of all. After a kill the same line goes on.
"""

import pathlib
import sys

import task
import torch
import torch.distributed as distributed
from torch.nn.parallel import DistributedDataParallel

import selvedge

folder, steps = pathlib.Path(sys.argv[1]), int(sys.argv[2])
distributed.init_process_group("gloo")  # "nccl" with GPUs
rank, world = distributed.get_rank(), distributed.get_world_size()
path = folder / f"run.rank{rank}.h5"

shard = selvedge.Shard.from_torch(resume=path)
first = shard.step or 0
model = task.model()
if first and rank == 0:
    with selvedge.open(path) as recorded, torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(recorded[name][first - 1].torch())
weights = dict(model.named_parameters()) if rank == 0 else {}
model = DistributedDataParallel(model)  # It sends the weights of the first process to the others.
optimizer = torch.optim.SGD(model.parameters(), lr=task.RATE)

with selvedge.Recorder(
    path,
    like={"loss": torch.zeros(1), **weights},
    parts={"loss": ((world,), (rank,))},
    shard=shard,
    resume=True,
    chunk="100 kB",  # For a model as small as this; leave it out.
) as run:
    for step in range(first, steps):
        optimizer.zero_grad()
        loss = task.loss(model, step, rank, world)
        loss.backward()
        optimizer.step()
        run.append(loss=loss.reshape(1), **weights)
distributed.destroy_process_group()
