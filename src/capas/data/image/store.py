"""Cache of all images of a dataset, prepared once as uint8 (N, C, H, W), in memory or memory-mapped on disk.

Many images that are much smaller than what the network sees are kept at their own size and fitted when they are taken:
50,000 digits of 784 pixels need 39 MB then, and 1.6 GB at the 3×104×104 of a pretrained network.

Positions count what was asked for: position p is the image ``indices[p]``. An image that cannot be decoded keeps its
position, black, and is listed in ``failed``; training leaves it out.

The file is named by what is in it (the images' content hashes and the geometry of the preprocessing), is checked by
hash when it is used again, and is rebuilt when anything is amiss: it can be deleted at any time.
"""

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capas.core.device import physical_cores
from capas.core.errors import CapasError
from capas.core.files import content_hash, hash_file, sync_folder, write_error, write_json
from capas.core.i18n import Value
from capas.core.memory import available_memory
from capas.data.cache_folder import cache_home
from capas.data.image.io import MAX_PIXELS_OF_ONE_THREAD, ImageArray, ImageCollection
from capas.data.image.preprocess import ImagePreprocessing

Progress = Callable[[int, int], None]
_CHUNK: Final = 128
_MIN_OWN_SIZE_BYTES: Final = 64_000_000  # less is kept as the network sees it, which saves fitting it every epoch
_MIN_SAVING: Final = 4  # times less, so that it pays
_VERSION: Final = 2  # of the file's format and of the way pictures are fitted


class ImageStore:
    """Prepared images, uint8 (N, C, H, W). ``build`` makes one; ``failed`` maps positions to their errors."""

    def __init__(self, images: NDArray[np.uint8], failed: Mapping[int, CapasError], *, in_memory: bool = True) -> None:
        self.images = images
        self.failed = dict(failed)
        self.in_memory = in_memory

    def __len__(self) -> int:
        return len(self.images)

    def take(self, positions: Tensor) -> Tensor:
        """Return a copy of the images at ``positions`` (int64, (B,)), uint8 (B, C, H, W)."""
        return torch.from_numpy(self.images.take(positions.numpy(), axis=0))

    @property
    def nbytes(self) -> int:
        """The number of bytes that the images take."""
        return self.images.nbytes

    @staticmethod
    def build(
        pictures: ImageCollection,
        indices: Sequence[int],
        preparation: ImagePreprocessing,
        *,
        budget_bytes: int | None = None,
        cache_folder: Path | None = None,
        progress: Progress | None = None,
    ) -> "ImageStore":
        """Prepare the images ``indices`` on all physical cores; the order does not depend on the threads.

        An image that fails is not an error.

        Args:
            pictures: The images.
            indices: Which of them, by position.
            preparation: The preprocessing.
            budget_bytes: Limit of what stays in memory; 40 % of the available memory if None.
            cache_folder: Folder of the file beyond that; the user's cache if None.
            progress: Called with (done, total).

        Raises:
            CapasError: ``disk_full`` or ``cannot_write``.
        """
        shape = (len(indices), *preparation.shape)
        budget = available_memory() * 2 // 5 if budget_bytes is None else budget_bytes
        if math.prod(shape) >= _MIN_OWN_SIZE_BYTES and _are_small(pictures, indices, preparation):
            small = OwnSizeImageStore.fill(pictures, indices, preparation, budget, progress)
            if small is not None:
                return small
        if math.prod(shape) > budget:
            folder = cache_home() / "pictures" if cache_folder is None else cache_folder
            return _in_file(pictures, indices, preparation, folder, progress)
        if isinstance(pictures, ImageArray) and pictures.arrays.shape[1:] == (*shape[2:], shape[1]):
            chosen = pictures.arrays[np.asarray(indices, dtype=np.int64)]
            return ImageStore(np.ascontiguousarray(chosen.transpose(0, 3, 1, 2)), {})
        images, failed = np.zeros(shape, dtype=np.uint8), dict[int, CapasError]()
        for start, chunk in _prepared(pictures, indices, preparation, failed, progress):
            images[start : start + len(chunk)] = chunk
        return ImageStore(images, failed)


