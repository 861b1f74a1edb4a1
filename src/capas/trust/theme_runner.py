"""Runs the themes in order, each within its share of the report's time, and says how far it has come."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.core.number_format import format_decimal
from capas.trust.theme import THEMES, Theme, ThemeName
from capas.trust.theme_context import ThemeContext
from capas.trust.themes import THEME_FUNCTIONS
from capas.trust.time_budget import Deadline, OutOfTime, enforced

# Of a quick report they take next to no time, and leave theirs to the others.
BRIEF_IN_QUICK: Final[frozenset[ThemeName]] = frozenset({"attacks", "stickers"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportProgress:
    """How far a report has come.

    Attributes:
        theme: The theme at work.
        themes_done: Number of themes that are done.
        fraction: Share of this theme that is done, 0..1.
        seconds_left: Most seconds to the end; infinite without a limit.
    """

    theme: ThemeName
    themes_done: int
    fraction: float
    seconds_left: float


Progress = Callable[[ReportProgress], None]


def run_themes(context: ThemeContext, progress: Progress | None = None) -> list[Theme]:
    """Return all themes; ``context.deadline`` is that of the whole report."""
    return [_run_theme(name, context, progress) for name in THEMES]


def _run_theme(name: ThemeName, context: ThemeContext, progress: Progress | None) -> Theme:
    whole = context.deadline
    clock, started = whole.clock, whole.clock()

    def tell(done: int, total: int) -> None:
        if progress is not None:
            fraction, themes_done = done / max(1, total), THEMES.index(name)
            progress(
                ReportProgress(
                    theme=name, themes_done=themes_done, fraction=fraction, seconds_left=max(0.0, whole.left_s)
                )
            )

    share = whole.share(name, skipped=BRIEF_IN_QUICK if context.level == "quick" else ())
    tell(0, 1)
    try:
        with enforced(share):
            theme = THEME_FUNCTIONS[name](replace(context, progress=tell, deadline=share))
    except CapasError as error:
        theme = Theme(name=name, not_computed_because=error.part("what"))
    except OutOfTime:
        theme = out_of_time(name, share)
    tell(1, 1)
    return replace(theme, seconds=clock() - started)


def out_of_time(name: ThemeName, share: Deadline) -> Theme:
    """Return a theme that had nothing to show when its share of the time ended."""
    reason = say("trust.time.nothing", seconds=format_decimal(share.allowed_s, 0))
    return Theme(name=name, not_computed_because=reason, out_of_time=True)
