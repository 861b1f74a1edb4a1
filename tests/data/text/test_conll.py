"""Words in columns, as CoNLL's shared tasks write them."""

from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.data.sources.source import DataSource, open_source
from capas.data.text.conll import looks_like_conll, read_conll

CONLL = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O
# a comment
German JJ B-NP B-MISC

-DOCSTART-

Ana NNP B-NP B-PER
Peter NNP I-NP I-PER
. . O O
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def pairs(path: Path) -> list[list[tuple[str, str]]]:
    words, labels, _ = read_conll([path], path.parent)
    return [list(zip(a, b, strict=True)) for a, b in zip(words.sentences, labels.sentences, strict=True)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("gap", [" ", "\t"])
def test_first_column_last_column_and_the_lines_between(end: str, gap: str, tmp_path: Path) -> None:
    path = write(tmp_path / "train.conll", CONLL.replace(" ", gap).replace(f"#{gap}a", "# a").replace("\n", end))
    assert looks_like_conll(path)
    assert pairs(path) == [
        [("EU", "B-ORG"), ("rejects", "O"), ("German", "B-MISC")],
        [("Ana", "B-PER"), ("Peter", "I-PER"), (".", "O")],
    ]


def test_sentences_are_called_by_the_line_where_they_begin(tmp_path: Path) -> None:
    words, labels, counts = read_conll([write(tmp_path / "a.conll", CONLL)], tmp_path)
    assert [words.name(i) for i in range(len(words))] == ["a.conll:3", "a.conll:10"] and counts == [2]
    assert labels.name(1) == "a.conll:10" and words.content_hash(0) != words.content_hash(1)


def test_the_word_hash_is_a_word_and_its_like_ends_no_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conll", "# id = 3\n# O\nAna B-PER\n\u2028 x\x85y\u200bz O\n")
    assert pairs(path)[0][:2] == [("#", "O"), ("Ana", "B-PER")]
    assert len(pairs(path)) == 1


@pytest.mark.parametrize("content", ["", "a\n", "one O\ntwo O\n", "Some words here.\nAnd more of them.\n" * 9, "a B-X"])
def test_other_texts_are_not_taken_for_columns(content: str, tmp_path: Path) -> None:
    assert not looks_like_conll(write(tmp_path / "a.txt", content))


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    good = "Ana B-PER\nva O\n" * 10
    write(tmp_path / "train.conll", f"{good}lost\n{good}")
    with pytest.raises(CapasError) as caught:
        open_source(tmp_path)
    assert caught.value.key == "column_missing" and caught.value.where.endswith("train.conll:21")
    assert caught.value.values["received"] == "lost"


def test_an_encoding_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.conll").write_bytes("Ana B-PER\nPeña I-PER\nva O\nsí O\n".encode("latin-1"))
    with pytest.raises(CapasError) as caught:
        open_source(tmp_path)
    assert caught.value.key == "table_encoding" and caught.value.where.endswith("train.conll:2")


def sides(source: DataSource) -> dict[str, str | None]:
    assert source.files is not None
    return {source.files.name(i).partition(":")[0]: side for i, side in enumerate(source.fixed_split)}


def test_a_folder_of_columns_is_read_with_the_splits_that_it_names(tmp_path: Path) -> None:
    for name in ("eng.train", "eng.testa", "eng.testb", "more/dev.conll"):
        write(tmp_path / name, CONLL.replace("Ana", name.replace("/", "-")))
    source = open_source(tmp_path)
    assert (source.medium, source.target_kind, source.file_field, len(source)) == ("tokens", "tokens", "words", 8)
    assert source.classes == ("B-MISC", "B-ORG", "B-PER", "I-PER", "O")
    assert sides(source) == {
        "eng.train": "train", "eng.testa": "validation", "eng.testb": "test", "more/dev.conll": "validation",
    }  # fmt: skip
    assert source.problems == () and source.evidence


def test_folders_can_name_the_splits(tmp_path: Path) -> None:
    for name in ("train/a.conll", "val/a.conll", "test/a.conll", "a.conll"):
        write(tmp_path / name, CONLL)
    assert sides(open_source(tmp_path)) == {
        "train/a.conll": "train", "val/a.conll": "validation", "test/a.conll": "test", "a.conll": None,
    }  # fmt: skip
