"""Segments on screen, as JSON, and in cells of a table."""

import pytest
import torch
from torch import Tensor

from capas.data.audio.segments import Segment
from capas.engine.recipes.audio_frames.rendering import (
    segments_cell,
    segments_of,
    segments_prediction,
    segments_text,
    timed_segments,
)
from capas.engine.recipes.shared.timed_text import TimedText

CLASSES = ("none", "bird", "rain")


def sure_of(path: list[int], share: float = 0.8) -> Tensor:
    """``share`` for the class of each frame, the rest divided between the two others."""
    rest = (1 - share) / 2
    return torch.nn.functional.one_hot(torch.tensor(path), 3) * (share - rest) + rest


def test_runs_become_segments_without_the_background() -> None:
    found = timed_segments(sure_of([0, 1, 1, 0, 2, 2, 2]), CLASSES, 1, 0.5, 10.0)
    assert [(one.start_s, one.end_s, one.text) for one in found] == [(0.5, 1.5, "bird"), (2.0, 3.5, "rain")]
    assert [one.probability for one in found] == pytest.approx([0.8, 0.8])


def test_short_runs_are_left_out_and_lower_the_probability() -> None:
    (found,) = timed_segments(sure_of([1, 1, 2, 1, 1]), CLASSES, 2, 0.5, 10.0)
    assert (found.start_s, found.end_s, found.text) == (0.0, 2.5, "bird")
    assert found.probability == pytest.approx((4 * 0.8 + 0.1) / 5)


def test_no_segment_lasts_longer_than_its_sound() -> None:
    (found,) = timed_segments(sure_of([0, 1, 1]), CLASSES, 1, 0.5, 1.2)
    assert found.end_s == 1.2
    # The last frame is centred on the end.
    assert timed_segments(sure_of([0, 0, 1]), CLASSES, 1, 0.5, 1.0) == []


def timed(start_s: float, label: str) -> TimedText:
    return TimedText(start_s=start_s, end_s=start_s + 0.5, text=label, probability=0.75)


def test_the_answer_has_every_form() -> None:
    found = segments_prediction("a.wav", [timed(0.0, "bird"), timed(2.0, "rain")], 3.00049)
    assert found.prediction == ["bird", "rain"] and found.facts["seconds"] == 3.0
    assert found.facts["segments"] == [
        {"start": 0.0, "end": 0.5, "label": "bird", "probability": 0.75},
        {"start": 2.0, "end": 2.5, "label": "rain", "probability": 0.75},
    ]
    assert set(found.files) == {".csv", ".txt", ".rttm", ".srt", ".json"}
    assert found.files[".txt"] == b"0.000000\t0.500000\tbird\n2.000000\t2.500000\train\n"


def test_a_dozen_is_shown_and_the_rest_is_counted() -> None:
    twelve = segments_text([timed(i, f"c{i}") for i in range(12)])
    more = segments_text([timed(i, f"c{i}") for i in range(15)])
    assert twelve.count(" · ") == 11 and "c11" in twelve
    assert more.count(" · ") == 12 and "c12" not in more and "3" in more.rpartition(" · ")[2]
    assert segments_text([]) and "·" not in segments_text([])


def test_cells_name_what_is_a_segment() -> None:
    path = [0, 1, 1, 2]
    found = segments_of(path, CLASSES, 0.5)
    assert found == [
        Segment(start_s=0.0, end_s=0.5, label="none"), Segment(start_s=0.5, end_s=1.5, label="bird"),
        Segment(start_s=1.5, end_s=2.0, label="rain"),
    ]  # fmt: skip
    assert segments_cell(found) == "0.50-1.50 bird; 1.50-2.00 rain" and segments_cell([]) == ""
