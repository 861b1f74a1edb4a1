"""Thumbnails of images, waveforms of sounds, and nothing of what is gone."""

import io
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from capas.representation.previews import Previews
from capas.representation.vectors import VectorItem


def test_an_image_is_shown_small(tmp_path: Path) -> None:
    Image.new("RGB", (200, 100), (255, 0, 0)).save(tmp_path / "red.png")
    previews = Previews(str(tmp_path))
    small = previews.thumbnail(VectorItem(name="red.png", index=0), 32)
    assert small is not None
    image = Image.open(io.BytesIO(small))
    assert (image.format, image.size) == ("WEBP", (32, 16))
    assert np.asarray(image.convert("RGB")).mean((0, 1)) @ (1, -1, -1) > 200
    assert previews.path(VectorItem(name="red.png", index=0)) == tmp_path / "red.png"


def test_a_sound_is_shown_as_its_waveform(tmp_path: Path) -> None:
    wave = np.concatenate([np.zeros(4000), np.sin(np.arange(4000))])
    soundfile.write(tmp_path / "late.wav", wave, 8000)
    small = Previews(str(tmp_path)).thumbnail(VectorItem(name="late.wav", index=0), 64)
    assert small is not None
    grey = np.asarray(Image.open(io.BytesIO(small)).convert("L")).astype(float)
    assert grey.shape == (32, 64)
    assert grey[:, 40:].mean() < grey[:, :24].mean() - 60  # silence is a thin line


def test_what_is_gone_has_no_preview(tmp_path: Path) -> None:
    Image.new("L", (20, 20)).save(tmp_path / "a.png")
    previews = Previews(str(tmp_path))
    assert previews.thumbnail(VectorItem(name="other.png", index=0), 32) is None
    assert previews.thumbnail(VectorItem(name="a.png", index=7), 32) is None
    (tmp_path / "a.png").unlink()
    assert previews.thumbnail(VectorItem(name="a.png", index=0), 32) is None
    assert Previews(str(tmp_path / "nowhere")).thumbnail(VectorItem(name="a.png", index=0), 32) is None
