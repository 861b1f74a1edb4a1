"""Spellings that historical Spanish did not tell apart, written as one: a form to compare, not to show.

u and v were one letter, and b and v became one sound (so u, v and b are one here); ç, z and s merged in Seville and in
America; i, j and y stood for one another; ſ is s. Case and accents are dropped; ñ is kept, it is a letter of its own.
After R. Menéndez Pidal, «Manual de gramática histórica española».
"""

import unicodedata
from functools import lru_cache
from typing import Final

_LETTERS: Final = str.maketrans({"v": "u", "b": "u", "ç": "s", "z": "s", "ſ": "s", "j": "i", "y": "i"})


@lru_cache(maxsize=100_000)
def folded(word: str) -> str:
    """The common form of all spellings of a word.

    >>> folded("Caveça") == folded("cabeza") == folded("CABEÇA")
    True
    >>> folded("año") == folded("ano")
    False
    """
    composed = unicodedata.normalize("NFC", word).lower()
    letters = (letter if letter in "ñç" else unicodedata.normalize("NFD", letter)[0] for letter in composed)
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).translate(_LETTERS)
