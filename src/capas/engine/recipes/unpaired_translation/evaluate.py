"""How good translators are: are translated images like those of the other collection, and do they keep what they show?

The first is asked by features (``generation.features``): KID and coverage of translated test images against those of
the other collection. Beside them stands what untouched images get, so that translators that change nothing are seen
as such, and what other real images of that collection get, which is as good as it can be with as few. The second can
only be asked for by leading images back: without pairs nobody knows what a translated image should show.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from capas.core.number_format import metric_value
from capas.engine.recipe import TestResult
from capas.engine.recipes.generation.evaluate import evenly_spread
from capas.engine.recipes.generation.features import MAX_FITTED, SampleFeatures
from capas.engine.recipes.unpaired_translation.data import Collection
from capas.engine.recipes.unpaired_translation.translators import Directions
from capas.metrics.bootstrap import mean_with_interval
from capas.metrics.generation.density_coverage import density_coverage
from capas.metrics.generation.kernel_distance import kernel_distance
from capas.objectives.generative.adversarial import spread_of

SIDES: Final = ("a", "b")
MAX_TESTED: Final = 1_000  # images of each collection
TestedPair = tuple[Collection, Collection]


def evaluate_translators(
    directions: Directions, test: TestedPair, *, train: TestedPair | None, names: Sequence[str]
) -> TestResult:
    """Return the figures of both directions; the headline is the KID of the worse one.

    Args:
        directions: The translators.
        test: Images of both collections that were kept apart, four or more of each.
        train: What was learnt from: features are fitted to it, and it is what other real images get. None where it is
            not at hand.
        names: Of both collections.
    """
    images = [evenly_spread(side.images, MAX_TESTED) for side in test]
    known = images if train is None else [evenly_spread(side.images, MAX_FITTED // 2) for side in train]
    features = SampleFeatures.fit(torch.cat(list(known)))
    real = [features.of(side) for side in images]
    metrics: dict[str, object] = {}
    baseline: dict[str, object] = {}
    floor: dict[str, object] = {}
    further: dict[str, dict[str, float]] = {"changed": {}, "spread": {}}
    rows = [["example", "collection", "changed", "cycle_error"]]
    for own in (0, 1):
        direction = f"{SIDES[own]}_to_{SIDES[1 - own]}"
        made, back = directions.back_and_forth(images[own], own)
        metrics |= _distances(real[1 - own], features.of(made), direction)
        baseline |= _distances(real[1 - own], real[own], direction)
        if train is not None:
            floor |= _distances(real[1 - own], features.of(known[1 - own]), direction)
        errors, changes = mean_difference(back, images[own]), mean_difference(made, images[own])
        metrics[f"cycle_error_{SIDES[own]}"] = mean_with_interval(errors).as_json() | {"unit": ""}
        further["changed"][direction] = round(float(changes.mean()), 4)
        further["spread"][direction] = round(float(spread_of(made) / spread_of(images[1 - own]).clamp(min=1e-6)), 4)
        order = evenly_spread(torch.arange(len(test[own].names)), MAX_TESTED).tolist()
        for i, changed, error in zip(order, changes.tolist(), errors.tolist(), strict=True):
            rows.append([test[own].names[i], names[own], f"{changed:.4f}", f"{error:.4f}"])
    return TestResult(
        n=sum(map(len, images)), metrics=_with_headline(metrics), baseline={"untouched": _with_headline(baseline)},
        rows=rows,
        further={"features": features.name, "collections": list(names), **further,
                 **({} if train is None else {"real_images": _with_headline(floor)})},
    )  # fmt: skip


def mean_difference(one: Float[Tensor, "N C H W"], other: Float[Tensor, "N C H W"]) -> Float[Tensor, " N"]:
    """Return the mean absolute difference of images in [-1, 1], as a share of the range of a pixel."""
    return (one - other).abs().flatten(1).mean(1) / 2


def _distances(real: Tensor, made: Tensor, direction: str) -> dict[str, object]:
    """KID and coverage of features of translated images (M, D) beside those of real ones (N, D)."""
    return {
        f"kid_{direction}": kernel_distance(real, made).as_json() | {"unit": ""},
        f"sample_coverage_{direction}": density_coverage(real, made).coverage.as_json(),
    }


def _with_headline(figures: Mapping[str, object]) -> dict[str, object]:
    """The KID of the worse direction before all others."""
    worse = max(("kid_a_to_b", "kid_b_to_a"), key=lambda name: metric_value(figures[name]))
    return {"kid": figures[worse], **figures}
