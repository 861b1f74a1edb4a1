"""Drawing images with a trained generator.

Image number k of a seed is the same however many are drawn, in whatever portions: each has a source of chance of its
own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.engine.predict import Model
from capas.engine.recipes.generation.predictor import GenerationPredictor
from capas.sampling.generator import USUAL, SamplingOptions
from capas.sampling.noise import sample_generators
from capas.sampling.pixels import to_pixels

PORTION: Final = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnImage:
    """An image that was drawn.

    Attributes:
        pixels: uint8 (H, W) or (H, W, 3).
        number: Its number within the seed, from 0.
        class_name: The class that was asked for; None where the network knows none.
    """

    pixels: NDArray[np.uint8]
    number: int
    class_name: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """How images are drawn.

    Attributes:
        conditions: Names of classes, taken in turn; all of them where none is named.
        seed: Of all chance.
        options: Steps, sampler and guidance.
    """

    conditions: Sequence[str] = ()
    seed: int = 0
    options: SamplingOptions = USUAL


USUAL_DRAWING: Final = Drawing()


class ImageSampler:
    """A trained generator that draws images.

    Args:
        model: The model.
        where: What the user calls it by.

    Raises CapasError ``generate_not_possible`` for any other model.
    """

    def __init__(self, model: Model, where: str) -> None:
        if not isinstance(model.predictor, GenerationPredictor):
            received = f"{model.card.network.name}, {model.card.task} ({model.card.medium})"
            raise CapasError("generate_not_possible", where=where, received=received)
        self.predictor = model.predictor
        self.classes = tuple(model.classes)
        self.where = where

    def check(self, options: SamplingOptions) -> None:
        """Raises CapasError ``sampling_option_not_for`` where an option that was chosen makes no difference."""
        for name in options.chosen:
            if name not in self.predictor.generator.choices:
                network = self.predictor.settings.name
                raise CapasError("sampling_option_not_for", where=f"--{name}", received=network)

    def class_numbers(self, conditions: Sequence[str], count: int) -> list[int] | None:
        """Return the classes of ``count`` images: those of ``conditions`` in turn, without any all in turn.

        Raises CapasError ``condition_unknown`` or ``no_conditions``.
        """
        if not self.classes:
            if conditions:
                raise CapasError("no_conditions", where="--condition", received=conditions[0])
            return None
        unknown = [name for name in conditions if name not in self.classes]
        if unknown:
            known = ", ".join(self.classes[:20])
            raise CapasError("condition_unknown", where="--condition", received=unknown[0], known=known)
        wanted = [self.classes.index(name) for name in conditions] or list(range(len(self.classes)))
        return [wanted[i % len(wanted)] for i in range(count)]

    def draw(self, count: int, drawing: Drawing = USUAL_DRAWING) -> Iterator[DrawnImage]:
        """Yield ``count`` images. Raises CapasError as ``check`` and ``class_numbers``."""
        self.check(drawing.options)
        numbers = self.class_numbers(drawing.conditions, count)
        generator = self.predictor.generator
        for start in range(0, count, PORTION):
            size = min(PORTION, count - start)
            classes = None if numbers is None else torch.tensor(numbers[start : start + size])
            images = to_pixels(
                generator.draw(sample_generators(drawing.seed, size, first=start), classes, drawing.options)
            )
            for i in range(size):
                name = None if numbers is None else self.classes[numbers[start + i]]
                yield DrawnImage(pixels=images[i], number=start + i, class_name=name)
