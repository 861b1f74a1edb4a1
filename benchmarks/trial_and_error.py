"""Learning by trial and error against learning by correction: the same network, the same number of evaluations.

A network of one hidden layer (64 inputs, 32 units, 10 classes: 2,410 weights) tells handwritten digits apart
(scikit-learn's, 8×8, 1,437 for learning, 360 for the test). An evaluation is one look at a batch of 128: a forward pass
for those who try, a forward and a backward pass for the one who corrects (counted as 3 evaluations, as it costs).

- random search: every evaluation tries weights drawn anew; the best so far is kept;
- hill climbing: a random step from the best, kept when it is better;
- evolution strategy: OpenAI's (Salimans et al. 2017, arXiv:1703.03864), 50 mirrored pairs per step, Adam;
- gradient descent: back-propagation with Adam.

Expected: in this order, by far. Five seeds; test accuracy after so many evaluations, and the curve as a picture.
"""

import math
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.record import RESULTS, conditions, keep, table
from capas.data.sources.samples import open_sample

SEEDS = (1, 2, 3, 4, 5)
BUDGET = 30_000
MARKS = (100, 300, 1_000, 3_000, 10_000, 30_000)
SHAPES = ((32, 64), (32,), (10, 32), (10,))
SIZES = [math.prod(shape) for shape in SHAPES]
Curve = Iterator[tuple[int, Tensor]]


def outputs(weights: Tensor, x: Tensor) -> Tensor:
    """Weights (W) and inputs N×64 → N×10 logits."""
    w1, b1, w2, b2 = (part.view(shape) for part, shape in zip(torch.split(weights, SIZES), SHAPES, strict=True))
    return torch.tanh(x @ w1.T + b1) @ w2.T + b2


def loss(weights: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(outputs(weights, x), y)


class Digits:
    """The data, and batches of 128 drawn by a seed."""

    def __init__(self, seed: int) -> None:
        sample = open_sample("digits")
        images = torch.stack([torch.from_numpy(sample.images.decode(i)).flatten() for i in range(len(sample.labels))])
        labels = torch.tensor([int(label) for label in sample.labels])
        train = torch.tensor([part == "train" for part in sample.fixed_split])
        scaled = images.float() / 255
        self.x, self.y, self.test_x, self.test_y = scaled[train], labels[train], scaled[~train], labels[~train]
        self.chance = torch.Generator().manual_seed(seed)

    def batch(self) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(self.x), (128,), generator=self.chance)
        return self.x[chosen], self.y[chosen]

    def start(self) -> Tensor:
        return torch.cat([torch.randn(size, generator=self.chance) * 0.1 for size in SIZES])

    def accuracy(self, weights: Tensor) -> float:
        return float((outputs(weights, self.test_x).argmax(1) == self.test_y).float().mean())


@torch.no_grad()
def random_search(digits: Digits) -> Curve:
    best, least = digits.start(), math.inf
    for count in range(1, BUDGET + 1):
        tried = torch.randn(sum(SIZES), generator=digits.chance) * 0.3
        value = float(loss(tried, *digits.batch()))
        if value < least:
            best, least = tried, value
        yield count, best


@torch.no_grad()
def hill_climbing(digits: Digits) -> Curve:
    best = digits.start()
    for count in range(2, BUDGET + 1, 2):  # the best is asked again, on the same batch
        tried = best + torch.randn(len(best), generator=digits.chance) * 0.02
        x, y = digits.batch()
        if loss(tried, x, y) < loss(best, x, y):
            best = tried
        yield count, best


@torch.no_grad()
def evolution_strategy(digits: Digits, pairs: int = 50, sigma: float = 0.05, rate: float = 0.03) -> Curve:
    weights = digits.start()
    first, second = torch.zeros_like(weights), torch.zeros_like(weights)
    for step in range(1, BUDGET // (2 * pairs) + 1):
        noise = torch.randn(pairs, len(weights), generator=digits.chance)
        x, y = digits.batch()
        values = torch.stack([loss(weights + sigma * e, x, y) - loss(weights - sigma * e, x, y) for e in noise])
        slope = (values[:, None] * noise).mean(0) / (2 * sigma)
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope.square()
        weights = weights - rate * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
        yield 2 * pairs * step, weights


def gradient_descent(digits: Digits) -> Curve:
    weights = digits.start().requires_grad_()
    optimizer = torch.optim.Adam([weights], lr=0.01)
    for count in range(3, BUDGET + 1, 3):
        optimizer.zero_grad()
        torch.autograd.backward(loss(weights, *digits.batch()))
        optimizer.step()
        yield count, weights.detach()


def curve(method: Callable[[Digits], Curve], seed: int) -> dict[int, float]:
    """Test accuracy at each of ``MARKS``: of the weights held when so many evaluations were spent."""
    digits = Digits(seed)
    held, found = digits.start(), dict.fromkeys(MARKS, math.nan)
    marks = iter(MARKS)
    mark = next(marks)
    for count, weights in method(digits):
        while count > mark:
            found[mark] = digits.accuracy(held)
            mark = next(marks)
        held = weights
    found[mark] = digits.accuracy(held)
    return found


def draw(curves: dict[str, list[dict[int, float]]], path: Path) -> None:
    """The medians as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.8), layout="constrained")
    for name, runs in curves.items():
        medians = [100 * statistics.median(run[mark] for run in runs) for mark in MARKS]
        axes.plot(MARKS, medians, marker="o", label=name)
    axes.set(xscale="log", xlabel="evaluations of a batch", ylabel="test accuracy, %", ylim=(0, 100))
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    figure.savefig(path)


def main() -> None:
    """Four methods, five seeds."""
    torch.set_num_threads(1)
    facts = conditions("trial-and-error")
    methods = {"random search": random_search, "hill climbing": hill_climbing,
               "evolution strategy": evolution_strategy, "gradient descent": gradient_descent}  # fmt: skip
    curves = {name: [curve(method, seed) for seed in SEEDS] for name, method in methods.items()}
    rows = [
        [name, *(f"{100 * statistics.median(run[mark] for run in runs):.1f}" for mark in MARKS)]
        for name, runs in curves.items()
    ]
    draw(curves, RESULTS / "trial-and-error.svg")
    text = (__doc__ or "") + "\n" + table(["median accuracy, % after", *(f"{m:,}" for m in MARKS)], rows)
    text += "\n\n![The four curves](trial-and-error.svg)"
    keep("trial-and-error", "Trial and error against correction", text, facts, {"curves": curves})


if __name__ == "__main__":
    main()
