"""Classes of frames: the loss, the figures against scikit-learn, segments found, short runs, the loudness baseline."""

import json
from itertools import permutations
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from capas.tasks.energy import EnergyThreshold
from capas.tasks.events import EventCounts, best_path, counted, run_probability, runs, smoothed
from capas.tasks.frames import VOID, FrameLabelling, confusion, frame_figures

RECORDED = json.loads((Path(__file__).parents[1] / "fixtures" / "frames" / "scikit_learn.json").read_text())
NO_EVENTS = EventCounts(found=0, wanted=0, said=0)


def random_path(rng: torch.Generator, length: int = 12, classes: int = 3) -> list[int]:
    return torch.randint(classes, (length,), generator=rng).tolist()


def test_the_loss_leaves_padding_out_and_so_do_its_gradients() -> None:
    logits = torch.randn(2, 5, 3, requires_grad=True)
    targets = torch.tensor([[0, 1, 2, 0, 1], [2, 1, VOID, VOID, VOID]])
    loss = FrameLabelling(nn.Identity()).loss(logits, targets)
    known = targets != VOID
    torch.testing.assert_close(loss, functional.cross_entropy(logits[known], targets[known]))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert (gradient[~known] == 0).all() and (gradient[known] != 0).all()


def test_class_weights_weigh_frames() -> None:
    logits, targets = torch.randn(1, 4, 2), torch.tensor([[0, 0, 1, VOID]])
    weighted = FrameLabelling(nn.Identity(), class_weights=torch.tensor([1.0, 3.0])).loss(logits, targets)
    each = functional.cross_entropy(logits[0, :3], targets[0, :3], reduction="none")
    torch.testing.assert_close(weighted, (each * torch.tensor([1.0, 1, 3])).sum() / 5)


def test_figures_are_those_of_scikit_learn() -> None:
    tables = torch.stack([
        confusion(torch.tensor(said), torch.tensor(truth), 3)
        for said, truth in zip(RECORDED["said"], RECORDED["truth"], strict=True)
    ])  # fmt: skip
    assert tables.sum(0).tolist() == RECORDED["confusion"]
    figures = frame_figures(tables, [NO_EVENTS] * 3, ["none", "dog", "cat"])
    assert figures.frame_error.value == pytest.approx(1 - RECORDED["accuracy"])
    assert figures.macro_f1.value == pytest.approx(RECORDED["macro_f1"])
    assert figures.f1 == pytest.approx(RECORDED["f1"])
    assert [one.value for one in figures.recall] == pytest.approx(RECORDED["recall"])
    assert [one.value for one in figures.precision] == pytest.approx(RECORDED["precision"])
    assert figures.detection is None and figures.frame_error.n == 3


def test_the_interval_is_of_recordings_and_not_of_frames() -> None:
    good, bad = torch.tensor([[900, 100], [0, 1000]]), torch.tensor([[100, 900], [0, 1000]])
    alike = frame_figures(torch.stack([good] * 8), [NO_EVENTS] * 8, ["none", "x"]).frame_error
    mixed = frame_figures(torch.stack([good, bad] * 4), [NO_EVENTS] * 8, ["none", "x"]).frame_error
    assert alike.value == pytest.approx(0.05) and alike.interval == pytest.approx((0.05, 0.05))
    low, high = mixed.interval
    assert mixed.value == pytest.approx(0.25) and low < 0.15 and high > 0.35
    again = frame_figures(torch.stack([good, bad] * 4), [NO_EVENTS] * 8, ["none", "x"]).frame_error
    assert mixed == again


def test_missed_and_false_alarm_are_by_the_time_that_it_is_there() -> None:
    truth = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0])
    said = torch.tensor([0, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0])
    figures = frame_figures(confusion(said, truth, 2)[None], [NO_EVENTS], ["none", "speech"])
    assert figures.detection is not None
    assert [one.value for one in figures.detection] == pytest.approx([2 / 5, 2 / 5, 4 / 5])
    names = list(figures.metrics_json())
    assert names == ["frame_error", "missed", "false_alarm", "detection_error", "macro_f1", "event_f1"]


