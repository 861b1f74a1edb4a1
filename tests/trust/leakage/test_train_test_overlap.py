"""Planted copies of training pictures are found after what happens to pictures; strangers are not."""

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from capas.data.sources.samples import open_sample
from capas.trust.leakage.near_duplicate_images import aligned_similarity, image_fingerprint, near_duplicate_images
from capas.trust.leakage.near_duplicate_texts import near_duplicate_texts, normalized_for_matching
from capas.trust.leakage.train_test_overlap import (
    Leak,
    accuracy_by_leakage,
    exact_train_test_duplicates,
    merge_leaks,
)

Grey = NDArray[np.uint8]


@pytest.fixture(scope="module")
def digits() -> Grey:
    pictures = open_sample("mnist5k").images
    return np.stack([pictures.decode(i)[..., 0] for i in range(0, 5000, 8)])


def jpeg(picture: Grey) -> Grey:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=60)
    return np.asarray(Image.open(stream))


def moved(picture: Grey) -> Grey:
    shifted = np.zeros_like(picture)
    shifted[2:, :-1] = picture[:-2, 1:]
    return shifted


def lighter(picture: Grey) -> Grey:
    return np.clip(picture * 1.2 + 15, 0, 255).astype(np.uint8)


def scaled(side: int) -> Callable[[Grey], Grey]:
    return lambda picture: np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


def prints(pictures: list[Grey] | Grey) -> Grey:
    return np.stack([image_fingerprint(picture[..., None], 28) for picture in pictures])


@pytest.mark.parametrize("change", [jpeg, moved, lighter, scaled(20), scaled(56), lambda p: p[:, ::-1].copy()])
def test_planted_copies_are_found_among_strangers(digits: Grey, change: Callable[[Grey], Grey]) -> None:
    train, strangers = prints(digits[:525]), prints(digits[525:])
    planted = list(range(0, 525, 21))
    test = np.concatenate([prints([change(digits[i]) for i in planted]), strangers])
    found = near_duplicate_images(train, test)
    named = {leak.test: leak.train for leak in found if leak.test < 25}
    assert sum(named.get(place) == i for place, i in enumerate(planted)) >= 24
    assert len(found) - len(named) <= 2  # 0.7 % of strangers resemble a training digit so much


def test_the_mirrored_one_says_so_and_batches_change_nothing(digits: Grey) -> None:
    train = prints(digits[:100])
    test = prints([digits[7][:, ::-1].copy(), digits[8]])
    found = near_duplicate_images(train, test)
    assert [(leak.train, leak.mirrored) for leak in found] == [(7, True), (8, False)]
    assert near_duplicate_images(train, test, batch=1) == found
    assert near_duplicate_images(train[:0], test) == () and near_duplicate_images(train, test[:0]) == ()


def test_likeness_is_that_of_the_best_shift_and_even_pictures_have_none() -> None:
    ground = 100 * torch.rand(1, 40, 40, generator=torch.Generator().manual_seed(0))
    one, two = ground[:, 4:32, 4:32], ground[:, 5:33, 2:30]
    assert float(aligned_similarity(one, two)) == pytest.approx(1.0, abs=1e-5)
    assert float(aligned_similarity(one, ground[:, 8:36, 8:36])) < 0.3
    assert float(aligned_similarity(one, torch.full((1, 28, 28), 9.0))) == 0
    assert near_duplicate_images(np.full((3, 28, 28), 7, np.uint8), np.full((2, 28, 28), 7, np.uint8)) == ()


def test_prints_of_any_picture_have_one_size() -> None:
    for shape in ((28, 28, 1), (900, 700, 3), (5, 9, 3)):
        assert image_fingerprint(np.zeros(shape, np.uint8)).shape == (32, 32)


def test_exact_leaks_name_the_first_of_the_training_examples() -> None:
    found = exact_train_test_duplicates(["a", "b", "a"], ["c", "a", "b"])
    assert [(leak.test, leak.train) for leak in found] == [(1, 0), (2, 1)]


def test_texts_that_are_nearly_the_same_are_found() -> None:
    words = [f"w{n * 7919 % 99991}" for n in range(4000)]
    train = [" ".join(words[i * 40 : i * 40 + 40]) for i in range(60)]
    test = [train[3].upper().replace(" ", "  ") + "!", train[9] + " more words here", " ".join(words[3000:3040])]
    found = near_duplicate_texts(train, test)
    assert [(leak.test, leak.train) for leak in found] == [(0, 3), (1, 9)]
    assert found[0].similarity == 1.0 and 0.8 <= found[1].similarity < 1
    assert near_duplicate_texts(["", "?"], [""]) == () and normalized_for_matching("¿Qué?  ¡NIÑO!") == "que nino"


def test_figures_with_and_without_what_leaked() -> None:
    right = torch.tensor([True, True, False, False, True])
    leaks = [Leak(test=i, train=0, similarity=1.0, mirrored=False) for i in (0, 1)]
    found = accuracy_by_leakage(right, leaks)
    assert (found.all.value, found.leaked.value, found.clean.value) == pytest.approx((0.6, 1.0, 1 / 3))
    assert accuracy_by_leakage(right, []).clean == accuracy_by_leakage(right, []).all
    near = Leak(test=0, train=5, similarity=0.99, mirrored=True)
    assert merge_leaks(leaks, [near]) == tuple(leaks) and merge_leaks([near], leaks) == tuple(leaks)
