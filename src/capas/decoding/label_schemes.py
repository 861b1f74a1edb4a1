"""Label schemes of token classification (IOB1, IOB2, BIOES): labels to entities and back, and forbidden transitions.

BILOU is read too: its L and U are the E and S of BIOES. Ill-formed sequences are read as conlleval and seqeval read
them: an I- (or E-) that continues nothing begins an entity, a change of type ends one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

LabelScheme = Literal["IOB1", "IOB2", "BIOES"]


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Entity:
    """Tokens ``start`` to ``end`` - 1 of a sentence are an entity of type ``kind``."""

    start: int
    end: int
    kind: str


def labels_to_entities(labels: Sequence[str]) -> list[Entity]:
    """Return the entities in ``labels``, in order, whatever the scheme and however ill-formed.

    >>> [(e.start, e.end, e.kind) for e in labels_to_entities(["I-PER", "I-PER", "B-PER", "O", "I-LOC"])]
    [(0, 2, 'PER'), (2, 3, 'PER'), (4, 5, 'LOC')]
    """
    found, start = [], 0
    for t, (before, here) in enumerate(pairwise(["O", *labels, "O"])):
        if _ends(before, here):
            found.append(Entity(start=start, end=t, kind=_kind(before)))
        if _begins(before, here):
            start = t
    return found


def entities_to_labels(spans: Sequence[Entity], length: int, scheme: LabelScheme) -> list[str]:
    """Return the labels of ``length`` tokens. Raises ValueError where entities overlap.

    >>> entities_to_labels([Entity(start=0, end=2, kind="PER"), Entity(start=2, end=3, kind="PER")], 4, "IOB1")
    ['I-PER', 'I-PER', 'B-PER', 'O']
    """
    labels, before = ["O"] * length, Entity(start=-1, end=0, kind="")
    for entity in sorted(spans):
        if not before.end <= entity.start < entity.end <= length:
            raise ValueError(f"{entity} overlaps {before} or leaves the {length} tokens")
        prefixes = ["I"] * (entity.end - entity.start)
        if scheme != "IOB1" or (before.end == entity.start and before.kind == entity.kind):
            prefixes[0] = "B"
        if scheme == "BIOES":
            prefixes[-1] = "S" if len(prefixes) == 1 else "E"
        labels[entity.start : entity.end] = [f"{prefix}-{entity.kind}" for prefix in prefixes]
        before = entity
    return labels


def convert_scheme(labels: Sequence[str], scheme: LabelScheme) -> list[str]:
    """Return the same entities in another scheme; ill-formed input comes out well-formed.

    >>> convert_scheme(["I-LOC", "B-LOC", "I-LOC"], "BIOES")
    ['S-LOC', 'B-LOC', 'E-LOC']
    """
    return entities_to_labels(labels_to_entities(labels), len(labels), scheme)


def forbidden_transitions(labels: Sequence[str], scheme: LabelScheme) -> tuple[Tensor, Tensor]:
    """Return the forbidden transitions (K, K), from row to column, and the forbidden first labels (K), both boolean.

    A transition is forbidden when no well-formed sequence of ``scheme`` has it.
    """
    inside = {"IOB1": "", "IOB2": "I", "BIOES": "IE"}[scheme]
    unfinished = "BI" if scheme == "BIOES" else ""

    def wrong(before: str, here: str) -> bool:
        continues = before[:1] in ("B", "I") and _kind(before) == _kind(here)
        if here[:1] in tuple(inside):
            return not continues
        if scheme == "IOB1" and here[:1] == "B":
            return _kind(before) != _kind(here)
        return before[:1] in tuple(unfinished)

    table = [[wrong(before, here) for here in labels] for before in labels]
    return torch.tensor(table), torch.tensor([wrong("O", here) for here in labels])


def _kind(label: str) -> str:
    return label.partition("-")[2] or ("_" if label != "O" else "")


def _ends(before: str, here: str) -> bool:
    if before == "O":
        return False
    return before[0] in "ESLU" or here[0] in "OBSU" or _kind(before) != _kind(here)


def _begins(before: str, here: str) -> bool:
    if here == "O":
        return False
    return here[0] in "BSU" or before[0] in "OESLU" or _kind(before) != _kind(here)
