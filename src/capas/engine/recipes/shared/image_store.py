"""TODO docstring."""

from capas.core.errors import CapasError
from capas.data.image.io import ImageCollection
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.image.store import ImageStore
from capas.engine.recipe import PreparedDataset

# How the pixels of the pretrained network's training were scaled: (x − 127) / 128 for x in 0..255.
PRETRAINED_MEAN, PRETRAINED_STD = 127 / 255, 128 / 255


def prepare_image_store(
    work: PreparedDataset, shape: tuple[int, int] | None = None
) -> tuple[ImageStore, ImagePreprocessing]:
    """All pictures of the record as uint8, and the preparation with the training split's own mean and deviation;
    ``shape`` is height and width where they are not square."""
    config, record = work.config, work.record
    if not isinstance(work.inputs, ImageCollection):
        raise CapasError("no_pictures_to_learn", where=record.source)
    size, channels, fit = int(config.data.image_size), int(config.data.channels), config.data.fit
    assert fit != "auto"
    height, width = shape or (size, size)
    mean, std = (PRETRAINED_MEAN,) * channels, (PRETRAINED_STD,) * channels
    preparation = ImagePreprocessing(height=height, width=width, channels=channels, mean=mean, std=std, fit=fit)
    budget = config.data.memory_mb * 2**20 or None
    store = ImageStore.build(
        work.inputs, work.indices, preparation, budget_bytes=budget, cache_folder=work.cache, progress=work.progress
    )
    if store.failed:
        position, error = next(iter(store.failed.items()))
        raise CapasError("data_changed", where=record.names[position], received=error.key, first=record.names[position])
    if not config.network.pretrained:
        preparation = preparation.fit_normalisation(store, record.positions("train"))
    return store, preparation
