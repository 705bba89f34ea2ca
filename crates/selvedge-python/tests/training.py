"""A small GPT on the text of this repository, which is watched, killed and gone on with: `python training.py PATH`.

It waits for lines. For each it begins, in a process that it forks, to train where the file ends, and prints its number.
"""

from __future__ import annotations

import os
import pathlib
import signal
import sys
from collections.abc import Iterator

import torch

import selvedge

WHAT = ("weights", "grad", "exp_avg", "exp_avg_sq")
BLOCK, BATCH, DIM, HEADS, LAYERS = 16, 4, 16, 2, 2


class Attention(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = torch.nn.Linear(DIM, 3 * DIM)
        self.out = torch.nn.Linear(DIM, DIM)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        heads = self.qkv(x).view(*x.shape[:2], 3, HEADS, DIM // HEADS).permute(2, 0, 3, 1, 4)
        attended = torch.nn.functional.scaled_dot_product_attention(*heads, is_causal=True)
        return self.out(attended.transpose(1, 2).reshape(x.shape))


class Layer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norms = torch.nn.ModuleList([torch.nn.LayerNorm(DIM), torch.nn.LayerNorm(DIM)])
        self.attention = Attention()
        self.mlp = torch.nn.Sequential(torch.nn.Linear(DIM, 4 * DIM), torch.nn.GELU(), torch.nn.Linear(4 * DIM, DIM))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norms[0](x))
        return x + self.mlp(self.norms[1](x))


class Gpt(torch.nn.Module):
    """Its output embedding is its input embedding, as GPT-2 has it."""

    def __init__(self) -> None:
        super().__init__()
        self.wte = torch.nn.Embedding(128, DIM)
        self.wpe = torch.nn.Embedding(BLOCK, DIM)
        self.layers = torch.nn.Sequential(*(Layer() for _ in range(LAYERS)))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.wte(ids) + self.wpe(torch.arange(BLOCK))
        return self.layers(x) @ self.wte.weight.T


def begin() -> tuple[Gpt, torch.optim.Optimizer]:
    """The same model in each process."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = Gpt().bfloat16()
    return model, torch.optim.AdamW(model.parameters(), lr=0.01)


def losses(model: Gpt, optimizer: torch.optim.Optimizer, first: int) -> Iterator[torch.Tensor]:
    """The loss of each step, which is made when the next one is asked for."""
    readme = pathlib.Path(__file__).parents[3] / "README.md"
    text = torch.tensor(list(readme.read_bytes()), dtype=torch.int64) % 128
    for step in range(first, 1_000_000):
        places = torch.randint(len(text) - BLOCK - 1, (BATCH,), generator=torch.Generator().manual_seed(step))
        ids = torch.stack([text[place : place + BLOCK + 1] for place in places.tolist()])
        logits = model(ids[:, :-1]).float()
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        yield loss
        optimizer.step()


def train(path: str) -> None:
    """Trains and records, from the last committed step on."""
    model, optimizer = begin()
    done = 0
    if os.path.exists(path):
        file = selvedge.open(path)
        done = file.steps
        for name, parameter in model.named_parameters() if done else ():
            parameter.data.copy_(file[name][-1].torch())
            moments = {kind: file[f"{name}.{kind}"][-1].torch() for kind in WHAT[2:]}
            optimizer.state[parameter] = {"step": torch.tensor(float(done)), **moments}
    with selvedge.watch(model, optimizer, path, what=WHAT, scalars=["loss"], resume=True) as watch:
        print(os.getpid(), flush=True)
        for loss in losses(model, optimizer, done):
            watch.log(loss=loss)


if __name__ == "__main__":
    # The first step of an optimizer imports much. The first backward pass starts threads, and is left to the children.
    model, optimizer = begin()
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    # Nobody waits for the children, which are killed.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        if os.fork() == 0:
            train(sys.argv[1])