class OwnSizeImageStore(ImageStore):
    """Images as they were decoded (those that are larger, as the network sees them), fitted when they are taken.

    Args:
        preparation: The preprocessing.
        pixels: The images, (H, W, C) each, one behind the other.
        shapes: Height, width and channels of each, int64 (N, 3); zeros for what failed.
        failed: Positions and their errors.
    """

    def __init__(
        self,
        preparation: ImagePreprocessing,
        pixels: NDArray[np.uint8],
        shapes: NDArray[np.int64],
        failed: Mapping[int, CapasError],
    ) -> None:
        super().__init__(np.empty((0, *preparation.shape), dtype=np.uint8), failed)
        self._preparation = preparation
        self._pixels = pixels
        self._shapes = shapes
        self._ends = shapes.prod(axis=1).cumsum()

    def __len__(self) -> int:
        return len(self._shapes)

    @property
    def nbytes(self) -> int:
        """See ``ImageStore``."""
        return self._pixels.nbytes

    def take(self, positions: Tensor) -> Tensor:
        """See ``ImageStore``."""
        taken = torch.zeros(len(positions), *self._preparation.shape, dtype=torch.uint8)
        for place, position in enumerate(positions.tolist()):
            shape, end = self._shapes[position], self._ends[position]
            if shape.any():
                picture = self._pixels[end - shape.prod() : end].reshape(shape)
                taken[place] = torch.from_numpy(self._preparation.fit_image(picture)).permute(2, 0, 1)
        return taken

    @staticmethod
    def fill(
        pictures: ImageCollection,
        indices: Sequence[int],
        preparation: ImagePreprocessing,
        budget: int,
        progress: Progress | None,
    ) -> "OwnSizeImageStore | None":
        """Read the images; None where they need more than ``budget`` bytes."""
        pixels, failed = bytearray(), dict[int, CapasError]()
        shapes = np.zeros((len(indices), 3), dtype=np.int64)
        largest = math.prod(preparation.shape)

        def read(position: int) -> NDArray[np.uint8] | CapasError:
            try:
                picture = pictures.decode(indices[position])
            except CapasError as error:
                return error
            return picture if picture.size <= largest else preparation.fit_image(picture)

        for start, chunk in _read_in_chunks(read, len(indices), _workers(pictures, indices), progress):
            for position, picture in enumerate(chunk, start=start):
                if isinstance(picture, CapasError):
                    failed[position] = picture
                else:
                    pixels += picture.tobytes()
                    shapes[position] = picture.shape
            if len(pixels) > budget:
                return None
        return OwnSizeImageStore(preparation, np.frombuffer(pixels, dtype=np.uint8), shapes, failed)


