"""Theme of explanations of segmentation models: whether errors lie near region borders or inside regions."""

from typing import Final

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional

from capas.core.i18n import say
from capas.core.number_format import format_metric
from capas.data.image.masks import IGNORE_INDEX
from capas.metrics.rate import Rate
from capas.trust.rendering.blocks import Bar, Bars, Sentence
from capas.trust.subjects.structured import StructuredModelUnderTest
from capas.trust.theme import Theme
from capas.trust.theme_context import ThemeContext

# Pixels from the nearest border: up to these, then all further ones.
RINGS: Final = (1, 3, 6, 12)
PICTURES: Final = 40
DRAWS: Final = 1000


def segmentation_explanations_theme(context: ThemeContext, structured: StructuredModelUnderTest | None) -> Theme:
    """Return the theme for segmentation; other structured outputs say why there is none."""
    if structured is None:
        return Theme(name="explanations", not_computed_because=say("trust.zones.other_kind"))
    model = structured.adapter.pixels
    if model is None:
        return Theme(name="explanations", not_computed_because=say(structured.adapter.no_explanations))
    counts, positions = list[Tensor](), structured.positions("test", PICTURES)
    for number, position in enumerate(positions):
        index = structured.indices[position]
        targets = model.mask(index)
        counts.append(accuracy_by_border_distance(targets, model.probabilities(index).argmax(0) == targets))
        context.progress(number + 1, len(positions))
    found = _rates(torch.stack(counts), context.run_context.rng("zones"))
    facts: dict[str, object] = {
        "n": len(positions),
        "right_by_distance_px": {name: one.as_json() for name, one in zip(_names(), found, strict=True)},
    }
    bars = [
        Bar(label=say("trust.many.distance", pixels=name), value=one.value, low=one.interval[0], high=one.interval[1],
            value_text=format_metric(one.as_json()))
        for name, one in zip(_names(), found, strict=True) if one.n
    ]  # fmt: skip
    note = say("trust.many.distance_note", n=len(positions))
    return Theme(
        name="explanations", facts=facts, untested=[say("trust.many.zones_untested")],
        blocks=[Sentence(text=say("trust.many.zones_about")),
                Bars(title=say("trust.many.distance_title"), bars=bars, note=note)],
    )  # fmt: skip


def _names() -> list[str]:
    """ "0–1", "2–3", … "13+"."""
    starts = [0, *(ring + 1 for ring in RINGS)]
    return [*(f"{a}–{z}" for a, z in zip(starts, RINGS, strict=False)), f"{starts[-1]}+"]


def accuracy_by_border_distance(targets: UInt8[Tensor, "H W"], correct: Bool[Tensor, "H W"]) -> Float[Tensor, "R 2"]:
    """Return the numbers of correct and of labelled pixels by Chebyshev distance to a border of the target regions.

    Distance 0 where a neighbour is of another class.
    """
    same = targets[None, None].float()
    grown, shrunk = (functional.max_pool2d(values, 3, 1, 1)[0, 0] for values in (same, -same))
    near = (grown != -shrunk).float()
    known, before, rows = targets != IGNORE_INDEX, torch.zeros_like(correct), []
    for ring in RINGS:
        within = functional.max_pool2d(near[None, None], 2 * ring + 1, 1, ring)[0, 0] > 0
        rows.append(within & ~before & known)
        before = before | within
    rows.append(~before & known)
    return torch.tensor([[float((correct & part).sum()), float(part.sum())] for part in rows])


def _rates(counts: Float[Tensor, "N R 2"], rng: torch.Generator) -> list[Rate]:
    """Of all images together; the intervals by drawing images again."""
    n, whole = len(counts), counts.sum(0)
    drawn = counts[torch.randint(n, (DRAWS, n), generator=rng)].sum(1)
    shares, found = drawn[..., 0] / drawn[..., 1], []
    for ring in range(counts.shape[1]):
        column = shares[:, ring][~shares[:, ring].isnan()]
        total = int(whole[ring, 1])
        if not total:
            found.append(Rate(value=0.0, n=0, interval=(0.0, 1.0)))
            continue
        value = float(whole[ring, 0] / whole[ring, 1])
        low, high = column.quantile(torch.tensor([0.025, 0.975])).tolist()
        found.append(Rate(value=value, n=total, interval=(min(low, value), max(high, value))))
    return found
