"""The examples of a run: those of learning without labels, but varied only mildly.

What the identity lies in must survive: a character is not mirrored, a face does not lose its colours.
"""

import torch
from torch import Tensor

from capas.data.image.augment import augment_images
from capas.engine.recipe import PreparedDataset
from capas.engine.recipes.embedding.inputs import AudioEmbeddingInputs, EmbeddingInputs, ImageEmbeddingInputs
from capas.engine.recipes.shared.image_store import prepare_image_store
from capas.engine.recipes.single_output.image.data import image_augmentation


class ImageVerificationInputs(ImageEmbeddingInputs):
    """Images with the augmentation of a classifier (``EmbeddingInputs``)."""

    @staticmethod
    def prepare(work: PreparedDataset) -> "ImageVerificationInputs":
        """Read the images of a run."""
        return ImageVerificationInputs(work.config, *prepare_image_store(work))

    def view(self, positions: Tensor, rng: torch.Generator) -> Tensor:
        return augment_images(self.store.take(positions), self.preparation, image_augmentation(self.config), rng)


def prepare_inputs(work: PreparedDataset) -> EmbeddingInputs:
    """Read the images or sounds of a run."""
    return AudioEmbeddingInputs.prepare(work) if work.spec.medium == "audio" else ImageVerificationInputs.prepare(work)
