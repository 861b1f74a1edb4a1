"""Figures of frames and of segments by hand."""

from collections.abc import Mapping

import pytest
import torch

from capas.engine.recipes.audio_frames.evaluate import duration_score, evaluate_frames

CLASSES = ("none", "bird")


def value(figure: object) -> float:
    assert isinstance(figure, Mapping)
    return float(figure["value"])


def test_short_runs_are_judged_away() -> None:
    truth = [[0] * 40 + [1] * 100 + [0] * 40]
    flickering = [[0] * 39 + [1] * 51 + [0] * 1 + [1] * 49 + [0] * 33 + [1] * 2 + [0] * 5]
    # As it is: three segments, none of which has both ends near those of the one; without short runs one, found.
    assert duration_score(flickering, truth, 1) == (0.0, 176, -1)
    assert duration_score(flickering, truth, 3)[0] == 1.0
    # Nothing to find and nothing found scores 0, and shorter lengths are preferred.
    assert duration_score([[0, 0]], [[0, 0]], 5) == (0.0, 2, -5)


def test_frames_and_segments_of_two_recordings() -> None:
    targets = [torch.tensor([0, 1, 1, 0]), torch.tensor([0, 0, 1, 1])]
    predicted = [[0, 1, 1, 0], [0, 0, 0, 0]]
    found = evaluate_frames(["a", "b"], targets, predicted, CLASSES, 0.01, {"silence": [[0] * 4, [0] * 4]})
    assert found.n == 2 and found.further == {"frames": 8, "confusion": [[4, 0], [2, 2]]}
    assert next(iter(found.metrics)) == "frame_error" and value(found.metrics["frame_error"]) == 0.25
    assert value(found.baseline["silence"]["frame_error"]) == 0.5
    assert found.rows[0] == ["example", "segments", "predicted", "frame_error"]
    assert found.rows[1] == ["a", "0.01-0.03 bird", "0.01-0.03 bird", "0.000000"]
    assert found.rows[2] == ["b", "0.02-0.04 bird", "", "0.500000"]
    bird = found.per_class["bird"]
    assert isinstance(bird, Mapping) and value(bird["recall"]) == 0.5 and value(bird["precision"]) == 1.0


@pytest.mark.parametrize(("late", "f1"), [(20, 1.0), (21, 0.0)])
def test_an_end_may_be_200_ms_away(late: int, f1: float) -> None:
    target = torch.tensor([0] * 50 + [1] * 100 + [0] * 50)
    said = [0] * (50 + late) + [1] * 100 + [0] * (50 - late)
    found = evaluate_frames(["a"], [target], [said], CLASSES, 0.01, {})
    assert value(found.metrics["event_f1"]) == f1
