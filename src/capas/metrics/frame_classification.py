"""Metrics of frame classification: frame error rate, detection errors, F1 over frames and over events.

The frame error rate is the share of frames with a wrong class. Where there are two classes, the first being that
nothing is there (speech, or none), missed and false alarm time are divided by the target time, as in NIST's evaluations
and Bredin, "pyannote.metrics", Interspeech 2017; their sum, the detection error rate, can exceed 1. F1 of a class is
over frames; the macro average is over the classes that occur.

The intervals are bootstrapped over recordings (Efron 1979): frames of one recording are not independent.

Shapes: T frames, K classes, N recordings, R draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from capas.metrics.bootstrap import percentile_interval
from capas.metrics.events import EventCounts
from capas.metrics.rate import Rate, rate

BOOTSTRAP_RESAMPLES: Final = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameMetrics:
    """The metrics over some recordings.

    ``detection`` holds missed, false alarm and detection error rate, in this order, where there are two classes.
    """

    frame_error: Rate
    macro_f1: Rate
    event_f1: Rate
    detection: tuple[Rate, Rate, Rate] | None
    classes: tuple[str, ...]
    recall: tuple[Rate, ...]
    precision: tuple[Rate, ...]
    f1: tuple[float, ...]

    def metrics_json(self) -> dict[str, object]:
        """Return the metrics of the whole set, the headline first."""
        found: dict[str, object] = {"frame_error": self.frame_error.as_json()}
        if self.detection is not None:
            for name, figure in zip(("missed", "false_alarm", "detection_error"), self.detection, strict=True):
                found[name] = figure.as_json()
        return {**found, "macro_f1": self.macro_f1.as_json(), "event_f1": self.event_f1.as_json()}

    def per_class_json(self) -> dict[str, object]:
        """Return recall, precision and F1 over the frames of each class."""
        return {
            name: {"recall": recall.as_json(), "precision": precision.as_json(), "f1": round(f1, 6)}
            for name, recall, precision, f1 in zip(self.classes, self.recall, self.precision, self.f1, strict=True)
        }


def frame_confusion(predicted: Int[Tensor, " T"], targets: Int[Tensor, " T"], num_classes: int) -> Int[Tensor, "K K"]:
    """Return the confusion matrix of one recording: target class (row), predicted class (column)."""
    if targets.shape != predicted.shape:
        raise ValueError(f"{len(targets)} and {len(predicted)} frames; expected as many")
    return torch.bincount(targets * num_classes + predicted, minlength=num_classes**2).view(num_classes, num_classes)


def frame_metrics(
    confusions: Int[Tensor, "N K K"], events: Sequence[EventCounts], classes: Sequence[str], *, seed: int = 0,
    draws: int = BOOTSTRAP_RESAMPLES,
) -> FrameMetrics:  # fmt: skip
    """Return the metrics of N recordings, from their confusion matrices and event counts.

    Raises:
        ValueError: There is no recording, or numbers differ.
    """
    n, k, _ = confusions.shape
    if not n or n != len(events) or k != len(classes):
        raise ValueError(f"{n} recordings, {len(events)} counts of segments, {k} classes, {len(classes)} names")
    times = _drawn(n, draws, seed)
    cells = (times @ confusions.double().flatten(1)).view(-1, k, k)  # the first row is of all, each once
    counted = times @ torch.tensor(
        [[own.matched, own.n_targets, own.n_predicted] for own in events], dtype=torch.float64
    )
    whole = confusions.sum(0)
    hits, actual, called = whole.diagonal(), whole.sum(1), whole.sum(0)
    return FrameMetrics(
        frame_error=_rate(1 - cells.diagonal(dim1=1, dim2=2).sum(1) / cells.sum((1, 2)), n),
        macro_f1=_rate(_macro_f1(cells, actual + called > 0), n),
        event_f1=_rate(2 * counted[:, 0] / (counted[:, 1] + counted[:, 2]).clamp(min=1), n),
        detection=_detection(cells, n) if k == 2 else None,
        classes=tuple(classes),
        recall=tuple(rate(int(h), int(a)) for h, a in zip(hits, actual, strict=True)),
        precision=tuple(rate(int(h), int(c)) for h, c in zip(hits, called, strict=True)),
        f1=tuple((2 * hits / (actual + called).clamp(min=1)).double().tolist()),
    )


def _drawn(n: int, draws: int, seed: int) -> Float[Tensor, "R N"]:
    """How often each recording counts: first each once, then in every draw."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(n, (draws, n), generator=generator)
    times = torch.zeros(draws, n, dtype=torch.float64)
    times.scatter_add_(1, chosen, torch.ones(draws, n, dtype=torch.float64))
    return torch.cat([torch.ones(1, n, dtype=torch.float64), times])


def _macro_f1(cells: Float[Tensor, "R K K"], there: Tensor) -> Float[Tensor, " R"]:
    f1 = 2 * cells.diagonal(dim1=1, dim2=2) / (cells.sum(1) + cells.sum(2))
    # A rare class may be absent from a draw, and then says nothing there.
    return f1[:, there].nanmean(1)


def _detection(cells: Float[Tensor, "R 2 2"], n: int) -> tuple[Rate, Rate, Rate]:
    there = cells[:, 1].sum(1)
    missed, false = cells[:, 1, 0] / there, cells[:, 0, 1] / there
    return _rate(missed, n), _rate(false, n), _rate(missed + false, n)


def _rate(values: Float[Tensor, " R"], n: int) -> Rate:
    """The first value, with the interval of the others; 0 where it cannot be told because nothing is there."""
    drawn = values[1:][values[1:].isfinite()]
    if not values[0].isfinite() or not len(drawn):
        return Rate(value=0.0, n=n, interval=(0.0, 1.0))
    return Rate(value=float(values[0]), n=n, interval=percentile_interval(drawn, n))
