"""MNIST-1D: logistic regression, MLP, CNN and GRU, as it is and with its steps shuffled; three seeds.

Greydanus & Kobak, "Scaling Down Deep Learning with MNIST-1D", ICML 2024 (arXiv:2011.14439), table 1: 4,000 made-up
series of 40 steps to learn from, 1,000 to test; networks in the authors' sizes. Adam, batches of 100, as many steps as
given below, one-cycle rate with a peak of 0.01; no example of the test is looked at before the end.

Expected (accuracy in %, ± 4): logistic 32, MLP 68, CNN 94, GRU 91; with one shuffling for all 32, 68, 56, 57.
"""

import sys
import time
import types

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.record import conditions, keep, spread, table
from capas.core.rng import derive_seed, seeded_generator
from capas.networks.sequence.series import SeriesCNN, SeriesConfig, SeriesGRU, SeriesLogistic, SeriesMLP

SEEDS = (1, 2, 3)
BATCH = 100
PEAK_RATE = 1e-2
KINDS: dict[str, tuple[type[nn.Module], int]] = {
    "logistic": (SeriesLogistic, 1500),
    "MLP": (SeriesMLP, 3000),
    "CNN": (SeriesCNN, 4000),
    "GRU": (SeriesGRU, 4000),
}
EXPECTED = {
    "as it is": {"logistic": 32, "MLP": 68, "CNN": 94, "GRU": 91},
    "shuffled": {"logistic": 32, "MLP": 68, "CNN": 56, "GRU": 57},
}
TOLERANCE = 4.0
Data = tuple[Tensor, Tensor, Tensor, Tensor]


def make(*, shuffled: bool) -> Data:
    """Series (N, 1, 40) and classes (N), for learning and for the test."""
    # The package imports requests only to download, which we never do: an empty module keeps it from trying.
    sys.modules.setdefault("requests", types.ModuleType("requests"))
    from mnist1d.data import get_dataset_args, make_dataset

    arguments = get_dataset_args()
    arguments.shuffle_seq = shuffled
    made = make_dataset(arguments)
    series = (torch.from_numpy(made[name].astype(np.float32))[:, None] for name in ("x", "x_test"))
    classes = (torch.from_numpy(made[name]).long() for name in ("y", "y_test"))
    x, x_test = series
    y, y_test = classes
    return x, y, x_test, y_test


def train(kind: str, data: Data, seed: int) -> float:
    """Accuracy in % on the test, after the last step."""
    x, y, x_test, y_test = data
    network_class, steps = KINDS[kind]
    torch.manual_seed(derive_seed(seed, kind))
    network = network_class(SeriesConfig(length=x.shape[2], num_classes=10))
    optimiser = torch.optim.Adam(network.parameters(), lr=PEAK_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, total_steps=steps)
    order = seeded_generator(seed, "order")
    places = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        if len(places) < BATCH:
            places = torch.randperm(len(x), generator=order)
        chosen, places = places[:BATCH], places[BATCH:]
        loss = nn.functional.cross_entropy(network(x[chosen]), y[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        return 100 * float((network.eval()(x_test).argmax(1) == y_test).float().mean())


def main() -> None:
    """All networks on both data, seed by seed."""
    torch.set_num_threads(1)  # tensors this small gain nothing from more
    facts = conditions("mnist1d")
    rows: list[list[object]] = []
    measured: dict[str, dict[str, list[float]]] = {}
    for name, expected in EXPECTED.items():
        data = make(shuffled=name == "shuffled")
        measured[name] = {}
        for kind, wanted in expected.items():
            started = time.process_time()
            found = [round(train(kind, data, seed), 1) for seed in SEEDS]
            seconds = (time.process_time() - started) / len(SEEDS)
            measured[name][kind] = found
            met = "yes" if abs(sorted(found)[1] - wanted) <= TOLERANCE else "no"
            parameters = sum(p.numel() for p in KINDS[kind][0](SeriesConfig(length=40, num_classes=10)).parameters())
            rows.append([name, kind, parameters, KINDS[kind][1], wanted, spread(found), met, round(seconds)])
            print(*rows[-1], flush=True)
    heads = [
        "data", "network", "parameters", "steps", "expected %", "measured %, median (range)", "within ± 4",
        "CPU s a run",
    ]  # fmt: skip
    text = "\n\n".join([__doc__ or "", table(heads, rows)])
    keep("mnist1d", "MNIST-1D", text, facts, {"accuracy_percent": measured})


if __name__ == "__main__":
    main()
