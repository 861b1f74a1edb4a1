"""Sounds named on the command line."""

from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.engine.recipe import Item
from capas.engine.recipes.shared.audio_items import audio_items
from tests.engine.recipes.made_work import noise, write_wave


def test_files_folders_and_lines_are_taken_in_the_order_of_the_words(tmp_path: Path) -> None:
    for name in ("10.wav", "9.wav"):
        write_wave(tmp_path / "in" / name, noise(80))
    (tmp_path / "in" / "notes.txt").write_text("no sound")
    found = list(audio_items(["in/10.wav", "-", "in"], ["x.wav\n", "\n", "y z.wav\r\n"]))
    names = ["in/10.wav", "x.wav", "y z.wav", "in/9.wav", "in/10.wav"]
    assert found == [Item(name=name, content=Path(name)) for name in names]


def test_nothing_named_is_nothing_heard() -> None:
    assert list(audio_items([], ["x.wav"])) == []


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(CapasError) as error:
        list(audio_items(["missing.wav"], []))
    assert (error.value.key, error.value.where) == ("no_such_sound", "missing.wav")


def test_a_word_longer_than_any_file_name_names_none() -> None:
    with pytest.raises(CapasError) as error:
        list(audio_items(["x" * 300], []))
    assert error.value.key == "no_such_sound"
