"""CoNLL column files: a word a line, its label in the last column, an empty line between sentences.

``-DOCSTART-`` lines and comments ("# …") are skipped. The columns are divided by tabs where the lines have some, else
by white space; a word with blanks in it becomes several words. A first column that numbers the words of each sentence
is passed over. Of two columns of entities behind the words of a numbered file (GermEval 2014) the outer ones count, the
first; of CoNLL-U the universal parts of speech.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capas.core.errors import CapasError
from capas.core.files import open_regular, read_regular
from capas.data.collections import SentenceCollection
from capas.data.tabular.io import decode_text

SUFFIXES: Final = frozenset(
    {".conll", ".conllu", ".iob", ".iob2", ".bio", ".bioes", ".ner", ".train", ".testa", ".testb", ".dev", ".test"}
)
_LABEL: Final = re.compile(r"O|[BIESLU]-\S+")
# A part of speech or an entity without B- and I-, such as NN, PROPN, PER, PRP$, ``, -LRB-.
_PLAIN_LABEL: Final = re.compile(r"-?[A-Z][A-Z0-9_$.:|+-]{0,19}|[.,:;()#$`'\"-]{1,3}|_")
_MAX_PLAIN_LABELS: Final = 100
_PEEK: Final = 20_000
_CONLLU_COLUMNS: Final = 10
_CONLLU_LABEL: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class _ColumnLayout:
    """How a file divides its lines: at tabs or not, in how many columns, and which hold the word and the label."""

    tabs: bool
    width: int
    word: int = 0
    label: int = -1

    def cells(self, line: str) -> list[str]:
        """The cells of a line; blanks inside a word make no further column."""
        parts = [cell.strip() for cell in line.rstrip("\r").split("\t")] if self.tabs else line.split()
        extra = len(parts) - self.width
        if extra <= 0 or self.tabs or self.width < 2:
            return parts
        return [
            *parts[: self.word],
            " ".join(parts[self.word : self.word + extra + 1]),
            *parts[self.word + extra + 1 :],
        ]


def looks_like_conll(path: Path) -> bool:
    """Return whether the file's first lines are words in columns with a label like B-PER at the end; or, where its name
    says so, with any label in capitals."""
    try:
        with open_regular(path) as stream:
            start = stream.read(_PEEK).decode("utf-8", "replace")
    except OSError:
        return False
    lines = start.split("\n")[:-1]
    layout = _layout_of(lines)
    rows = [cells for line in lines if line.strip() and not _passed_over(line) and (cells := layout.cells(line))]
    labels = [cells[layout.label] for cells in rows if len(cells) > max(1, layout.label)]
    strict = [label for label in labels if _LABEL.fullmatch(label)]
    # A few lines may be bad: reading then says which.
    if len(strict) >= 2 and 10 * len(strict) >= 9 * len(rows) and any(label != "O" for label in strict):
        return True
    return path.suffix.casefold() in SUFFIXES and _are_plain_labels(labels, len(rows), layout, rows)


def _are_plain_labels(labels: Sequence[str], count: int, layout: _ColumnLayout, rows: Sequence[Sequence[str]]) -> bool:
    plain = [label for label in labels if _PLAIN_LABEL.fullmatch(label)]
    even = sum(len(cells) == layout.width for cells in rows)
    different = len(set(plain))
    return (
        layout.width > 1
        and len(plain) >= 2
        and 10 * len(plain) >= 9 * count
        and 10 * even >= 9 * count
        and 1 < different <= min(_MAX_PLAIN_LABELS, max(3, len(plain) // 2))
    )


def _layout_of(lines: Sequence[str]) -> _ColumnLayout:
    """The layout of most lines."""
    filled = [line for line in lines if line.strip() and not _passed_over(line)]
    tabs = 10 * sum("\t" in line.strip() for line in filled) >= 9 * max(1, len(filled))
    rows = [line.rstrip("\r").split("\t") if tabs else line.split() for line in filled]
    widths = Counter(map(len, rows))
    width = widths.most_common(1)[0][0] if widths else 0
    even = [row for row in rows if len(row) == width]
    if width < 3 or not _are_numbered(lines, tabs):
        return _ColumnLayout(tabs=tabs, width=width)
    if tabs and width == _CONLLU_COLUMNS:
        return _ColumnLayout(tabs=tabs, width=width, word=1, label=_CONLLU_LABEL)
    nested = width == 4 and all(_LABEL.fullmatch(row[place].strip()) for row in even for place in (2, 3))
    return _ColumnLayout(tabs=tabs, width=width, word=1, label=2 if nested else -1)


def _are_numbered(lines: Sequence[str], tabs: bool) -> bool:
    """Whether the first column counts the words of each sentence from 1 on (with ranges and empty words, as in CoNLL-U:
    1-2, 3.1)."""
    before, fitting, total = 0, 0, 0
    for line in lines:
        if _passed_over(line):
            continue
        if not line.strip():
            before = 0
            continue
        first = (line.split("\t") if tabs else line.split())[0].strip()
        if re.fullmatch(r"\d+[-.]\d+", first):
            continue
        total += 1
        fitting += first == str(before + 1)
        before = int(first) if first.isdecimal() and len(first) < 6 else before + 1
    return total > 1 and 10 * fitting >= 9 * total


def _passed_over(line: str) -> bool:
    """Whether the line says nothing of words: a comment, unless it is the word "#" with its labels."""
    parts = line.split()
    if parts and parts[0].startswith("-DOCSTART-"):
        return True
    if not line.startswith(("# ", "#\t")):
        return False
    alone = len(parts) == 2 and _LABEL.fullmatch(parts[1])
    tagged = line.startswith("#\t") and len(parts) > 2 and _LABEL.fullmatch(parts[-1]) and parts[1].isupper()
    return not (alone or tagged)


def read_conll(
    paths: Sequence[Path], root: Path, legacy: list[Path] | None = None
) -> tuple[SentenceCollection, SentenceCollection, list[int]]:
    """Return the words and the labels of every sentence in ``paths``, and the number of sentences of each file.

    Args:
        paths: The files.
        root: The folder that names are relative to.
        legacy: Gets the files in Windows-1252; None to refuse them.

    Raises:
        CapasError: ``unreadable``, ``table_encoding``, or ``column_missing`` with the line.
    """
    words: list[list[str]] = []
    labels: list[list[str]] = []
    names: list[str] = []
    counts: list[int] = []
    for path in paths:
        before = len(words)
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        try:
            content = read_regular(path)
        except OSError as error:
            raise CapasError("unreadable", where=path, received=error.strerror or str(error)) from error
        lines = decode_text(path, content, legacy).split("\n")
        layout = _layout_of(lines)
        for number, rows in _blocks(path, lines, layout):
            pairs = [pair for row in rows for pair in _word_and_label(row, layout)]
            if pairs:
                words.append([word for word, _ in pairs])
                labels.append([label for _, label in pairs])
                names.append(f"{name}:{number}")
        counts.append(len(words) - before)
    return SentenceCollection(words, names), SentenceCollection(labels, names), counts


def _word_and_label(row: Sequence[str], layout: _ColumnLayout) -> list[tuple[str, str]]:
    """The word of a row and its label; of a word with blanks every part, all but the first inside its entity."""
    if layout.word and re.fullmatch(r"\d+[-.]\d+", row[0]):
        return []  # a range of CoNLL-U, whose words follow
    label = row[layout.label] if len(row) > layout.label else row[-1]
    parts = row[layout.word if len(row) > layout.word + 1 else 0].split() or ["_"]
    rest = f"I-{label[2:]}" if label[:2] == "B-" else label
    return [(part, rest if place else label) for place, part in enumerate(parts)]


def _blocks(path: Path, lines: Sequence[str], layout: _ColumnLayout) -> list[tuple[int, list[list[str]]]]:
    """Line number and rows of every sentence."""
    blocks: list[tuple[int, list[list[str]]]] = []
    rows: list[list[str]] = []
    start = 1
    for number, line in enumerate(lines, 1):
        parts = line.split()
        if not parts or parts[0].startswith("-DOCSTART-"):
            if rows:
                blocks.append((start, rows))
            rows = []
        elif not _passed_over(line):
            if len(parts) < 2:
                raise CapasError("column_missing", where=f"{path}:{number}", received=line.strip())
            start = start if rows else number
            rows.append(layout.cells(line))
    return [*blocks, (start, rows)] if rows else blocks
