"""Recordings passed from Python or named by path."""

from pathlib import Path

import numpy as np
import pytest

from capas.core.errors import CapasError
from capas.engine.recipe import Item
from capas.engine.recipes.audio_frames.items import read_recording_item
from tests.engine.recipes.made_work import noise, write_wave


def test_files_are_read_at_the_rate_and_samples_taken_as_they_are(tmp_path: Path) -> None:
    write_wave(tmp_path / "a.wav", noise(800))
    for content in (tmp_path / "a.wav", str(tmp_path / "a.wav")):
        np.testing.assert_allclose(read_recording_item(Item(name="", content=content), 8000), noise(800), atol=1e-4)
    assert abs(len(read_recording_item(Item(name="", content=tmp_path / "a.wav"), 4000)) - 400) <= 1
    samples = noise(10)
    assert read_recording_item(Item(name="", content=samples), 4000) is samples


@pytest.mark.parametrize(
    "content", [np.zeros(9), np.zeros((2, 9), np.float32), np.zeros(0, np.float32), [0.1]],
    ids=["double", "stereo", "empty", "list"],
)  # fmt: skip
def test_what_is_no_recording_is_refused(content: object) -> None:
    with pytest.raises(CapasError) as error:
        read_recording_item(Item(name="it", content=content), 8000)
    assert (error.value.key, error.value.where) == ("not_a_sound_array", "it")
    assert error.value.received == type(content).__name__
