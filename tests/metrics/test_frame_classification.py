"""Classes of frames: the loss, the figures against scikit-learn, segments found, short runs, the loudness baseline."""

import json
from itertools import permutations

import pytest
import torch
from torch import nn
from torch.nn import functional

from capas.baselines.energy_threshold import EnergyThreshold
from capas.decoding.label_runs import label_runs, mean_run_probability, remove_short_runs, smoothed_best_path
from capas.metrics.events import EventCounts, match_events
from capas.metrics.frame_classification import frame_confusion, frame_metrics
from capas.objectives.frame_classification import IGNORE_INDEX, FrameClassification
from tests.harness import FIXTURES

RECORDED = json.loads((FIXTURES / "frames" / "scikit_learn.json").read_text())
NO_EVENTS = EventCounts(matched=0, n_targets=0, n_predicted=0)


def random_path(rng: torch.Generator, length: int = 12, classes: int = 3) -> list[int]:
    return torch.randint(classes, (length,), generator=rng).tolist()


def test_the_loss_leaves_padding_out_and_so_do_its_gradients() -> None:
    logits = torch.randn(2, 5, 3, requires_grad=True)
    targets = torch.tensor([[0, 1, 2, 0, 1], [2, 1, IGNORE_INDEX, IGNORE_INDEX, IGNORE_INDEX]])
    loss = FrameClassification(nn.Identity()).loss(logits, targets)
    known = targets != IGNORE_INDEX
    torch.testing.assert_close(loss, functional.cross_entropy(logits[known], targets[known]))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert (gradient[~known] == 0).all() and (gradient[known] != 0).all()


def test_class_weights_weigh_frames() -> None:
    logits, targets = torch.randn(1, 4, 2), torch.tensor([[0, 0, 1, IGNORE_INDEX]])
    weighted = FrameClassification(nn.Identity(), class_weights=torch.tensor([1.0, 3.0])).loss(logits, targets)
    each = functional.cross_entropy(logits[0, :3], targets[0, :3], reduction="none")
    torch.testing.assert_close(weighted, (each * torch.tensor([1.0, 1, 3])).sum() / 5)


def test_figures_are_those_of_scikit_learn() -> None:
    tables = torch.stack([
        frame_confusion(torch.tensor(said), torch.tensor(truth), 3)
        for said, truth in zip(RECORDED["said"], RECORDED["truth"], strict=True)
    ])  # fmt: skip
    assert tables.sum(0).tolist() == RECORDED["confusion"]
    figures = frame_metrics(tables, [NO_EVENTS] * 3, ["none", "dog", "cat"])
    assert figures.frame_error.value == pytest.approx(1 - RECORDED["accuracy"])
    assert figures.macro_f1.value == pytest.approx(RECORDED["macro_f1"])
    assert figures.f1 == pytest.approx(RECORDED["f1"])
    assert [one.value for one in figures.recall] == pytest.approx(RECORDED["recall"])
    assert [one.value for one in figures.precision] == pytest.approx(RECORDED["precision"])
    assert figures.detection is None and figures.frame_error.n == 3


def test_the_interval_is_of_recordings_and_not_of_frames() -> None:
    good, bad = torch.tensor([[900, 100], [0, 1000]]), torch.tensor([[100, 900], [0, 1000]])
    alike = frame_metrics(torch.stack([good] * 8), [NO_EVENTS] * 8, ["none", "x"]).frame_error
    mixed = frame_metrics(torch.stack([good, bad] * 4), [NO_EVENTS] * 8, ["none", "x"]).frame_error
    assert alike.value == pytest.approx(0.05) and alike.interval == pytest.approx((0.05, 0.05))
    low, high = mixed.interval
    assert mixed.value == pytest.approx(0.25) and low < 0.15 and high > 0.35
    again = frame_metrics(torch.stack([good, bad] * 4), [NO_EVENTS] * 8, ["none", "x"]).frame_error
    assert mixed == again


def test_missed_and_false_alarm_are_by_the_time_that_it_is_there() -> None:
    truth = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0])
    said = torch.tensor([0, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0])
    figures = frame_metrics(frame_confusion(said, truth, 2)[None], [NO_EVENTS], ["none", "speech"])
    assert figures.detection is not None
    assert [one.value for one in figures.detection] == pytest.approx([2 / 5, 2 / 5, 4 / 5])
    names = list(figures.metrics_json())
    assert names == ["frame_error", "missed", "false_alarm", "detection_error", "macro_f1", "event_f1"]


