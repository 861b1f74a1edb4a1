"""Classification metrics from predicted probabilities and target classes, with counts and 95 % intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from capas.metrics.rate import Rate, rate


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassMetrics:
    """Recall and precision of one class."""

    name: str
    recall: Rate
    precision: Rate


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassificationMetrics:
    """The metrics of a classifier on one set of examples."""

    accuracy: Rate
    top5: Rate | None
    balanced_accuracy: float
    macro_f1: float
    log_loss: float
    calibration_error: float
    per_class: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]

    def metrics_json(self) -> dict[str, object]:
        """Return the metrics of the whole set."""
        figures: dict[str, object] = {"accuracy": self.accuracy.as_json()}
        if self.top5:
            figures["top5_accuracy"] = self.top5.as_json()
        figures |= {
            "balanced_accuracy": round(self.balanced_accuracy, 6),
            "macro_f1": round(self.macro_f1, 6),
            "log_loss": {"value": round(self.log_loss, 6), "n": self.accuracy.n, "unit": "nats"},
            "expected_calibration_error": round(self.calibration_error, 6),
        }
        return figures

    def per_class_json(self) -> dict[str, object]:
        """Return recall and precision by class."""
        return {
            figures.name: {"recall": figures.recall.as_json(), "precision": figures.precision.as_json()}
            for figures in self.per_class
        }


def classification_metrics(probabilities: Tensor, targets: Tensor, classes: Sequence[str]) -> ClassificationMetrics:
    """Return the metrics of ``probabilities`` (N, K), rows summing to one, against class indices ``targets`` (N).

    Raises:
        ValueError: The shapes disagree or there is no example.
    """
    n, k = probabilities.shape
    if n == 0 or targets.shape != (n,) or k != len(classes):
        raise ValueError(
            f"probabilities {tuple(probabilities.shape)}, targets {tuple(targets.shape)}, {len(classes)} classes"
        )
    predicted = probabilities.argmax(1)
    confusion = torch.zeros(k, k, dtype=torch.long)
    confusion.index_put_((targets, predicted), torch.ones(n, dtype=torch.long), accumulate=True)
    hits, actual, predicted_counts = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    per_class = tuple(
        ClassMetrics(
            name=name, recall=rate(int(hits[i]), int(actual[i])), precision=rate(int(hits[i]), int(predicted_counts[i]))
        )
        for i, name in enumerate(classes)
    )
    present = actual > 0
    recall = hits[present] / actual[present]
    f1 = 2 * hits / (actual + predicted_counts).clamp(min=1)
    chosen = probabilities.double().gather(1, targets[:, None])
    return ClassificationMetrics(
        accuracy=rate(int(hits.sum()), n),
        top5=rate(top_k_hits(probabilities, targets, 5), n) if k > 10 else None,
        balanced_accuracy=float(recall.double().mean()),
        macro_f1=float(f1[present].double().mean()),
        log_loss=float(-chosen.clamp(min=1e-12).log().mean()),
        calibration_error=expected_calibration_error(probabilities, targets),
        per_class=per_class,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def top_k_hits(probabilities: Float[Tensor, "N K"], targets: Int[Tensor, " N"], k: int) -> int:
    """Return how many of the targets are among the ``k`` most probable classes."""
    return int((probabilities.topk(k, dim=1).indices == targets[:, None]).any(1).sum())


def expected_calibration_error(probabilities: Tensor, targets: Tensor, bins: int = 15) -> float:
    """Return the expected calibration error of the top class, 0..1.

    Over ``bins`` bins of equal count, the mean gap between confidence and accuracy, weighted by count (Nguyen &
    O'Connor 2015).
    """
    confidence, predicted = probabilities.double().max(1)
    order = confidence.argsort()
    right = (predicted == targets).double()[order]
    gaps = [
        (part.mean() - confidences.mean()).abs() * len(part)
        for part, confidences in zip(right.tensor_split(bins), confidence[order].tensor_split(bins), strict=True)
        if len(part)
    ]
    return float(torch.stack(gaps).sum() / len(targets))
