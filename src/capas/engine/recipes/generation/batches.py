"""Batches that generative networks learn from."""

from dataclasses import dataclass

import torch
from torch import Tensor

from capas.data.batch import SampledBatches
from capas.data.image.augment import flip_horizontal
from capas.data.image.store import ImageStore
from capas.data.sampler import BatchSampler
from capas.engine.dataset_record import DatasetRecord
from capas.sampling.pixels import to_unit_range


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationBatch:
    """Images to be learnt to make.

    Attributes:
        inputs: (B, C, H, W) in [-1, 1].
        condition: Their classes (B,), int64; None where none are told apart.
        positions: Their positions, int64 (B,).
    """

    inputs: Tensor
    condition: Tensor | None
    positions: Tensor


class GenerationExamples:
    """The images of a run with their classes.

    Args:
        store: The images, in the order of the record.
        record: Names, classes and splits.
        flip: Whether half of the training images are mirrored.
    """

    def __init__(self, store: ImageStore, record: DatasetRecord, *, flip: bool) -> None:
        self.store = store
        self.record = record
        self.flip = flip
        self.classes: Tensor | None = None
        if record.spec.classes:
            self.classes = torch.tensor([label if isinstance(label, int) else -1 for label in record.labels])

    def images(self, positions: Tensor) -> Tensor:
        """Return images as they are, (B, C, H, W) in [-1, 1]."""
        return to_unit_range(self.store.take(positions)).contiguous(memory_format=torch.channels_last)

    def classes_of(self, positions: Tensor) -> Tensor | None:
        """Return their classes (B,); None where none are told apart."""
        return None if self.classes is None else self.classes[positions]

    def batch(self, positions: Tensor, rng: torch.Generator | None = None) -> GenerationBatch:
        """Return a batch, mirrored by ``rng`` where that is asked for; as the images are without one."""
        images = self.images(positions)
        if self.flip and rng is not None:
            images = flip_horizontal(images, rng)
        return GenerationBatch(inputs=images, condition=self.classes_of(positions), positions=positions)

    def training(self, sampler: BatchSampler) -> SampledBatches[GenerationBatch]:
        """Return the training batches in the order of ``sampler``."""
        return SampledBatches(sampler, self.record.names, self.batch)
