"""What the figures of a test say: beside simpler methods, and what the model gets wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from capas.core.i18n import say
from capas.engine.events import Evaluated, append_event
from capas.trust.rendering.blocks import Bars, ConfusionTable, Folded, ImageGallery, Plot
from capas.trust.theme import Theme
from capas.trust.theme_context import ThemeContext
from capas.trust.themes.quality import quality_theme
from tests.trust.made_models import Linearly, asked, grid, halves_subject, made_context, texts_of

Figure = Mapping[str, object]


def accuracy(value: float, low: float, high: float) -> Figure:
    return {"value": value, "n": 100, "interval": [low, high]}


def theme(figures: Mapping[str, Figure], baseline: Mapping[str, Mapping[str, Figure]], n: int = 100) -> Theme:
    context = made_context(texts_of(["a"] * n), [0] * n, ["test"] * n, kind="text", classes=("a", "b"),
                           metrics={"metrics": dict(figures), "baseline": dict(baseline)})  # fmt: skip
    return quality_theme(ThemeContext(run_context=context, subject=None, level="standard"))


def keys(theme: Theme) -> list[tuple[str, str]]:
    return [(one.key, one.gravity) for one in theme.findings]


def test_what_is_right_and_better_has_no_finding() -> None:
    found = theme({"accuracy": accuracy(0.95, 0.91, 0.97)}, {"majority": {"accuracy": accuracy(0.5, 0.4, 0.6)}})
    assert found.findings == [] and found.facts["n"] == 100


@pytest.mark.parametrize(
    ("interval", "gravity"), [((0.55, 0.69), "problem"), ((0.7, 0.89), "attention"), ((0.8, 0.95), None)]
)
def test_it_is_often_wrong_only_where_the_interval_says_so(interval: tuple[float, float], gravity: str | None) -> None:
    found = theme({"accuracy": accuracy(0.62, *interval)}, {"majority": {"accuracy": accuracy(0.1, 0.1, 0.2)}})
    assert keys(found) == ([("often_wrong", gravity)] if gravity else [])


def test_a_rival_that_may_be_as_good_is_named() -> None:
    rivals = {"majority": {"accuracy": accuracy(0.5, 0.4, 0.6)}, "ridge": {"accuracy": accuracy(0.93, 0.9, 0.95)}}
    found = theme({"accuracy": accuracy(0.95, 0.91, 0.97)}, rivals)
    assert keys(found) == [("not_better_than_baseline", "attention")] and "93.0 %" in found.findings[0].text
    # Not even the weakest is beaten.
    weak = theme({"accuracy": accuracy(0.95, 0.91, 0.97)}, {"majority": {"accuracy": accuracy(0.92, 0.9, 0.95)}})
    assert keys(weak) == [("not_better_than_baseline", "problem")]


def test_of_errors_less_is_better() -> None:
    def error(value: float) -> Figure:
        return {"value": value, "n": 100, "interval": [value - 0.1, value + 0.1], "unit": "cm"}

    found = theme({"mae": error(1.0)}, {"median": {"mae": error(2.0)}, "ridge": {"mae": error(1.05)}})
    assert keys(found) == [("not_better_than_baseline", "attention")] and "1.05 cm" in found.findings[0].text
    bars = found.blocks[0]
    assert isinstance(bars, Bars) and bars.note == say("trust.quality.lower_is_better")
    assert [bar.value for bar in bars.bars] == [1.0, 2.0, 1.05] and bars.largest == pytest.approx(2.1)
    assert not theme({"mae": error(1.0)}, {"median": {"mae": error(2.0)}}).findings


def test_a_tiny_test_is_judged_by_nothing_else() -> None:
    found = theme({"accuracy": accuracy(0.1, 0.0, 0.2)}, {"majority": {"accuracy": accuracy(0.9, 0.8, 1.0)}}, n=29)
    assert keys(found) == [("too_few_to_judge", "attention")]


def test_all_figures_stand_in_the_table() -> None:
    found = theme({"accuracy": accuracy(0.95, 0.91, 0.97), "log_loss": {"value": 0.2, "n": 100, "unit": "nats"}}, {})
    (folded,) = [block for block in found.blocks if isinstance(block, Folded)]
    assert folded.title == say("trust.quality.figures")
    table = grid(folded.blocks, "")
    assert [row[1:] for row in table.rows] == [["95.0 % (91.0–97.0)", "100"], ["0.200 nats", "100"]]


def test_one_answer_to_everything_is_told_unless_everything_is_so() -> None:
    always = Linearly(torch.zeros(2, 64), torch.tensor([0.0, 3.0]))

    def findings(labels: Sequence[int]) -> list[str]:
        return [one.key for one in quality_theme(asked(halves_subject(labels, ["test"] * 40, network=always))).findings]

    assert findings([0, 1] * 20) == ["constant_answer"] and findings([1] * 40) == []
    assert findings([0] * 40) == ["constant_answer"]
    honest = quality_theme(asked(halves_subject([0, 1] * 20, ["test"] * 40)))
    assert "constant_answer" not in [one.key for one in honest.findings]
    assert not any(isinstance(block, ImageGallery) for block in honest.blocks)  # no mistake to show


def test_mistakes_are_shown_the_surest_first() -> None:
    labels = [0, 1] * 20
    wrong = [1 - label if i in (3, 8) else label for i, label in enumerate(labels)]
    subject = halves_subject(wrong, ["test"] * 40, seen=labels)
    (gallery,) = [block for block in quality_theme(asked(subject)).blocks if isinstance(block, ImageGallery)]
    order = sorted((3, 8), key=lambda i: -float(subject.test.predictions[i].max()))
    assert [one.caption.partition(":")[0] for one in gallery.images] == [f"pictures/{i:05d}" for i in order]
    assert all("is “" in one.caption for one in gallery.images)


def test_pictures_of_the_figures_follow_the_bars(tmp_path: Path) -> None:
    subject = halves_subject([0, 1] * 20, ["test"] * 40, folder=tmp_path)
    metrics = {**subject.run_context.metrics, "confusion": [[19, 1], [0, 20]], "per_class": {"left": {}, "right": {}}}
    subject.run_context = replace(subject.run_context, metrics=metrics)
    for step in (1, 2):
        append_event(subject.run_context.run.events, Evaluated(step=step, metric="accuracy", value=0.5, loss=1 / step,
                                                               n=40, best=True, seconds=1.0))  # fmt: skip
    kinds = [type(block) for block in quality_theme(asked(subject)).blocks]
    assert kinds == [Bars, ConfusionTable, Plot, Plot, Plot, Folded], "bars, matrix, ROC, precision, learning curve"
