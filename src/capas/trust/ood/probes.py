"""Synthetic out-of-distribution inputs of every medium, made from the prepared test examples.

- images: see ``image_probes``;
- audio: white noise as loud as the clip, silence, and the clip backwards;
- texts: the letters of every word shuffled, and words of random letters;
- rows: every column shuffled by itself, and all numbers five standard deviations higher with unknown categories.
"""

import string
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from capas.data.tabular.preprocess import EncodedRows
from capas.engine.recipes.single_output.audio.predictor import AudioReader
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.engine.recipes.single_output.tabular.predictor import TabularReader
from capas.engine.recipes.single_output.text.predictor import TextReader
from capas.trust.ood.image_probes import IMAGE_PROBES
from capas.trust.subjects.image_inputs import images_to_uint8, images_to_unit_range
from capas.trust.subjects.single_output import ModelUnderTest

FAR = 5.0


def make_ood_probes(
    subject: ModelUnderTest, prepared: Sequence[object], rng: torch.Generator
) -> dict[str, list[object]]:
    """Return, by name, as many OOD inputs as there are ``prepared`` ones; empty for a medium without probes."""
    reader = subject.reader
    if isinstance(reader, ImageReader):
        pictures = images_to_unit_range(prepared)
        return {name: [*images_to_uint8(probe(pictures, rng))] for name, probe in IMAGE_PROBES.items()}
    numpy_rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=rng)))
    if isinstance(reader, AudioReader):
        return _sounds(cast(Sequence[NDArray[np.float32]], prepared), numpy_rng)
    if isinstance(reader, TextReader):
        return _texts(cast(Sequence[str], prepared), numpy_rng)
    if isinstance(reader, TabularReader):
        return _rows(cast(Sequence[EncodedRows], prepared), rng)
    return {}


def _sounds(waves: Sequence[NDArray[np.float32]], numpy_rng: np.random.Generator) -> dict[str, list[object]]:
    loudness = [float(np.sqrt(np.mean(wave**2))) for wave in waves]
    return {
        "noise": [numpy_rng.normal(0, level, len(wave)).astype(np.float32)
                  for wave, level in zip(waves, loudness, strict=True)],
        "silence": [np.zeros_like(wave) for wave in waves],
        "backwards": [np.ascontiguousarray(wave[::-1]) for wave in waves],
    }  # fmt: skip


def _texts(texts: Sequence[str], numpy_rng: np.random.Generator) -> dict[str, list[object]]:
    letters = list(string.ascii_lowercase)

    def mixed(word: str) -> str:
        return "".join(numpy_rng.permutation(list(word)))

    def random(word: str) -> str:
        return "".join(numpy_rng.choice(letters, len(word)))

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
