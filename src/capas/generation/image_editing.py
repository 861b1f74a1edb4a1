"""Images completed, redrawn and interpolated by a trained generator."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.rng import seeded_generator
from capas.data.image.io import decode_image
from capas.engine.recipe import Item
from capas.generation.image_sampling import AskedFor, Drawing, DrawnImage, ImageSampler
from capas.sampling.generator import (
    CompletesImages,
    InvertsImages,
    MixesStyles,
    ProjectsImages,
    RatesImages,
    RedrawsImages,
    StartsFromNoise,
)
from capas.sampling.noise import normal_noise, sample_generators

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
    asked, rngs = sampler.asked_for(drawing, count), sample_generators(drawing.seed, count)
    known = ~hidden.expand(count, 1, -1, -1)
    return asked.drawn(generator.complete(given, known, rngs, asked.condition, drawing.options))


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
    asked, rngs = sampler.asked_for(drawing, 1), sample_generators(drawing.seed, 1)
    return asked.drawn(generator.redraw(given, rngs, asked.condition, drawing.options, strength=strength))[0]


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
    asked = sampler.asked_for(_of_one(sampler, drawing, first), frames)
    # What more chance a sampler uses is the same for all frames: else they would flicker.
    rngs = [seeded_generator(drawing.seed, "interpolation") for _ in range(frames)]
    return asked.drawn(generator.from_noise(noise, rngs, asked.condition, drawing.options))


def mix_styles(sampler: ImageSampler, first: int, second: int, drawing: Drawing) -> list[DrawnImage]:
    """Return images from sample ``first`` to sample ``second`` of the seed, of one class: ever more layers, the finest
    ones first, draw the second sample.

    Raises CapasError as ``ImageSampler``, and ``mixing_not_possible``.
    """
    sampler.check(drawing.options)
    generator = sampler.predictor.generator
    if not isinstance(generator, MixesStyles):
        raise CapasError("mixing_not_possible", where=sampler.where, received=sampler.predictor.settings.name)
    crossovers = torch.arange(generator.num_styles, -1, -1)
    coarse, fine = (
        normal_noise(sample_generators(drawing.seed, 1, first=number), *generator.noise_shape).expand(
            len(crossovers), *generator.noise_shape
        )
        for number in (first, second)
    )
    asked = sampler.asked_for(_of_one(sampler, drawing, first), len(crossovers))
    return asked.drawn(generator.mix(coarse, fine, crossovers, asked.condition, drawing.options))


def project_image(sampler: ImageSampler, image: Path, drawing: Drawing) -> tuple[DrawnImage, float]:
    """Return the nearest image that the network draws to a given one, of the class that is asked for or else of any,
    and how far it is away: the root of the mean squared difference, in levels of 255.

    Raises CapasError as ``ImageSampler``, and ``projection_not_possible``.
    """
    generator = sampler.predictor.generator
    if not isinstance(generator, ProjectsImages):
        raise CapasError("projection_not_possible", where=sampler.where, received=sampler.predictor.settings.name)
    given = sampler.predictor.prepare(Item(name=str(image), content=image))[None]
    asked = sampler.asked_for(drawing, 1)
    if not drawing.conditions:
        asked = AskedFor(classes=None, prompts=None, condition=None)
    found = generator.project(given, asked.condition, drawing.seed)
    return asked.drawn(found)[0], 127.5 * float((found - given).square().mean().sqrt())


def interpolate_images(
    sampler: ImageSampler, first: Path, second: Path, frames: int, drawing: Drawing
) -> list[DrawnImage]:
    """Return ``frames`` ≥ 2 images from one given image to another, along the straight line between their noises, as
    Kingma & Dhariwal, "Glow", NeurIPS 2018, Section 5 have it.

    With classes the way leads through one: that which is asked for first, else the one that the network takes the
    first image for.

    Raises CapasError as ``ImageSampler``, and ``inversion_not_possible``.
    """
    sampler.check(drawing.options)
    generator = _inverting(sampler)
    given = [sampler.predictor.prepare(Item(name=str(path), content=path)) for path in (first, second)]
    if sampler.classes and not drawing.conditions:
        drawing = replace(drawing, conditions=(most_probable_class(sampler, given[0], drawing.seed),))
    ends = generator.to_noise(torch.stack(given), sampler.asked_for(_of_one(sampler, drawing, 0), 2).condition)
    noise = torch.stack([ends[0].lerp(ends[1], i / (frames - 1)) for i in range(frames)])
    asked = sampler.asked_for(_of_one(sampler, drawing, 0), frames)
    rngs = sample_generators(drawing.seed, frames)
    return asked.drawn(generator.from_noise(noise, rngs, asked.condition, drawing.options))


def image_as_class(sampler: ImageSampler, image: Path, class_name: str, seed: int = 0) -> tuple[DrawnImage, str]:
    """Return a given image as one of another class, made of the same noise, and the class it was taken for.

    Raises CapasError as ``ImageSampler``, and ``inversion_not_possible``.
    """
    generator = _inverting(sampler)
    asked = sampler.asked_for(Drawing(conditions=(class_name,), seed=seed), 1)
    given = sampler.predictor.prepare(Item(name=str(image), content=image))
    own = most_probable_class(sampler, given, seed)
    noise = generator.to_noise(given[None], sampler.asked_for(Drawing(conditions=(own,)), 1).condition)
    return asked.drawn(generator.from_noise(noise, sample_generators(seed, 1), asked.condition))[0], own


def most_probable_class(sampler: ImageSampler, image: Tensor, seed: int) -> str:
    """Return the class of which an image (C, H, W) is most probable. Raises CapasError ``inversion_not_possible``."""
    generator = sampler.predictor.generator
    if not isinstance(generator, RatesImages):
        raise CapasError("inversion_not_possible", where=sampler.where, received=sampler.predictor.settings.name)
    every = torch.arange(len(sampler.classes))
    bits = generator.bits(image.expand(len(every), -1, -1, -1), every, seeded_generator(seed, "class"))
    return sampler.classes[int(bits.argmin())]


@runtime_checkable
class _Inverting(InvertsImages, StartsFromNoise, Protocol):
    pass


def _inverting(sampler: ImageSampler) -> _Inverting:
    generator = sampler.predictor.generator
    if not isinstance(generator, _Inverting):
        raise CapasError("inversion_not_possible", where=sampler.where, received=sampler.predictor.settings.name)
    return generator


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


def _of_one(sampler: ImageSampler, drawing: Drawing, number: int) -> Drawing:
    """The same with one class or text for all images."""
    return replace(drawing, conditions=_one_class(sampler, drawing, number), prompts=drawing.prompts[:1])


def _one_class(sampler: ImageSampler, drawing: Drawing, number: int) -> Sequence[str]:
    """The class of all frames: the first that is asked for, else that of the sample with this number."""
    if drawing.conditions:
        return drawing.conditions[:1]
    return sampler.classes[number % len(sampler.classes) :][:1] if sampler.classes else ()
