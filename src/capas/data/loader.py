"""Training batches of images: each a pure function of (seed, step), so that a run resumes exactly from its step number.

Shapes: B = images in a batch (of this rank), images (B, C, H, W).
"""

import queue
import threading
from collections.abc import Iterator

import torch
from torch import Tensor

from capas.core.rng import seeded_generator
from capas.data.batch import Batch
from capas.data.image.augment import ImageAugmentation, MixupPairing, augment_images, mixup
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.image.store import ImageStore
from capas.data.sampler import BatchSampler

_DEPTH = 2  # batches made ahead: one being ready hides the disk, more would only hold memory


class ImageLoader:
    """Shuffled, augmented batches of the images at ``positions`` of a store.

    ``labels`` (int64) has one entry per position of the whole store. ``batch_size`` counts the images of all ranks
    together; every rank takes an equal slice of its own, and with fewer images than that the batch is all of them.
    Positions that failed to decode are left out.

    Raises:
        CapasError: ``nothing_to_load``.
    """

    def __init__(
        self,
        store: ImageStore,
        targets: Tensor,
        positions: Tensor,
        *,
        batch_size: int,
        seed: int,
        augmentation: ImageAugmentation,
        preparation: ImagePreprocessing,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool = True,
    ) -> None:
        self.store = store
        self.targets = targets
        self.augmentation = augmentation
        self.preparation = preparation
        self.order = BatchSampler(
            _readable(store, positions),
            batch_size=batch_size,
            seed=seed,
            rank=rank,
            world_size=world_size,
            drop_last=drop_last,
        )

    @property
    def batch_size(self) -> int:
        return self.order.batch_size

    @property
    def steps_per_epoch(self) -> int:
        return self.order.steps_per_epoch

    def batch(self, step: int) -> Batch[Tensor]:
        """Return the batch of a step (0, 1, …, in any order, without end); it depends on the step alone."""
        positions = self.order.positions_at(step)
        generator = seeded_generator(self.order.seed, "augment", step, self.order.rank)
        images = augment_images(self.store.take(positions), self.preparation, self.augmentation, generator)
        mix: MixupPairing | None = None
        if self.augmentation.mixup:
            images, mix = mixup(images, self.augmentation.mixup, generator)
            images = images.contiguous(memory_format=torch.channels_last)
        return Batch(inputs=images, targets=self.targets[positions], positions=positions, mix=mix)

    def iterate(self, start: int = 0) -> Iterator[Batch[Tensor]]:
        """Iterate over batches ``start``, ``start + 1``, … without end; prefetched in a thread if they are on disk."""
        if not self.store.in_memory:
            yield from self._made_ahead(start)
            return
        step = start
        while True:
            yield self.batch(step)
            step += 1

    def _made_ahead(self, start: int) -> Iterator[Batch[Tensor]]:
        """``iterate`` with a thread that works ``_DEPTH`` batches ahead and ends with this generator."""
        ready: queue.Queue[Batch[Tensor] | BaseException] = queue.Queue(maxsize=_DEPTH)
        stop = threading.Event()

        def work() -> None:
            step = start
            while not stop.is_set():
                try:
                    ready.put(self.batch(step))
                except BaseException as error:
                    ready.put(error)  # for the consumer to raise
                    return
                step += 1

        thread = threading.Thread(target=work, name="capas-batches", daemon=True)
        thread.start()
        try:
            while True:
                item = ready.get()
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stop.set()
            while thread.is_alive():  # it may be waiting for room in the queue
                while not ready.empty():
                    ready.get_nowait()
                thread.join(timeout=0.01)


def _readable(store: ImageStore, positions: Tensor) -> Tensor:
    """The positions without those that failed, order kept."""
    if not store.failed:
        return positions
    return positions[~torch.isin(positions, torch.tensor(sorted(store.failed)))]
