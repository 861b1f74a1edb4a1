"""What a theme is asked with: the run, its model where themes can question it, and how deep to go."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from capas.core.i18n import say
from capas.data.naming import SplitName
from capas.trust.subjects.run_context import RunContext
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.subjects.structured import StructuredModelUnderTest

Level = Literal["quick", "standard", "deep"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ThemeContext:
    """``subject`` is None for models that give no single answer per example, ``structured`` for those that do. ``progress``
    counts what is done of the theme at hand."""

    run_context: RunContext
    subject: ModelUnderTest | None
    level: Level
    progress: Callable[[int, int], None] = lambda done, total: None

    @property
    def structured(self) -> StructuredModelUnderTest | None:
        """The model beside its examples, where it gives many answers for each."""
        return self.run_context.structured

    @property
    def example_noun(self) -> str:
        """What the examples are called: pictures, texts, …"""
        return say(f"trust.nouns.{self.run_context.medium}")


MIN_TEST_EXAMPLES = 30


def test_example_count(context: ThemeContext) -> int:
    """How many examples the test has."""
    split: SplitName = "test"
    return context.run_context.record.splits.count(split)
