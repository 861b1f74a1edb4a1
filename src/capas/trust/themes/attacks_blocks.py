"""Report blocks of adversarial attacks: robust accuracy as a table and as a plot, and the sanity checks."""

from collections.abc import Sequence
from typing import Final, Literal

from capas.core.i18n import say
from capas.core.number_format import format_metric, format_percent
from capas.metrics.rate import Rate, rate
from capas.trust.attacks.sanity_checks import SanityCheckFailure
from capas.trust.rendering.blocks import Grid, Plot, PlotSeries, Sentence
from capas.trust.theme import Finding
from capas.trust.theme_context import ThemeContext, ended_early, hardly_tested

# In grey levels of 255: what no one sees, what one sees when told, what anyone sees.
EPSILONS: Final = (2 / 255, 8 / 255, 0.1)
ATTACKED: Final = 150
ATTACKED_LARGE: Final = 16
STEPS: Final = 40
STEPS_LARGE: Final = 10
MIDDLE: Final = 1  # the size that the verdict goes by
FRAGILE: Final = 0.5  # of what noise leaves right


def sanity_check_sentence(failures: Sequence[SanityCheckFailure]) -> Sentence:
    """Say whether the figures can be believed."""
    if failures:
        return Sentence(text=say("trust.attacks.no_verdict"), tone="problem")
    return Sentence(text=say("trust.attacks.passed"), tone="good")


def invalid_attack_finding(failures: Sequence[SanityCheckFailure]) -> Finding:
    """Return the finding that the figures cannot be believed, and why."""
    names = "; ".join(say(f"trust.attacks.failures.{failure.value}") for failure in failures)
    return Finding(key="attacks_not_valid", gravity="problem", text=say("trust.attacks.invalid", names=names))


def fragility(noise: Rate, after: Rate) -> Literal["fragile", "withstands", "too_few"]:
    """Judge how many of those that noise leaves right an attack of the same size leaves right.

    Fragile where it is less than half of them whatever chance did; too few where not even none left would say so.
    """
    kept = round(noise.value * noise.n)
    left = min(kept, round(after.value * after.n))
    if rate(left, kept).interval[1] < FRAGILE:
        return "fragile"
    return "too_few" if rate(0, kept).interval[1] >= FRAGILE else "withstands"


def hardly_attacked(context: ThemeContext, noise: Rate, after: Rate) -> list[str]:
    """Return why an attack that did no harm shows little."""
    if fragility(noise, after) == "too_few":
        return [say("trust.attacks.too_few", kept=round(noise.value * noise.n), n=noise.n)]
    return hardly_tested(context, noise.n)


def sizes_attacked(found: dict[str, list[Rate]]) -> tuple[float, ...]:
    """Return the sizes that were attacked: fewer than ``EPSILONS`` where the time was up."""
    return EPSILONS[: min(map(len, found.values()))]


def judged_size(found: dict[str, list[Rate]]) -> int:
    """Return the number of the size that the verdict goes by: the middle one, or the last that was reached."""
    return min(MIDDLE, len(sizes_attacked(found)) - 1)


def sizes_left_out(context: ThemeContext, found: dict[str, list[Rate]]) -> list[str]:
    """Return what to say of the sizes that the theme's time did not reach; nothing where it reached all."""
    left = EPSILONS[len(sizes_attacked(found)) :]
    names = ", ".join(format_percent(eps, 1) for eps in left)
    return ended_early(context, say("trust.time.attacks", sizes=names)) if left else []


def robust_accuracy_table(found: dict[str, list[Rate]], note: str) -> Grid:
    """Return the accuracy at each size, by attack."""
    heads = ["", *(say("trust.attacks.size", size=format_percent(eps, 1)) for eps in sizes_attacked(found))]
    rows = [
        [say(f"trust.attacks.ways.{n}"), *(format_metric(r.as_json()) for r in rates)] for n, rates in found.items()
    ]
    return Grid(
        title=say("trust.attacks.right_after"),
        heads=heads,
        rows=rows,
        right=tuple(range(1, len(heads))),
        note=note,
    )


def robust_accuracy_plot(found: dict[str, list[Rate]]) -> Plot:
    """Return the accuracy over the size, by attack."""
    lines = [
        PlotSeries(
            name=say(f"trust.attacks.ways.{name}"),
            xs=[100 * eps for eps in sizes_attacked(found)],
            ys=[r.value for r in rates],
            lows=[r.interval[0] for r in rates],
            highs=[r.interval[1] for r in rates],
            dashed=name == "noise",
        )
        for name, rates in found.items()
    ]
    description = "; ".join(f"{line.name}: {', '.join(format_percent(y, 0) for y in line.ys)}" for line in lines)
    return Plot(
        title=say("trust.attacks.curve"),
        x=say("trust.attacks.axis"),
        y=say("trust.attacks.right"),
        lines=lines,
        description=description,
    )
