"""What two ideas are worth in bits: Glow's 1×1 convolution, and the gates of PixelCNN.

MNIST-5k at 16 pixels (two white pixels around the digit, then halved), 4,000 digits to learn from and 1,000 to test;
exact −log₂ p per number of a test picture, in bits: less is better. Each pair of networks is alike but for the one
thing, learns from the same batches with the same schedule (``CAPAS_STEPS``, 1,000 batches of 64), and is tested with
the average of its weights. ``CAPAS_SEEDS`` (1,2,3).

- Glow (Kingma & Dhariwal 2018, Figure 3): between couplings channels are mixed by a learnt 1×1 convolution, or by a
  fixed random permutation. Expected: the convolution needs fewer bits.
- PixelCNN (van den Oord et al. 2016, Table 1): gates, or ReLU. Expected: gates need fewer bits.

A network with gates has about twice as many weights at the same width; the plain one is therefore also measured wider.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.record import conditions, keep, spread, table
from capas.core.rng import seeded_generator
from capas.data.sources.samples import open_sample
from capas.networks.generative.gated_pixelcnn import GatedPixelCNN, GatedPixelCNNConfig
from capas.networks.generative.glow import Glow, GlowConfig
from capas.objectives.base import StepContext
from capas.objectives.generative.autoregression import Autoregression
from capas.objectives.generative.flow import Flow
from capas.sampling.pixels import to_unit_range

SEEDS: Final = tuple(map(int, os.environ.get("CAPAS_SEEDS", "1,2,3").split(",")))
STEPS: Final = int(os.environ.get("CAPAS_STEPS", "1000"))
BATCH, WARMUP, AVERAGE, CLIP = 64, 0.1, 0.99, 1.0
SIDE: Final = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Pictures:
    """A batch of pictures in [-1, 1]."""

    inputs: Tensor
    condition: Tensor | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Contestant:
    """One network: how it is built, and its rate."""

    pair: str
    build: Callable[[], nn.Module]
    rate: float


CONTESTANTS: Final[Mapping[str, Contestant]] = {
    "1×1 convolution": Contestant(
        pair="Glow", rate=1e-3, build=lambda: Glow(GlowConfig(shape=(1, SIDE, SIDE), levels=2, steps=6, width=48)),
    ),
    "fixed permutation": Contestant(
        pair="Glow", rate=1e-3,
        build=lambda: Glow(GlowConfig(shape=(1, SIDE, SIDE), levels=2, steps=6, width=48, mixing="permutation")),
    ),
    "gates": Contestant(
        pair="PixelCNN", rate=3e-3, build=lambda: GatedPixelCNN(GatedPixelCNNConfig(width=24, layers=5)),
    ),
    "ReLU": Contestant(
        pair="PixelCNN", rate=3e-3,
        build=lambda: GatedPixelCNN(GatedPixelCNNConfig(width=24, layers=5, activation="relu")),
    ),
    "ReLU, wider": Contestant(
        pair="PixelCNN", rate=3e-3,
        build=lambda: GatedPixelCNN(GatedPixelCNNConfig(width=35, layers=5, activation="relu")),
    ),
}  # fmt: skip


def pictures() -> tuple[Tensor, Tensor]:
    """Pictures to learn from and to test, (N, 1, 16, 16), uint8."""
    sample = open_sample("mnist5k")
    held = torch.from_numpy(np.stack([sample.images.decode(i) for i in range(len(sample.images))])).permute(0, 3, 1, 2)
    halved = F.avg_pool2d(F.pad(held.float(), (2, 2, 2, 2)), 2).round().to(torch.uint8)
    tested = torch.tensor([part == "test" for part in sample.fixed_split])
    return halved[~tested], halved[tested]


def bits(contestant: Contestant, train: Tensor, test: Tensor, seed: int) -> tuple[float, int]:
    """Bits per number of the test pictures, and parameters."""
    torch.manual_seed(seed)
    network = contestant.build()
    flow = isinstance(network, Glow)
    order, objective = seeded_generator(seed, "order"), Flow(network) if flow else Autoregression(network)
    if isinstance(network, Glow):
        network.fit_actnorm(to_unit_range(train[:256]))
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE))
    optimizer = torch.optim.Adam(network.parameters(), lr=contestant.rate)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, contestant.rate, total_steps=STEPS, pct_start=WARMUP)
    for step in range(STEPS):
        batch = Pictures(inputs=to_unit_range(train[torch.randint(len(train), (BATCH,), generator=order)]))
        context = StepContext(step=step, progress=step / STEPS, rng=seeded_generator(seed, "step", step))
        loss = objective.losses(batch, objective.phases[0], context)["bits"]
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()
        rates.step()
        average.update_parameters(network)
    deployed = average.module.eval()
    judge = Flow(deployed) if flow else Autoregression(deployed)
    context = StepContext(step=0, progress=1.0, rng=seeded_generator(0, "test"))
    with torch.no_grad():
        parts = [
            float(judge.losses(Pictures(inputs=to_unit_range(part)), judge.phases[0], context)["bits"])
            for part in test.split(250)
        ]
    return float(np.mean(parts)), sum(p.numel() for p in network.parameters())


def main() -> None:
    """Every network for every seed."""
    facts = conditions("likelihoods") | {"steps": STEPS, "seeds": len(SEEDS)}
    torch.set_num_threads(2)
    train, test = pictures()
    rows, measured = list[list[object]](), dict[str, object]()
    for name, contestant in CONTESTANTS.items():
        found = [bits(contestant, train, test, seed) for seed in SEEDS]
        rows.append([contestant.pair, name, f"{found[0][1]:,}", spread([value for value, _ in found], 3)])
        measured[f"{contestant.pair}, {name}"] = [round(value, 4) for value, _ in found]
        print(json.dumps(measured), flush=True)
    heads = ["network", "with", "parameters", "bits per number: median (range)"]
    keep("likelihoods", "Likelihoods with one idea and without", f"{__doc__}\n{table(heads, rows)}", facts, measured)


if __name__ == "__main__":
    main()
