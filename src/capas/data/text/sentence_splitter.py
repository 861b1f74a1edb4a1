"""Rule-based splitting of running text into sentences and words, for token classification.

A sentence ends at . ! ? … before white space and something that can begin one, unless the point belongs to an initial
or a common abbreviation; a paragraph ends it in any case.
"""

import re
from typing import Final

_ABBREVIATIONS: Final = frozenset({
    "sr", "sra", "srta", "sres", "dña", "dr", "dra", "prof", "lic", "ing", "gral", "ud", "uds", "av", "avda", "cía",
    "núm", "nº", "pág", "art", "fig", "vol", "ed", "mr", "mrs", "ms", "st", "vs", "jr", "inc", "ltd", "co", "dept",
    "gen", "gov", "rev", "hon", "sen", "rep", "col", "lt", "sgt", "cap", "capt", "approx",
})  # fmt: skip
# Letters and digits with the signs that stand inside: "EE.UU.", "12.000,5", "d'Hondt", "vice-president".
_WORD: Final = re.compile(r"(?:[^\W\d_]\.){2,}|(?:[^\W\d_]{2}\.){2,}|\w+(?:[.,:'’·-]\w+)*|\.{2,}|[^\w\s]")
_END: Final = re.compile(r"(?<=[.!?…])([»”\"')\]]*)\s+(?=[¿¡«“\"'(\[—-]*[^\W_a-zà-öø-ÿ])")
_PARAGRAPH: Final = re.compile(r"\n\s*\n")


def split_words(text: str) -> list[str]:
    """Split text into words and punctuation, as CoNLL's files do.

    >>> split_words("EE.UU. paga 12.000,5 euros, ¿no?")
    ['EE.UU.', 'paga', '12.000,5', 'euros', ',', '¿', 'no', '?']
    """
    return _WORD.findall(text)


def split_sentences(text: str) -> list[str]:
    r"""Split text into sentences, each on one line, without empty ones.

    >>> split_sentences("El Sr. Díaz calla. ¿Y J. Pérez? «No.»  Nadie\n\nsabe")
    ['El Sr. Díaz calla.', '¿Y J. Pérez?', '«No.»', 'Nadie', 'sabe']
    """
    sentences: list[str] = []
    for paragraph in _PARAGRAPH.split(text):
        start = 0
        for end in _END.finditer(paragraph):
            if not _abbreviated(paragraph[start : end.start()]):
                sentences.append(paragraph[start : end.end(1)])
                start = end.end()
        sentences.append(paragraph[start:])
    return [line for sentence in sentences if (line := " ".join(sentence.split()))]


def _abbreviated(sentence: str) -> bool:
    last = re.search(r"([^\W\d_]+[ªº]?)\.$", sentence)
    return last is not None and (len(last[1]) == 1 or last[1].casefold() in _ABBREVIATIONS)
