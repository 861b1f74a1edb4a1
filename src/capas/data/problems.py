"""Problems of a dataset, found before training and told in the user's language.

The texts are in the message catalogues under ``problems.KIND``: ``what`` and ``advice``, and ``one`` where a count of
one needs a sentence of its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from capas.core.i18n import Value, has, say

Severity = Literal["note", "warning", "error"]
MAX_EXAMPLES: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One kind of problem.

    Attributes:
        kind: Key of the message catalogues.
        count: How often it occurs.
        examples: Up to five examples.
        severity: "error" stops training, "warning" harms it or its test, "note" is only good to know.
        values: Further placeholders of the sentence.
    """

    kind: str
    count: int
    examples: tuple[str, ...]
    severity: Severity
    values: MappingProxyType[str, Value] = field(default_factory=lambda: MappingProxyType({}))

    def sentence(self) -> str:
        """What was found, as a sentence in the current language."""
        single = f"problems.{self.kind}.one"
        key = single if self.count == 1 and has(single) else f"problems.{self.kind}.what"
        return say(key, count=self.count, **self.values)

    def advice(self) -> str:
        """What to do about it, as a sentence in the current language."""
        return say(f"problems.{self.kind}.advice", count=self.count, **self.values)

    def as_json(self) -> dict[str, str | int | list[str]]:
        """Return the fields for ``--json``."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "count": self.count,
            "examples": list(self.examples),
            "what": self.sentence(),
            "advice": self.advice(),
        }


def make_problem(
    kind: str,
    examples: Iterable[str],
    *,
    severity: Severity = "warning",
    count: int | None = None,
    values: dict[str, Value] | None = None,
) -> Problem:
    """Return a Problem whose ``count`` is the number of ``examples`` unless given; only the first five are kept."""
    listed = list(examples)
    return Problem(
        kind=kind,
        count=len(listed) if count is None else count,
        examples=tuple(map(escape_unprintable, listed[:MAX_EXAMPLES])),
        severity=severity,
        values=MappingProxyType(dict(values or {})),
    )


def problems_from(
    kind: str,
    examples: Iterable[str],
    *,
    severity: Severity = "warning",
    count: int | None = None,
    values: dict[str, Value] | None = None,
) -> tuple[Problem, ...]:
    """Return the Problem in a tuple, or () where there are no ``examples``."""
    listed = list(examples)
    return (make_problem(kind, listed, severity=severity, count=count, values=values),) if listed else ()


def escape_unprintable(text: str) -> str:
    r"""Escape what no terminal or JSON can show (undecodable bytes, line ends, control characters).

    >>> escape_unprintable("año\n1")
    'año\\n1'
    """
    safe = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        sign if sign.isprintable() or sign == "\u200d" else sign.encode("unicode_escape").decode() for sign in safe
    )
