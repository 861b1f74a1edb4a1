"""WordPiece tokenizer, as in the uncased BERT models.

Devlin et al., NAACL 2019 (arXiv:1810.04805), after Wu et al., "Google's Neural Machine Translation System", 2016
(arXiv:1609.08144).

    clean → split Chinese characters → lower case → strip accents → split at white space and punctuation
    → each word by its longest known beginning, then the longest known continuation ("##…"), …
    → [CLS] … [SEP], cut at ``max_tokens``

Where we deviate: a special token that is spelt out in a text ("[SEP]") is text like any other.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

UNK, CLS, SEP = "[UNK]", "[CLS]", "[SEP]"
CONTINUATION_PREFIX = "##"
MAX_WORD_LENGTH = 100

# The blocks that BERT takes for Chinese characters, and sets apart: first and last code point.
_CHINESE = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


class WordPieceTokenizer:
    """Tokenizes text into indices; ``pieces`` is the vocabulary in the order of its indices.

    >>> WordPieceTokenizer(["[UNK]", "[CLS]", "[SEP]", "sail", "##ing"]).encode("Sáiling far")
    [1, 3, 4, 0, 2]
    """

    def __init__(self, pieces: Sequence[str], *, max_tokens: int = 256) -> None:
        self.ids = {piece: number for number, piece in enumerate(pieces)}
        self.longest = max_tokens
        if missing := {UNK, CLS, SEP} - self.ids.keys():
            raise ValueError(f"the vocabulary lacks {', '.join(sorted(missing))}")
        if max_tokens < 3:
            raise ValueError(f"longest is {max_tokens}; expected 3 or more")
        self._word = lru_cache(maxsize=2**16)(self._encode_word)

    @classmethod
    def from_file(cls, path: Path, *, max_tokens: int = 256) -> "WordPieceTokenizer":
        """Read a vocabulary with a piece per line (``vocab.txt``)."""
        # Not splitlines(): some pieces are separators in Unicode's eyes.
        return cls(path.read_text(encoding="utf-8").removesuffix("\n").split("\n"), max_tokens=max_tokens)

    def __len__(self) -> int:
        return len(self.ids)

    def encode(self, text: str) -> list[int]:
        """Return 2 to ``max_tokens`` indices: the pieces between [CLS] and [SEP]."""
        numbers: list[int] = [self.ids[CLS]]
        for word in basic_tokenize(text):
            numbers.extend(self._word(word))
            if len(numbers) >= self.longest:
                break
        return [*numbers[: self.longest - 1], self.ids[SEP]]

    def _encode_word(self, word: str) -> tuple[int, ...]:
        if len(word) > MAX_WORD_LENGTH:
            return (self.ids[UNK],)
        numbers: list[int] = []
        start = 0
        while start < len(word):
            end = self._longest_piece(word, start)
            if end == start:
                return (self.ids[UNK],)
            numbers.append(self.ids[_piece(word, start, end)])
            start = end
        return tuple(numbers)

    def _longest_piece(self, word: str, start: int) -> int:
        """Where the longest piece from ``start`` on ends; ``start`` itself where there is none."""
        return next((end for end in range(len(word), start, -1) if _piece(word, start, end) in self.ids), start)


def _piece(word: str, start: int, end: int) -> str:
    return word[start:end] if start == 0 else CONTINUATION_PREFIX + word[start:end]


def basic_tokenize(text: str) -> Iterator[str]:
    """Iterate over words in lower case without accents; each punctuation mark and each Chinese character alone.

    >>> list(basic_tokenize("¿Qué tal, Ana?"))
    ['¿', 'que', 'tal', ',', 'ana', '?']
    """
    for word in "".join(map(_cleaned, text)).split():
        plain = "".join(c for c in unicodedata.normalize("NFD", word.lower()) if unicodedata.category(c) != "Mn")
        yield from "".join(f" {c} " if _is_punctuation(c) else c for c in plain).split()


@lru_cache(maxsize=2**16)
def _cleaned(character: str) -> str:
    """Blanks as one kind of blank, nothing for control characters, Chinese characters between blanks."""
    category = unicodedata.category(character)
    if character in "\t\n\r" or category == "Zs":
        return " "
    if character == "\ufffd" or category.startswith("C"):
        return ""
    code = ord(character)
    return f" {character} " if any(first <= code <= last for first, last in _CHINESE) else character


def _is_punctuation(character: str) -> bool:
    # In ASCII also what Unicode calls symbols: $ + < = > ^ ` | ~.
    symbol = character.isascii() and character.isprintable() and not character.isalnum() and character != " "
    return symbol or unicodedata.category(character).startswith("P")
