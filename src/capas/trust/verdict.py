"""The first sentences of the report: how good, with count and interval, then what speaks against relying on it."""

from collections.abc import Mapping, Sequence
from typing import cast

from capas.core.figures import decimal, figure_name, figure_text, measure, percent
from capas.core.messages import say
from capas.trust.asked import Asked
from capas.trust.blocks import Sentence, Tone
from capas.trust.theme import Finding, Theme
from capas.trust.themes.quality import FEW, test_size

_ORDER = ("problem", "attention")


def verdict(asked: Asked, themes: Sequence[Theme]) -> list[Sentence]:
    """The sentence that sums up, then every finding, gravest first; or that nothing was found, and what that means."""
    found = findings(themes)
    graves = {finding.gravity for finding in found}
    tone: Tone = "problem" if "problem" in graves else "plain"
    first = first_sentence(asked)
    said = [Sentence(text=first[:1].upper() + first[1:], tone=tone)]
    said += [Sentence(text=finding.text, tone=finding.gravity) for finding in found]
    if not found:
        computed = sum(theme.not_computed_because is None for theme in themes)
        said.append(Sentence(text=say("trust.nothing_found", computed=computed, all=len(themes)), tone="good"))
    return said


def findings(themes: Sequence[Theme]) -> list[Finding]:
    """Of all themes, gravest first."""
    return sorted((f for theme in themes for f in theme.findings), key=lambda f: _ORDER.index(f.gravity))


def first_sentence(asked: Asked) -> str:
    """What the test showed, in a sentence that fits the kind of answer."""
    metrics = cast(Mapping[str, Mapping[str, object]], asked.case.metrics["metrics"])
    name, figure = next(iter(metrics.items()))
    n, noun = test_size(asked), asked.noun
    if n < FEW:
        return say("trust.first.too_few", n=n, noun=noun, name=figure_name(name), figure=figure_text(figure))
    if name == "accuracy":
        low, high = cast(Sequence[float], figure["interval"])
        value, count = float(cast(float, figure["value"])), int(cast(int, figure["n"]))
        return say("trust.first.classify", right=decimal(round(value * count), 0), n=decimal(count, 0), noun=noun,
                   share=percent(value), low=decimal(100 * low, 1), high=percent(high))  # fmt: skip
    if name.startswith("mae"):
        low, high = cast(Sequence[float], figure["interval"])
        unit = str(figure["unit"])
        return say("trust.first.regress", value=measure(float(cast(float, figure["value"])), unit), n=decimal(n, 0),
                   noun=noun, low=measure(low), high=measure(high, unit))  # fmt: skip
    return say("trust.first.other", name=figure_name(name), figure=figure_text(figure), n=decimal(n, 0), noun=noun)
