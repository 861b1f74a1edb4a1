"""What an input is made of, and what the answer becomes without each part: words, columns, stretches of time.

Leaving out one part at a time asks nothing of the network but answers, so it is the same for all of them (Zeiler &
Fergus 2014 for pictures; Li, Monroe & Jurafsky 2016, "Understanding Neural Networks through Representation Erasure",
arXiv:1612.08220, for words). What only several parts together bring about it does not see.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from capas.data.inputs import Rows
from capas.data.rows import RowPreparation
from capas.data.tables import Cell
from capas.engine.recipe import Item
from capas.engine.recipes.rows import RowReader
from capas.engine.recipes.sounds import SoundReader
from capas.engine.recipes.texts import TextReader
from capas.trust.subject import Subject

MOST_WORDS = 200
STRETCHES = 24


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """The ``names`` of an input's parts; ``keep`` makes a prepared input of those that are wanted."""

    names: Sequence[str]
    keep: Callable[[Bool[Tensor, " P"]], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contributions:
    """``weights`` (P): how much of the score each part brings; ``score`` is that of the whole input. Of a class the
    score is its probability, of a number the value."""

    names: Sequence[str]
    weights: Tensor
    score: float


Score = Callable[[Sequence[object]], Float[Tensor, " B"]]


def parts_of(subject: Subject, position: int) -> Parts | None:
    """The parts of an example of the record; None where the medium has none (pictures have places instead)."""
    reader, inputs, index = subject.reader, subject.inputs, subject.case.indices[position]
    if isinstance(reader, RowReader) and isinstance(inputs, Rows):
        return columns_of(reader, inputs.row(index), typical_of(reader.preparation))
    return parts_of_prepared(subject, reader.read_example(inputs, index))


def parts_of_prepared(subject: Subject, prepared: object) -> Parts | None:
    """The same for an input that was prepared already; rows cannot be taken apart any more."""
    reader = subject.reader
    if isinstance(reader, TextReader) and isinstance(prepared, str):
        return words_of(prepared)
    if isinstance(reader, SoundReader) and isinstance(prepared, np.ndarray):
        return stretches_of(prepared, reader.preparation.rate)
    return None


def words_of(text: str) -> Parts:
    """The first 200 words, in order; the rest stays as it is."""
    words = text.split()
    first, rest = words[:MOST_WORDS], words[MOST_WORDS:]

    def keep(wanted: Bool[Tensor, " P"]) -> str:
        kept = [word for word, there in zip(first, wanted.tolist(), strict=True) if there]
        return " ".join([*kept, *rest]) or " "

    return Parts(names=first, keep=keep)


def typical_of(preparation: RowPreparation) -> dict[str, Cell]:
    """A typical cell of every column: the mean of numbers, the commonest category; dates are missing."""
    return {
        column.name: column.mean[0] if column.kind == "number" else column.values[0] if column.values else None
        for column in preparation.columns
    }


def columns_of(reader: RowReader, row: Mapping[str, Cell], typical: Mapping[str, Cell]) -> Parts:
    """The columns that the model reads; one that is left out gets a typical cell instead: what is missing would tell
    something too."""
    names = [column.name for column in reader.preparation.columns]

    def keep(wanted: Bool[Tensor, " P"]) -> object:
        held = {
            name: row.get(name) if there else typical[name] for name, there in zip(names, wanted.tolist(), strict=True)
        }
        return reader.preparation.encode([held])

    return Parts(names=names, keep=keep)


def stretches_of(wave: NDArray[np.float32], rate: int) -> Parts:
    """24 stretches of time, silent where they are left out."""
    edges = np.linspace(0, len(wave), STRETCHES + 1).round().astype(int)
    names = [f"{a / rate:.2f}–{b / rate:.2f} s" for a, b in pairwise(edges.tolist())]

    def keep(wanted: Bool[Tensor, " P"]) -> NDArray[np.float32]:
        kept = wave.copy()
        for there, a, b in zip(wanted.tolist(), edges[:-1], edges[1:], strict=True):
            if not there:
                kept[a:b] = 0
        return kept

    return Parts(names=names, keep=keep)


def row_of(item: Item) -> Mapping[str, Cell]:
    """The cells of a row as the user gave it."""
    assert isinstance(item.content, Mapping)
    return item.content


def score_of(subject: Subject, output: int) -> Score:
    """The probability of a class or tag, or a number's value."""
    return lambda prepared: subject.answers(prepared)[:, output].float()


def contributions(parts: Parts, score: Score) -> Contributions:
    """What the score loses without each part."""
    count = len(parts.names)
    wanted = torch.cat([torch.ones(1, count, dtype=torch.bool), ~torch.eye(count, dtype=torch.bool)])
    scores = score([parts.keep(row) for row in wanted])
    return Contributions(names=parts.names, weights=scores[0] - scores[1:], score=float(scores[0]))


def curves(
    parts: Parts, score: Score, order: Sequence[int], shares: Sequence[float]
) -> tuple[Float[Tensor, " S"], Float[Tensor, " S"]]:
    """Deletion and insertion (Petsiuk, Das & Saenko 2018): the score when the first ``shares`` of ``order`` are left
    out, and when they are all there is."""
    count = len(parts.names)
    rows = []
    for share in shares:
        first = torch.zeros(count, dtype=torch.bool)
        first[list(order[: round(share * count)])] = True
        rows += [~first, first]
    scores = score([parts.keep(row) for row in rows])
    return scores[0::2], scores[1::2]
