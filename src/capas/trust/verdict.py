"""The first sentences of the report: the headline metric with count and interval, then the findings."""

from collections.abc import Mapping, Sequence
from typing import cast

from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_metric, format_percent, format_quantity, metric_name
from capas.trust.rendering.blocks import Sentence, Tone
from capas.trust.theme import Finding, Theme
from capas.trust.theme_context import MIN_TEST_EXAMPLES, ThemeContext, test_example_count

_ORDER = ("problem", "attention")


def verdict(context: ThemeContext, themes: Sequence[Theme]) -> list[Sentence]:
    """Return the summary sentence, then every finding, gravest first; or that nothing was found."""
    found = ranked_findings(themes)
    graves = {finding.gravity for finding in found}
    tone: Tone = "problem" if "problem" in graves else "plain"
    first = first_sentence(context)
    said = [Sentence(text=first[:1].upper() + first[1:], tone=tone)]
    said += [Sentence(text=finding.text, tone=finding.gravity) for finding in found]
    if not found:
        computed = sum(theme.status == "nothing_found" for theme in themes)
        said.append(Sentence(text=say("trust.nothing_found", computed=computed, all=len(themes)), tone="good"))
    partly = [say(f"trust.themes.{theme.name}") for theme in themes if theme.status == "partly_tested"]
    if partly:
        said.append(Sentence(text=say("trust.partly_tested", names=" ".join(partly))))
    return said


def ranked_findings(themes: Sequence[Theme]) -> list[Finding]:
    """Return the findings of all themes, gravest first."""
    return sorted((f for theme in themes for f in theme.findings), key=lambda f: _ORDER.index(f.gravity))


def first_sentence(context: ThemeContext) -> str:
    """Return the result of the test as a sentence that fits the task."""
    metrics = cast(Mapping[str, Mapping[str, object]], context.run_context.metrics["metrics"])
    name, figure = next(iter(metrics.items()))
    n, noun = test_example_count(context), context.example_noun
    if n < MIN_TEST_EXAMPLES:
        return say("trust.first.too_few", n=n, noun=noun, name=metric_name(name), figure=format_metric(figure))
    if name == "accuracy":
        low, high = cast(Sequence[float], figure["interval"])
        value, count = float(cast(float, figure["value"])), int(cast(int, figure["n"]))
        return say(
            "trust.first.classify",
            right=format_decimal(round(value * count), 0),
            n=format_decimal(count, 0),
            noun=noun,
            share=format_percent(value),
            low=format_decimal(100 * low, 1),
            high=format_percent(high),
        )
    if name.startswith("mae"):
        low, high = cast(Sequence[float], figure["interval"])
        unit = str(figure["unit"])
        return say(
            "trust.first.regress",
            value=format_quantity(float(cast(float, figure["value"])), unit),
            n=format_decimal(n, 0),
            noun=noun,
            low=format_quantity(low),
            high=format_quantity(high, unit),
        )
    return say(
        "trust.first.other", name=metric_name(name), figure=format_metric(figure), n=format_decimal(n, 0), noun=noun
    )
