"""Strange inputs of every medium: each destroys what it says, keeps the rest, and is drawn by the generator."""

import string

import numpy as np
import pytest
import torch
from torch import Tensor

from capas.data.tabular.preprocess import EncodedRows
from capas.trust.ood.image_probes import IMAGE_PROBES
from capas.trust.subjects.factory import input_adapter
from capas.trust.subjects.tabular_inputs import FAR
from tests.trust.made_models import (
    half_pictures,
    images_reader,
    rows_reader,
    sounds_reader,
    tone,
    words_reader,
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_pictures_have_the_probes_of_pictures() -> None:
    prepared = [torch.from_numpy(picture).permute(2, 0, 1) for picture in half_pictures([0, 1, 1]).arrays]
    made = input_adapter(images_reader()).ood_probes(prepared, rng())
    assert list(made) == list(IMAGE_PROBES) and all(len(probes) == 3 for probes in made.values())
    for one, inverted in zip(prepared, made["inverted"], strict=True):
        assert isinstance(inverted, Tensor) and inverted.dtype == torch.uint8 and torch.equal(inverted, 255 - one)


def test_sounds_have_noise_as_loud_silence_and_themselves_backwards() -> None:
    waves = [tone(440, 0.5), tone(300, 0.25, loudness=0.01)]
    made = input_adapter(sounds_reader()).ood_probes(waves, rng())
    for wave, noise, silence, backwards in zip(waves, *made.values(), strict=True):
        assert isinstance(noise, np.ndarray) and isinstance(backwards, np.ndarray)
        assert float(noise.std()) == pytest.approx(float(wave.std()), rel=0.1) and len(noise) == len(wave)
        assert not np.any(silence) and np.array_equal(backwards[::-1], wave)


def test_texts_keep_the_lengths_of_their_words() -> None:
    texts = ["the quiet harbour", "Dusk falls"]
    made = input_adapter(words_reader({"a": 1.0})).ood_probes(texts, rng())
    for text, noise, mixed in zip(texts, made["noise"], made["mixed_letters"], strict=True):
        assert isinstance(noise, str) and isinstance(mixed, str) and noise != text != mixed
        assert [len(word) for word in noise.split()] == [len(word) for word in text.split()]
        assert set(noise) <= {*string.ascii_lowercase, " "}
        assert [sorted(word) for word in mixed.split()] == [sorted(word) for word in text.split()]


def rows(numbers: Tensor, categories: Tensor) -> list[EncodedRows]:
    return [EncodedRows(numbers=numbers[i : i + 1], categories=categories[i : i + 1]) for i in range(len(numbers))]


def test_columns_of_rows_are_shuffled_each_by_itself_or_moved_far_away() -> None:
    first = torch.arange(50.0)
    numbers, categories = torch.stack([first, first + 100], 1), torch.arange(1, 51)[:, None]
    made = input_adapter(rows_reader({"a": 1.0})).ood_probes(rows(numbers, categories), rng())
    far, mixed = (
        [torch.cat([getattr(one, name) for one in made[kind]]) for name in ("numbers", "categories")]
        for kind in ("far_off", "shuffled_columns")
    )
    assert torch.equal(far[0], numbers + FAR) and not far[1].any()  # all unknown
    assert torch.equal(mixed[0].sort(0).values, numbers) and torch.equal(mixed[1].sort(0).values, categories)
    # The two numbers of a row no longer belong together, nor with their category.
    assert ((mixed[0][:, 1] - mixed[0][:, 0]) == 100).float().mean() < 0.2
    assert (mixed[0][:, 0] + 1 == mixed[1][:, 0]).float().mean() < 0.2


def test_rows_without_numbers_or_without_categories_have_probes_too() -> None:
    none = torch.zeros(4, 0)
    made = input_adapter(rows_reader({"a": 1.0})).ood_probes(rows(none, torch.arange(4)[:, None]), rng())
    assert [len(probes) for probes in made.values()] == [4, 4]
    made = input_adapter(rows_reader({"a": 1.0})).ood_probes(rows(torch.ones(4, 2), none.long()), rng())
    assert [len(probes) for probes in made.values()] == [4, 4]


def test_the_generator_decides() -> None:
    asked = input_adapter(words_reader({"a": 1.0}))
    made = [asked.ood_probes(["the quiet harbour"], rng(seed)) for seed in (0, 0, 1)]
    assert made[0] == made[1] != made[2]
