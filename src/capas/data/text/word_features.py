"""Word features for token classification: the word itself, its characters, its shape and its affixes.

What a word looks like tells of words that training did not show: Collobert et al., "Natural Language Processing
(Almost) from Scratch", JMLR 2011, Section 6. Words are equal in any case and with any digits ("1998" = "0000").

Shapes: B sentences, T words, C characters, F features. 0 is padding everywhere, 1 the unknown.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Final

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

FIRST_INDEX: Final = 2
MAX_WORD_CHARACTERS: Final = 24
_SHAPE: Final = 8
_MANY: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedWords:
    """Sentences as indices, padded on the right, in the order in which the network takes them.

    Attributes:
        words: int64, shape (B, T).
        characters: int64, shape (B, T, C).
        lengths: int64, shape (B,).
        features: int64, shape (B, T, F).
    """

    words: Int[Tensor, "B T"]
    characters: Int[Tensor, "B T C"]
    lengths: Int[Tensor, " B"]
    features: Int[Tensor, "B T F"]


def normalise_word(word: str) -> str:
    """Return the word as the vocabulary has it.

    >>> normalise_word("EE-1998")
    'ee-0000'
    """
    return re.sub(r"\d", "0", word.lower())


def word_shape(word: str) -> str:
    """Return the pattern of capitals, small letters and digits, repetitions shortened.

    >>> [word_shape(word) for word in ("Madrid", "EE.UU.", "1998", "y")]
    ['Xxx', 'XX.XX.', '00', 'x']
    """
    kinds = "".join(
        "0" if c.isdigit() else "X" if c.isupper() or c.istitle() else "x" if c.isalpha() else c for c in word
    )
    return re.sub(r"(.)\1+", r"\1\1", kinds)[:_SHAPE]


def _end(length: int) -> Callable[[str], str]:
    """The first letters, or for a negative length the last."""
    return (lambda word: normalise_word(word)[:length]) if length > 0 else (lambda word: normalise_word(word)[length:])


_FEATURES: Final[tuple[Callable[[str], str], ...]] = (word_shape, _end(2), _end(3), _end(-2), _end(-3), _end(-4))


class WordFeatures:
    """The words, characters and feature values of the training sentences, with indices.

    ``counts`` are the training frequencies of the words; they are not kept with the model.
    """

    def __init__(
        self,
        words: Sequence[str],
        characters: Sequence[str],
        features: Sequence[Sequence[str]],
        counts: Sequence[int] = (),
    ) -> None:
        if len(features) != len(_FEATURES):
            raise ValueError(f"{len(features)} features; expected {len(_FEATURES)}")
        self.words, self.characters = tuple(words), tuple(characters)
        self.features = tuple(tuple(values) for values in features)
        self.counts = tuple(counts)
        self._words, self._characters = _numbered(self.words), _numbered(self.characters)
        self._features = [_numbered(values) for values in self.features]
        self._row = lru_cache(maxsize=2**17)(self._encode_word)

    @classmethod
    def fit(cls, sentences: Sequence[Sequence[str]], *, max_words: int = 50_000) -> "WordFeatures":
        """Fit to the training ``sentences``.

        Keeps all words, the most frequent ``max_words`` where there are more; characters seen twice, and feature values
        seen three times (twice in fewer than 200 sentences).
        """
        seen = Counter(chain.from_iterable(sentences))
        words = Counter[str]()
        for word, count in seen.items():
            words[normalise_word(word)] += count
        kept = _commonest(words, 1)[:max_words]
        characters = _tally((tuple(word), count) for word, count in seen.items())
        min_count = 3 if len(sentences) >= _MANY else 2
        features = [
            _commonest(_tally(((feature(word),), count) for word, count in seen.items()), min_count)
            for feature in _FEATURES
        ]
        return cls(kept, _commonest(characters, 2), features, [words[word] for word in kept])

    @property
    def feature_sizes(self) -> tuple[int, ...]:
        """Number of values of each feature, padding and unknown included."""
        return tuple(FIRST_INDEX + len(values) for values in self.features)

    def word_counts(self) -> Int[Tensor, " W"]:
        """Training frequency of each word; padding and unknown get so high a one that they are never dropped."""
        return torch.tensor([10**9] * FIRST_INDEX + list(self.counts))

    def encode(self, sentences: Sequence[Sequence[str]]) -> EncodedWords:
        """Encode sentences; of long words the first 24 characters count. Raises ValueError on an empty sentence."""
        if not sentences or not all(sentences):
            raise ValueError("expected sentences of at least one word each")
        rows = [torch.from_numpy(np.stack([self._row(word) for word in words])) for words in sentences]
        together, first = pad_sequence(rows, batch_first=True), 1 + len(_FEATURES)
        characters = together[:, :, first:]
        longest = max(1, int((characters != 0).sum(2).max()))
        return EncodedWords(
            words=together[:, :, 0],
            characters=characters[:, :, :longest],
            lengths=torch.tensor([len(row) for row in rows]),
            features=together[:, :, 1:first],
        )

    def _encode_word(self, word: str) -> NDArray[np.int64]:
        row = np.zeros(1 + len(_FEATURES) + MAX_WORD_CHARACTERS, dtype=np.int64)
        row[0] = self._words.get(normalise_word(word), 1)
        for place, (feature, known) in enumerate(zip(_FEATURES, self._features, strict=True), 1):
            row[place] = known.get(feature(word), 1)
        for place, character in enumerate(word[:MAX_WORD_CHARACTERS], 1 + len(_FEATURES)):
            row[place] = self._characters.get(character, 1)
        return row

    def as_json(self) -> dict[str, object]:
        """Return what ``from_json`` reads."""
        return {
            "kind": "word features",
            "words": list(self.words),
            "characters": list(self.characters),
            "features": [list(values) for values in self.features],
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, object]) -> "WordFeatures":
        """Read what ``as_json`` gave, without the counts. Raises ValueError on anything else."""
        features = tree.get("features")
        if tree.get("kind") != "word features" or not isinstance(features, list):
            raise ValueError(f"kind is {tree.get('kind')!r}; expected 'word features' with a list of features")
        return cls(_strings(tree.get("words")), _strings(tree.get("characters")), [_strings(one) for one in features])


def _numbered(values: Sequence[str]) -> dict[str, int]:
    return {value: number for number, value in enumerate(values, FIRST_INDEX)}


def _tally(counted: Iterable[tuple[tuple[str, ...], int]]) -> Counter[str]:
    total = Counter[str]()
    for values, count in counted:
        for value in values:
            total[value] += count
    return total


def _commonest(counts: Counter[str], at_least: int) -> list[str]:
    return sorted((value for value in counts if counts[value] >= at_least), key=lambda value: (-counts[value], value))


def _strings(value: object) -> list[str]:
    strings = [one for one in value if isinstance(one, str)] if isinstance(value, list) else None
    if strings is None or not isinstance(value, list) or len(strings) != len(value):
        raise ValueError("expected a list of strings")
    return strings
