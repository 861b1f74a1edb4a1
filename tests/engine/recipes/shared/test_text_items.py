"""Texts named on the command line: a file, a folder, standard input, or the text itself."""

from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.engine.recipe import Item
from capas.engine.recipes.shared.text_items import read_text_item, text_item, text_items


def test_a_word_with_a_blank_is_a_text_unless_a_file_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "two words.txt").write_text("inside")
    assert list(text_items(["two words.txt", "two words"], [])) == [
        Item(name="two words.txt", content=Path("two words.txt")), Item(name="two words", content="two words"),
    ]  # fmt: skip


def test_a_long_text_has_a_name_of_sixty_characters() -> None:
    just, more = "a " * 29 + "bb", "a " * 29 + "bbc"
    (first, second) = text_items([just, more], [])
    assert first.name == just and len(first.name) == 60
    assert second.name == "a " * 29 + "b…" and len(second.name) == 60 and second.content == more


def test_lines_keep_their_blanks_and_are_numbered_from_one() -> None:
    assert list(text_items(["-"], [" one\r\n", "\n", "three"])) == [
        Item(name="#1", content=" one"), Item(name="#2", content=""), Item(name="#3", content="three"),
    ]  # fmt: skip


def test_a_folder_gives_its_texts_in_natural_order(tmp_path: Path) -> None:
    for name in ("10.txt", "9.txt", "picture.png"):
        (tmp_path / "texts" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "texts" / name).write_text(name)
    assert [item.content for item in text_items(["texts"], [])] == [Path("texts/9.txt"), Path("texts/10.txt")]


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(CapasError) as error:
        list(text_items(["missing.txt"], []))
    assert (error.value.key, error.value.where) == ("no_such_text", "missing.txt")


def test_a_path_passed_from_python_has_its_own_name_and_a_text_a_number() -> None:
    assert text_item(Path("a/b.txt"), 3) == Item(name="a/b.txt", content=Path("a/b.txt"))
    assert text_item("hello", 3) == Item(name="text 3", content="hello")


def test_a_text_is_read_from_its_file_or_is_itself(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("¡Año!\n".encode())
    assert read_text_item(text_item(tmp_path / "a.txt", 0)) == "¡Año!\n"
    (tmp_path / "a.txt").write_bytes("¡Año!\n".encode("cp1252"))
    assert read_text_item(text_item(tmp_path / "a.txt", 0)) == "¡Año!\n"
    assert read_text_item(text_item("b", 0)) == "b"


@pytest.mark.parametrize(
    ("content", "key", "received"),
    [
        (Path("missing.txt"), "no_such_text", ""),
        (17, "not_a_text", "int"),
        (" \n\t", "text_empty", ""),
        (Path("mac.txt"), "table_encoding", None),
    ],
)
def test_what_is_no_text_is_refused(content: object, key: str, received: str | None, tmp_path: Path) -> None:
    (tmp_path / "mac.txt").write_bytes("año".encode("mac_roman"))
    with pytest.raises(CapasError) as error:
        read_text_item(Item(name="it", content=content))
    assert error.value.key == key
    if received is not None:
        assert error.value.where == "it" and error.value.received == received


def test_a_word_longer_than_any_file_name_names_none() -> None:
    with pytest.raises(CapasError) as error:
        list(text_items(["x" * 300], []))
    assert error.value.key == "no_such_text"
