"""Detection of English text by the shares of English and Spanish function words.

About four in ten words of English prose are among the hundred most frequent; here are 72 of these, without those that
are also frequent in Spanish ("a", "no", "me", "he"). A heuristic, for a choice that costs little when it errs:
headlines and lists of products have fewer of them, and a language that is neither English nor Spanish has hardly any.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MIN_ENGLISH_SHARE: Final = 0.15
MIN_ENGLISH_RATIO: Final = 2.0
MAX_CHARACTERS: Final = 2000  # of each text: enough to tell its language

_WORD = re.compile(r"[^\W\d_]+")
ENGLISH: Final = frozenset(
    _WORD.findall(
        "the of and to in is that for it was on with as at be by this from are have has had not but they which you we "
        "his her she him their its or an were been will would there what when who if can could should about into than "
        "then them these those some so my your our all any also do does did more up out how after before"
    )
)
SPANISH: Final = frozenset(
    _WORD.findall(
        "el la los las de del y que en un una unos unas es por con para se su sus lo al como más pero le les ya o fue "
        "este esta estos estas ha han sin sobre muy ser son está están era eran cuando entre desde hasta todo toda "
        "todos todas también porque donde quien nos mi tu si ni"
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FunctionWordShares:
    """Shares of English and Spanish function words among ``words`` words, 0..1."""

    words: int
    english: float
    spanish: float

    @property
    def looks_english(self) -> bool:
        """At least 15 % English function words, and twice as many as Spanish ones."""
        return self.english >= MIN_ENGLISH_SHARE and self.english >= MIN_ENGLISH_RATIO * self.spanish


def function_word_shares(texts: Iterable[str]) -> FunctionWordShares:
    """Count function words in the beginnings of all ``texts``; without any word both shares are 0.

    >>> function_word_shares(["The ship that left the harbour was old."]).looks_english
    True
    >>> function_word_shares(["El barco que salió del puerto era viejo."]).looks_english
    False
    """
    words = [word for text in texts for word in _WORD.findall(text[:MAX_CHARACTERS].lower())]
    n = max(1, len(words))
    english, spanish = sum(word in ENGLISH for word in words), sum(word in SPANISH for word in words)
    return FunctionWordShares(words=len(words), english=english / n, spanish=spanish / n)
