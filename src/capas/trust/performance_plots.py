"""Pictures of how good a model is: confusion matrix, ROC, precision and recall, predicted and true, learning curves."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_metric, format_percent, format_quantity, metric_value
from capas.engine.events import Evaluated, Event, Started, Stepped
from capas.trust.ood.detection_metrics import auroc
from capas.trust.rendering.blocks import Block, ConfusionTable, Folded, Grid, Plot, PlotSeries
from capas.trust.subjects.single_output import ModelUnderTest

MAX_CLASSES: Final = 20  # of a whole matrix: beyond, its cells can neither be read nor printed
MAX_PAIRS: Final = 15
MAX_POINTS: Final = 200  # of a curve
MAX_DOTS: Final = 600
MAX_TAGS: Final = 5
MAX_NUMBERS: Final = 3

# A first loss may be a hundred times the last: curves are cut at so many times the largest of their second half.
CLIPPED_FROM: Final = 3.0


def confusion_block(metrics: Mapping[str, object]) -> list[Block]:
    """Return the confusion matrix of ``metrics.json``; of more than 20 classes the pairs confused most often."""
    counts, names = (
        cast(list[list[int]], metrics.get("confusion", [])),
        list(cast(dict[str, object], metrics.get("per_class", {}))),
    )
    if not counts or len(counts) != len(names):
        return []
    names = [" ".join(name.split()) for name in names]
    if len(names) <= MAX_CLASSES:
        title, corner = say("trust.plots.confusion"), say("trust.plots.true_class")
        note = say("trust.plots.confusion_note")
        return [ConfusionTable(title=title, names=names, counts=counts, corner=corner, note=note)]
    size = range(len(names))
    pairs = sorted(((counts[i][j], i, j) for i in size for j in size if i != j and counts[i][j]), reverse=True)
    if not pairs:
        return []
    rows = [[names[i], names[j], str(n), format_percent(n / sum(counts[i]), 0)] for n, i, j in pairs[:MAX_PAIRS]]
    heads = [say(f"trust.plots.pairs_{head}") for head in ("true", "taken", "count", "share")]
    return [Grid(title=say("trust.plots.pairs"), heads=heads, rows=rows, right=(2, 3))]


def class_table(metrics: Mapping[str, object]) -> list[Block]:
    """Return recall, precision and count of every class or tag, the lowest recall first, folded."""
    per_class = cast(Mapping[str, Mapping[str, Mapping[str, object]]], metrics.get("per_class", {}))
    held = {name: parts for name, parts in per_class.items() if {"recall", "precision"} <= set(parts)}
    if not held:
        return []
    rows = [
        [" ".join(name.split()), format_metric(p["recall"]), format_metric(p["precision"]), str(p["recall"]["n"])]
        for name, p in sorted(held.items(), key=lambda pair: metric_value(pair[1]["recall"]))
    ]
    heads = [say(f"test.{name}") for name in ("class", "recall", "precision", "n")]
    table = Grid(title="", heads=heads, rows=rows, right=(1, 2, 3), note=say("trust.plots.per_class_note"))
    return [Folded(title=say("trust.plots.per_class", n=len(rows)), blocks=[table])]


def prediction_plots(subject: ModelUnderTest) -> list[Block]:
    """Return ROC and precision–recall of two classes, precision–recall of tags, or estimates beside true numbers."""
    task, part = subject.run_context.task, subject.test
    classes = subject.run_context.classes
    if task == "classify" and len(classes) == 2:
        present, scores = part.targets == 1, part.predictions[:, 1]
        if not 0 < int(present.sum()) < len(present):
            return []
        return [_roc(scores, present, classes[1]), _precision_recall([(classes[1], scores, present)])]
    if task == "tag":
        targets = part.targets > 0.5
        present = targets.sum(0)
        chosen = [t for t in present.argsort(descending=True).tolist() if 0 < int(present[t]) < len(targets)]
        series = [(classes[t], part.predictions[:, t], targets[:, t]) for t in chosen[:MAX_TAGS]]
        return [_precision_recall(series)] if series else []
    if task == "regress":
        fields = subject.run_context.record.spec.targets[:MAX_NUMBERS]
        return [_scatter(part.targets[:, i], part.predictions[:, i], f.name, f.unit) for i, f in enumerate(fields)]
    return []


def _roc(scores: Tensor, present: Tensor, name: str) -> Plot:
    from sklearn.metrics import roc_curve

    false, true, _ = roc_curve(present.numpy(), scores.double().numpy())
    area = format_metric(auroc(scores[~present], scores[present]).as_json())
    at = _evenly(len(false))
    curve = PlotSeries(name=name, xs=false[at].tolist(), ys=true[at].tolist())
    return Plot(
        title=say("trust.plots.roc", name=name),
        x=say("trust.plots.false_alarms"),
        y=say("trust.plots.found"),
        lines=[curve, PlotSeries(name=say("trust.plots.guessing"), xs=[0, 1], ys=[0, 1], dashed=True)],
        description=say("trust.plots.roc_note", area=area),
        percent_x=True,
        note=say("trust.plots.roc_note", area=area),
    )


def _precision_recall(tags: Sequence[tuple[str, Tensor, Tensor]]) -> Plot:
    from sklearn.metrics import average_precision_score, precision_recall_curve

    lines, said = [], []
    for name, scores, present in tags:
        precision, recall, _ = precision_recall_curve(present.numpy(), scores.double().numpy())
        mean = float(average_precision_score(present.numpy(), scores.double().numpy()))
        at = _evenly(len(recall))
        lines.append(PlotSeries(name=name, xs=recall[at].tolist(), ys=precision[at].tolist()))
        said.append(say("trust.plots.average_precision", name=name, value=format_percent(mean), n=int(present.sum())))
    return Plot(
        title=say("trust.plots.precision_recall"),
        x=say("trust.plots.found"),
        y=say("trust.plots.right_of_called"),
        lines=lines,
        description="; ".join(said),
        percent_x=True,
        note="; ".join(said) + ".",
    )


def _scatter(true: Tensor, predicted: Tensor, name: str, unit: str) -> Plot:
    at = np.linspace(0, len(true) - 1, min(MAX_DOTS, len(true))).round().astype(np.int64)
    xs, ys = true[at].tolist(), predicted[at].tolist()
    ends = [min(*xs, *ys), max(*xs, *ys)]
    named = f"{name} ({unit})" if unit else name
    dots = PlotSeries(name=say("trust.plots.one_example"), xs=xs, ys=ys, points=True)
    ideal = PlotSeries(name=say("trust.plots.equal"), xs=ends, ys=ends, dashed=True)
    correlation = float(np.corrcoef(true.double().numpy(), predicted.double().numpy())[0, 1]) if len(true) > 2 else 0.0
    said = say(
        "trust.plots.scatter_note",
        n=len(true),
        low=format_quantity(ends[0]),
        high=format_quantity(ends[1], unit),
        r=format_decimal(correlation, 2),
    )
    return Plot(
        title=say("trust.plots.scatter", name=name),
        x=say("trust.plots.scatter_true", name=named),
        y=say("trust.plots.scatter_predicted", name=named),
        lines=[dots, ideal],
        description=said,
        percent_y=False,
        from_zero=False,
        note=said,
    )


def learning_curves(events: Sequence[Event]) -> list[Block]:
    """Return training and validation loss by step, and the score of each evaluation; nothing where none was noted."""
    began = max((i for i, event in enumerate(events) if isinstance(event, Started) and event.step == 0), default=0)
    steps = [event for event in events[began:] if isinstance(event, Stepped)]
    evaluated = [event for event in events[began:] if isinstance(event, Evaluated)]
    if len(steps) < 2 and len(evaluated) < 2:
        return []
    lines = []
    if len(steps) > 1:
        xs, ys = _binned([event.step for event in steps], [event.loss for event in steps])
        lines.append(PlotSeries(name=say("trust.plots.training_loss"), xs=xs, ys=ys))
    if len(evaluated) > 1:
        losses = [event.loss for event in evaluated]
        xs = [float(event.step) for event in evaluated]
        lines.append(PlotSeries(name=say("trust.plots.validation_loss"), xs=xs, ys=losses))
    top = CLIPPED_FROM * max((max(line.ys[len(line.ys) // 2 :]) for line in lines), default=0.0)
    clipped = any(y > top for line in lines for y in line.ys)
    said = [
        say("trust.plots.from_to", name=line.name, first=format_quantity(line.ys[0]), last=format_quantity(line.ys[-1]))
        for line in lines
    ]
    return [
        Plot(
            title=say("trust.plots.learning"),
            x=say("trust.plots.step"),
            y=say("trust.plots.loss"),
            lines=[replace(line, ys=[min(y, top) for y in line.ys]) for line in lines],
            description="; ".join(said),
            percent_y=False,
            note=say("trust.plots.learning_note")
            + (" " + say("trust.plots.clipped", top=format_quantity(top)) if clipped else ""),
        )
    ]


def _binned(steps: Sequence[int], losses: Sequence[float]) -> tuple[list[float], list[float]]:
    """At most ``MAX_POINTS`` points: the means of neighbours."""
    parts = min(MAX_POINTS, len(steps))
    groups = zip(np.array_split(np.array(steps, float), parts), np.array_split(np.array(losses), parts), strict=True)
    means = [(float(x.mean()), float(y.mean())) for x, y in groups]
    return [x for x, _ in means], [y for _, y in means]


def _evenly(n: int) -> NDArray[np.int64]:
    """Indices of at most ``MAX_POINTS`` of ``n`` points, both ends among them."""
    return np.linspace(0, n - 1, min(MAX_POINTS, n)).round().astype(np.int64)
