"""Vocabularies of words and of subwords (byte-level fallback), from text to token indices and back.

Both are learnt from training texts only, are never changed afterwards, and round-trip through JSON. The first four
tokens are the same in both: padding, beginning, end, unknown.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal

from capas.data.text.bpe import apply_merges, learn_merges

SPECIAL_TOKENS = ("<pad>", "<bos>", "<eos>", "<unk>")
PAD, BOS, EOS, UNKNOWN = range(4)

# Marks that belong to letters: separate accents, and the vowel signs of Hebrew, Arabic, India, Thailand and Laos.
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff\u0e00-\u0eff"
_WORD = re.compile(rf"\w[\w{_MARKS}]*|[^\w\s]")
# For subwords nothing may get lost: a space goes with the word after it, further white space stands alone.
_PIECE = re.compile(rf" ?[\w{_MARKS}]+| ?[^\w\s{_MARKS}]+|\s+(?!\S)|\s")


def tokenize_words(text: str, *, lowercase: bool = True) -> list[str]:
    """Return words and punctuation marks, without white space.

    >>> tokenize_words("¿Qué tal, Ana?")
    ['¿', 'qué', 'tal', ',', 'ana', '?']
    """
    return _WORD.findall(text.lower() if lowercase else text)


class WordVocabulary:
    """Whole words by index; words that are too rare in training are the unknown token."""

    def __init__(self, words: Sequence[str], *, lowercase: bool = True) -> None:
        self.words = (*SPECIAL_TOKENS, *words)
        self.lowercase = lowercase
        self.ids = {word: number for number, word in enumerate(self.words)}
        if len(self.ids) != len(self.words):
            raise ValueError("a word stands twice in the vocabulary")

    @classmethod
    def learn(
        cls, texts: Iterable[str], *, min_count: int = 2, max_size: int = 50_000, lowercase: bool = True
    ) -> "WordVocabulary":
        """Learn the most frequent words of the ``texts``, at most ``max_size`` tokens with the special ones."""
        counts = Counter(word for text in texts for word in tokenize_words(text, lowercase=lowercase))
        ranked = sorted((word for word in counts if counts[word] >= min_count), key=lambda word: (-counts[word], word))
        return cls(ranked[: max(0, max_size - len(SPECIAL_TOKENS))], lowercase=lowercase)

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str) -> list[int]:
        """Return the index of each word; UNKNOWN for those outside the vocabulary."""
        return [self.ids.get(word, UNKNOWN) for word in tokenize_words(text, lowercase=self.lowercase)]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the words, separated by spaces; padding, beginning and end are left out."""
        return " ".join(self.words[number] for number in ids if number not in (PAD, BOS, EOS))

    def as_json(self) -> dict[str, object]:
        """Return what ``from_json`` reads."""
        return {"kind": "words", "lowercase": self.lowercase, "words": list(self.words[len(SPECIAL_TOKENS) :])}

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> "WordVocabulary":
        """Read what ``as_json`` gave. Raises ValueError on anything else."""
        lowercase = value.get("lowercase")
        if not isinstance(lowercase, bool):
            raise ValueError(f"lowercase is {lowercase!r}; expected true or false")
        return cls(_strings(value, "words", kind="words"), lowercase=lowercase)


