"""The pictures of how good a model is show its counts, its curves and its losses."""

import pytest
import torch

from capas.core.spec import TaskName
from capas.engine.events import Evaluated, Started, Stepped
from capas.trust.performance_plots import (
    MAX_CLASSES,
    MAX_POINTS,
    class_table,
    confusion_block,
    learning_curves,
    prediction_plots,
)
from capas.trust.rendering.blocks import Block, ConfusionTable, Folded, Grid, Plot
from capas.trust.subjects.single_output import SplitOutputs
from tests.trust.made_models import halves_subject, made_context, texts_of


def matrix(size: int) -> dict[str, object]:
    names = [f"class {i}" for i in range(size)]
    counts = [[10 if i == j else 0 for j in range(size)] for i in range(size)]
    counts[0][1], counts[0][0], counts[1][0], counts[1][1] = 4, 6, 1, 9
    return {"confusion": counts, "per_class": {name: {} for name in names}}


def test_few_classes_are_a_matrix_and_many_the_pairs_confused_most() -> None:
    (small,) = confusion_block(matrix(MAX_CLASSES))
    assert isinstance(small, ConfusionTable) and small.counts[0][:2] == [6, 4] and small.names[1] == "class 1"
    (large,) = confusion_block(matrix(MAX_CLASSES + 1))
    assert isinstance(large, Grid)
    assert large.rows == [["class 0", "class 1", "4", "40 %"], ["class 1", "class 0", "1", "10 %"]]
    assert confusion_block({"per_class": {}}) == [] and confusion_block({}) == []


def test_classes_stand_in_a_folded_table_the_worst_first() -> None:
    def rate(value: float) -> dict[str, object]:
        return {"value": value, "n": 7, "interval": [value / 2, value]}

    per_class = {
        "good": {"recall": rate(1.0), "precision": rate(0.5)},
        "bad": {"recall": rate(0.2), "precision": rate(1.0)},
    }
    (folded,) = class_table({"per_class": per_class})
    assert isinstance(folded, Folded) and "(2)" in folded.title
    (table,) = folded.blocks
    assert isinstance(table, Grid) and [row[0] for row in table.rows] == ["bad", "good"]
    assert table.rows[0][1].startswith("20.0 %") and table.rows[0][3] == "7"
    assert class_table({"per_class": {"a": {"f1": rate(1.0)}}}) == [] and class_table({}) == []


def stepped(step: int, loss: float) -> Stepped:
    return Stepped(step=step, total_steps=1000, loss=loss, losses={}, learning_rate=0.1, examples_per_s=1.0,
                   seconds=1.0, seconds_left=1.0)  # fmt: skip


def evaluated(step: int, loss: float) -> Evaluated:
    return Evaluated(step=step, metric="accuracy", value=0.5, loss=loss, n=10, best=True, seconds=1.0)


def test_learning_curves_are_the_losses_of_the_events() -> None:
    start = Started(step=0, total_steps=1000, epochs=1.0, batch_size=8, examples=80)
    events = [start, stepped(1, 3.0), evaluated(2, 2.5), stepped(3, 1.0), evaluated(4, 1.0)]
    (plot,) = learning_curves([start, stepped(1, 99.0), *events])  # begun anew: what came before is void
    assert isinstance(plot, Plot) and not plot.percent_y
    assert [(list(line.xs), list(line.ys)) for line in plot.lines] == [([1, 3], [3.0, 1.0]), ([2, 4], [2.5, 1.0])]
    assert "upper edge" not in plot.note
    assert learning_curves([]) == [] and learning_curves([start, stepped(1, 3.0)]) == []


def test_a_first_loss_far_above_the_others_does_not_flatten_them() -> None:
    (plot,) = learning_curves([evaluated(1, 50.0), evaluated(2, 2.0), evaluated(3, 1.0), evaluated(4, 0.5)])
    assert isinstance(plot, Plot) and list(plot.lines[0].ys) == [3.0, 2.0, 1.0, 0.5]
    assert "above 3.00 are drawn at the upper edge" in plot.note and "from 50.00" in plot.description


def test_a_long_curve_is_thinned_to_means() -> None:
    (plot,) = learning_curves([stepped(step, float(step)) for step in range(1, 4 * MAX_POINTS + 1)])
    assert isinstance(plot, Plot) and len(plot.lines[0].xs) == MAX_POINTS
    assert plot.lines[0].ys[0] == pytest.approx(2.5) and plot.lines[0].xs[0] == pytest.approx(2.5)


def plots(task: TaskName, predictions: list[list[float]], targets: torch.Tensor, *classes: str) -> list[Block]:
    """Of a model that predicts this on its test."""
    n, predicted = len(predictions), torch.tensor(predictions)
    subject = halves_subject([0] * n, ["test"] * n)
    subject.run_context = made_context(texts_of(["a"] * n), [0] * n, ["test"] * n, task=task, kind="text",
                                       classes=classes, units=("cm",))  # fmt: skip
    subject.__dict__["test"] = SplitOutputs(
        positions=torch.arange(n), prepared=[None] * n, outputs=predicted, predictions=predicted,
        features=predicted, multilayer_features=predicted, targets=targets,
    )  # fmt: skip
    return prediction_plots(subject)


def test_two_classes_have_a_roc_curve_and_one_of_precision_and_recall() -> None:
    scores = [0.1, 0.4, 0.35, 0.8]
    roc, both = plots("classify", [[1 - p, p] for p in scores], torch.tensor([0, 0, 1, 1]), "no", "yes")
    assert isinstance(roc, Plot) and isinstance(both, Plot) and "yes" in roc.title
    assert "75.0 %" in roc.note, "three of the four pairs are in order"
    assert (roc.lines[0].xs[0], roc.lines[0].ys[0], roc.lines[0].xs[-1], roc.lines[0].ys[-1]) == (0, 0, 1, 1)
    assert "83.3 %" in both.note  # 1/2 · 1 + 1/2 · 2/3
    assert plots("classify", [[1 - p, p] for p in scores], torch.tensor([0, 0, 0, 0]), "no", "yes") == []
    assert plots("classify", [[0.2, 0.3, 0.5]], torch.tensor([2]), "a", "b", "c") == []


def test_tags_have_a_curve_each_the_commonest_first() -> None:
    targets = torch.tensor([[True, True, False], [False, True, False], [False, False, False]])
    (plot,) = plots("tag", [[0.9, 0.9, 0.1], [0.2, 0.1, 0.1], [0.1, 0.5, 0.2]], targets, "rare", "common", "never")
    assert isinstance(plot, Plot) and [line.name for line in plot.lines] == ["common", "rare"]
    assert (
        "common: average precision 83.3 %, 2 examples" in plot.note and "rare: average precision 100.0 %" in plot.note
    )


def test_numbers_are_drawn_beside_their_truth() -> None:
    (plot,) = plots("regress", [[1.0], [2.5], [3.0]], torch.tensor([[1.0], [2.0], [4.0]]))
    assert isinstance(plot, Plot) and plot.lines[0].points and not plot.from_zero and "(cm)" in plot.x
    assert list(plot.lines[0].xs) == [1, 2, 4] and list(plot.lines[0].ys) == [1, 2.5, 3]
    assert list(plot.lines[1].xs) == list(plot.lines[1].ys) == [1, 4] and "n = 3" in plot.note
