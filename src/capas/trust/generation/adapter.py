"""Generators: they answer nothing; what can be looked at is what they draw."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from capas.data.image.io import ImageCollection
from capas.engine.recipes.generation.predictor import GenerationPredictor
from capas.sampling.noise import sample_generators
from capas.sampling.pixels import to_pixels
from capas.trust.subjects.structured import StructuredAdapter


class GenerationAdapter(StructuredAdapter):
    """``StructuredAdapter`` of generators, which evaluates no examples."""

    kind = "samples"
    max_examples = 1000
    no_attacks = "trust.many.no_attack_samples"
    no_explanations = "trust.many.no_zones_samples"

    def __init__(self, model: GenerationPredictor, inputs: ImageCollection) -> None:
        self.model = model
        self.inputs = inputs

    def prepared(self, index: int) -> object:
        raise ValueError("a generator is given no examples")

    def samples(self, numbers: Sequence[int], asked: Sequence[str], seed: int) -> list[NDArray[np.uint8]]:
        """Return the samples of these numbers and this seed, as the one test drew them, uint8 (H, W[, 3]).

        Args:
            numbers: Of the samples.
            asked: The class or caption of each; "" without.
            seed: Of the run.
        """
        wanted = None
        if self.model.prompts is not None:
            wanted = self.model.prompts.encode(asked)
        elif self.model.classes:
            wanted = torch.tensor([self.model.classes.index(name) for name in asked])
        rngs = [sample_generators(seed, 1, first=number)[0] for number in numbers]
        return list(to_pixels(self.model.generator.draw(rngs, wanted)))

    def training_image(self, index: int) -> NDArray[np.uint8]:
        """Return an image of the data as the network learnt from it, uint8 (H, W[, 3])."""
        pixels = self.model.preparation.fit_image(self.inputs.decode(index))
        return pixels[..., 0] if pixels.shape[2] == 1 else pixels