def test_where_nothing_is_there_nothing_can_be_missed() -> None:
    table = confusion(torch.zeros(5, dtype=torch.long), torch.zeros(5, dtype=torch.long), 2)
    figures = frame_figures(table[None], [NO_EVENTS], ["none", "speech"])
    assert figures.detection is not None and figures.detection[0].interval == (0.0, 1.0)
    assert figures.frame_error.value == 0 and figures.macro_f1.value == 1  # of the class that is there
    with pytest.raises(ValueError, match="0 recordings"):
        frame_figures(table[None][:0], [], ["none", "speech"])


def test_segments_are_matched_as_well_as_can_be() -> None:
    rng = torch.Generator().manual_seed(3)
    for _ in range(150):
        truth, said = random_path(rng), random_path(rng)
        wanted, called = ([run for run in runs(path) if run.number] for path in (truth, said))

        def fits(order: tuple[int, ...], wanted=wanted, called=called) -> int:  # type: ignore[no-untyped-def]
            pairs = [(wanted[i], called[j]) for j, i in enumerate(order[: len(called)]) if i < len(wanted)]
            return sum(
                abs(a.start - b.start) <= 1 and abs(a.end - b.end) <= 1 and a.number == b.number for a, b in pairs
            )

        most = max(len(wanted), len(called))
        if most <= 6:
            best = max(fits(order) for order in permutations(range(most)))
            assert counted(truth, said, collar=1) == EventCounts(found=best, wanted=len(wanted), said=len(called))


def test_the_collar_is_inclusive_and_both_ends_count() -> None:
    truth = [0] * 10 + [1] * 10 + [0] * 10
    moved = [0] * 12 + [1] * 10 + [0] * 8
    longer = [0] * 10 + [1] * 13 + [0] * 7
    other = [0] * 10 + [2] * 10 + [0] * 10
    assert [counted(truth, said, collar=2).found for said in (moved, longer, other, truth)] == [1, 0, 0, 1]


def test_smoothing_leaves_no_short_run_and_keeps_the_length() -> None:
    rng = torch.Generator().manual_seed(1)
    for shortest in (1, 2, 3, 5):
        for _ in range(60):
            path = random_path(rng, 30)
            clean = smoothed(path, shortest)
            lengths = [run.end - run.start for run in runs(clean)]
            assert len(clean) == 30 and (min(lengths) >= shortest or len(lengths) == 1)
            assert smoothed(clean, shortest) == clean and set(clean) <= set(path)
    assert smoothed([0, 1, 0], 1) == [0, 1, 0] and smoothed([], 3) == []
    assert smoothed([0] * 5 + [1] * 3 + [0] * 4, 3) == [0] * 5 + [1] * 3 + [0] * 4


def test_a_path_is_the_likeliest_and_a_segment_as_sure_as_its_frames() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]])
    assert best_path(probabilities, 1) == [0, 1, 1, 0]
    assert run_probability(probabilities, runs([0, 1, 1, 0])[1]) == pytest.approx(0.7)


def test_the_threshold_finds_what_is_loud_whatever_the_recording_level() -> None:
    rng = torch.Generator().manual_seed(0)
    labels = [(torch.arange(200) // 25 % 2).long() for _ in range(6)]
    absolute = [30.0 * own + torch.randn(200, generator=rng) for own in labels]
    shifted = [levels - 40 * i for i, levels in enumerate(absolute)]
    for levels, relative in ((absolute, False), (shifted, True)):
        fitted = EnergyThreshold.fit(levels, labels, (1, 5))
        assert fitted.relative is relative and fitted.wrong(levels, labels) == 0
    with pytest.raises(ValueError, match="0 recordings"):
        EnergyThreshold.fit([], [])


def test_no_other_threshold_is_better() -> None:
    rng = torch.Generator().manual_seed(2)
    levels = [torch.randn(60, generator=rng)]
    labels = [(levels[0] + 0.7 * torch.randn(60, generator=rng) > 0.4).long()]
    fitted = EnergyThreshold.fit(levels, labels)
    fewest = min(int(((levels[0] > edge).long() != labels[0]).sum()) for edge in levels[0])
    assert fitted.wrong(levels, labels) == fewest
