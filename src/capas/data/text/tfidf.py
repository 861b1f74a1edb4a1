"""Sparse tf-idf features of texts.

Salton & Buckley, "Term-weighting approaches in automatic text retrieval", Information Processing & Management 24(5),
1988.

    weight = (1 + ln tf) · (ln((1 + N) / (1 + df)) + 1),   each text then normalised to length 1

with tf the count of a term in the text and df the number of the N training texts that have it: sublinear counts and a
smoothed inverse document frequency, as in scikit-learn's TfidfVectorizer(sublinear_tf=True). Terms are n-grams of one
word or more, of two letters or more each, in lower case.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

_TERM = re.compile(r"\b\w\w+\b")


@dataclass(frozen=True, kw_only=True, slots=True)
class SparseFeatures:
    """Sparse features of B texts, in the form that torch.nn.EmbeddingBag takes.

    Attributes:
        indices: Feature indices, shape (N,).
        weights: Their weights, shape (N,).
        offsets: Where each text begins in ``indices``, shape (B,).
    """

    indices: Int[Tensor, " N"]
    weights: Float[Tensor, " N"]
    offsets: Int[Tensor, " B"]

    def __len__(self) -> int:
        return len(self.offsets)

    def rows(self, picked: Int[Tensor, " M"]) -> "SparseFeatures":
        """Return the texts ``picked``, in this order: a batch."""
        ends = torch.cat([self.offsets[1:], torch.tensor([len(self.indices)])])
        counts = (ends - self.offsets)[picked]
        offsets = counts.cumsum(0) - counts
        places = torch.arange(int(counts.sum())) + (self.offsets[picked] - offsets).repeat_interleave(counts)
        return SparseFeatures(indices=self.indices[places], weights=self.weights[places], offsets=offsets)

    def dense(self, features: int) -> Float[Tensor, "B F"]:
        """Return the same as a dense matrix with ``features`` columns."""
        counts = torch.diff(self.offsets, append=torch.tensor([len(self.indices)]))
        filled = torch.zeros(len(self), features)
        filled[torch.arange(len(self)).repeat_interleave(counts), self.indices] = self.weights
        return filled


def word_ngrams(text: str, *, max_n: int = 1) -> list[str]:
    """Return the n-grams of 1 to ``max_n`` words.

    >>> word_ngrams("The U.S. wheat crop", max_n=2)
    ['the', 'wheat', 'crop', 'the wheat', 'wheat crop']
    """
    words = _TERM.findall(text.lower())
    return [
        " ".join(words[start : start + size]) for size in range(1, max_n + 1) for start in range(len(words) - size + 1)
    ]


class TfIdfVectorizer:
    """Inverse document frequencies of terms, fitted on training texts."""

    def __init__(self, terms: Sequence[str], idf: Sequence[float], *, longest: int) -> None:
        if len(terms) != len(idf):
            raise ValueError(f"{len(terms)} terms, {len(idf)} weights; expected one weight per term")
        self.terms, self.idf, self.longest = tuple(terms), tuple(idf), longest
        self.numbers = {term: number for number, term in enumerate(self.terms)}

    @classmethod
    def fit(
        cls, texts: Iterable[str], *, longest: int = 2, min_texts: int = 2, max_features: int | None = None
    ) -> "TfIdfVectorizer":
        """Fit on terms in at least ``min_texts`` of the ``texts``; at most the ``max_features`` most frequent."""
        document_counts: Counter[str] = Counter()
        total_counts: Counter[str] = Counter()
        n = 0
        for text in texts:
            n += 1
            counts = Counter(word_ngrams(text, max_n=longest))
            total_counts.update(counts)
            document_counts.update(counts.keys())
        kept = [term for term, count in document_counts.items() if count >= min_texts]
        kept.sort(key=lambda term: (-total_counts[term], term))
        terms = sorted(kept[:max_features])
        idf = [math.log((1 + n) / (1 + document_counts[term])) + 1 for term in terms]
        return cls(terms, idf, longest=longest)

    def __len__(self) -> int:
        return len(self.terms)

    def features(self, texts: Iterable[str]) -> SparseFeatures:
        """Return ``texts`` as rows of length 1 in float32; a text without any known term is empty."""
        indices: list[int] = []
        weights: list[float] = []
        offsets: list[int] = []
        for text in texts:
            offsets.append(len(indices))
            row = self._row(text)
            indices.extend(row)
            weights.extend(row.values())
        return SparseFeatures(
            indices=torch.tensor(indices, dtype=torch.int64),
            weights=torch.tensor(weights, dtype=torch.float32),
            offsets=torch.tensor(offsets, dtype=torch.int64),
        )

    def _row(self, text: str) -> dict[int, float]:
        counts = Counter(word_ngrams(text, max_n=self.longest))
        known = {self.numbers[term]: count for term, count in counts.items() if term in self.numbers}
        row = {number: (1 + math.log(known[number])) * self.idf[number] for number in sorted(known)}
        norm = math.hypot(*row.values())
        return {number: weight / norm for number, weight in row.items()}

    def as_json(self) -> dict[str, object]:
        """Return what ``from_json`` reads."""
        return {"kind": "tf-idf", "longest": self.longest, "terms": list(self.terms), "idf": list(self.idf)}

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> "TfIdfVectorizer":
        """Read what ``as_json`` gave. Raises ValueError on anything else."""
        match value:
            case {"kind": "tf-idf", "longest": int(longest), "terms": list(terms), "idf": list(idf)}:
                if all(isinstance(term, str) for term in terms) and all(isinstance(one, float) for one in idf):
                    return cls(terms, idf, longest=longest)
        raise ValueError("expected kind, longest, terms (strings) and idf (numbers), as as_json writes them")
