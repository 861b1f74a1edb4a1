"""Label scheme errors of token labels: an I- (or E-, L-) that continues no entity."""

from collections.abc import Sequence
from itertools import pairwise

from capas.data.collections import ExampleCollection, SentenceCollection
from capas.data.problems import Problem, problems_from


def label_scheme_problems(targets: ExampleCollection | None) -> tuple[Problem, ...]:
    """Return ``labels_differ`` with the sentences' names, for schemes in which every entity begins with B-.

    In IOB1 most entities begin with I-, and that is no error.
    """
    if not isinstance(targets, SentenceCollection):
        return ()
    ill = [sum(map(is_orphan_continuation, pairwise(("O", *labels)))) for labels in targets.sentences]
    begun = sum(label[:2] in ("B-", "S-", "U-") for labels in targets.sentences for label in labels)
    if sum(ill) > begun:
        return ()
    examples = [targets.name(i) for i, count in enumerate(ill) if count]
    return problems_from("labels_differ", examples, severity="note", count=sum(ill))


def is_orphan_continuation(labels: Sequence[str]) -> bool:
    """Return whether the second of two labels should continue the entity of the first, and cannot.

    >>> [is_orphan_continuation(p) for p in (("O", "I-LOC"), ("B-PER", "I-LOC"), ("B-LOC", "I-LOC"), ("O", "B-LOC"))]
    [True, True, False, False]
    """
    before, here = labels
    inside = here[:2] in ("I-", "E-", "L-")
    return inside and not (before[:2] in ("B-", "I-") and before[2:] == here[2:])
