"""Batches for training: each a pure function of (seed, step), so that a run resumes exactly from its step
number alone.

Shapes: B = pictures in a batch (of this rank), images B×C×H×W.
"""

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.random import stream
from capas.data.augment import Augmentation, Mix, augment, mixup
from capas.data.preparation import Preparation
from capas.data.store import PictureStore

_DEPTH = 2  # batches made ahead: one being ready hides the disk, more would only hold memory


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """``images`` float32 B×C×H×W, normalised, channels last; ``labels`` and store ``positions`` int64 B;
    ``mix`` when pictures were blended."""

    images: Tensor
    labels: Tensor
    positions: Tensor
    mix: Mix | None = None


class Loader:
    """Shuffled, augmented batches of the pictures at ``positions`` of a store.

    ``labels`` (int64) has one entry per position of the whole store. ``batch_size`` counts the pictures of
    all ranks together; every rank takes an equal slice of its own, and with fewer pictures than that the
    batch is all of them. Positions that failed to decode are left out. Raises CapasError
    ``nothing_to_load``.
    """

    def __init__(
        self,
        store: PictureStore,
        labels: Tensor,
        positions: Tensor,
        *,
        batch_size: int,
        seed: int,
        augmentation: Augmentation,
        preparation: Preparation,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool = True,
    ) -> None:
        self.store = store
        self.labels = labels
        self.positions = _readable(store, positions)
        self.batch_size = min(batch_size, len(self.positions))
        if self.batch_size < world_size:
            raise CapasError("nothing_to_load", received=self.batch_size, processes=world_size)
        self.seed = seed
        self.augmentation = augmentation
        self.preparation = preparation
        self.rank = rank
        self.world_size = world_size
        full, rest = divmod(len(self.positions), self.batch_size)
        self.steps_per_epoch = full + (not drop_last and rest >= world_size)
        self._order: tuple[int, Tensor] = (-1, self.positions)

    def batch(self, step: int) -> Batch:
        """The batch of this step (0, 1, …, in any order, endlessly): the same whenever it is asked for."""
        positions = self._slice(step)
        generator = stream(self.seed, "augment", step, self.rank)
        images = augment(self.store.take(positions), self.preparation, self.augmentation, generator)
        mix: Mix | None = None
        if self.augmentation.mixup:
            images, mix = mixup(images, self.augmentation.mixup, generator)
            images = images.contiguous(memory_format=torch.channels_last)
        return Batch(images=images, labels=self.labels[positions], positions=positions, mix=mix)

    def iterate(self, start: int = 0) -> Iterator[Batch]:
        """Batches ``start``, ``start + 1``, … without end; made ahead in a thread when the store is on
        disk."""
        if not self.store.in_memory:
            yield from self._made_ahead(start)
            return
        step = start
        while True:
            yield self.batch(step)
            step += 1

    def _slice(self, step: int) -> Tensor:
        """This rank's positions at this step."""
        epoch, within = divmod(step, self.steps_per_epoch)
        cached, order = self._order
        if cached != epoch:
            order = self.positions[torch.randperm(len(self.positions), generator=stream(self.seed, "order", epoch))]
            self._order = (epoch, order)
        whole = order[within * self.batch_size : (within + 1) * self.batch_size]
        each = len(whole) // self.world_size
        return whole[self.rank * each : (self.rank + 1) * each]

    def _made_ahead(self, start: int) -> Iterator[Batch]:
        """``iterate`` with a thread that works ``_DEPTH`` batches ahead and ends with this generator."""
        ready: queue.Queue[Batch | BaseException] = queue.Queue(maxsize=_DEPTH)
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


def _readable(store: PictureStore, positions: Tensor) -> Tensor:
    """The positions without those that failed, order kept."""
    if not store.failed:
        return positions
    return positions[~torch.isin(positions, torch.tensor(sorted(store.failed)))]
