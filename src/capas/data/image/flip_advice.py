"""Whether horizontal flips are a valid augmentation for these classes, judged by their names.

A mirrored cat is a cat; a mirrored "b" is a "d", and a mirrored left turn is a right turn. Only the classes' names can
tell, so these are rules of thumb, and when in doubt the answer is no:

- a name that is a digit, number, single letter, or the word for a number marks signs (codes such as 0 and 1 fall here
  too, because nobody can tell what they stand for);
- a name with a word for a sign, a side or a direction, in English or Spanish, marks what mirroring would change.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from capas.core.i18n import say

_SIGNS: Final = frozenset(
    {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}
    | {"cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez"}
    | {"number", "character", "text", "word", "numero", "cifra", "caracter", "texto", "palabra"}
)
_ALWAYS_SIGNS: Final = frozenset({"letter", "letra", "digit", "digito"})
_SIDES: Final = frozenset(
    {"left", "right", "clockwise", "counterclockwise", "anticlockwise", "arrow", "east", "west", "handed"}
    | {"izquierda", "izquierdo", "izq", "derecha", "derecho", "der", "horario", "antihorario", "flecha"}
    | {"este", "oeste", "zurdo", "diestro"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FlipAdvice:
    """Whether flips are ``allowed``, and the ``reason`` as a sentence in the current language."""

    allowed: bool
    reason: str


def flip_advice(class_names: Sequence[str]) -> FlipAdvice:
    """Return whether images of these classes may be flipped, and why."""
    for name in class_names:
        words = _words(name)
        if _is_sign(name) or (words and words <= _SIGNS) or words & _ALWAYS_SIGNS:
            return FlipAdvice(allowed=False, reason=say("flip.signs", example=name))
        if words & _SIDES:
            return FlipAdvice(allowed=False, reason=say("flip.sides", example=name))
    return FlipAdvice(allowed=True, reason=say("flip.allowed"))


def flip_allowed(class_names: Sequence[str]) -> bool:
    """Return ``flip_advice`` without its reason.

    >>> flip_allowed(["cat", "dog"]), flip_allowed(["0", "1"]), flip_allowed(["giro izquierda", "recto"])
    (True, False, False)
    """
    return flip_advice(class_names).allowed


def _is_sign(name: str) -> bool:
    stripped = name.strip()
    return len(stripped) == 1 or re.fullmatch(r"[+-]?[\d.,]+", stripped) is not None


def _words(name: str) -> set[str]:
    """Lower-case words without accents; "giroIzquierda" and "giro_izquierda" both hold "izquierda"."""
    split = re.sub(r"(?<=[a-zñáéíóú])(?=[A-ZÑÁÉÍÓÚ])", " ", name)
    plain = unicodedata.normalize("NFKD", split).encode("ascii", "ignore").decode().casefold()
    return set(re.findall(r"[a-z]+", plain))
