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
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.engine.predict import Model
from capas.engine.recipes.generation.predictor import GenerationPredictor
from capas.engine.recipes.generation.prompts import WordPrompts
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
        prompt: The text that was asked for; None where nothing was said.
    """

    pixels: NDArray[np.uint8]
    number: int
    class_name: str | None
    prompt: str | None = None

    @property
    def asked_for(self) -> str | None:
        """The class or the text."""
        return self.class_name if self.prompt is None else self.prompt


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """How images are drawn.

    Attributes:
        conditions: Names of classes, taken in turn; all of them where none is named.
        prompts: Texts that say what to draw, taken in turn, for a network that learnt from captions.
        seed: Of all chance.
        options: Steps, sampler and guidance.
    """

    conditions: Sequence[str] = ()
    prompts: Sequence[str] = ()
    seed: int = 0
    options: SamplingOptions = USUAL


USUAL_DRAWING: Final = Drawing()


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedFor:
    """What is asked of some images.

    Attributes:
        classes: The class of each by name; None where none is.
        prompts: The text of each; None where none is.
        condition: What the network is told, a row for each; None where nothing is.
    """

    classes: Sequence[str] | None
    prompts: Sequence[str] | None
    condition: Tensor | None

    def drawn(self, images: Tensor, first: int = 0) -> list[DrawnImage]:
        """Return the images (N, C, H, W) that were drawn for this, numbered from ``first``."""
        return [
            DrawnImage(
                pixels=pixels, number=first + i, class_name=None if self.classes is None else self.classes[i],
                prompt=None if self.prompts is None else self.prompts[i],
            )
            for i, pixels in enumerate(to_pixels(images))
        ]  # fmt: skip


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
        self.classes = model.predictor.classes
        self.where = where

    def check(self, options: SamplingOptions) -> None:
        """Raises CapasError ``sampling_option_not_for`` where an option that was chosen makes no difference."""
        for name in options.chosen:
            if name not in self.predictor.generator.choices:
                network = self.predictor.settings.name
                raise CapasError("sampling_option_not_for", where=f"--{name}", received=network)

    def asked_for(self, drawing: Drawing, count: int, *, first: int = 0) -> AskedFor:
        """Return what is asked of the images ``first`` to ``first + count - 1``: conditions or prompts in turn, all
        classes in turn where none is named, and nothing where no prompt is.

        Raises CapasError ``condition_unknown``, ``no_conditions``, ``no_prompts`` or ``prompt_not_understood``.
        """
        numbers = range(first, first + count)
        prompts = self.predictor.prompts
        if prompts is None and drawing.prompts:
            raise CapasError("no_prompts", where="--prompt", received=drawing.prompts[0])
        if not self.classes and drawing.conditions:
            key = "no_conditions" if prompts is None else "condition_is_prompt"
            raise CapasError(key, where="--condition", received=drawing.conditions[0])
        if prompts is not None:
            for text in drawing.prompts:
                if not prompts.encode([text]).any():
                    raise CapasError("prompt_not_understood", where="--prompt", received=text)
            if not drawing.prompts:
                return AskedFor(classes=None, prompts=None, condition=prompts.encode([""] * count))
            texts = [drawing.prompts[i % len(drawing.prompts)] for i in numbers]
            return AskedFor(classes=None, prompts=texts, condition=prompts.encode(texts))
        if not self.classes:
            return AskedFor(classes=None, prompts=None, condition=None)
        unknown = [name for name in drawing.conditions if name not in self.classes]
        if unknown:
            known = ", ".join(self.classes[:20])
            raise CapasError("condition_unknown", where="--condition", received=unknown[0], known=known)
        wanted = drawing.conditions or self.classes
        names = [wanted[i % len(wanted)] for i in numbers]
        condition = torch.tensor([self.classes.index(name) for name in names])
        return AskedFor(classes=names, prompts=None, condition=condition)

    def notes(self, drawing: Drawing) -> list[str]:
        """Return what to know of the prompts: words that mean nothing to the network."""
        prompts = self.predictor.prompts
        if prompts is None:
            return []
        strange = [
            ", ".join(words) for text in drawing.prompts
            if (words := prompts.not_understood(text)) and prompts.encode([text]).any()
        ]  # fmt: skip
        key = "generate.words_unknown" if isinstance(prompts, WordPrompts) else "generate.not_english"
        return [say(key, words=words) for words in strange]

    def draw(self, count: int, drawing: Drawing = USUAL_DRAWING) -> Iterator[DrawnImage]:
        """Yield ``count`` images. Raises CapasError as ``check`` and ``asked_for``."""
        self.check(drawing.options)
        generator = self.predictor.generator
        for start in range(0, count, PORTION):
            asked = self.asked_for(drawing, min(PORTION, count - start), first=start)
            rngs = sample_generators(drawing.seed, min(PORTION, count - start), first=start)
            yield from asked.drawn(generator.draw(rngs, asked.condition, drawing.options), start)
