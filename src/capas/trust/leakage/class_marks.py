"""Words that mark a class: in most of its texts and in hardly any other, such as a footer or a signature."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

MARK_IN_CLASS, MARK_ELSEWHERE = 0.6, 0.02
MIN_TEXTS: Final = 15  # of a class


def class_marks(
    texts: Sequence[str], labels: Sequence[int], *, in_class: float = MARK_IN_CLASS
) -> dict[int, list[str]]:
    """Return by class the words that stand in a share ``in_class`` of its texts, by default most, and in hardly any
    other, the commonest first.
    """
    counts, sizes = dict[int, Counter[str]](), Counter(labels)
    for text, label in zip(texts, labels, strict=True):
        counts.setdefault(label, Counter()).update(set(text.split()))
    whole = sum(counts.values(), Counter[str]())
    found = {}
    for label, own in counts.items():
        others = max(1, len(texts) - sizes[label])
        marks = [
            word
            for word, count in own.most_common()
            if count >= in_class * sizes[label] and whole[word] - count <= MARK_ELSEWHERE * others
        ]
        if marks and sizes[label] >= MIN_TEXTS:
            found[label] = marks
    return found
