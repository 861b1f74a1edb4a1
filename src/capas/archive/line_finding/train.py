"""Training of the line finder's weights.

``python -m capas.archive.line_finding.train FOLDER… --out FILE --fonts FOLDER --minutes M``, FOLDER with images and the
ALTO or PAGE files beside them.

A plain loop over augmented patches: half of them of synthetic pages, half of transcribed ones. Loss: cross-entropy,
with strokes weighing more than the background, and the soft Dice loss (Milletari et al. 2016, arXiv:1606.04797).
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from capas.archive.line_finding.patches import TrainingPage, TrainingPatch, random_patch, training_page
from capas.archive.line_finding.synthetic_pages import draw_page
from capas.core.rng import derive_seed
from capas.networks.document.line_finder import LineFinderConfig, LineFinderNet

BATCH: Final = 6
RATE: Final = 4e-3
DRAWN: Final = 160
_WEIGHTS: Final = (4.0, 4.0, 1.0)
_PICTURES: Final = (".jpg", ".jpeg", ".png", ".tif", ".tiff")


def transcribed_pages(folders: Sequence[Path]) -> list[TrainingPage]:
    """Return the pages of ``folders`` that have an image and a transcription."""
    return [
        training_page(file, picture)
        for folder in folders
        for file in sorted(folder.glob("*.xml"))
        for picture in sorted(folder.glob(f"{file.stem}.*"))
        if picture.suffix.lower() in _PICTURES
    ]


def synthetic_pages(fonts: Sequence[Path], seed: int) -> list[TrainingPage]:
    """Return ``DRAWN`` synthetic pages."""
    pages = (draw_page(derive_seed(seed, "page", number), fonts) for number in range(DRAWN))
    return [TrainingPage(picture=picture, baselines=lines, spaces=spaces) for picture, lines, spaces in pages]


def training_patches(real: Sequence[TrainingPage], made: Sequence[TrainingPage], seed: int) -> Iterator[TrainingPatch]:
    """Iterate without end over patches of real and synthetic pages."""
    rng = np.random.default_rng(seed)
    while True:
        pages = real if real and (not made or rng.random() < 0.5) else made
        yield random_patch(pages[int(rng.integers(len(pages)))], rng)


def line_map_loss(logits_BOHW: Tensor, wanted_BOHW: Tensor) -> Tensor:
    """Return cross-entropy plus 1 − Dice, averaged over the maps."""
    weights = torch.tensor(_WEIGHTS).view(1, -1, 1, 1)
    entropy = functional.binary_cross_entropy_with_logits(logits_BOHW, wanted_BOHW, pos_weight=weights)
    shares = logits_BOHW.sigmoid()
    both, all_of = (shares * wanted_BOHW).sum((0, 2, 3)), (shares + wanted_BOHW).sum((0, 2, 3))
    return entropy + (1 - (2 * both + 1) / (all_of + 1)).mean()


def train_line_finder(pages: Iterator[TrainingPatch], minutes: float, seed: int, out: Path) -> LineFinderNet:
    """Train for ``minutes``, with a warm-up over the first twentieth and a cosine learning rate schedule.

    The weights are saved to ``out``, in half precision, every minute and at the end.
    """
    torch.manual_seed(seed)
    network = LineFinderNet(LineFinderConfig()).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-3)
    started, kept, losses = time.monotonic(), 0.0, list[float]()
    while (spent := (time.monotonic() - started) / 60) < minutes:
        for group in optimiser.param_groups:
            done = spent / minutes
            group["lr"] = RATE * min(20 * done, 0.5 + 0.5 * np.cos(np.pi * done)) + 1e-6
        batch = [next(pages) for _ in range(BATCH)]
        given = torch.stack([one.inputs for one in batch]).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = network(given)
        loss = line_map_loss(logits.float(), torch.stack([one.targets for one in batch]))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
        if spent - kept >= 1:
            kept = spent
            save_weights(network, out)
            print(f"{spent:.1f} min, {len(losses)} steps, loss {np.mean(losses[-100:]):.4f}", flush=True)  # noqa: T201
    save_weights(network, out)
    return network


def save_weights(network: LineFinderNet, out: Path) -> None:
    """Save the weights in half precision."""
    state = {name: value.half() if value.is_floating_point() else value for name, value in network.state_dict().items()}
    save_file({name: value.contiguous() for name, value in state.items()}, out)


def train_command() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fonts", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    fonts = sorted(path for path in given.fonts.rglob("*") if path.suffix in (".woff2", ".ttf", ".otf"))
    pages = training_patches(transcribed_pages(given.folders), synthetic_pages(fonts, given.seed), given.seed)
    train_line_finder(pages, given.minutes, given.seed, given.out)


if __name__ == "__main__":
    train_command()
