"""A small network that learns on some of the examples in seconds, to ask it about the others' labels."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from capas.networks.two_conv import TwoConvConfig, TwoConvNet

SIDE = 28
PASSES, BATCH, RATE, DECAY = 5, 64, 6e-3, 0.05


def learnt_elsewhere(
    pictures: Float[Tensor, "N C H W"],
    labels: Int[Tensor, " N"],
    num_classes: int,
    learn: Int[Tensor, " L"],
    held: Int[Tensor, " M"],
    rng: torch.Generator,
) -> Float[Tensor, "M K"]:
    """Probabilities of the pictures ``held`` from two convolutions that learned the pictures ``learn`` for five passes;
    pictures are brought to 28×28."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (1,), generator=rng)))
        network = TwoConvNet(TwoConvConfig(in_channels=pictures.shape[1], num_classes=num_classes, image_size=SIDE))
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    size = min(BATCH, len(learn))
    steps = max(1, PASSES * len(learn) // size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    order = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        if len(order) < size:
            order = learn[torch.randperm(len(learn), generator=rng)]
        rows, order = order[:size], order[size:]
        loss = F.cross_entropy(network(pictures[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    network.eval()
    with torch.no_grad():
        return torch.cat([network(pictures[part]).softmax(1) for part in torch.split(held, 500)])


def at_working_size(pictures: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C h w"]:
    """28×28, with a mean of 0 and a deviation of 1 over all."""
    size = (SIDE, SIDE)
    if tuple(pictures.shape[2:]) != size:
        pictures = F.interpolate(pictures, size=size, mode="bilinear", align_corners=False, antialias=True)
    return (pictures - pictures.mean()) / pictures.std().clamp(min=1e-6)
