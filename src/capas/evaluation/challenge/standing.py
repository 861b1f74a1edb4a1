"""The ranking of a challenge, with intervals and tests against the best team, and as an HTML page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from capas.core.html import Markup, render_html
from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_metric, metric_name
from capas.evaluation.bootstrap import (
    LOWER_IS_BETTER,
    EvaluatedMetric,
    MetricDifference,
    SystemMeasurements,
    headline_metric,
    metric_differences,
)
from capas.evaluation.challenge.challenge import Challenge, format_time
from capas.evaluation.challenge.description import form_text, limit_text, until_text
from capas.evaluation.challenge.submissions import Submission

TEMPLATE: Final = Path(__file__).with_name("standing_page.html")
NUMERIC_COLUMNS: Final = (0, 2, 3, 4)


@dataclass(frozen=True, kw_only=True, slots=True)
class TeamRank:
    """A team's rank (equal values share one).

    Attributes:
        rank: The rank, from 1.
        team: The team.
        figure: Its metric.
        against_best: Difference from the best team; None for the best itself.
        submission: The submission that counts.
        handed_in: Number of its submissions.
    """

    rank: int
    team: str
    figure: EvaluatedMetric
    against_best: MetricDifference | None
    submission: Submission
    handed_in: int

    @property
    def as_good_as_best(self) -> bool:
        """Whether there is no significant difference from the best."""
        return self.against_best is None or not self.against_best.shown

    def as_json(self) -> dict[str, object]:
        """Return the fields for ``--json``."""
        against = None if self.against_best is None else self.against_best.as_json()
        return {"rank": self.rank, "team": self.team, "figure": self.figure.as_json(), "against_best": against,
                "as_good_as_best": self.as_good_as_best, "received": self.submission.received.isoformat(),
                "hash": self.submission.hash, "submissions": self.handed_in}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """The ranking at a time: ``metric``, number of ``units``, and whether its values may be published."""

    title: str
    task: str
    metric: str
    units: int
    open: bool
    published: bool
    places: tuple[TeamRank, ...]

    def as_json(self) -> dict[str, object]:
        """Return the fields for ``--json``."""
        return {"title": self.title, "task": self.task, "metric": self.metric, "units": self.units, "open": self.open,
                "published": self.published, "places": [place.as_json() for place in self.places]}  # fmt: skip


def current_standing(challenge: Challenge, *, now: datetime | None = None) -> Standing:
    """Return the ranking on the hidden part: of each team, the submission that did best on what it was told."""
    now = now or datetime.now(UTC)
    filed = challenge.submissions.all()
    chosen = {
        team: _best(challenge, [one for one in filed if one.team == team]) for team in {one.team for one in filed}
    }
    measured = {team: challenge.score(challenge.private / one.path).measured for team, one in chosen.items()}
    over = challenge.is_over(now)
    first = next(iter(measured.values()), None)
    places = _places(challenge, chosen, measured, filed)
    return Standing(
        title=challenge.rules.title, task=challenge.rules.task, metric="" if first is None else first.names[0],
        units=places[0].figure.units if places else 0, open=not over,
        published=over or not challenge.rules.public_share, places=places,
    )  # fmt: skip


def _best(challenge: Challenge, own: Sequence[Submission]) -> Submission:
    # The first of equals: handing the same in again gains nothing.
    lower = challenge.lower_is_better
    return min(own, key=lambda one: one.value if lower else -one.value)


def _places(
    challenge: Challenge,
    chosen: dict[str, Submission],
    measured: dict[str, SystemMeasurements],
    filed: Sequence[Submission],
) -> tuple[TeamRank, ...]:
    figures = {
        team: headline_metric(one, chosen=challenge.ranked_part(one)) for team, one in measured.items()
    }  # fmt: skip
    signs = {team: 1 if figure.name in LOWER_IS_BETTER else -1 for team, figure in figures.items()}
    ordered = sorted(figures, key=lambda team: (signs[team] * figures[team].value, chosen[team].number))
    found = []
    for team in ordered:
        against = None
        if team != ordered[0]:
            part = challenge.ranked_part(measured[team])
            against = metric_differences(measured[team], measured[ordered[0]], chosen=part)[0]
        rank = 1 + sum(signs[other] * figures[other].value < signs[team] * figures[team].value for other in ordered)
        found.append(TeamRank(rank=rank, team=team, figure=figures[team], against_best=against, submission=chosen[team],
                           handed_in=sum(one.team == team for one in filed)))  # fmt: skip
    return tuple(found)


def standing_cells(place: TeamRank, *, published: bool) -> tuple[str, ...]:
    """Return the displayed cells of a team; without rank and value while they are not published."""
    figure = format_metric(place.figure.as_json()) if published else "–"
    rank = (
        f"{place.rank}{' ≈' if place.against_best is not None and place.as_good_as_best else ''}" if published else "–"
    )
    day = format_time(place.submission.received)
    return rank, place.team, figure, _p_text(place.against_best) if published else "–", str(place.handed_in), day


def standing_heads() -> tuple[str, ...]:
    """Return the heads of those columns."""
    return (say("challenge.column_rank"), say("challenge.column_team"), say("challenge.column_figure"),
            say("challenge.column_p"), say("challenge.column_submissions"),
            say("challenge.column_received"))  # fmt: skip


def _p_text(difference: MetricDifference | None) -> str:
    return "–" if difference is None or difference.p is None else format_decimal(difference.p, 3)


def standing_page(challenge: Challenge, found: Standing, style: str, *, now: datetime | None = None) -> Markup:
    """Return the ranking as one HTML page that works offline; ``style`` is its CSS.

    Teams are sorted by name until values are published.
    """
    rules = challenge.rules
    places = found.places if found.published else sorted(found.places, key=lambda place: place.team.casefold())
    metric = say("challenge.page_rank", metric=metric_name(found.metric), units=found.units) if found.metric else ""
    return render_html(TEMPLATE, {
        "title": found.title, "style": Markup(style), "open": found.open, "published": found.published,
        "metric": metric, "heads": standing_heads(), "numeric": NUMERIC_COLUMNS,
        "rows": [standing_cells(place, published=found.published) for place in places],
        "rules": [form_text(found.task), limit_text(rules.most), until_text(rules.until)],
        "time": format_time(now or datetime.now(UTC)),
    })  # fmt: skip
