"""The images of two collections, and unpaired batches of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from capas.core.rng import derive_seed
from capas.data.batch import SampledBatches, UnpairedBatches
from capas.data.image.augment import flip_horizontal
from capas.data.image.store import ImageStore
from capas.data.naming import SplitName
from capas.data.sampler import BatchSampler
from capas.engine.config import Config
from capas.engine.dataset_record import DatasetRecord
from capas.engine.distributed import Ranks
from capas.sampling.pixels import to_unit_range


@dataclass(frozen=True, kw_only=True, slots=True)
class Collection:
    """Images of one collection.

    Attributes:
        names: Their names.
        images: (N, C, H, W) in [-1, 1].
    """

    names: Sequence[str]
    images: Tensor


class UnpairedExamples:
    """The images of a run by collection.

    Args:
        store: The images, in the order of the record.
        record: Names, collections and splits; a label is the number of a collection.
        flip: Whether half of the training images are mirrored.
    """

    def __init__(self, store: ImageStore, record: DatasetRecord, *, flip: bool) -> None:
        self.store = store
        self.record = record
        self.flip = flip
        self._sides = torch.tensor([label if isinstance(label, int) else -1 for label in record.labels])

    def positions(self, split: SplitName, side: int) -> Tensor:
        """Return the positions of one collection in a split."""
        held = self.record.positions(split)
        return held[self._sides[held] == side]

    def images(self, positions: Tensor) -> Tensor:
        """Return images as they are, (B, C, H, W) in [-1, 1]."""
        return to_unit_range(self.store.take(positions)).contiguous(memory_format=torch.channels_last)

    def collections(self, split: SplitName, most: int | None = None) -> tuple[Collection, Collection]:
        """Return both collections of a split, at most ``most`` images of each."""
        first, second = (self.positions(split, side)[:most] for side in (0, 1))
        return self._collection(first), self._collection(second)

    def _collection(self, positions: Tensor) -> Collection:
        names = [self.record.names[i] for i in positions.tolist()]
        return Collection(names=names, images=self.images(positions))

    def training(self, config: Config, ranks: Ranks) -> UnpairedBatches[Tensor]:
        """Return the training batches: each collection in an order of its own."""
        first, second = (self._batches(config, ranks, side) for side in (0, 1))
        return UnpairedBatches(first, second)

    def _batches(self, config: Config, ranks: Ranks, side: int) -> SampledBatches[Tensor]:
        positions = self.positions("train", side)
        # A batch may not hold more of one collection than of the other.
        smaller = min(len(self.positions("train", one)) for one in (0, 1))
        sampler = BatchSampler(
            positions, batch_size=min(int(config.train.batch_size), smaller), rank=ranks.rank,
            seed=derive_seed(config.train.seed, f"collection {side}"), world_size=ranks.world_size,
        )  # fmt: skip
        return SampledBatches(sampler, self.record.names, self._take)

    def _take(self, positions: Tensor, rng: torch.Generator) -> Tensor:
        images = self.images(positions)
        return flip_horizontal(images, rng) if self.flip else images
