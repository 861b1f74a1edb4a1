"""Reading and resizing masks."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from capas.core.device import physical_cores
from capas.data.image.masks import MaskFiles
from capas.data.image.segmentation_transforms import resize_mask


def read_fitted_masks(
    masks: MaskFiles, indices: Sequence[int], size: tuple[int, int], progress: Callable[[int, int], None]
) -> NDArray[np.uint8]:
    """Return the masks ``indices`` resized to ``size`` (height, width), uint8 N×H×W. Raises CapasError on one that
    cannot be read.
    """
    fitted = np.empty((len(indices), *size), dtype=np.uint8)
    with ThreadPoolExecutor(max_workers=physical_cores()) as pool:
        for row, mask in enumerate(pool.map(lambda i: resize_mask(masks.decode(i), *size), indices)):
            fitted[row] = mask
            progress(row + 1, len(indices))
    return fitted
