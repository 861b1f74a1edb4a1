"""Cache of all images of a dataset, prepared once as uint8 (N, C, H, W), in memory or memory-mapped on disk.

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
from capas.core.files import content_hash, sync_folder, write_error, write_json
from capas.core.i18n import Value
from capas.core.memory import available_memory
from capas.data.image.io import ImageArray, ImageCollection
from capas.data.image.preprocess import ImagePreprocessing

Progress = Callable[[int, int], None]
_CHUNK: Final = 128
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


def cache_home() -> Path:
    """Return the folder of what can be rebuilt: ``$XDG_CACHE_HOME/capas`` or ``~/.cache/capas``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "capas"


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

    with ThreadPoolExecutor(max_workers=physical_cores()) as pool:  # Pillow releases the lock
        for start in range(0, len(indices), _CHUNK):
            positions = range(start, min(start + _CHUNK, len(indices)))
            chunk = np.zeros((len(positions), *preparation.shape), dtype=np.uint8)
            for row, result in enumerate(pool.map(prepare, positions)):
                if isinstance(result, CapasError):
                    failed[start + row] = result
                else:
                    chunk[row] = result
            yield start, chunk
            if progress is not None:
                progress(positions.stop, len(indices))


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
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16))
        if digest.hexdigest() != record["hash"]:
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
