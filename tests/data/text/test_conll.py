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
    held = "Ana B-PER\nPeña I-PER\nva O\nsí O\n".encode("latin-1")
    (tmp_path / "train.conll").write_bytes(held)
    assert [problem.kind for problem in open_source(tmp_path).problems] == ["legacy_encoding"]
    (tmp_path / "train.conll").write_bytes(held.replace(b"\xf1", b"\x81"))
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


NUMBERED = "1 Madrid NN B-LOC\n2 buys NN O\n3 . NN O\n\n1 Ana NN B-PER\n2 sings NN O\n"
GERMEVAL = (
    "#\thttp://x [2009-10-17]\n1\tLuis\tB-PER\tO\n2\tleaves\tO\tO\n\n#\ty [z]\n1\tAnna\tB-PER\tB-LOC\n2\t.\tO\tO\n"
)
CONLLU = "# text = va\n1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_\n" + "".join(
    f"{i}\t{word}\t{word}\t{tag}\t_\t_\t0\troot\t_\tSpaceAfter=No\n"
    for i, word, tag in ((1, "vamos", "VERB"), (2, "nos", "PRON"))
)


def test_numbers_of_words_are_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conll", NUMBERED)
    assert looks_like_conll(path)
    assert pairs(path) == [
        [("Madrid", "B-LOC"), ("buys", "O"), (".", "O")],
        [("Ana", "B-PER"), ("sings", "O")],
    ]


def test_germeval_has_its_outer_entities_and_its_comments_are_no_words(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conll", GERMEVAL)
    assert looks_like_conll(path)
    assert pairs(path) == [[("Luis", "B-PER"), ("leaves", "O")], [("Anna", "B-PER"), (".", "O")]]


def test_conllu_has_its_parts_of_speech(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conllu", CONLLU + "\n" + CONLLU)
    assert looks_like_conll(path)
    assert pairs(path) == [[("vamos", "VERB"), ("nos", "PRON")]] * 2


@pytest.mark.parametrize(
    ("labels", "suffix", "taken"),
    [
        (("PER", "O", "LOC"), ".conll", True),
        (("NOUN", "VERB", "PUNCT"), ".conll", True),
        (("NNP", "PRP$", "."), ".train", True),
        (("PER", "O", "LOC"), ".txt", False),
        (("house", "tree", "cat"), ".conll", False),
    ],
)
def test_plain_labels_are_columns_where_the_name_says_so(
    labels: tuple[str, ...], suffix: str, taken: bool, tmp_path: Path
) -> None:
    lines = [f"word{i}\t{labels[i % 3]}" + ("\n" if i % 5 == 4 else "") for i in range(30)]
    assert looks_like_conll(write(tmp_path / f"a{suffix}", "\n".join(lines) + "\n")) == taken


@pytest.mark.parametrize("gap", ["\t", " "])
def test_a_word_with_blanks_becomes_several_words(gap: str, tmp_path: Path) -> None:
    rows = [("Ana", "B-PER"), ("visits", "O"), ("New York", "B-LOC"), ("a lo mejor", "O"), ("today", "O"), (".", "O")]
    path = write(tmp_path / "a.conll", "".join(f"{word}{gap}{label}\n" for word, label in rows))
    assert looks_like_conll(path)
    assert pairs(path)[0][2:7] == [("New", "B-LOC"), ("York", "I-LOC"), ("a", "O"), ("lo", "O"), ("mejor", "O")]
