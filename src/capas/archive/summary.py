"""What is said above the hits of a search: how many there are, how many right ones to expect, and what people found."""

from collections.abc import Sequence
from dataclasses import dataclass

from capas.archive.finding import Findings
from capas.archive.review import Review, precision_found
from capas.core.figures import decimal, percent
from capas.core.messages import say
from capas.tasks.metrics import rate


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A figure with its name and what is to be known of it, in the language in force."""

    value: str
    name: str
    note: str = ""


def figures(findings: Findings, query: str, reviews: Sequence[Review]) -> tuple[Figure, ...]:
    """The figures of a search; of the ``reviews`` those of this query count."""
    low, high = findings.expected.interval
    name = say("archive.serve.hit" if findings.count == 1 else "archive.serve.hits")
    shown = [
        Figure(value=_count(findings), name=name),
        Figure(value=decimal(findings.expected.value, 1), name=say("archive.serve.expected"),
               note=say("archive.serve.between", low=decimal(low, 0), high=decimal(high, 0))),
    ]  # fmt: skip
    if findings.precision is not None:
        least, most = (percent(end, 0) for end in findings.precision.interval)
        note = say("archive.serve.between_of", low=least, high=most, n=decimal(findings.precision.n, 0))
        shown.append(Figure(value=percent(findings.precision.value, 0), name=say("archive.serve.precision"), note=note))
    right, judged = precision_found([one for one in reviews if one.word == query])
    if judged:
        value = say("archive.serve.of", part=decimal(right, 0), whole=decimal(judged, 0))
        least, most = (percent(end, 0) for end in rate(right, judged).interval)
        note = say("archive.serve.between", low=least, high=most)
        shown.append(Figure(value=value, name=say("archive.serve.judged"), note=note))
    return tuple(shown)


def _count(findings: Findings) -> str:
    """How many hits, and where they are not exactly as many, that it is so."""
    count = decimal(findings.count, 0)
    if findings.counted == "exact":
        return count
    return say("archive.serve.about_so_many" if findings.counted == "spots" else "archive.serve.or_more", count=count)
