"""Documents as counts of the most frequent words: a bag of words.

Words have two letters or digits or more and are in lower case; the vocabulary is that of the training documents, by
scikit-learn's ``CountVectorizer``. Words that more than half of the documents have (those without content, in any
language) are left out where others remain: they would take up most of a document and tell none from another. What is
kept of it is JSON.

Shapes: B documents, V words of the vocabulary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MAX_DOCUMENT_SHARE: Final = 0.5  # of the training documents


@dataclass(frozen=True)
class WordCounter:
    """Counts the words of a vocabulary.

    Attributes:
        words: The vocabulary, in alphabetical order.
    """

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.words or len(set(self.words)) != len(self.words):
            raise ValueError(f"{len(self.words)} words; expected one or more, each once")

    @classmethod
    def fit(cls, documents: Sequence[str], *, max_words: int) -> "WordCounter":
        """Take the ``max_words`` most frequent words of ``documents``.

        Raises ValueError where no document has a word.
        """
        try:
            found = _vectorizer(max_df=MAX_DOCUMENT_SHARE, max_features=max_words).fit(documents)
        except ValueError:  # every word is in more than half of the documents, or there is none
            found = _vectorizer(max_features=max_words).fit(documents)
        return cls(tuple(found.get_feature_names_out().tolist()))

    def counts(self, documents: Sequence[str]) -> "csr_matrix":
        """Return how often each document has each word, float32 (B, V), sparse."""
        return self._ready.transform(documents)

    @cached_property
    def _ready(self) -> Any:
        return _vectorizer(vocabulary=self.words)

    def as_json(self) -> dict[str, object]:
        """Return what ``from_json`` reads."""
        return {"kind": "word counts", "words": list(self.words)}

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> "WordCounter":
        """Read what ``as_json`` gave. Raises ValueError on anything else."""
        match value:
            case {"kind": "word counts", "words": list(words)} if all(isinstance(word, str) for word in words):
                return cls(tuple(words))
        raise ValueError("expected kind and words, as as_json writes them")


def _vectorizer(**settings: object) -> Any:
    from sklearn.feature_extraction.text import CountVectorizer

    return CountVectorizer(dtype=np.float32, **settings)


def word_shares(counts: Float[Tensor, "B V"]) -> Float[Tensor, "B V"]:
    """Return counts as shares that sum to one for each document, or are all zero where it has none of the words."""
    return counts / counts.sum(1, keepdim=True).clamp(min=1)


def thinned(counts: Float[Tensor, "B V"], kept: float, rng: torch.Generator) -> Float[Tensor, "B V"]:
    """Return the counts of a random part of each document's words: each occurrence stays with probability ``kept``.

    A document of which nothing would be left stays whole.
    """
    drawn = torch.binomial(counts, torch.full_like(counts, kept), generator=rng)
    return torch.where(drawn.sum(1, keepdim=True) > 0, drawn, counts)
