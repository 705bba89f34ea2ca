#!/bin/bash
# Norms of every step by an array of SLURM jobs, each of which takes some steps and writes a file of its own.
#
#     sbatch slurm_norms.sh RUN.h5 FOLDER
#
#SBATCH --job-name=norms --array=0-3 --cpus-per-task=1 --mem=2G --time=00:10:00
set -euo pipefail
exec python - "$1" "$2/norms.$SLURM_ARRAY_TASK_ID.npy" <<'PYTHON'
import os
import sys

import numpy

import selvedge

path, target = sys.argv[1:]
task, tasks = int(os.environ["SLURM_ARRAY_TASK_ID"]), int(os.environ["SLURM_ARRAY_TASK_COUNT"])
with selvedge.open(path) as file:
    mine = file["weight"][file.steps * task // tasks : file.steps * (task + 1) // tasks]
    # Blocks of a bounded size, whatever the length of the run.
    found = [(block.astype("float64") ** 2).sum(axis=(1, 2)) ** 0.5 for block in mine.blocks("100 MB")]
numpy.save(target, numpy.concatenate(found))
PYTHON
