"""Sparse tf-idf features of texts: words and groups of words, and groups of letters.

Salton & Buckley, "Term-weighting approaches in automatic text retrieval", Information Processing & Management 24(5),
1988. Letters: Cavnar & Trenkle, "N-Gram-Based Text Categorization", SDAIR 1994; they see through endings and typing
errors, and through languages without blanks.

    weight = (1 + ln tf) · (ln((1 + N) / (1 + df)) + 1),   each text then normalised to length 1

with tf the count of a term in the text and df the number of the N training texts that have it: sublinear counts and a
smoothed inverse document frequency, computed by scikit-learn's ``TfidfVectorizer(sublinear_tf=True)``. Words have two
letters or more; all is in lower case. Several kinds of terms weigh alike. What is kept of it is JSON.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

TermKind = Literal["words", "letters"]


MAX_LENGTH: Final = 20  # words or letters of a term
MAX_IDF: Final = 1e6  # 1 + ln of any number of texts is far below


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

    def csr(self, features: int) -> "csr_matrix":
        """Return the same as a SciPy matrix with ``features`` columns."""
        from scipy.sparse import csr_matrix

        starts = np.append(self.offsets.numpy(), len(self.indices))
        return csr_matrix((self.weights.numpy(), self.indices.numpy(), starts), shape=(len(self), features))


@dataclass(frozen=True)
class TermVectorizer:
    """Inverse document frequencies of terms of one kind.

    Attributes:
        kind: Words, or letters within words.
        shortest: Words or letters of the shortest term.
        longest: Words or letters of the longest.
        terms: Terms by feature index, in alphabetical order.
        idf: Their inverse document frequencies.
    """

    kind: TermKind
    shortest: int
    longest: int
    terms: tuple[str, ...] = ()
    idf: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.terms) != len(self.idf):
            raise ValueError(f"{len(self.terms)} terms, {len(self.idf)} weights; expected one weight per term")
        if not all(0 < weight < MAX_IDF for weight in self.idf):
            raise ValueError(f"a weight of a term is not between 0 and {MAX_IDF:g}")
        if not 1 <= self.shortest <= self.longest <= MAX_LENGTH:  # a stranger's billion would be tried one by one
            raise ValueError(f"terms of {self.shortest} to {self.longest}; expected 1 to {MAX_LENGTH}")

    def fitted(self, texts: Sequence[str], *, min_texts: int, max_features: int | None) -> "TermVectorizer":
        """Return the same kind fitted on ``texts``."""
        inner = self._inner(min_df=min_texts, max_features=max_features)
        try:
            inner.fit(texts)
        except ValueError:  # no text has a term that is frequent enough
            return TermVectorizer(self.kind, self.shortest, self.longest)
        terms, idf = inner.get_feature_names_out().tolist(), inner.idf_.tolist()
        return TermVectorizer(self.kind, self.shortest, self.longest, tuple(terms), tuple(idf))

    def matrix(self, texts: Sequence[str]) -> "csr_matrix":
        """Return the texts as rows of length 1, empty where no term is known."""
        return self._ready.transform(texts)

    @cached_property
    def _ready(self) -> Any:
        inner = self._inner(vocabulary=self.terms)
        inner.idf_ = np.array(self.idf)
        return inner

    def _inner(self, **settings: object) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(
            analyzer="word" if self.kind == "words" else "char_wb", ngram_range=(self.shortest, self.longest),
            sublinear_tf=True, dtype=np.float32, **settings,
        )  # fmt: skip


class TfIdfVectorizer:
    """Texts as tf-idf of terms of one kind or several, one after another.

    Args:
        parts: The kinds of terms, fitted.
    """

    def __init__(self, parts: Sequence[TermVectorizer]) -> None:
        self.parts = tuple(parts)

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        *,
        longest: int = 2,
        letters: tuple[int, int] | None = None,
        min_texts: int = 2,
        max_features: int | None = None,
    ) -> "TfIdfVectorizer":
        """Fit on the terms of ``texts``.

        Args:
            texts: The training texts.
            longest: Words of the longest term.
            letters: Letters of the shortest and the longest group of letters; None for none.
            min_texts: How many texts a term must be in.
            max_features: Number of terms of each kind that are kept, the most frequent ones.
        """
        texts = list(texts)
        kinds = [TermVectorizer("words", 1, longest), *([TermVectorizer("letters", *letters)] if letters else [])]
        return cls([kind.fitted(texts, min_texts=min_texts, max_features=max_features) for kind in kinds])

    def __len__(self) -> int:
        return sum(len(part.terms) for part in self.parts)

    def features(self, texts: Iterable[str]) -> SparseFeatures:
        """Return ``texts`` as rows of length 1 in float32 (less where a kind of terms is missing); a text without any
        known term is empty.
        """
        texts, known = list(texts), [part for part in self.parts if part.terms]
        if not texts or not known:
            nothing = torch.zeros(0, dtype=torch.int64)
            offsets = torch.zeros(len(texts), dtype=torch.int64)
            return SparseFeatures(indices=nothing, weights=torch.zeros(0), offsets=offsets)
        from scipy.sparse import hstack

        rows = hstack([part.matrix(texts) for part in known], format="csr") / np.float32(len(known) ** 0.5)
        rows.sort_indices()
        return SparseFeatures(
            indices=torch.from_numpy(rows.indices.astype(np.int64)),
            weights=torch.from_numpy(rows.data.astype(np.float32)),
            offsets=torch.from_numpy(rows.indptr[:-1].astype(np.int64)),
        )

    def as_json(self) -> dict[str, object]:
        """Return what ``from_json`` reads."""
        parts = [
            {"terms": part.kind, "shortest": part.shortest, "longest": part.longest, "list": list(part.terms),
             "idf": list(part.idf)}
            for part in self.parts
        ]  # fmt: skip
        return {"kind": "tf-idf", "parts": parts}

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> "TfIdfVectorizer":
        """Read what ``as_json`` gave. Raises ValueError on anything else."""
        match value:
            case {"kind": "tf-idf", "parts": list(parts)}:
                return cls([_part_from_json(part) for part in parts])
        raise ValueError("expected kind and parts, as as_json writes them")


def _part_from_json(value: object) -> TermVectorizer:
    match value:
        case {
            "terms": ("words" | "letters") as kind, "shortest": int(shortest), "longest": int(longest),
            "list": list(terms), "idf": list(idf),
        } if all(isinstance(t, str) for t in terms) and all(isinstance(one, float) for one in idf):  # fmt: skip
            return TermVectorizer(cast(TermKind, kind), shortest, longest, tuple(terms), tuple(idf))
    raise ValueError("expected terms (words, letters), shortest, longest, list (strings) and idf (numbers)")
