"""Which words of a reference are which of a hypothesis: a shortest way, the same that the error rates count."""

from collections.abc import Sequence

Pair = tuple[str | None, str | None]
"""A word of the reference and what stands for it; None where a side has none."""


def align_words(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Pair]:
    """The pairs, in order.

    >>> align_words("the big cat".split(), "the cat".split())
    [('the', 'the'), ('big', None), ('cat', 'cat')]
    """
    costs = [list(range(len(hypothesis) + 1))]
    for i, wanted in enumerate(reference, 1):
        above, row = costs[-1], [i]
        for j, said in enumerate(hypothesis, 1):
            row.append(min(above[j - 1] + (wanted != said), above[j] + 1, row[j - 1] + 1))
        costs.append(row)
    pairs, i, j = list[Pair](), len(reference), len(hypothesis)
    while i or j:
        if i and costs[i][j] == costs[i - 1][j] + 1:
            i -= 1
            pairs.append((reference[i], None))
        elif not i or (j and costs[i][j - 1] == costs[i - 1][j - 1] - 1):
            j -= 1
            pairs.append((None, hypothesis[j]))
        else:
            i, j = i - 1, j - 1
            pairs.append((reference[i], hypothesis[j]))
    return pairs[::-1]