def test_where_nothing_is_there_nothing_can_be_missed() -> None:
    table = frame_confusion(torch.zeros(5, dtype=torch.long), torch.zeros(5, dtype=torch.long), 2)
    figures = frame_metrics(table[None], [NO_EVENTS], ["none", "speech"])
    assert figures.detection is not None and figures.detection[0].interval == (0.0, 1.0)
    assert figures.frame_error.value == 0 and figures.macro_f1.value == 1  # of the class that is there
    with pytest.raises(ValueError, match="0 recordings"):
        frame_metrics(table[None][:0], [], ["none", "speech"])


def test_segments_are_matched_as_well_as_can_be() -> None:
    rng = torch.Generator().manual_seed(3)
    for _ in range(150):
        truth, said = random_path(rng), random_path(rng)
        wanted, called = ([run for run in label_runs(path) if run.label] for path in (truth, said))

        def fits(order: tuple[int, ...], wanted=wanted, called=called) -> int:  # type: ignore[no-untyped-def]
            pairs = [(wanted[i], called[j]) for j, i in enumerate(order[: len(called)]) if i < len(wanted)]
            return sum(abs(a.start - b.start) <= 1 and abs(a.end - b.end) <= 1 and a.label == b.label for a, b in pairs)

        most = max(len(wanted), len(called))
        if most <= 6:
            best = max(fits(order) for order in permutations(range(most)))
            assert match_events(truth, said, collar=1) == EventCounts(
                matched=best, n_targets=len(wanted), n_predicted=len(called)
            )


def test_the_collar_is_inclusive_and_both_ends_count() -> None:
    truth = [0] * 10 + [1] * 10 + [0] * 10
    moved = [0] * 12 + [1] * 10 + [0] * 8
    longer = [0] * 10 + [1] * 13 + [0] * 7
    other = [0] * 10 + [2] * 10 + [0] * 10
    assert [match_events(truth, said, collar=2).matched for said in (moved, longer, other, truth)] == [1, 0, 0, 1]


def test_smoothing_leaves_no_short_run_and_keeps_the_length() -> None:
    rng = torch.Generator().manual_seed(1)
    for shortest in (1, 2, 3, 5):
        for _ in range(60):
            path = random_path(rng, 30)
            clean = remove_short_runs(path, shortest)
            lengths = [run.end - run.start for run in label_runs(clean)]
            assert len(clean) == 30 and (min(lengths) >= shortest or len(lengths) == 1)
            assert remove_short_runs(clean, shortest) == clean and set(clean) <= set(path)
    assert remove_short_runs([0, 1, 0], 1) == [0, 1, 0] and remove_short_runs([], 3) == []
    assert remove_short_runs([0] * 5 + [1] * 3 + [0] * 4, 3) == [0] * 5 + [1] * 3 + [0] * 4


def test_a_path_is_the_likeliest_and_a_segment_as_sure_as_its_frames() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]])
    assert smoothed_best_path(probabilities, 1) == [0, 1, 1, 0]
    assert mean_run_probability(probabilities, label_runs([0, 1, 1, 0])[1]) == pytest.approx(0.7)


def test_the_threshold_finds_what_is_loud_whatever_the_recording_level() -> None:
    rng = torch.Generator().manual_seed(0)
    labels = [(torch.arange(200) // 25 % 2).long() for _ in range(6)]
    absolute = [30.0 * own + torch.randn(200, generator=rng) for own in labels]
    shifted = [levels - 40 * i for i, levels in enumerate(absolute)]
    for levels, relative in ((absolute, False), (shifted, True)):
        fitted = EnergyThreshold.fit(levels, labels, (1, 5))
        assert fitted.relative is relative and fitted.count_errors(levels, labels) == 0
    with pytest.raises(ValueError, match="0 recordings"):
        EnergyThreshold.fit([], [])


def test_no_other_threshold_is_better() -> None:
    rng = torch.Generator().manual_seed(2)
    levels = [torch.randn(60, generator=rng)]
    labels = [(levels[0] + 0.7 * torch.randn(60, generator=rng) > 0.4).long()]
    fitted = EnergyThreshold.fit(levels, labels)
    fewest = min(int(((levels[0] > edge).long() != labels[0]).sum()) for edge in levels[0])
    assert fitted.count_errors(levels, labels) == fewest
