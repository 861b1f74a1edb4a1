"""What a theme is asked with: the run, its model where themes can question it, and how deep to go."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from capas.trust.subject import Case, Subject

Level = Literal["quick", "standard", "deep"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """``subject`` is None for models that give no single answer per example. ``progress`` counts what is done of the
    theme at hand."""

    case: Case
    subject: Subject | None
    level: Level
    progress: Callable[[int, int], None] = lambda done, total: None

    @property
    def noun(self) -> str:
        """The key of what the examples are called: ``trust.nouns.image``."""
        return f"trust.nouns.{self.case.medium}"
