"""The alphabet of CTC: characters as labels 1, 2, …, with 0 for the blank."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Alphabet:
    """The ``characters`` that can be predicted, in the order of their labels 1, 2, …"""

    characters: str

    @staticmethod
    def from_texts(texts: Iterable[str]) -> "Alphabet":
        """Return all characters of ``texts``, in the order of their code points.

        >>> Alphabet.from_texts(["banana", "ñ"]).characters
        'abnñ'
        """
        return Alphabet(characters="".join(sorted({c for text in texts for c in normalise_nfc(text)})))

    @property
    def num_labels(self) -> int:
        """Number of labels, the blank included."""
        return len(self.characters) + 1

    def encode(self, text: str) -> list[int]:
        """Return the labels of a text; characters that are not in the alphabet are left out."""
        number = {character: label for label, character in enumerate(self.characters, 1)}
        return [number[c] for c in normalise_nfc(text) if c in number]

    def decode(self, labels: Iterable[int]) -> str:
        """Return the characters of labels 1, 2, …"""
        return "".join(self.characters[label - 1] for label in labels)


def normalise_nfc(text: str) -> str:
    """Return the text in Unicode's composed form (NFC)."""
    return unicodedata.normalize("NFC", text)
