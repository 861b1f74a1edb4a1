"""Decoded and resized training images, with the normalisation fitted to the training split."""

from capas.bundle.write import PREPARATION
from capas.core.errors import CapasError
from capas.data.image.io import ImageCollection
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.image.store import ImageStore
from capas.engine.recipe import PreparedDataset
from capas.engine.recipes.shared.initial_weights import initial_bundle

# How the pixels of the pretrained network's training were scaled: (x − 127) / 128 for x in 0..255.
PRETRAINED_MEAN, PRETRAINED_STD = 127 / 255, 128 / 255


def initial_preparation(where: str) -> ImagePreprocessing:
    """Return how the images of an earlier run were prepared: its weights expect the same."""
    bundle = initial_bundle(where, "image")
    return ImagePreprocessing.from_json(bundle.file(PREPARATION), where=str(bundle.folder / PREPARATION))


def prepare_image_store(
    work: PreparedDataset, shape: tuple[int, int] | None = None
) -> tuple[ImageStore, ImagePreprocessing]:
    """Read all images of the record as uint8.

    Args:
        work: The examples of the run.
        shape: Height and width, where they are not square.

    Returns:
        The store, and the preprocessing with the mean and deviation of the training split (or of the pretrained
            network).

    Raises:
        CapasError: ``no_pictures_to_learn``; ``data_changed`` where an image can no longer be read.
    """
    config, record = work.config, work.record
    if not isinstance(work.inputs, ImageCollection):
        raise CapasError("no_pictures_to_learn", where=record.source)
    size, channels, fit = int(config.data.image_size), int(config.data.channels), config.data.fit
    assert fit != "auto"
    height, width = shape or (size, size)
    mean, std = (PRETRAINED_MEAN,) * channels, (PRETRAINED_STD,) * channels
    preparation = ImagePreprocessing(height=height, width=width, channels=channels, mean=mean, std=std, fit=fit)
    if config.network.init_from and shape is None:
        preparation = initial_preparation(config.network.init_from)
    budget = config.data.memory_mb * 2**20 or None
    store = ImageStore.build(
        work.inputs, work.indices, preparation, budget_bytes=budget, cache_folder=work.cache, progress=work.progress
    )
    if store.failed:
        position, error = next(iter(store.failed.items()))
        raise CapasError("data_changed", where=record.names[position], received=error.key, first=record.names[position])
    if not config.network.pretrained and not (config.network.init_from and shape is None):
        preparation = preparation.fit_normalisation(store, record.positions("train"))
    return store, preparation
