"""The test split, read once: what the network answers, and how the baselines do beside it."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.data.preparation import Preparation
from capas.data.store import PictureStore
from capas.engine.choose import Execution
from capas.engine.record import Record
from capas.tasks.baseline import LogisticRegression, Majority, pixel_features
from capas.tasks.metrics import ClassificationFigures, Rate, classification_figures

BATCH = 250
BASELINE_EXAMPLES = 20_000


@torch.no_grad()
def class_probabilities(
    network: nn.Module,
    store: PictureStore,
    positions: Int[Tensor, " N"],
    preparation: Preparation,
    execution: Execution,
) -> Float[Tensor, "N K"]:
    """N×K probabilities (float32, on the CPU) for the pictures at ``positions``; the network is in evaluation mode."""
    network.eval()
    parts = []
    for batch in torch.split(positions, BATCH):
        images = execution.place_images(preparation.normalise(store.take(batch)))
        with execution.autocast():
            logits = network(images)
        parts.append(logits.float().softmax(1).cpu())
    return torch.cat(parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tested:
    """The one reading of the test split: probabilities N×K in the order of ``positions``, figures, baselines."""

    positions: Tensor
    probabilities: Tensor
    figures: ClassificationFigures
    majority: Rate
    linear: Rate

    def as_json(self) -> dict[str, object]:
        """The form of ``metrics.json`` and of ``capas test --json``."""
        return {
            "metrics": self.figures.metrics_json(),
            "baseline": {
                "majority": {"accuracy": self.majority.as_json()},
                "logistic_regression": {"accuracy": self.linear.as_json()},
            },
            "per_class": self.figures.per_class_json(),
            "confusion": [list(row) for row in self.figures.confusion],
        }


def test_once(
    network: nn.Module, store: PictureStore, record: Record, preparation: Preparation, execution: Execution
) -> Tested:
    """Figures of ``network`` and of the baselines on the record's test split."""
    positions = record.positions("test")
    labels = torch.tensor(record.labels, dtype=torch.long)
    probabilities = class_probabilities(network, store, positions, preparation, execution)
    majority, linear = baselines(store, record, labels)
    return Tested(
        positions=positions,
        probabilities=probabilities,
        figures=classification_figures(probabilities, labels[positions], record.classes),
        majority=majority,
        linear=linear,
    )


def baselines(store: PictureStore, record: Record, labels: Tensor) -> tuple[Rate, Rate]:
    """Test accuracy of the commonest class and of logistic regression on pixels, both fitted to the training split
    (the latter to its first 20,000 examples at most, which is plenty for a linear model).
    """
    train, test = record.positions("train"), record.positions("test")
    k = len(record.classes)
    majority = Majority.fit(labels[train], k).predict(len(test))
    few = train[:: max(1, len(train) // BASELINE_EXAMPLES)][:BASELINE_EXAMPLES]
    model = LogisticRegression.fit(pixel_features(store.take(few)), labels[few], k)
    linear = torch.cat([model.predict(pixel_features(store.take(part))) for part in torch.split(test, 2000)])
    figures = [classification_figures(p, labels[test], record.classes).accuracy for p in (majority, linear)]
    return figures[0], figures[1]
