"""What a planted set is, and how a finding of the report is judged against what was planted."""

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Outcome = Literal["named", "pointed at", "missed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Planted:
    """A data set with a flaw, or a clean one.

    Attributes:
        name: What is wrong with it, or what it is.
        medium: image, table, text, sound or mask.
        make: Writes it into an empty folder and returns what ``capas train`` is given.
        keys: Findings that name the flaw; empty for a clean set.
        about: What the sentence of such a finding must say: a column, a class, a pair (regular expression).
        near: Findings of a related kind, which point at it.
        options: Options of ``capas train``.
        peers: Kinds of issue with which a peer names it, ``{"datalab": …, "deepchecks": …}``.
    """

    name: str
    medium: str
    make: Callable[[Path], Path]
    keys: Sequence[str] = ()
    about: str = ""
    near: Sequence[str] = ()
    options: Sequence[str] = ()
    peers: Mapping[str, Sequence[str]] | None = None

    @property
    def clean(self) -> bool:
        return not self.keys

    @property
    def slug(self) -> str:
        """The name for files."""
        return f"{self.medium}-{re.sub(r'[^a-z0-9]+', '-', self.name.casefold()).strip('-')}"

    def judge(self, findings: Iterable[Mapping[str, str]]) -> Outcome:
        """Judge the findings of a report: right kind and object, right kind or a related one, neither."""
        held = list(findings)
        if any(one["key"] in self.keys and re.search(self.about, one["text"], re.IGNORECASE) for one in held):
            return "named"
        pointed = any(one["key"] in (*self.keys, *self.near) for one in held)
        return "pointed at" if pointed else "missed"


def write_table(path: Path, columns: Mapping[str, Sequence[object]]) -> Path:
    """Write columns as CSV; None is an empty cell."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def write_parts(folder: Path, columns: Mapping[str, Sequence[object]], parts: Sequence[str]) -> Path:
    """Write ``train.csv``, ``validation.csv`` and ``test.csv``: the rows of each part."""
    for part in dict.fromkeys(parts):
        rows = [i for i, own in enumerate(parts) if own == part]
        write_table(folder / f"{part}.csv", {name: [cells[i] for i in rows] for name, cells in columns.items()})
    return folder


def write_pictures(
    folder: Path,
    pictures: Sequence[NDArray[np.uint8]],
    classes: Sequence[str],
    *,
    parts: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
) -> Path:
    """Write pictures into class folders, below a folder for each part where there are ``parts``."""
    for i, (picture, name) in enumerate(zip(pictures, classes, strict=True)):
        into = (folder if parts is None else folder / parts[i]) / name
        into.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(into / f"{names[i] if names else f'{i:04d}'}.png")
    return folder


def parted(n: int, rng: np.random.Generator) -> list[str]:
    """A random part for each of n examples: 60 % training, 15 % validation, 25 % test."""
    order = rng.permutation(n) / n
    return ["train" if x < 0.6 else "validation" if x < 0.75 else "test" for x in order]
