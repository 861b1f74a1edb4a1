"""Where masks are wrong: near the borders of zones, or inside them. Other kinds of many answers say why they get no
maps."""

from typing import Final

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional

from capas.core.figures import figure_text
from capas.core.messages import say
from capas.data.masks import VOID
from capas.tasks.metrics import Rate
from capas.trust.asked import Asked
from capas.trust.blocks import Bar, Bars, Sentence
from capas.trust.many import Many
from capas.trust.many_masks import MaskAnswers
from capas.trust.theme import Theme

# Pixels from the nearest border: up to these, then all further ones.
RINGS: Final = (1, 3, 6, 12)
PICTURES: Final = 40
DRAWS: Final = 1000


def zones_of_masks(asked: Asked, many: Many | None) -> Theme:
    """See the module."""
    answers = None if many is None else many.answers
    if many is None or not isinstance(answers, MaskAnswers):
        return Theme(name="zones", not_computed_because=_why_not(many))
    counts, positions = list[Tensor](), many.positions("test", PICTURES)
    for number, position in enumerate(positions):
        index = many.indices[position]
        truth = answers.mask(index)
        counts.append(right_by_distance(truth, answers.probabilities(index).argmax(0) == truth))
        asked.progress(number + 1, len(positions))
    found = _rates(torch.stack(counts), asked.case.chance("zones"))
    facts: dict[str, object] = {
        "n": len(positions),
        "right_by_distance_px": {name: one.as_json() for name, one in zip(_names(), found, strict=True)},
    }
    bars = [
        Bar(label=say("trust.many.distance", pixels=name), value=one.value, low=one.interval[0], high=one.interval[1],
            shown=figure_text(one.as_json()))
        for name, one in zip(_names(), found, strict=True) if one.n
    ]  # fmt: skip
    note = say("trust.many.distance_note", n=len(positions))
    return Theme(
        name="zones", facts=facts, untested=[say("trust.many.zones_untested")],
        blocks=[Sentence(text=say("trust.many.zones_about")),
                Bars(title=say("trust.many.distance_title"), bars=bars, note=note)],
    )  # fmt: skip


def _why_not(many: Many | None) -> str:
    reasons = {
        "words": say("trust.many.no_zones_words"),
        "frames": say("trust.many.no_zones_frames"),
        "transcripts": say("trust.many.no_zones_transcripts"),
        "transforms": say("trust.many.no_zones_transforms"),
        "translations": say("trust.many.no_zones_translations"),
    }
    return say("trust.zones.other_kind") if many is None else reasons[many.kind]


def _names() -> list[str]:
    """ "0–1", "2–3", … "13+"."""
    starts = [0, *(ring + 1 for ring in RINGS)]
    return [*(f"{a}–{z}" for a, z in zip(starts, RINGS, strict=False)), f"{starts[-1]}+"]


def right_by_distance(truth: UInt8[Tensor, "H W"], right: Bool[Tensor, "H W"]) -> Float[Tensor, "R 2"]:
    """How many of the known pixels are right, and how many there are, by their distance to a border of the true zones
    (the larger of rows and columns): 0 where a neighbour is of another class."""
    same = truth[None, None].float()
    grown, shrunk = (functional.max_pool2d(values, 3, 1, 1)[0, 0] for values in (same, -same))
    near = (grown != -shrunk).float()
    known, before, rows = truth != VOID, torch.zeros_like(right), []
    for ring in RINGS:
        within = functional.max_pool2d(near[None, None], 2 * ring + 1, 1, ring)[0, 0] > 0
        rows.append(within & ~before & known)
        before = before | within
    rows.append(~before & known)
    return torch.tensor([[float((right & part).sum()), float(part.sum())] for part in rows])


def _rates(counts: Float[Tensor, "N R 2"], rng: torch.Generator) -> list[Rate]:
    """Of all pictures together; the intervals by drawing pictures again."""
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
