"""Sentences from files, texts and lists of words, each by a name that finds it again."""

from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.engine.recipe import Item
from capas.engine.recipes.token_classification.items import read_sentence_words, sentence_item, sentence_items

CONLL = "Ana B-PER\nsings O\n\nIn O\nLima B-LOC\n"


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.conll").write_text(CONLL)
    (tmp_path / "in" / "b.txt").write_text("He came. She left.\n")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "latin.txt").write_bytes("año".encode("latin-1"))


def pairs(words: list[str], lines: list[str] | None = None) -> list[tuple[str, object]]:
    return [(item.name, item.content) for item in sentence_items(words, lines or [])]


def test_a_column_file_gives_its_sentences_by_line() -> None:
    assert pairs(["in/a.conll"]) == [("a.conll:1", ("Ana", "sings")), ("a.conll:4", ("In", "Lima"))]


def test_a_text_file_gives_its_sentences_by_number() -> None:
    assert pairs(["in/b.txt"]) == [("in/b.txt#1", "He came."), ("in/b.txt#2", "She left.")]
    assert pairs(["empty.txt"]) == [("empty.txt", "")]


def test_a_folder_gives_columns_first() -> None:
    assert [name for name, _ in pairs(["in"])] == ["a.conll:1", "a.conll:4", "in/b.txt#1", "in/b.txt#2"]


def test_a_file_that_cannot_be_read_is_refused_as_one_of_many() -> None:
    assert pairs(["latin.txt", "in/b.txt"])[0] == ("latin.txt", Path("latin.txt"))


def test_a_quoted_text_is_divided_into_sentences() -> None:
    assert pairs(["Only one here"]) == [("Only one here", "Only one here")]
    assert pairs(["He came. She left."]) == [("He came.", "He came."), ("She left.", "She left.")]
    long = "She " + "very " * 20 + "slowly left."
    (_, (name, content)) = pairs([f"He came. {long}"])
    assert content == long and len(name) == 60 and name == f"{long[:59]}…"


def test_lines_are_texts() -> None:
    assert pairs(["-"], ["one two\n", "He came. She left.\n"]) == [
        ("#1", "one two"), ("He came.", "He came."), ("She left.", "She left."),
    ]  # fmt: skip


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(CapasError) as error:
        pairs(["missing.txt"])
    assert (error.value.key, error.value.where) == ("no_such_text", "missing.txt")


def test_names_of_what_python_passes() -> None:
    assert sentence_item(Path("a/b.txt"), 1).name == "a/b.txt" and sentence_item(["a"], 1).name == "text 1"


@pytest.mark.parametrize(
    ("content", "sentences"),
    [
        ("He came, alone. She left.", (("He", "came", ",", "alone", "."), ("She", "left", "."))),
        (["in", "Lima,", "x.y"], (("in", "Lima,", "x.y"),)),
        (("Ana",), (("Ana",),)),
        (Path("in/b.txt"), (("He", "came", "."), ("She", "left", "."))),
    ],
)
def test_words_of_a_text_and_words_as_they_are(content: object, sentences: object) -> None:
    assert read_sentence_words(Item(name="it", content=content)) == sentences


@pytest.mark.parametrize(
    ("content", "key", "received"),
    [
        ("  \n", "sentence_empty", ""),
        ([], "sentence_empty", ""),
        (["a", 2], "not_words", "list"),
        (7, "not_words", "int"),
        (["a", "b c"], "word_blank", "'b c'"),
        (["a", " b"], "word_blank", "' b'"),
        (["a", ""], "word_blank", "''"),
    ],
)
def test_what_is_no_sentence_is_refused(content: object, key: str, received: str) -> None:
    with pytest.raises(CapasError) as error:
        read_sentence_words(Item(name="it", content=content))
    assert (error.value.key, error.value.where, error.value.received) == (key, "it", received)
    if key == "word_blank":
        assert error.value.values["number"] == 2


@pytest.mark.parametrize(("name", "key"), [("missing.txt", "no_such_text"), ("latin.txt", "table_encoding")])
def test_a_file_that_is_no_text_is_named(name: str, key: str) -> None:
    with pytest.raises(CapasError) as error:
        read_sentence_words(Item(name="it", content=Path(name)))
    assert error.value.key == key and error.value.where.startswith(name)