class SubwordVocabulary:
    """Byte-pair encoding: frequent words are one token, rare ones several, and decode(encode(text)) == text for any
    text.

    A character that training did not show is encoded by its UTF-8 bytes, so that nothing is ever unknown. Where we
    deviate from the paper: a word has the space before it instead of a mark behind it, which keeps all white space.
    """

    def __init__(self, characters: Sequence[str], merges: Sequence[tuple[str, str]]) -> None:
        self.characters, self.merges = tuple(characters), tuple(merges)
        self.ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        spelt = [f"<0x{byte:02X}>" for byte in range(256)]
        # Two merges can give the same string ("a"+"bc", "ab"+"c"): it is one token.
        joined = dict.fromkeys(left + right for left, right in self.merges)
        self.tokens = (*SPECIAL_TOKENS, *spelt, *self.characters, *joined)
        self.first_character = len(SPECIAL_TOKENS) + 256
        self.ids = {token: i for i, token in enumerate(self.tokens) if i >= self.first_character}
        if len(self.ids) != len(self.tokens) - self.first_character:
            raise ValueError("a character stands twice in the vocabulary")
        self._piece = lru_cache(maxsize=2**16)(self._encode_piece)

    @classmethod
    def learn(cls, texts: Iterable[str], *, size: int = 8000, min_count: int = 2) -> "SubwordVocabulary":
        """Learn as many merges as fit into ``size`` tokens (260 of them special tokens and bytes).

        Args:
            texts: The training texts, of both languages for a shared vocabulary.
            size: Number of tokens.
            min_count: Rarer characters and pairs are left out.

        Raises:
            ValueError: Not even the characters fit.
        """
        pieces = Counter(piece for text in texts for piece in _PIECE.findall(text))
        counts: Counter[str] = Counter()
        for piece, count in pieces.items():
            for character in piece:
                counts[character] += count
        characters = sorted(character for character in counts if counts[character] >= min_count)
        room = size - len(SPECIAL_TOKENS) - 256 - len(characters)
        if room < 0:
            raise ValueError(f"size is {size}; expected at least {size - room}, for the bytes and the characters seen")
        known = frozenset(characters)
        words = {tuple(piece): count for piece, count in pieces.items() if known.issuperset(piece)}
        return cls(characters, learn_merges(words, room, min_count=min_count))

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """Return the token indices of ``text``, without beginning and end."""
        return [number for piece in _PIECE.findall(text) for number in self._piece(piece)]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text; special tokens are left out, byte sequences that are no UTF-8 become �."""
        kept = (number for number in ids if number >= len(SPECIAL_TOKENS))
        data = b"".join(
            bytes([number - len(SPECIAL_TOKENS)])
            if number < self.first_character
            else self.tokens[number].encode("utf-8")
            for number in kept
        )
        return _from_bytes(data)

    def _encode_piece(self, piece: str) -> tuple[int, ...]:
        numbers: list[int] = []
        for symbol in apply_merges(piece, self.ranks):
            known = self.ids.get(symbol)
            # A lone surrogate has no UTF-8; Python's "surrogatepass" writes it all the same.
            spelt = (len(SPECIAL_TOKENS) + byte for byte in symbol.encode("utf-8", "surrogatepass"))
            numbers.extend(spelt if known is None else [known])
        return tuple(numbers)

    def as_json(self) -> dict[str, object]:
        """Return what ``from_json`` reads."""
        return {
            "kind": "subwords",
            "characters": list(self.characters),
            "merges": [list(pair) for pair in self.merges],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> "SubwordVocabulary":
        """Read what ``as_json`` gave. Raises ValueError on anything else."""
        merges = value.get("merges")
        if not isinstance(merges, list):
            raise ValueError(f"merges is {type(merges).__name__}; expected a list of pairs")
        return cls(_strings(value, "characters", kind="subwords"), list(_pairs(merges)))


def _from_bytes(data: bytes) -> str:
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


def _pairs(merges: Sequence[object]) -> Iterator[tuple[str, str]]:
    for pair in merges:
        match pair:
            case [str(left), str(right)]:
                yield left, right
            case _:
                raise ValueError(f"a merge is {pair!r}; expected two strings")


def _strings(value: Mapping[str, object], key: str, *, kind: Literal["words", "subwords"]) -> list[str]:
    if value.get("kind") != kind:
        raise ValueError(f"kind is {value.get('kind')!r}; expected {kind!r}")
    found = value.get(key)
    if not isinstance(found, list):
        raise ValueError(f"{key} is {type(found).__name__}; expected a list of strings")
    strings = [one for one in found if isinstance(one, str)]
    if len(strings) != len(found):
        raise ValueError(f"{key} holds something else than strings")
    return strings
