"""What a theme is asked with: the run, its model where themes can question it, and how deep to go."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from capas.core.messages import say
from capas.trust.many import Many
from capas.trust.subject import Case, Subject

Level = Literal["quick", "standard", "deep"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """``subject`` is None for models that give no single answer per example, ``many`` for those that do. ``progress``
    counts what is done of the theme at hand."""

    case: Case
    subject: Subject | None
    level: Level
    progress: Callable[[int, int], None] = lambda done, total: None

    @property
    def many(self) -> Many | None:
        """The model beside its examples, where it gives many answers for each."""
        return self.case.many

    @property
    def noun(self) -> str:
        """What the examples are called: pictures, texts, …"""
        return say(f"trust.nouns.{self.case.medium}")
