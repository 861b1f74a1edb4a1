"""Word characters: the index and the queries must split text at the same positions."""

import unicodedata


def is_word_character(character: str) -> bool:
    r"""Return whether a character is part of a word: a letter, a digit, or a combining mark.

    >>> [is_word_character(c) for c in "aꝑ9.⁊ "], is_word_character("\N{COMBINING TILDE}")
    ([True, True, True, False, True, False], True)
    """
    return character.isalnum() or is_combining_mark(character) or character == "\N{TIRONIAN SIGN ET}"


def is_combining_mark(character: str) -> bool:
    """Return whether a character stands above, below or around another one."""
    return unicodedata.category(character).startswith("M")
