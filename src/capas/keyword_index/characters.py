"""Which characters make up a word: the index and the queries must cut text in the same places."""

import unicodedata


def is_word_character(character: str) -> bool:
    """Whether a character is part of a word: a letter, a digit, or a mark above or below one.

    >>> [is_word_character(c) for c in "aꝑ9.⁊ "], is_word_character("\\N{COMBINING TILDE}")
    ([True, True, True, False, True, False], True)
    """
    return character.isalnum() or is_combining_mark(character) or character == "\N{TIRONIAN SIGN ET}"


def is_combining_mark(character: str) -> bool:
    """Whether a character stands above, below or around another one."""
    return unicodedata.category(character).startswith("M")
