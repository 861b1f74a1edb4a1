"""Thumbnails on sheets: each in its place, of some where there is no room, of none where the data are gone."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capas.representation.map import sprites
from capas.representation.map.sprites import ACROSS, make_sprites
from tests.representation.map.made_vectors import grouped, vectors_of


def folder_of_images(folder: Path, count: int = 6) -> list[str]:
    names = []
    for i in range(count):
        names.append(f"{i}.png")
        Image.new("RGB", (40, 20), (40 * i, 0, 255 - 40 * i)).save(folder / names[-1])
    return names


def test_each_thumbnail_is_in_its_place(tmp_path: Path) -> None:
    names = folder_of_images(tmp_path)
    found = make_sprites(vectors_of(grouped(6), data=str(tmp_path), names=names))
    sheet = np.asarray(Image.open(io.BytesIO(found.sheets[0])).convert("RGB")).astype(int)
    assert sheet.shape == (found.side, ACROSS * found.side, 3) and len(found) == 6
    for index, slot in enumerate(found.slots):
        width, height = found.sizes[slot]
        assert (width, height) == (40, 20)  # no larger than it is
        colour = sheet[:height, slot * found.side :][:, :width].mean((0, 1))
        np.testing.assert_allclose(colour, (40 * index, 0, 255 - 40 * index), atol=14)


def test_a_file_that_is_gone_has_none_and_no_data_none_at_all(tmp_path: Path) -> None:
    names = folder_of_images(tmp_path)
    vectors = vectors_of(grouped(6), data=str(tmp_path), names=[*names[:5], "other.png"])
    assert make_sprites(vectors).slots.min() == -1 and len(make_sprites(vectors)) == 5
    nothing = make_sprites(vectors_of(grouped(6), data=str(tmp_path / "gone")))
    assert len(nothing) == 0 and nothing.sheets == () and (nothing.slots == -1).all()
    assert len(make_sprites(vectors_of(grouped(6), data=str(tmp_path), names=names, medium="text"))) == 0


def test_where_there_is_no_room_for_all_a_random_sample_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = vectors_of(grouped(6), data=str(tmp_path), names=folder_of_images(tmp_path))
    monkeypatch.setattr(sprites, "MAX_THUMBNAILS", 4)
    assert len(make_sprites(vectors)) == 4
    assert (make_sprites(vectors, seed=1).slots != make_sprites(vectors, seed=2).slots).any()
    monkeypatch.setattr(sprites, "ACROSS", 1)
    monkeypatch.setattr(sprites, "MAX_BYTES", 0)
    assert len(make_sprites(vectors).sheets) == 1
