"""Images completed, redrawn and interpolated by a trained generator."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.rng import seeded_generator
from capas.data.image.io import decode_image
from capas.engine.recipe import Item
from capas.generation.image_sampling import Drawing, DrawnImage, ImageSampler
from capas.sampling.generator import CompletesImages, RedrawsImages, StartsFromNoise
from capas.sampling.noise import normal_noise, sample_generators
from capas.sampling.pixels import to_pixels

MASKED = 128  # from this grey value on a pixel of a mask is drawn anew


def complete_image(sampler: ImageSampler, image: Path, mask: Path, count: int, drawing: Drawing) -> list[DrawnImage]:
    """Return ``count`` ways to fill what is white in ``mask``; the rest of the image stays.

    Raises:
        CapasError: The network cannot (``redraw_not_possible``); the mask is of another size or masks nothing; a file
            cannot be read; and those of ``ImageSampler``.
    """
    sampler.check(drawing.options)
    generator = sampler.predictor.generator
    if not isinstance(generator, CompletesImages):
        raise CapasError("redraw_not_possible", where=sampler.where, received=sampler.predictor.settings.name)
    hidden = _mask(sampler, image, mask)
    given = sampler.predictor.prepare(Item(name=str(image), content=image)).expand(count, -1, -1, -1)
    classes = _classes(sampler, drawing, count)
    drawn = generator.complete(
        given, ~hidden.expand(count, 1, -1, -1), sample_generators(drawing.seed, count), classes, drawing.options
    )
    return _drawn(sampler, drawn, classes)


def redraw_image(sampler: ImageSampler, image: Path, drawing: Drawing, *, strength: float) -> DrawnImage:
    """Return an image that follows the given one the less the greater ``strength`` in (0, 1] is.

    Raises CapasError as ``complete_image``, and ``strength_invalid``.
    """
    if not 0 < strength <= 1:
        raise CapasError("strength_invalid", where="--strength", received=strength)
    sampler.check(drawing.options)
    generator = sampler.predictor.generator
    if not isinstance(generator, RedrawsImages):
        raise CapasError("redraw_not_possible", where=sampler.where, received=sampler.predictor.settings.name)
    given = sampler.predictor.prepare(Item(name=str(image), content=image))[None]
    classes = _classes(sampler, drawing, 1)
    rngs = sample_generators(drawing.seed, 1)
    return _drawn(sampler, generator.redraw(given, rngs, classes, drawing.options, strength=strength), classes)[0]


def interpolate_samples(
    sampler: ImageSampler, first: int, second: int, frames: int, drawing: Drawing
) -> list[DrawnImage]:
    """Return ``frames`` ≥ 2 images from sample ``first`` to sample ``second`` of the seed, of one class.

    The noise goes along the great circle between the two, on which it stays as long as noise is: Shoemake, "Animating
    Rotation with Quaternion Curves", SIGGRAPH 1985.

    Raises CapasError as ``ImageSampler``, and ``interpolation_not_possible``.
    """
    sampler.check(drawing.options)
    generator = sampler.predictor.generator
    if not isinstance(generator, StartsFromNoise):
        raise CapasError("interpolation_not_possible", where=sampler.where, received=sampler.predictor.settings.name)
    ends = [normal_noise(sample_generators(drawing.seed, 1, first=number), *generator.noise_shape)[0]
            for number in (first, second)]  # fmt: skip
    noise = torch.stack([great_circle(ends[0], ends[1], i / (frames - 1)) for i in range(frames)])
    classes = _classes(sampler, replace(drawing, conditions=_one_class(sampler, drawing, first)), frames)
    # What more chance a sampler uses is the same for all frames: else they would flicker.
    rngs = [seeded_generator(drawing.seed, "interpolation") for _ in range(frames)]
    return _drawn(sampler, generator.from_noise(noise, rngs, classes, drawing.options), classes)


def great_circle(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Return the point at ``share`` in [0, 1] of the way from ``first`` to ``second`` (any one shape)."""
    cosine = (first.flatten() @ second.flatten() / (first.norm() * second.norm())).clamp(-1, 1)
    angle = float(cosine.acos())
    if math.sin(angle) < 1e-6:
        return first.lerp(second, share)
    return (math.sin((1 - share) * angle) * first + math.sin(share * angle) * second) / math.sin(angle)


def _mask(sampler: ImageSampler, image: Path, mask: Path) -> Tensor:
    """True where a pixel, at the network's size, is to be drawn: bool (1, H, W)."""
    of_image, pixels = decode_image(image), decode_image(mask)
    if pixels.shape[:2] != of_image.shape[:2]:
        received, size = (f"{shape[1]}×{shape[0]}" for shape in (pixels.shape, of_image.shape))
        raise CapasError("mask_other_size", where=mask, received=received, size=size)
    grey = pixels.mean(2, keepdims=True).round().astype(pixels.dtype)
    preparation = replace(sampler.predictor.preparation, channels=1, mean=(), std=())
    hidden = torch.from_numpy(preparation.fit_image(grey).copy()).permute(2, 0, 1) >= MASKED
    if not hidden.any():
        raise CapasError("mask_empty", where=mask)
    return hidden


def _one_class(sampler: ImageSampler, drawing: Drawing, number: int) -> Sequence[str]:
    """The class of all frames: the first that is asked for, else that of the sample with this number."""
    if drawing.conditions:
        return drawing.conditions[:1]
    return sampler.classes[number % len(sampler.classes) :][:1] if sampler.classes else ()


def _classes(sampler: ImageSampler, drawing: Drawing, count: int) -> Tensor | None:
    numbers = sampler.class_numbers(drawing.conditions, count)
    return None if numbers is None else torch.tensor(numbers)


def _drawn(sampler: ImageSampler, images: Tensor, classes: Tensor | None) -> list[DrawnImage]:
    return [
        DrawnImage(
            pixels=pixels, number=i, class_name=None if classes is None else sampler.classes[int(classes[i])]
        )
        for i, pixels in enumerate(to_pixels(images))
    ]  # fmt: skip
