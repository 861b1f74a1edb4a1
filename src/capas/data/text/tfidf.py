"""Sparse tf-idf features of texts.

Salton & Buckley, "Term-weighting approaches in automatic text retrieval", Information Processing & Management 24(5),
1988.

    weight = (1 + ln tf) · (ln((1 + N) / (1 + df)) + 1),   each text then normalised to length 1

with tf the count of a term in the text and df the number of the N training texts that have it: sublinear counts and a
smoothed inverse document frequency, computed by scikit-learn's ``TfidfVectorizer(sublinear_tf=True)``. Terms are
n-grams of one word or more, of two letters or more each, in lower case. What is kept of it is JSON.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer as SklearnVectorizer


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


class TfIdfVectorizer:
    """Inverse document frequencies of terms, fitted on training texts by scikit-learn.

    Args:
        terms: Terms by feature index, in alphabetical order.
        idf: Their inverse document frequencies.
        longest: Words of the longest n-gram.
    """

    def __init__(self, terms: Sequence[str], idf: Sequence[float], *, longest: int) -> None:
        if len(terms) != len(idf):
            raise ValueError(f"{len(terms)} terms, {len(idf)} weights; expected one weight per term")
        self.terms, self.idf, self.longest = tuple(terms), tuple(idf), longest

    @classmethod
    def fit(
        cls, texts: Iterable[str], *, longest: int = 2, min_texts: int = 2, max_features: int | None = None
    ) -> "TfIdfVectorizer":
        """Fit on terms in at least ``min_texts`` of the ``texts``; at most the ``max_features`` most frequent."""
        inner = _vectorizer(longest, min_df=min_texts, max_features=max_features)
        try:
            inner.fit(texts)
        except ValueError:  # no text has a term that is frequent enough
            return cls((), (), longest=longest)
        return cls(inner.get_feature_names_out().tolist(), inner.idf_.tolist(), longest=longest)

    def __len__(self) -> int:
        return len(self.terms)

    def features(self, texts: Iterable[str]) -> SparseFeatures:
        """Return ``texts`` as rows of length 1 in float32; a text without any known term is empty."""
        texts = list(texts)
        if not texts or not self.terms:
            nothing = torch.zeros(0, dtype=torch.int64)
            offsets = torch.zeros(len(texts), dtype=torch.int64)
            return SparseFeatures(indices=nothing, weights=torch.zeros(0), offsets=offsets)
        inner = _vectorizer(self.longest, vocabulary=self.terms)
        inner.idf_ = np.array(self.idf)
        rows = inner.transform(texts)
        rows.sort_indices()
        return SparseFeatures(
            indices=torch.from_numpy(rows.indices.astype(np.int64)),
            weights=torch.from_numpy(rows.data.astype(np.float32)),
            offsets=torch.from_numpy(rows.indptr[:-1].astype(np.int64)),
        )

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


def _vectorizer(longest: int, **settings: object) -> "SklearnVectorizer":
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(ngram_range=(1, longest), sublinear_tf=True, **settings)
