"""Folders in which every example has a file or a text of its own as target."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capas.core.errors import CapasError
from capas.data.collections import AudioFiles, TextCollection
from capas.data.image.io import ImageFiles
from capas.data.sources.source import DataSource, open_source
from tests.data.audio.test_io import tone
from tests.data.audio.test_io import write as write_sound
from tests.data.drawing import class_folders, save


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8", newline="")
    return path


def sound(path: Path, hz: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_sound(path, tone(hz=hz))


def line(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 40), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def texts(source: DataSource) -> dict[str, str]:
    """The target of every example by its name."""
    assert source.files is not None and isinstance(source.targets, TextCollection)
    return {source.files.name(i): source.targets.texts[i] for i in range(len(source))}


def sides(source: DataSource) -> dict[str, str | None]:
    assert source.files is not None
    return {source.files.name(i): side for i, side in enumerate(source.fixed_split)}


def kinds(source: DataSource) -> dict[str, tuple[str, ...]]:
    return {problem.kind: problem.examples for problem in source.problems}


# --- pictures with pictures -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "wanted"), [("input", "target"), ("Entrada", "Salida"), ("noisy", "clean")])
def test_pictures_in_pairs(given: str, wanted: str, tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / given / f"{i}.png", i)
        save(tmp_path / wanted / f"{i}.jpg", 10 + i)
    save(tmp_path / given / "alone.png", 99)
    source = open_source(tmp_path)
    assert (source.layout, source.medium, source.target_kind, source.classes) == ("pairs", "image", "image", ())
    assert isinstance(source.files, ImageFiles) and isinstance(source.targets, ImageFiles)
    assert [(source.files.name(i), source.targets.name(i)) for i in range(3)] == [
        (f"{given}/{i}.png", f"{wanted}/{i}.jpg") for i in range(3)
    ]
    assert kinds(source)["without_target"] == (f"{given}/alone.png",)


def test_pairs_keep_their_splits(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        save(tmp_path / split / "input" / "a.png", 1)
        save(tmp_path / split / "target" / "a.png", 2)
    assert sides(open_source(tmp_path)) == {
        "test/input/a.png": "test", "train/input/a.png": "train", "val/input/a.png": "validation",
    }  # fmt: skip


def test_class_folders_with_names_of_pairs_but_other_files_stay_classes(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / "low" / f"a{i}.png", i)
        save(tmp_path / "high" / f"b{i}.png", 10 + i)
    assert tuple(open_source(tmp_path).columns["class"]) == ("high",) * 3 + ("low",) * 3


# --- lines and sounds with their transcripts --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("picture", "transcript"),
    [("1.png", "1.gt.txt"), ("1.png", "1.txt"), ("1.bin.png", "1.gt.txt"), ("1.nrm.png", "1.gt.txt")],
)
def test_line_images_with_their_transcripts(picture: str, transcript: str, tmp_path: Path) -> None:
    line(tmp_path / "a" / picture, 1)
    text(tmp_path / "a" / transcript, "En un lugar\r\n  de la Mancha \n")
    source = open_source(tmp_path)
    assert (source.medium, source.target_kind) == ("image", "transcript")
    assert texts(source) == {f"a/{picture}": "En un lugar de la Mancha"}


def test_lines_without_transcript_are_left_aside_and_few_transcripts_are_none(tmp_path: Path) -> None:
    for i in range(4):
        line(tmp_path / f"{i}.png", i)
    for i in range(3):
        text(tmp_path / f"{i}.gt.txt", f"línea {i}")
    source = open_source(tmp_path)
    assert texts(source) == {f"{i}.png": f"línea {i}" for i in range(3)}
    assert kinds(source) == {"without_target": ("3.png",)}
    (tmp_path / "2.gt.txt").unlink()
    assert open_source(tmp_path).targets is None  # two of four: no longer most of them


def test_a_transcript_in_windows_1252_is_read_and_another_encoding_remembered(tmp_path: Path) -> None:
    for i in range(3):
        line(tmp_path / f"{i}.png", i)
        text(tmp_path / f"{i}.gt.txt", f"línea {i}")
    (tmp_path / "1.gt.txt").write_bytes("línea".encode("latin-1"))
    (tmp_path / "2.gt.txt").write_bytes("l\u00ednea".encode("mac_roman"))
    source = open_source(tmp_path)
    targets = source.targets
    assert isinstance(targets, TextCollection) and targets.text(1) == "línea"
    assert {i: error.key for i, error in targets.failed.items()} == {2: "table_encoding"}
    assert kinds(source) == {"legacy_encoding": ("1.gt.txt",)}


def test_sounds_with_their_transcripts_in_split_folders(tmp_path: Path) -> None:
    for i, split in enumerate(("train", "dev", "test")):
        sound(tmp_path / split / "a.wav", 300 + i)
        text(tmp_path / split / "a.txt", f"dicho {i}")
    save(tmp_path / "cover.png", 1)
    source = open_source(tmp_path)
    assert (source.medium, source.target_kind, source.file_field) == ("audio", "transcript", "sound")
    assert isinstance(source.files, AudioFiles)
    assert texts(source) == {"dev/a.wav": "dicho 1", "test/a.wav": "dicho 2", "train/a.wav": "dicho 0"}
    assert sides(source) == {"dev/a.wav": "validation", "test/a.wav": "test", "train/a.wav": "train"}
    assert kinds(source) == {"not_a_picture": ("cover.png",)}


def test_it_is_said_that_transcripts_may_lie_in_class_folders(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        line(tmp_path / name / "1.png", len(name))
        text(tmp_path / name / "1.txt", f"a {name}")
    assert "--target class" in open_source(tmp_path).evidence[-1]
    assert tuple(open_source(tmp_path, target="class").columns["class"]) == ("cat", "dog")


def test_class_folders_of_sounds_are_no_transcripts(tmp_path: Path) -> None:
    for i in range(2):
        sound(tmp_path / "owl" / f"{i}.wav", 300 + i)
        sound(tmp_path / "wren" / f"{i}.wav", 900 + i)
    source = open_source(tmp_path)
    assert (source.medium, tuple(source.columns["class"])) == ("audio", ("owl", "owl", "wren", "wren"))


# --- texts in two languages -------------------------------------------------------------------------------------------


def test_two_languages_line_by_line(tmp_path: Path) -> None:
    text(tmp_path / "train.es", "Hola.\nAdiós.\n")
    text(tmp_path / "train.en", "Hello.\r\nGoodbye.\r\n")
    text(tmp_path / "test.es", "Sí.")
    text(tmp_path / "test.en", "Yes.")
    source = open_source(tmp_path)
    assert (source.medium, source.target_kind, source.classes) == ("text", "text", ("en", "es"))
    assert texts(source) == {"test:1": "Sí.", "train:1": "Hola.", "train:2": "Adiós."}
    assert isinstance(source.files, TextCollection) and source.files.texts == ("Yes.", "Hello.", "Goodbye.")
    assert source.fixed_split == ("test", "train", "train")


def test_files_of_the_same_name_in_split_folders_are_all_read(tmp_path: Path) -> None:
    for split, count in (("train", 3), ("val", 2), ("test", 1)):
        for language in ("en", "fr"):
            text(tmp_path / split / f"corpus.{language}.txt", f"{split} {language}\n" * count)
    source = open_source(tmp_path)
    assert sorted(map(str, source.fixed_split)) == ["test", "train", "train", "train", "validation", "validation"]
    assert texts(source)["val/corpus:2"] == "val fr"


def test_line_counts_that_differ_are_refused_with_both(tmp_path: Path) -> None:
    text(tmp_path / "train.en", "one\ntwo\nthree\n")
    text(tmp_path / "train.es", "uno\ndos\n")
    with pytest.raises(CapasError) as caught:
        open_source(tmp_path)
    assert caught.value.key == "lines_differ" and caught.value.where.endswith("train.es")
    assert "2" in str(caught.value) and "3" in str(caught.value) and "train.en" in str(caught.value)


def test_only_a_line_end_ends_a_line(tmp_path: Path) -> None:
    text(tmp_path / "train.en", "one\u2028more\ntwo\x85\n\n")
    text(tmp_path / "train.es", "uno\ndos\n\n")
    assert texts(open_source(tmp_path)) == {"train:1": "uno", "train:2": "dos", "train:3": ""}


def test_a_program_and_its_notes_beside_pictures_are_no_translation(tmp_path: Path) -> None:
    class_folders(tmp_path, cats=2, dogs=2)
    text(tmp_path / "main.py", "a\nb\n")
    text(tmp_path / "main.md", "a\n")
    source = open_source(tmp_path)
    assert source.layout == "class_folders" and set(kinds(source)["not_a_picture"]) == {"main.md", "main.py"}
