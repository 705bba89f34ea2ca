"""What the recipes train: sums of absolute errors, in numbers so small that every sum is exact.

So four processes come to the same bits as one, and the test can compare. Nothing of it is needed in a training of yours.
"""

import torch

FEATURES, ROWS = 32, 18
RATE = 0.125


def model() -> torch.nn.Module:
    """The same in each process."""
    made = torch.nn.Linear(FEATURES, ROWS).bfloat16()
    for parameter in made.parameters():
        torch.nn.init.zeros_(parameter)
    return made


def batch(step: int, rank: int, world: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What a rank has of the 64 examples of a step."""
    made = torch.Generator().manual_seed(7)
    wanted = torch.randint(-1, 2, (FEATURES, ROWS), generator=made).bfloat16()
    inputs = torch.randint(-1, 2, (64, FEATURES), generator=made.manual_seed(step)).bfloat16()
    return inputs[rank::world], (inputs @ wanted)[rank::world]


def loss(model: torch.nn.Module, step: int, rank: int, world: int) -> torch.Tensor:
    """The sum of the errors of a rank's examples."""
    inputs, outputs = batch(step, rank, world)
    return (model(inputs).float() - outputs.float()).abs().sum()
