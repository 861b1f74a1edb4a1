"""Plain measures of texts: unknown words, the order of words, lengths and signs.

The order is measured by the mean pointwise mutual information of neighbouring words (Church & Hanks, "Word association
norms, mutual information, and lexicography", Computational Linguistics 1990),

    PMI = log P(w₂ | w₁) − log P(w₂),

after each word that is not one of the 200 commonest has been replaced by its last two letters: so counted, a few
hundred texts know most pairs, and *the …ing* is told from *…ing the*. Shuffled words have a PMI about 0 or below.

Of the training texts themselves each fifth is measured by the other four: of its own words a text knows all.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

FOLDS: Final = 5
MAX_WORDS: Final = 50_000
_COMMON: Final = 200
_ENDINGS: Final = 100
_SMOOTHING: Final = 0.2
_WORD: Final = re.compile(r"\w+|[^\w\s]")
_PLACES: Final = _COMMON + _ENDINGS + 2  # and one for all others, one for start and end


def fit_word_statistics(texts: Sequence[str]) -> dict[str, Tensor]:
    """Return what is remembered of training texts: hashes of their words, common words and endings, and pairs."""
    words = [_words(text) for text in texts]
    counts = Counter(word for one in words for word in one)
    common = dict.fromkeys(word for word, _ in counts.most_common(_COMMON))
    rest = Counter[str]()
    for word, count in counts.items():
        if word not in common:
            rest[_ending(word)] += count
    endings = [ending for ending, _ in rest.most_common(_ENDINGS)]
    known = sorted({_hash(word.lstrip("^")) for word, _ in counts.most_common(MAX_WORDS)})
    state = {
        "words": torch.tensor(known, dtype=torch.int64),
        "common": torch.tensor([_hash(word) for word in common], dtype=torch.int64),
        "endings": torch.tensor([_hash(ending) for ending in endings], dtype=torch.int64),
    }
    places = _places(state)
    codes = [a * _PLACES + b for one in words for a, b in pairwise(_path(one, places))]
    pairs = torch.bincount(torch.tensor(codes, dtype=torch.long), minlength=_PLACES**2).view(_PLACES, _PLACES).float()
    return {**state, "pairs": pairs.half() if float(pairs.max()) < 2000 else pairs}


def word_measures(texts: Sequence[str], state: Mapping[str, Tensor]) -> Mapping[str, Float[Tensor, " N"]]:
    """Return by name: unknown words (share), word order (PMI in nats), word length, characters, and letters (share)."""
    known, places = set(state["words"].tolist()), _places(state)
    pairs = state["pairs"].float()
    follow = pairs.sum(0) + _SMOOTHING
    shares = follow / follow.sum()
    given = (pairs + _SMOOTHING * _PLACES * shares) / (pairs.sum(1, keepdim=True) + _SMOOTHING * _PLACES)
    association = given.log() - shares.log()
    rows = []
    for text in texts:
        words = _words(text)
        path = torch.tensor(_path(words, places))
        spelt = [word.lstrip("^") for word in words if word[-1].isalnum()]
        rows.append([
            sum(_hash(word) not in known for word in spelt) / max(1, len(spelt)),
            float(association[path[:-1], path[1:]].mean()),
            sum(map(len, spelt)) / max(1, len(spelt)),
            float(len(text)),
            sum(sign.isalpha() for sign in text) / max(1, len(text)),
        ])  # fmt: skip
    names = ("unknown_words", "word_order", "word_length", "characters", "letters")
    return dict(zip(names, torch.tensor(rows).view(-1, len(names)).T, strict=True))


def cross_fitted_word_measures(texts: Sequence[str]) -> Mapping[str, Float[Tensor, " N"]]:
    """Return the measures of training texts, each by what is remembered of the other folds."""
    found: dict[str, Tensor] = {}
    for fold in range(FOLDS):
        others = [text for i, text in enumerate(texts) if i % FOLDS != fold]
        own = [text for i, text in enumerate(texts) if i % FOLDS == fold]
        if not own or not others:
            continue
        for name, values in word_measures(own, fit_word_statistics(others)).items():
            found.setdefault(name, torch.full((len(texts),), torch.nan))[fold::FOLDS] = values
    return found


def _words(text: str) -> list[str]:
    """Words and signs; a capital is written as "^" before the small letters: it has a place in a sentence too."""
    return [f"^{word.casefold()}" if word[0].isupper() else word for word in _WORD.findall(text)]


def _ending(word: str) -> str:
    return ("^" if word[0] == "^" else "") + word[-2:]


@lru_cache(maxsize=200_000)
def _hash(word: str) -> int:
    """31 bits of a hash that is the same on every machine."""
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=4).digest(), "big") >> 1


def _places(state: Mapping[str, Tensor]) -> tuple[dict[int, int], dict[int, int]]:
    common = {code: 2 + i for i, code in enumerate(state["common"].tolist())}
    return common, {code: 2 + _COMMON + i for i, code in enumerate(state["endings"].tolist())}


def _path(words: Sequence[str], places: tuple[dict[int, int], dict[int, int]]) -> list[int]:
    """The place of each word: 0 for start and end, 1 for what is neither common nor has a common ending."""
    common, endings = places
    inner = [common.get(_hash(word)) or endings.get(_hash(_ending(word))) or 1 for word in words]
    return [0, *inner, 0]
