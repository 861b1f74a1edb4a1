"""A theme whose time is up keeps what it has, which is what it would have had, and says what it left out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

import pytest

from capas.trust.theme import Theme
from capas.trust.theme_context import ThemeContext
from capas.trust.themes.attacks import attacks_theme
from capas.trust.themes.explanations import explanations_theme
from capas.trust.themes.stickers import stickers_theme
from capas.trust.time_budget import Deadline, OutOfTime, enforced
from tests.trust.made_models import asked, halves_subject

Facts = Mapping[str, Mapping[str, object]]


class Ticking:
    """A clock that goes on by a second whenever it is read: with every forward pass, that is."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def within(theme: Callable[[ThemeContext], Theme], seconds: float) -> tuple[Theme, float]:
    """The theme of a small model, and how long it took."""
    clock = Ticking()
    deadline = Deadline(seconds, clock)
    subject = halves_subject([0, 1] * 40, ["train"] * 40 + ["test"] * 40)
    subject.adapter.is_expensive = True  # as of a large network: fewer steps
    with enforced(deadline):
        return theme(replace(asked(subject), deadline=deadline)), clock.now


@pytest.mark.parametrize(
    ("theme", "held", "share"),
    [(attacks_theme, "right_after", 0.7), (stickers_theme, "right_with", 0.8), (explanations_theme, "methods", 0.6)],
)
def test_what_was_reached_is_kept_and_the_rest_named(
    theme: Callable[[ThemeContext], Theme], held: str, share: float
) -> None:
    whole, seconds = within(theme, float("inf"))
    assert not whole.out_of_time
    cut, _ = within(theme, share * seconds)
    assert cut.out_of_time and cut.status != "nothing_found" and "Left out" in cut.partly_tested[-1]
    found, all_found = (cast(Facts, one.facts[held]) for one in (cut, whole))
    if theme is attacks_theme:  # fewer sizes of every attack
        assert all(values == all_found[name][: len(values)] for name, values in found.items())  # type: ignore[index,arg-type]
        assert 0 < len(cast(list[float], cut.facts["sizes"])) < len(cast(list[float], whole.facts["sizes"]))
    else:
        assert 0 < len(found) < len(all_found)
    if theme is explanations_theme:
        assert all(found[name] == all_found[name] for name in found)
    enough, _ = within(theme, 3 * seconds)
    assert enough.facts == whole.facts and not enough.out_of_time


def test_a_theme_that_reached_nothing_is_ended() -> None:
    with pytest.raises(OutOfTime):
        within(attacks_theme, 3.0)
