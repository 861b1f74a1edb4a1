"""Inputs that no model should take for its own, made from the test examples: of texts, sounds and rows; those of
pictures are in ``probes``. All work on prepared inputs.

- sounds: white noise as loud as the sound, silence, and the sound backwards;
- texts: the letters of every word mixed, and words of random letters;
- rows: every column shuffled by itself, and all numbers five deviations further up with categories never seen.
"""

import string
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from capas.data.rows import EncodedRows
from capas.engine.recipes.pictures import PictureReader
from capas.engine.recipes.rows import RowReader
from capas.engine.recipes.sounds import SoundReader
from capas.engine.recipes.texts import TextReader
from capas.trust.pixels import as_prepared, as_shares
from capas.trust.probes import PROBES
from capas.trust.subject import Subject

FAR = 5.0


def strange_inputs(subject: Subject, prepared: Sequence[object], rng: torch.Generator) -> dict[str, list[object]]:
    """By name, as many strange inputs as there are ``prepared`` ones; none for a medium that has no such."""
    reader = subject.reader
    if isinstance(reader, PictureReader):
        pictures = as_shares(prepared)
        return {name: [*as_prepared(probe(pictures, rng))] for name, probe in PROBES.items()}
    chance = np.random.default_rng(int(torch.randint(2**31, (1,), generator=rng)))
    if isinstance(reader, SoundReader):
        return _sounds(cast(Sequence[NDArray[np.float32]], prepared), chance)
    if isinstance(reader, TextReader):
        return _texts(cast(Sequence[str], prepared), chance)
    if isinstance(reader, RowReader):
        return _rows(cast(Sequence[EncodedRows], prepared), rng)
    return {}


def _sounds(waves: Sequence[NDArray[np.float32]], chance: np.random.Generator) -> dict[str, list[object]]:
    loudness = [float(np.sqrt(np.mean(wave**2))) for wave in waves]
    return {
        "noise": [chance.normal(0, level, len(wave)).astype(np.float32)
                  for wave, level in zip(waves, loudness, strict=True)],
        "silence": [np.zeros_like(wave) for wave in waves],
        "backwards": [np.ascontiguousarray(wave[::-1]) for wave in waves],
    }  # fmt: skip


def _texts(texts: Sequence[str], chance: np.random.Generator) -> dict[str, list[object]]:
    letters = list(string.ascii_lowercase)

    def mixed(word: str) -> str:
        return "".join(chance.permutation(list(word)))

    def random(word: str) -> str:
        return "".join(chance.choice(letters, len(word)))

    return {
        "noise": [" ".join(map(random, text.split())) for text in texts],
        "mixed_letters": [" ".join(map(mixed, text.split())) for text in texts],
    }


def _rows(rows: Sequence[EncodedRows], rng: torch.Generator) -> dict[str, list[object]]:
    numbers = torch.cat([row.numbers for row in rows])
    categories = torch.cat([row.categories for row in rows])
    mixed_numbers = (
        torch.stack([c[torch.randperm(len(c), generator=rng)] for c in numbers.T], 1) if numbers.shape[1] else numbers
    )
    mixed = (
        torch.stack([c[torch.randperm(len(c), generator=rng)] for c in categories.T], 1)
        if categories.shape[1]
        else categories
    )
    return {
        "noise": _apart(numbers + FAR, torch.zeros_like(categories)),
        "shuffled_columns": _apart(mixed_numbers, mixed),
    }


def _apart(numbers: torch.Tensor, categories: torch.Tensor) -> list[object]:
    return [EncodedRows(numbers=numbers[i : i + 1], categories=categories[i : i + 1]) for i in range(len(numbers))]
