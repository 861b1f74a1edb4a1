"""Multi-label metrics: precision, recall and F1, micro- and macro-averaged and per tag.

They equal scikit-learn's (``precision_recall_fscore_support`` with ``zero_division=0``, ``accuracy_score``): a tag that
is nowhere present nor predicted counts as 0 in the macro average. 95 % intervals are bootstrapped over examples (Efron
1979), those of single counts are Wilson's. In a draw that shows nothing of a tag, the tag keeps its value; as 0 it
would pull the macro average of many rare tags below the value itself.

Shapes: N examples, K tags, R draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from capas.metrics.bootstrap import percentile_interval
from capas.metrics.rate import Rate, rate


@dataclass(frozen=True, kw_only=True, slots=True)
class AveragedMetrics:
    """Precision, recall and F1 averaged over tags, in 0..1."""

    precision: Rate
    recall: Rate
    f1: Rate

    def as_json(self) -> dict[str, object]:
        """Return all three by name."""
        return {"precision": self.precision.as_json(), "recall": self.recall.as_json(), "f1": self.f1.as_json()}


@dataclass(frozen=True, kw_only=True, slots=True)
class TagMetrics:
    """Recall, precision and F1 of one tag."""

    name: str
    recall: Rate
    precision: Rate
    f1: Rate


@dataclass(frozen=True, kw_only=True, slots=True)
class MultilabelMetrics:
    """The metrics of a tagger on one set of examples; ``subset_accuracy`` is the share with all tags correct."""

    micro: AveragedMetrics
    macro: AveragedMetrics
    subset_accuracy: Rate
    per_tag: tuple[TagMetrics, ...]

    def metrics_json(self) -> dict[str, object]:
        """Return the metrics of the whole set."""
        return {
            "micro": self.micro.as_json(),
            "macro": self.macro.as_json(),
            "subset_accuracy": self.subset_accuracy.as_json(),
        }

    def per_tag_json(self) -> dict[str, object]:
        """Return the metrics of each tag by name."""
        return {
            tag.name: {"recall": tag.recall.as_json(), "precision": tag.precision.as_json(), "f1": tag.f1.as_json()}
            for tag in self.per_tag
        }


def multilabel_metrics(
    predicted: Bool[Tensor, "N K"],
    tags: Bool[Tensor, "N K"],
    names: Sequence[str],
    rng: torch.Generator,
    *,
    resamples: int = 1000,
) -> MultilabelMetrics:
    """Return the metrics of ``predicted`` against the target ``tags``.

    Raises:
        ValueError: There are no examples, or the names do not fit.
    """
    if not len(tags) or len(names) != tags.shape[1]:
        raise ValueError(
            f"{len(tags)} examples, {len(names)} names; expected one name for each of {tags.shape[1]} tags"
        )
    counts = torch.stack([predicted & tags, predicted, tags], dim=1).double()
    drawn = _drawn_counts(counts, resamples, rng)
    whole = counts.sum(0)
    tag_values = _scores(whole, torch.zeros(3, len(names), dtype=torch.float64))
    tag_draws = _scores(drawn, tag_values)
    zeros = torch.zeros(3, dtype=torch.float64)
    micro = _scores(whole.sum(-1), zeros), _scores(drawn.sum(-1), zeros)
    return MultilabelMetrics(
        micro=_average(*micro, n=len(tags)),
        macro=_average(tag_values.mean(-1), tag_draws.mean(-1), n=len(tags)),
        subset_accuracy=rate(int((predicted == tags).all(1).sum()), len(tags)),
        per_tag=tuple(
            TagMetrics(
                name=name,
                recall=rate(int(whole[0, k]), int(whole[2, k])),
                precision=rate(int(whole[0, k]), int(whole[1, k])),
                f1=_rate(tag_values[2, k], tag_draws[:, 2, k], int(whole[2, k])),
            )
            for k, name in enumerate(names)
        ),
    )


def _drawn_counts(counts: Float[Tensor, "N C K"], resamples: int, rng: torch.Generator) -> Float[Tensor, "R C K"]:
    n = len(counts)
    times = torch.zeros(resamples, n, dtype=torch.float64)
    draws = torch.randint(n, (resamples, n), generator=rng)
    times.scatter_add_(1, draws, torch.ones(resamples, n, dtype=torch.float64))
    return (times @ counts.flatten(1)).reshape(resamples, *counts.shape[1:])


def _scores(counts: Tensor, otherwise: Tensor) -> Tensor:
    """(…, 3, K) or (…, 3): right, called, present → precision, recall, F1; ``otherwise`` where there is nothing."""
    axis = 1 if counts.ndim > otherwise.ndim else 0
    right, called, present = counts.unbind(axis)
    above, below = torch.stack([right, right, 2 * right], axis), torch.stack([called, present, called + present], axis)
    # Where a tag is present but never called, its precision is 0, not unknown; the same for recall.
    nothing = (called + present == 0).unsqueeze(axis)
    return torch.where(nothing, otherwise, above / below.clamp(min=1))


def _average(values: Float[Tensor, " 3"], draws: Float[Tensor, "R 3"], *, n: int) -> AveragedMetrics:
    precision, recall, f1 = (_rate(value, draw, n) for value, draw in zip(values, draws.unbind(1), strict=True))
    return AveragedMetrics(precision=precision, recall=recall, f1=f1)


def _rate(value: Tensor, draws: Float[Tensor, " R"], n: int) -> Rate:
    return Rate(value=float(value), n=n, interval=percentile_interval(draws, n))