def _are_small(pictures: ImageCollection, indices: Sequence[int], preparation: ImagePreprocessing) -> bool:
    """Whether a hundred of the images, spread evenly, have far fewer bytes than prepared ones."""
    sizes = list[int]()
    for index in indices[:: max(1, len(indices) // 100)]:
        try:
            sizes.append(pictures.decode(index).size)
        except CapasError:
            continue
    return bool(sizes) and _MIN_SAVING * sum(sizes) <= len(sizes) * math.prod(preparation.shape)


def _prepared(
    pictures: ImageCollection,
    indices: Sequence[int],
    preparation: ImagePreprocessing,
    failed: dict[int, CapasError],
    progress: Progress | None,
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(first position, uint8 chunk×C×H×W), in order; what fails is black and noted in ``failed``."""

    def prepare(position: int) -> NDArray[np.uint8] | CapasError:
        try:
            return preparation.fit_image(pictures.decode(indices[position])).transpose(2, 0, 1)
        except CapasError as error:
            return error

    for start, results in _read_in_chunks(prepare, len(indices), _workers(pictures, indices), progress):
        chunk = np.zeros((len(results), *preparation.shape), dtype=np.uint8)
        for row, result in enumerate(results):
            if isinstance(result, CapasError):
                failed[start + row] = result
            else:
                chunk[row] = result
        yield start, chunk


def _workers(pictures: ImageCollection, indices: Sequence[int]) -> int:
    """The number of threads that read: the cores; one for small images, at which threads wait for each other."""
    for index in indices[:1]:
        try:
            info = pictures.info(index)
        except CapasError:
            continue
        return physical_cores() if info.width * info.height > MAX_PIXELS_OF_ONE_THREAD else 1
    return physical_cores()


def _read_in_chunks(
    read: Callable[[int], NDArray[np.uint8] | CapasError], count: int, workers: int, progress: Progress | None
) -> Iterator[tuple[int, list[NDArray[np.uint8] | CapasError]]]:
    """(first position, what ``read`` gives for the positions of a chunk), in order."""
    with ThreadPoolExecutor(max_workers=workers) as pool:  # Pillow releases the lock
        for start in range(0, count, _CHUNK):
            positions = range(start, min(start + _CHUNK, count))
            yield start, list(pool.map(read, positions) if workers > 1 else map(read, positions))
            if progress is not None:
                progress(positions.stop, count)


def _in_file(
    pictures: ImageCollection,
    indices: Sequence[int],
    preparation: ImagePreprocessing,
    folder: Path,
    progress: Progress | None,
) -> ImageStore:
    """The store in a memory-mapped file: the one that is there if it is right, else a new one."""
    path = folder / f"{_key(pictures, indices, preparation)}.u8"
    failed = _reusable(path, len(indices) * math.prod(preparation.shape))
    if failed is None:
        failed = _write(path, pictures, indices, preparation, progress)
    elif progress is not None:
        progress(len(indices), len(indices))
    # Read-only, hence an array and no tensor: a writable map larger than the memory is refused by Linux.
    mapped = np.memmap(path, dtype=np.uint8, mode="r", shape=(len(indices), *preparation.shape))
    return ImageStore(np.asarray(mapped), failed, in_memory=False)


def _key(pictures: ImageCollection, indices: Sequence[int], preparation: ImagePreprocessing) -> str:
    geometry = f"{_VERSION} {preparation.shape} {preparation.fit}"
    return content_hash("\n".join([geometry, *(_content(pictures, index) for index in indices)]).encode())


def _content(pictures: ImageCollection, index: int) -> str:
    try:
        return pictures.content_hash(index)
    except CapasError:
        return "unreadable"


def _write(
    path: Path,
    pictures: ImageCollection,
    indices: Sequence[int],
    preparation: ImagePreprocessing,
    progress: Progress | None,
) -> dict[int, CapasError]:
    """Write the file, then its record: a file without a record is one that was interrupted."""
    failed: dict[int, CapasError] = {}
    digest, temporary = hashlib.blake2b(digest_size=16), ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        # Ordinary writes, not the map: a full disk is then an error here instead of a signal that kills.
        with os.fdopen(descriptor, "wb") as stream:
            for _, chunk in _prepared(pictures, indices, preparation, failed, progress):
                stream.write(chunk.data)
                digest.update(chunk.data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
    record = {str(position): _error_as_json(error) for position, error in failed.items()}
    write_json(path.with_suffix(".json"), {"hash": digest.hexdigest(), "failed": record})
    return failed


def _reusable(path: Path, size: int) -> dict[int, CapasError] | None:
    """What failed when the file was made, or None when it is absent, partial, damaged or of another size."""
    try:
        record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if path.stat().st_size != size:
            return None
        if hash_file(path) != record["hash"]:
            return None
        return {int(position): _error_from_json(error) for position, error in record["failed"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _error_as_json(error: CapasError) -> dict[str, Value]:
    return {"key": error.key, **error.values}


def _error_from_json(values: Mapping[str, Value]) -> CapasError:
    rest = {name: value for name, value in values.items() if name not in ("key", "where", "received")}
    where, received = str(values["where"]), values["received"]
    return CapasError(str(values["key"]), where=where, received=received, **rest)
