"""CoNLL column files: a word a line, its label in the last column, an empty line between sentences.

``-DOCSTART-`` lines and lines that begin with "# " are skipped.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from capas.core.errors import CapasError
from capas.data.collections import SentenceCollection
from capas.data.tabular.io import decode_text

SUFFIXES: Final = frozenset(
    {".conll", ".iob", ".iob2", ".bio", ".bioes", ".train", ".testa", ".testb", ".dev", ".test"}
)
_LABEL: Final = re.compile(r"O|[BIESLU]-\S+")
_PEEK: Final = 20_000


def looks_like_conll(path: Path) -> bool:
    """Return whether the file's first lines are words in columns with a label like B-PER at the end."""
    try:
        with path.open("rb") as stream:
            start = stream.read(_PEEK).decode("utf-8", "replace")
    except OSError:
        return False
    lines = [parts for line in start.split("\n")[:-1] if (parts := line.split()) and not _passed_over(line, parts)]
    labels = [parts[-1] for parts in lines if len(parts) > 1 and _LABEL.fullmatch(parts[-1])]
    # A few lines may be bad: reading then says which.
    return len(labels) >= 2 and 10 * len(labels) >= 9 * len(lines) and any(label != "O" for label in labels)


def _passed_over(line: str, parts: Sequence[str]) -> bool:
    """Whether the line says nothing of words: a comment, unless it is the word "#" with its label."""
    if parts[0].startswith("-DOCSTART-"):
        return True
    return line.startswith("# ") and not (len(parts) == 2 and _LABEL.fullmatch(parts[1]))


def read_conll(paths: Sequence[Path], root: Path) -> tuple[SentenceCollection, SentenceCollection, list[int]]:
    """Return the words and the labels of every sentence in ``paths``, and the number of sentences of each file.

    Raises:
        CapasError: ``table_encoding`` or ``column_missing`` with the line.
    """
    words: list[list[str]] = []
    labels: list[list[str]] = []
    names: list[str] = []
    counts: list[int] = []
    for path in paths:
        before = len(words)
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        for number, rows in _blocks(path):
            words.append([row[0] for row in rows])
            labels.append([row[-1] for row in rows])
            names.append(f"{name}:{number}")
        counts.append(len(words) - before)
    return SentenceCollection(words, names), SentenceCollection(labels, names), counts


def _blocks(path: Path) -> list[tuple[int, list[list[str]]]]:
    """Line number and rows of every sentence."""
    blocks: list[tuple[int, list[list[str]]]] = []
    rows: list[list[str]] = []
    start = 1
    for number, line in enumerate(decode_text(path, path.read_bytes()).split("\n"), 1):
        parts = line.split()
        if not parts or parts[0].startswith("-DOCSTART-"):
            if rows:
                blocks.append((start, rows))
            rows = []
        elif not _passed_over(line, parts):
            if len(parts) < 2:
                raise CapasError("column_missing", where=f"{path}:{number}", received=line.strip())
            start = start if rows else number
            rows.append(parts)
    return [*blocks, (start, rows)] if rows else blocks
