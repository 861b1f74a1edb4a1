"""Batches that generative networks learn from."""

from dataclasses import dataclass

import torch
from torch import Tensor

from capas.data.batch import SampledBatches
from capas.data.image.augment import flip_horizontal
from capas.data.image.store import ImageStore
from capas.data.naming import SplitName
from capas.data.sampler import BatchSampler
from capas.engine.dataset_record import DatasetRecord
from capas.engine.recipes.generation.evaluate import KnownImages
from capas.engine.recipes.generation.prompts import Captions, PromptEncoder
from capas.sampling.pixels import to_unit_range


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationBatch:
    """Images to be learnt to make.

    Attributes:
        inputs: (B, C, H, W) in [-1, 1].
        condition: Their classes (B,), int64, or the vectors of their captions (B, V); None without.
        positions: Their positions, int64 (B,).
    """

    inputs: Tensor
    condition: Tensor | None
    positions: Tensor


class GenerationExamples:
    """The images of a run with their classes or captions.

    Args:
        store: The images, in the order of the record.
        record: Names, classes and splits.
        flip: Whether half of the training images are mirrored.
        prompts: Makes vectors of the captions; None where there are none.
    """

    def __init__(
        self, store: ImageStore, record: DatasetRecord, *, flip: bool, prompts: PromptEncoder | None = None
    ) -> None:
        self.store = store
        self.record = record
        self.flip = flip
        self.classes: Tensor | None = None
        self.captions: Captions | None = None
        if prompts is not None:
            texts = [record.label_text(label) for label in record.labels]
            self.captions = Captions(texts=texts, vectors=prompts.encode(texts))
        elif record.spec.classes:
            self.classes = torch.tensor([label if isinstance(label, int) else -1 for label in record.labels])

    def images(self, positions: Tensor) -> Tensor:
        """Return images as they are, (B, C, H, W) in [-1, 1]."""
        return to_unit_range(self.store.take(positions)).contiguous(memory_format=torch.channels_last)

    def condition_of(self, positions: Tensor) -> Tensor | None:
        """Return what is said of them: classes (B,), vectors of captions (B, V), or None."""
        if self.captions is not None:
            return self.captions.vectors[positions]
        return None if self.classes is None else self.classes[positions]

    def known(self, split: SplitName) -> KnownImages:
        """Return the images of a split with all that is known of them."""
        positions = self.record.positions(split)
        captions = None
        if self.captions is not None:
            texts = [self.captions.texts[i] for i in positions.tolist()]
            captions = Captions(texts=texts, vectors=self.captions.vectors[positions])
        return KnownImages(
            names=[self.record.names[i] for i in positions.tolist()], images=self.images(positions),
            classes=None if self.classes is None else self.classes[positions], captions=captions,
        )  # fmt: skip

    def batch(self, positions: Tensor, rng: torch.Generator | None = None) -> GenerationBatch:
        """Return a batch, mirrored by ``rng`` where that is asked for; as the images are without one."""
        images = self.images(positions)
        if self.flip and rng is not None:
            images = flip_horizontal(images, rng)
        return GenerationBatch(inputs=images, condition=self.condition_of(positions), positions=positions)

    def training(self, sampler: BatchSampler) -> SampledBatches[GenerationBatch]:
        """Return the training batches in the order of ``sampler``."""
        return SampledBatches(sampler, self.record.names, self.batch)
