"""Test metrics of audio segmentation by frame and by segment."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from capas.decoding.label_runs import remove_short_runs
from capas.engine.recipe import TestResult
from capas.engine.recipes.audio_frames.rendering import (
    segments_cell,
    segments_of,
)
from capas.metrics.events import COLLAR_S, match_events
from capas.metrics.frame_classification import frame_confusion, frame_metrics


def duration_score(paths: Sequence[list[int]], targets: Sequence[list[int]], length: int) -> tuple[float, int, int]:
    clean = [remove_short_runs(path, length) for path in paths]
    events = [match_events(own, said, collar=_collar_frames()) for own, said in zip(targets, clean, strict=True)]
    total = sum(one.n_targets + one.n_predicted for one in events)
    right = sum(a == b for own, said in zip(targets, clean, strict=True) for a, b in zip(own, said, strict=True))
    return 2 * sum(one.matched for one in events) / max(1, total), right, -length


def _collar_frames(hop: float = 0.01) -> int:
    return round(COLLAR_S / hop)


def evaluate_frames(
    names: Sequence[str], targets: Sequence[Tensor], predicted: Sequence[list[int]], classes: Sequence[str], hop: float,
    baselines: Mapping[str, Sequence[list[int]]],
) -> TestResult:  # fmt: skip
    """Evaluate predicted frame classes against their targets.

    Args:
        names: Names of the recordings.
        targets: True classes of each recording's frames, shape (T,).
        predicted: Predicted classes of each recording's frames.
        classes: Class names, "none" first.
        hop: Seconds between frames.
        baselines: Predictions of the baselines by name.
    """
    k = len(classes)

    def against(said: Sequence[list[int]], draws: int) -> tuple[Tensor, dict[str, object], dict[str, object]]:
        tables = torch.stack([frame_confusion(torch.tensor(s), t, k) for s, t in zip(said, targets, strict=True)])
        events = [match_events(t.tolist(), s, collar=_collar_frames(hop)) for s, t in zip(said, targets, strict=True)]
        figures = frame_metrics(tables, events, classes, draws=draws)
        return tables, figures.metrics_json(), figures.per_class_json()

    tables, metrics, per_class = against(predicted, 1000)
    rows = [["example", "segments", "predicted", "frame_error"]]
    for name, own, said, cells in zip(names, targets, predicted, tables, strict=True):
        share = 1 - float(cells.diagonal().sum()) / len(own)
        marked = [segments_cell(segments_of(path, classes, hop)) for path in (own.tolist(), said)]
        rows.append([name, *marked, f"{share:.6f}"])
    return TestResult(
        n=len(names), metrics=metrics, baseline={name: against(said, 1000)[1] for name, said in baselines.items()},
        rows=rows, per_class=per_class, further={"frames": sum(map(len, targets)), "confusion": tables.sum(0).tolist()},
    )  # fmt: skip
