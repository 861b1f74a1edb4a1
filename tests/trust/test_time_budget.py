"""A report ends when its time is up, says what it left out, and is the same where there is time enough."""

import pytest
import torch

from capas.core.i18n import say
from capas.trust import theme_runner
from capas.trust.theme import THEMES, Theme, ThemeName
from capas.trust.theme_context import ThemeContext, ended_early
from capas.trust.theme_runner import ReportProgress, run_themes
from capas.trust.time_budget import (
    SLACK,
    WEIGHTS,
    Deadline,
    OutOfTime,
    enforced,
    report_budget_s,
    uninterrupted,
)
from tests.trust.made_models import made_context, texts_of


class FakeClock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_may_take_as_long_as_the_training_and_two_minutes_at_least() -> None:
    assert report_budget_s(10.0) == 120.0 and report_budget_s(500.0) == 500.0
    assert report_budget_s(500.0, 40.0) == 40.0


def test_a_deadline_is_over_when_its_seconds_are() -> None:
    clock = FakeClock()
    deadline = Deadline(10.0, clock)
    clock.now += 9
    assert deadline.left_s == 1 and not deadline.expired
    clock.now += 1
    assert deadline.expired
    deadline.postpone(2.0)
    assert not deadline.expired and not Deadline(clock=clock).expired


def test_another_step_is_allowed_only_if_it_would_end_in_time() -> None:
    clock = FakeClock()
    deadline = Deadline(10.0, clock)
    clock.now += 6
    assert deadline.allows_another(2, 100.0) and not deadline.allows_another(1, 100.0)
    assert deadline.allows_another(1, 103.0), "what came before the steps does not count"
    clock.now += 10
    assert deadline.allows_another(0, clock()), "one step is always tried"


def test_shares_go_by_weight_and_never_beyond_the_whole() -> None:
    clock = FakeClock()
    whole = Deadline(120.0, clock)
    assert whole.share("ood").allowed_s == pytest.approx(
        120
        * SLACK
        * WEIGHTS["ood"]
        / sum(weight for name, weight in WEIGHTS.items() if name not in ("quality", "calibration"))
    )
    assert whole.share("leakage").allowed_s == 120.0, "the last may take what is left"
    clock.now += 130
    assert whole.share("labels").allowed_s == 0.0
    assert set(WEIGHTS) == set(THEMES)


def test_what_is_skipped_leaves_its_share_to_the_others() -> None:
    whole, rest = Deadline(120.0, FakeClock()), frozenset(THEMES) - {"explanations"}
    assert whole.share("explanations", skipped=rest).allowed_s == 120.0 > whole.share("explanations").allowed_s


def test_a_forward_pass_after_the_deadline_is_refused_and_hooks_are_gone_afterwards() -> None:
    clock, layer = FakeClock(), torch.nn.Linear(1, 1)
    x = torch.ones(1, 1)
    with enforced(Deadline(5.0, clock)):
        layer(x)
        clock.now += 6
        with pytest.raises(OutOfTime):
            layer(x)
        with uninterrupted():
            layer(x)
            clock.now += 100
        with pytest.raises(OutOfTime):
            layer(x)
    layer(x)


def test_uninterrupted_work_is_not_counted() -> None:
    clock, layer = FakeClock(), torch.nn.Linear(1, 1)
    with enforced(Deadline(5.0, clock)):
        with uninterrupted():
            clock.now += 100
        layer(torch.ones(1, 1))


def context_until(deadline: Deadline) -> ThemeContext:
    run_context = made_context(texts_of(["a"] * 4), [0] * 4, ["test"] * 4, kind="text", classes=("a", "b"))
    return ThemeContext(run_context=run_context, subject=None, level="standard", deadline=deadline)


def with_themes(monkeypatch: pytest.MonkeyPatch, clock: FakeClock, seconds: float, slow: ThemeName) -> None:
    """Every theme asks a network once; ``slow`` takes ``seconds`` before it does."""
    layer = torch.nn.Linear(1, 1)

    def made(name: ThemeName) -> Theme:
        clock.now += seconds if name == slow else 0
        layer(torch.ones(1, 1))
        return Theme(name=name, facts={"asked": 1})

    functions = {name: lambda context, name=name: made(name) for name in THEMES}
    monkeypatch.setattr(theme_runner, "THEME_FUNCTIONS", functions)


def test_no_theme_takes_the_time_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    with_themes(monkeypatch, clock, 100.0, "attacks")
    told: list[ReportProgress] = []
    found = {theme.name: theme for theme in run_themes(context_until(Deadline(120.0, clock)), told.append)}
    late = [name for name, theme in found.items() if theme.out_of_time]
    assert late == ["attacks"] and found["attacks"].status == "not_computed" and found["attacks"].seconds == 100
    assert say("trust.time.nothing", seconds="").split(",")[0] in str(found["attacks"].not_computed_because)
    assert found["leakage"].facts == {"asked": 1}
    assert told[0].seconds_left == 120 and told[-1].seconds_left == 20 and told[-1].themes_done == len(THEMES) - 1


def test_with_time_enough_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    with_themes(monkeypatch, clock, 100.0, "attacks")
    for deadline in (Deadline(10_000.0, clock), Deadline(clock=clock)):
        assert not any(theme.out_of_time for theme in run_themes(context_until(deadline)))


def test_once_all_time_is_gone_the_rest_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    with_themes(monkeypatch, clock, 200.0, "ood")
    found = run_themes(context_until(Deadline(120.0, clock)))
    assert [theme.name for theme in found if not theme.out_of_time] == ["quality", "calibration"]


def test_what_is_left_out_is_named() -> None:
    (said,) = ended_early(context_until(Deadline(30.0)), "changes of 10 %")
    assert "changes of 10 %" in said and "30 s" in said
