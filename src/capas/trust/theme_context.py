"""The input of a theme: the run, its model under test, and the level of detail."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from capas.core.i18n import say
from capas.core.number_format import format_decimal
from capas.data.naming import SplitName
from capas.trust.subjects.run_context import RunContext
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.subjects.structured import StructuredModelUnderTest
from capas.trust.time_budget import Deadline

Level = Literal["quick", "standard", "deep"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ThemeContext:
    """What a theme is computed from.

    Attributes:
        run_context: The run with its data.
        subject: The model under test where it has one output per example; None otherwise.
        level: Level of detail.
        progress: Called with the steps done and the total of the theme.
        deadline: When the theme's share of the time ends; what can end early asks it between its steps.
    """

    run_context: RunContext
    subject: ModelUnderTest | None
    level: Level
    progress: Callable[[int, int], None] = lambda done, total: None
    deadline: Deadline = field(default_factory=Deadline)

    @property
    def structured(self) -> StructuredModelUnderTest | None:
        """The model under test where it has structured output; None otherwise."""
        return self.run_context.structured

    @property
    def example_noun(self) -> str:
        """The word for the examples: images, texts, …"""
        return say(f"trust.nouns.{self.run_context.medium}")


MIN_TEST_EXAMPLES = 30


def hardly_tested(context: ThemeContext, n: int, least: int = MIN_TEST_EXAMPLES) -> list[str]:
    """Return what to say where only ``n`` examples were looked at, fewer than ``least``; nothing where more were."""
    return [say("trust.few_tested", n=n, noun=context.example_noun)] if n < least else []


def test_example_count(context: ThemeContext) -> int:
    """Return the number of test examples."""
    split: SplitName = "test"
    return context.run_context.record.splits.count(split)


def ended_early(context: ThemeContext, left_out: str) -> list[str]:
    """Return what to say of ``left_out``, which the theme's share of the time did not reach."""
    return [say("trust.time.left_out", what=left_out, seconds=format_decimal(context.deadline.allowed_s, 0))]
