"""Batches are a function of (seed, step): any order, any rank, any thread gives the same."""

import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from capas.core.errors import CapasError
from capas.data.batch import Batch
from capas.data.image.augment import ImageAugmentation
from capas.data.image.io import ImageArray
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.image.store import ImageStore
from capas.data.loader import ImageLoader

PREPARATION = ImagePreprocessing(height=6, width=6, channels=3)
VARIED = ImageAugmentation(crop=0.2, flip=True, cutout=0.3, mixup=0.4)
COUNT = 50
LABELS = torch.arange(COUNT) * 10


def made_store(budget: int | None = None, folder: Path | None = None) -> ImageStore:
    arrays = np.random.default_rng(0).integers(0, 256, (COUNT, 6, 6, 3), dtype=np.uint8)
    pictures = ImageArray(arrays, "x")
    return ImageStore.build(pictures, range(COUNT), PREPARATION, budget_bytes=budget, cache_folder=folder)


def even_store() -> ImageStore:
    """All pictures alike, so that batches differ by their augmentation only."""
    return ImageStore(np.full((COUNT, 3, 6, 6), 200, dtype=np.uint8), {})


def loader(store: ImageStore | None = None, *, batch_size: int = 8, seed: int = 1, rank: int = 0,
           world_size: int = 1, drop_last: bool = True, augmentation: ImageAugmentation = VARIED,
           positions: torch.Tensor | None = None) -> ImageLoader:  # fmt: skip
    return ImageLoader(
        made_store() if store is None else store,
        LABELS,
        torch.arange(3, COUNT) if positions is None else positions,
        batch_size=batch_size,
        seed=seed,
        augmentation=augmentation,
        preparation=PREPARATION,
        rank=rank,
        world_size=world_size,
        drop_last=drop_last,
    )


def assert_same(first: Batch[torch.Tensor], second: Batch[torch.Tensor]) -> None:
    assert torch.equal(first.inputs, second.inputs)
    assert torch.equal(first.positions, second.positions) and torch.equal(first.targets, second.targets)
    assert (first.mix is None) == (second.mix is None)
    if first.mix is not None and second.mix is not None:
        assert torch.equal(first.mix.partner, second.mix.partner)
        assert torch.equal(first.mix.weight, second.mix.weight)


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    one, other = loader(), loader()
    steps = [12, 0, 7, 12, 5]
    for step, batch in zip(steps, [other.batch(step) for step in steps], strict=True):
        assert_same(one.batch(step), batch)
    assert not torch.equal(one.batch(0).positions, loader(seed=2).batch(0).positions)


def test_resuming_gives_the_rest_of_the_uninterrupted_run() -> None:
    whole = list(islice(loader().iterate(0), 14))
    for before, after in zip(whole[9:], islice(loader().iterate(9), 5), strict=True):
        assert_same(before, after)


def test_an_epoch_takes_each_picture_once_and_shuffles_anew() -> None:
    made = loader(drop_last=False)
    assert made.steps_per_epoch == 6
    epochs = [torch.cat([made.batch(6 * epoch + step).positions for step in range(6)]) for epoch in range(2)]
    assert sorted(epochs[0].tolist()) == sorted(epochs[1].tolist()) == list(range(3, COUNT))
    assert not torch.equal(epochs[0], epochs[1])
    dropping = loader()
    assert dropping.steps_per_epoch == 5
    assert {len(batch.positions) for batch in islice(dropping.iterate(), 12)} == {8}


def test_images_labels_and_positions_belong_together() -> None:
    made = loader(augmentation=ImageAugmentation())
    for batch in islice(made.iterate(), 3):
        assert torch.equal(batch.targets, batch.positions * 10)
        assert torch.equal(batch.inputs, PREPARATION.normalise(made.store.take(batch.positions)))
        assert batch.mix is None


def test_augmentation_differs_from_step_to_step() -> None:
    made = loader(even_store(), batch_size=40, augmentation=ImageAugmentation(cutout=0.5))
    assert not torch.equal(made.batch(0).inputs, made.batch(1).inputs)


def test_mixed_batches_stay_channels_last_and_point_into_themselves() -> None:
    batch = loader().batch(0)
    assert batch.inputs.is_contiguous(memory_format=torch.channels_last)
    assert batch.mix is not None and batch.mix.partner.max() < len(batch.targets)


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_take_disjoint_equal_parts_of_each_batch(world_size: int, drop_last: bool) -> None:
    alone = loader(drop_last=drop_last)
    ranks = [loader(rank=rank, world_size=world_size, drop_last=drop_last) for rank in range(world_size)]
    assert {rank.steps_per_epoch for rank in ranks} == {alone.steps_per_epoch}
    for step in range(2 * alone.steps_per_epoch):
        parts = [rank.batch(step).positions.tolist() for rank in ranks]
        taken = [position for part in parts for position in part]
        assert len({len(part) for part in parts}) == 1 and parts[0]
        assert len(set(taken)) == len(taken)
        assert taken == alone.batch(step).positions.tolist()[: len(taken)]
        assert len(alone.batch(step).positions) - len(taken) < world_size


def test_ranks_augment_differently() -> None:
    store = even_store()
    parts = [
        loader(store, batch_size=40, rank=r, world_size=2, augmentation=ImageAugmentation(cutout=0.5)) for r in (0, 1)
    ]
    assert not torch.equal(parts[0].batch(0).inputs, parts[1].batch(0).inputs)


def test_fewer_pictures_than_a_batch_are_one_batch() -> None:
    made = loader(positions=torch.tensor([4, 9, 11]))
    assert made.steps_per_epoch == 1
    assert sorted(made.batch(3).positions.tolist()) == [4, 9, 11]


@pytest.mark.parametrize(("positions", "world_size"), [([], 1), ([1], 2)])
def test_nothing_to_load_is_said(positions: list[int], world_size: int) -> None:
    with pytest.raises(CapasError) as caught:
        loader(positions=torch.tensor(positions, dtype=torch.int64), world_size=world_size)
    assert caught.value.key == "nothing_to_load"


def test_what_failed_is_left_out() -> None:
    store = made_store()
    store.failed[5] = CapasError("picture_empty")
    made = loader(store, drop_last=False)
    seen = torch.cat([made.batch(step).positions for step in range(made.steps_per_epoch)])
    assert sorted(seen.tolist()) == [3, 4, *range(6, COUNT)]


def batch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "capas-batches"]


def test_a_store_on_disk_gives_the_same_batches_ahead(tmp_path: Path) -> None:
    ahead = loader(made_store(0, tmp_path)).iterate(4)
    for expected, batch in zip(islice(loader().iterate(4), 9), ahead, strict=False):
        assert_same(expected, batch)
    assert len(batch_threads()) == 1
    close(ahead)
    assert batch_threads() == []


def close(batches: Iterator[Batch[torch.Tensor]]) -> None:
    getattr(batches, "close")()  # noqa: B009


def test_an_error_in_the_thread_reaches_the_consumer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = loader(made_store(0, tmp_path))
    original = made.batch

    def failing(step: int) -> Batch[torch.Tensor]:
        if step == 3:
            raise CapasError("disk_full", where="cache")
        return original(step)

    monkeypatch.setattr(made, "batch", failing)
    batches = made.iterate(0)
    assert len(list(islice(batches, 3))) == 3
    with pytest.raises(CapasError) as caught:
        next(batches)
    assert caught.value.key == "disk_full"
    assert batch_threads() == []
