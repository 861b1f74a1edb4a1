"""Each operation by its properties, and none touches the global generator."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from capas.core.errors import CapasError
from capas.data.image.augment import (
    ImageAugmentation,
    augment_images,
    color_jitter,
    cutout,
    flip_horizontal,
    mixup,
    random_crop,
    random_rotation,
)
from capas.data.image.preprocess import ImagePreprocessing

ALL = ImageAugmentation(crop=0.1, flip=True, rotate=15, colour=0.3, cutout=0.3, mixup=0.4)
OPERATIONS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "crop": lambda images, g: random_crop(images, 0.2, g),
    "crop constant": lambda images, g: random_crop(images, 0.2, g, border="constant"),
    "flip": flip_horizontal,
    "rotate": lambda images, g: random_rotation(images, 20, g),
    "colour": lambda images, g: color_jitter(images, 0.4, g),
    "cutout": lambda images, g: cutout(images, 0.4, g),
    "mixup": lambda images, g: mixup(images.float(), 0.4, g)[0],
    "augment": lambda images, g: augment_images(images, preparation(images.shape[1]), ALL, g),
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(batch: int = 64, channels: int = 3, height: int = 12, width: int = 10) -> Tensor:
    return torch.randint(1, 256, (batch, channels, height, width), dtype=torch.uint8, generator=seeded(9))


def preparation(channels: int = 3) -> ImagePreprocessing:
    return ImagePreprocessing(height=12, width=10, channels=channels)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_same_seed_same_result_and_the_global_generator_rests(name: str, channels: int) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    images = noise(channels=channels)
    kept = images.clone()
    first = OPERATIONS[name](images, seeded(1))
    torch.manual_seed(4)
    second = OPERATIONS[name](images, seeded(1))
    assert torch.equal(first, second)
    assert not torch.equal(first, OPERATIONS[name](images, seeded(2)))
    torch.manual_seed(3)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(images, kept)
    assert first.shape == images.shape


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_draw_from_the_global_generator(name: str) -> None:
    before = torch.get_rng_state()
    OPERATIONS[name](noise(), seeded())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_picture_is_varied_on_its_own(name: str) -> None:
    same = noise(1).expand(64, -1, -1, -1).contiguous()
    if name == "mixup":
        same = noise(64)
    varied = OPERATIONS[name](same, seeded())
    assert len({picture.numpy().tobytes() for picture in varied}) >= (2 if name == "flip" else 8)


@pytest.mark.parametrize("channels", [1, 3])
def test_everything_off_is_normalise(channels: int) -> None:
    images = noise(channels=channels)
    varied = augment_images(images, preparation(channels), ImageAugmentation(), seeded())
    assert torch.equal(varied, preparation(channels).normalise(images))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("augmentation", [ImageAugmentation(), ImageAugmentation(crop=0.1, flip=True, cutout=0.2), ALL])
def test_the_result_is_float32_channels_last(channels: int, augmentation: ImageAugmentation) -> None:
    varied = augment_images(noise(channels=channels), preparation(channels), augmentation, seeded())
    assert varied.dtype == torch.float32
    assert varied.is_contiguous(memory_format=torch.channels_last)
    assert torch.isfinite(varied).all()


def test_a_crop_is_a_window_of_the_reflected_picture() -> None:
    images = noise(height=10, width=10)
    padded = torch.nn.functional.pad(images.float(), (2, 2, 2, 2), mode="reflect").to(torch.uint8)
    windows = padded.unfold(2, 10, 1).unfold(3, 10, 1)  # B×C×5×5×10×10
    cropped = random_crop(images, 0.2, seeded())
    found = (windows == cropped[:, :, None, None]).all(dim=(1, 4, 5)).flatten(1)
    assert (found.sum(1) == 1).all()
    assert len(set(found.int().argmax(1).tolist())) > 15  # of 25 places, drawn 64 times


def test_a_constant_border_is_black() -> None:
    cropped = random_crop(noise(), 0.3, seeded(), border="constant")
    black = (cropped == 0).all(1)  # the noise itself has no 0
    assert black.any() and not black[:, 4:-4, 3:-3].any()
    assert set(black.all(2).sum(1).tolist()) <= set(range(5))


def test_constant_pictures_stay_constant() -> None:
    images = torch.full((8, 3, 12, 10), 77, dtype=torch.uint8)
    assert torch.equal(random_crop(images, 0.4, seeded()), images)
    torch.testing.assert_close(random_rotation(images, 90, seeded()), images.float())


def test_flipping_twice_is_nothing_and_about_half_are_flipped() -> None:
    images = noise(400)
    flipped = flip_horizontal(images, seeded())
    assert torch.equal(flip_horizontal(flipped, seeded()), images)
    turned = (flipped == images.flip(3)).flatten(1).all(1)
    kept = (flipped == images).flatten(1).all(1)
    assert (turned ^ kept).all() and 150 < int(turned.sum()) < 250


def test_crop_and_flip_in_one_pass_are_crop_then_flip() -> None:
    images, generator = noise(), seeded(5)
    expected = flip_horizontal(random_crop(images, 0.2, generator), generator)
    varied = augment_images(images, preparation(), ImageAugmentation(crop=0.2, flip=True), seeded(5))
    assert torch.equal(varied, preparation().normalise(expected))


def test_a_turn_is_rigid_on_oblong_pictures() -> None:
    images = torch.zeros(32, 1, 21, 41)
    images[:, :, 10, 26:35] = 255  # a bar 6 to 14 right of the centre
    turned = random_rotation(images, 40, seeded())  # so far its outer end stays inside
    weight = turned / turned.sum(dim=(1, 2, 3), keepdim=True)
    y = (weight * (torch.arange(21.0) - 10).view(1, 1, 21, 1)).sum((1, 2, 3))
    x = (weight * (torch.arange(41.0) - 20).view(1, 1, 1, 41)).sum((1, 2, 3))
    torch.testing.assert_close(torch.hypot(x, y), torch.full((32,), 10.0), atol=0.1, rtol=0)
    assert y.std() > 2


def test_turning_by_nothing_changes_nothing() -> None:
    torch.testing.assert_close(random_rotation(noise(), 1e-9, seeded()), noise().float(), atol=0.01, rtol=0)


def test_colour_stays_in_range_and_changes_brightness_contrast_and_saturation() -> None:
    varied = color_jitter(noise(), 1.0, seeded())
    assert varied.min() >= 0 and varied.max() <= 255
    grey = noise(channels=1).repeat(1, 3, 1, 1)
    recoloured = color_jitter(grey, 0.5, seeded())
    torch.testing.assert_close(recoloured[:, 0], recoloured[:, 2], atol=1e-3, rtol=0)  # grey has no colour
    middling = noise() // 4 + 96
    changed = color_jitter(middling, 0.2, seeded())
    assert (changed.mean((1, 2, 3)) - middling.float().mean((1, 2, 3))).std() > 5
    assert (changed.std((2, 3)) / middling.float().std((2, 3))).std() > 0.05


def test_cutout_hides_one_square_of_the_stated_size() -> None:
    hidden = cutout(torch.ones(200, 2, 20, 30), 0.4, seeded(), fill=-1)
    covered = hidden[:, 0] == -1
    assert torch.equal(covered, hidden[:, 1] == -1)
    heights, widths = covered.any(2).sum(1), covered.any(1).sum(1)
    assert torch.equal(covered.sum((1, 2)), heights * widths)  # a full rectangle
    assert heights.max() == widths.max() == 8 and heights.min() >= 4
    assert 0.7 * 64 / 600 < covered.float().mean() < 64 / 600  # less than the square only where cut at the border


def test_mixup_is_convex_and_says_what_it_mixed() -> None:
    images = noise().float()
    mixed, mix = mixup(images, 0.4, seeded())
    weight = mix.weight.view(-1, 1, 1, 1)
    torch.testing.assert_close(mixed, weight * images + (1 - weight) * images[mix.partner])
    assert mix.weight.min() >= 0.5 and mix.weight.max() <= 1
    assert sorted(mix.partner.tolist()) == list(range(64))
    assert mixed.min() >= images.min() and mixed.max() <= images.max()


def test_alpha_sets_how_much_is_mixed() -> None:
    images = torch.zeros(2000, 1, 1, 1)
    little, much = (mixup(images, alpha, seeded())[1].weight.mean() for alpha in (0.1, 100.0))
    assert little > 0.9 and much < 0.56  # Beta(1, 1), folded, would be 0.75
    assert mixup(images, 1.0, seeded())[1].weight.mean() == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize(
    "change",
    [
        {"crop": 1.0}, {"crop": -0.1}, {"rotate": 181.0}, {"colour": 1.1}, {"cutout": 1.0}, {"mixup": -1.0},
        {"mixup": float("inf")}, {"crop": float("nan")}, {"rotate": float("nan")},
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(CapasError) as caught:
        replace(ImageAugmentation(), **change)  # type: ignore[arg-type]
    assert caught.value.key == "augmentation_invalid"
    assert caught.value.where == f"augmentation.{next(iter(change))}"
