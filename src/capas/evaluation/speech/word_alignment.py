"""Word alignment of reference and hypothesis: a shortest one, the same that the error rates count."""

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

Pair = tuple[str | None, str | None]
"""A word of the reference and what stands for it; None where a side has none."""


def align_transcripts(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Pair]:
    """Return the aligned pairs, in order.

    >>> align_transcripts("the big cat".split(), "the cat".split())
    [('the', 'the'), ('big', None), ('cat', 'cat')]
    """
    pairs: list[Pair] = []
    for block in Levenshtein.opcodes(reference, hypothesis):
        ours = reference[block.src_start : block.src_end]
        theirs = hypothesis[block.dest_start : block.dest_end]
        if block.tag == "delete":
            pairs += [(word, None) for word in ours]
        elif block.tag == "insert":
            pairs += [(None, word) for word in theirs]
        else:
            pairs += zip(ours, theirs, strict=True)
    return pairs
