"""The figures above the hits of a search: number of hits, expected correct ones, and reviews."""

from collections.abc import Sequence
from dataclasses import dataclass

from capas.archive.review import Review, reviewed_precision
from capas.archive.search.search import SearchResults
from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_percent
from capas.metrics.rate import rate


@dataclass(frozen=True, kw_only=True, slots=True)
class SummaryFigure:
    """A figure with its name and a note, in the current language."""

    value: str
    name: str
    note: str = ""


def search_summary(findings: SearchResults, query: str, reviews: Sequence[Review]) -> tuple[SummaryFigure, ...]:
    """Return the figures of a search; of the ``reviews`` those of this query count."""
    low, high = findings.expected.interval
    name = say("archive.serve.hit" if findings.count == 1 else "archive.serve.hits")
    shown = [
        SummaryFigure(value=_count(findings), name=name),
        SummaryFigure(value=format_decimal(findings.expected.value, 1), name=say("archive.serve.expected"),
               note=say("archive.serve.between", low=format_decimal(low, 0), high=format_decimal(high, 0))),
    ]  # fmt: skip
    if findings.precision is not None:
        least, most = (format_percent(end, 0) for end in findings.precision.interval)
        note = say("archive.serve.between_of", low=least, high=most, n=format_decimal(findings.precision.n, 0))
        shown.append(
            SummaryFigure(
                value=format_percent(findings.precision.value, 0), name=say("archive.serve.precision"), note=note
            )
        )
    right, judged = reviewed_precision([one for one in reviews if one.word == query])
    if judged:
        value = say("archive.serve.of", part=format_decimal(right, 0), whole=format_decimal(judged, 0))
        least, most = (format_percent(end, 0) for end in rate(right, judged).interval)
        note = say("archive.serve.between", low=least, high=most)
        shown.append(SummaryFigure(value=value, name=say("archive.serve.judged"), note=note))
    return tuple(shown)


def _count(findings: SearchResults) -> str:
    """How many hits, and where they are not exactly as many, that it is so."""
    count = format_decimal(findings.count, 0)
    if findings.counted == "exact":
        return count
    return say("archive.serve.about_so_many" if findings.counted == "spots" else "archive.serve.or_more", count=count)
