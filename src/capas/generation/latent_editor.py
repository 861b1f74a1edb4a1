"""Editing images through the latents of a class-conditioned VAE (``capas.networks.generative.class_conditioned_vae``).

What is shared by all classes stays while the class changes, and the other way round:

- another class: z_s stays, z_c becomes μ of the new class. What varies within one class alone has no counterpart in
  another, so that the middle of the new class is all that can be said;
- another style: z_c stays, z_s becomes that of another image;
- a traversal: one number goes from -3 to 3, deviations of its prior, and all others stay.

Latents are the means of their posteriors, and images the means of what the latents give: nothing is drawn by chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.rng import seeded_generator
from capas.data.image.preprocess import ImagePreprocessing
from capas.engine.predict import Model
from capas.engine.recipe import Item
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.engine.recipes.single_output.predictor import SingleOutputPredictor
from capas.generation.latents import Latents
from capas.networks.generative.class_conditioned_vae import HasLatents

REACH: Final = 3.0
STEPS: Final = 9
SAMPLES_PER_CLASS: Final = 64  # what divergences are measured on


@dataclass(frozen=True, kw_only=True, slots=True)
class Factor:
    """One number of the latents.

    Attributes:
        name: "s1", "s2", … of the shared latent, "c1", "c2", … of that of the class.
        divergence: KL of its posterior from its prior in nats, the mean over images that the model draws itself: how
            much of an image it tells; about 0 for one that is not used.
    """

    name: str
    divergence: float


class LatentEditor:
    """A trained class-conditioned VAE that edits images.

    Args:
        model: The model.
        where: What the user calls it by.

    Raises CapasError ``edit_not_possible`` for any other model.
    """

    def __init__(self, model: Model, where: str) -> None:
        predictor = model.predictor
        reader = predictor.reader if isinstance(predictor, SingleOutputPredictor) else None
        if not isinstance(reader, ImageReader) or not isinstance(reader.network, HasLatents):
            received = f"{model.card.network.name}, {model.card.task} ({model.card.medium})"
            raise CapasError("edit_not_possible", where=where, received=received)
        self.where = where
        self.classes = tuple(model.classes)
        self.reader = reader
        self.network: HasLatents = reader.network
        self.model_hash = model.card.weights.hash
        self.preparation: ImagePreprocessing = reader.preparation
        self.device = model.device

    @torch.no_grad()
    def latents(self, item: Item) -> Latents:
        """Return the latents of an image, of the class that the model takes it for. Raises CapasError where it cannot
        be read.
        """
        images = self.reader.collate([self.reader.preprocess(item)]).to(self.device)
        classes = self.reader.network(images).argmax(1)
        found = self.network.posteriors(images, classes)
        return self._as_latents(int(classes[0]), found.class_latent.mean[0], found.shared_latent.mean[0])

    @torch.no_grad()
    def with_class(self, latents: Latents, class_name: str) -> Latents:
        """Return the latents with the class ``class_name``. Raises CapasError ``edit_class_unknown``."""
        number = self._class_number(class_name)
        mean = self.network.prior_means(torch.tensor([number], device=self.device))[0]
        return replace(latents, class_name=class_name, class_latent=_numbers(mean))

    @staticmethod
    def with_style(latents: Latents, style: Latents) -> Latents:
        """Return the latents with the shared latent of ``style``."""
        return replace(latents, shared_latent=style.shared_latent)

    def check(self, latents: Latents, where: str) -> Latents:
        """Return ``latents`` if they are of this model. Raises CapasError ``latents_other_model``, or
        ``latents_unreadable`` where their numbers or class are none that this model has.
        """
        if latents.model != self.model_hash:
            raise CapasError("latents_other_model", where=where, received=latents.model[:8], run=self.where)
        found = {"class_latent": len(latents.class_latent), "shared_latent": len(latents.shared_latent)}
        for (name, count), size in zip(found.items(), self.sizes, strict=True):
            if count != size:
                raise CapasError("latents_unreadable", where=where, received=f"{name}: {count} ≠ {size}")
        if latents.class_name not in self.classes:
            raise CapasError("latents_unreadable", where=where, received=f"class_name: {latents.class_name}")
        return latents

    @property
    def sizes(self) -> tuple[int, int]:
        """How many numbers the latent of the class and the shared one have."""
        means = self.network.prior_means(torch.tensor([0], device=self.device))
        return means.shape[1], self.network.shared_numbers

    @property
    def factor_names(self) -> list[str]:
        """Names of all numbers of the latents, the shared ones first."""
        own, shared = self.sizes
        return [f"s{i + 1}" for i in range(shared)] + [f"c{i + 1}" for i in range(own)]

    def image(self, latents: Latents) -> NDArray[np.uint8]:
        """Return the image of latents, uint8 H×W (grey) or H×W×3."""
        return self._images([latents])[0]

    def answers(self, latents: Sequence[Latents]) -> list[tuple[str, float]]:
        """Return the class that the model itself takes each image of latents for, with its probability."""
        images = np.stack(self._images(latents))
        pictures = torch.from_numpy(images).reshape(len(images), *images.shape[1:3], -1).permute(0, 3, 1, 2)
        with torch.no_grad():
            shares = self.reader.network(self.preparation.normalise(pictures).to(self.device)).softmax(1)
        best = shares.max(1)
        return [(self.classes[int(i)], float(p)) for p, i in zip(best.values, best.indices, strict=True)]

    def traversal(self, latents: Latents, factor: str, steps: int = STEPS) -> NDArray[np.uint8]:
        """Return ``steps`` images side by side (H × steps·W), in which ``factor`` goes from -3 to 3 deviations of its
        prior. Raises CapasError ``no_such_factor``.
        """
        if factor not in self.factor_names:
            names = ", ".join(self.factor_names)
            raise CapasError("no_such_factor", where="--traverse", received=factor, known=names)
        place, shared = int(factor[1:]) - 1, factor[0] == "s"
        centre = 0.0 if shared else self.with_class(latents, latents.class_name).class_latent[place]
        numbers = list(latents.shared_latent if shared else latents.class_latent)
        moved = []
        for value in np.linspace(centre - REACH, centre + REACH, steps).tolist():
            numbers[place] = value
            known = tuple(numbers)
            moved.append(replace(latents, shared_latent=known) if shared else replace(latents, class_latent=known))
        return np.concatenate(self._images(moved), axis=1)

    @torch.no_grad()
    def samples(self, class_name: str, count: int, seed: int = 0) -> list[Latents]:
        """Return ``count`` latents drawn from the priors of a class."""
        number = self._class_number(class_name)
        own, shared = self.sizes
        rng = seeded_generator(seed, "samples", number)
        class_latents = self.network.prior_means(torch.full((count,), number, device=self.device)).cpu()
        class_latents = class_latents + torch.randn(count, own, generator=rng)
        shared_latents = torch.randn(count, shared, generator=rng)
        return [self._as_latents(number, *pair) for pair in zip(class_latents, shared_latents, strict=True)]

    @torch.no_grad()
    def factors(self) -> list[Factor]:
        """Return all factors, those that tell most of an image first."""
        totals = torch.zeros(sum(self.sizes), dtype=torch.float64)
        for number, class_name in enumerate(self.classes):
            images = self._decoded(self.samples(class_name, SAMPLES_PER_CLASS))
            classes = torch.full((len(images),), number, device=self.device)
            found = self.network.posteriors(images, classes)
            parts = (
                found.shared_latent.divergence(), found.class_latent.divergence(self.network.prior_means(classes)),
            )  # fmt: skip
            totals += torch.cat([part.mean(0) for part in parts]).cpu().double()
        means = (totals / len(self.classes)).tolist()
        found_factors = [Factor(name=n, divergence=d) for n, d in zip(self.factor_names, means, strict=True)]
        return sorted(found_factors, key=lambda factor: -factor.divergence)

    def images(self, latents: Sequence[Latents]) -> NDArray[np.uint8]:
        """Return the images of latents side by side, H × N·W."""
        return np.concatenate(self._images(latents), axis=1)

    @torch.no_grad()
    def _decoded(self, latents: Sequence[Latents]) -> Tensor:
        class_latents = torch.tensor([one.class_latent for one in latents], device=self.device)
        shared_latents = torch.tensor([one.shared_latent for one in latents], device=self.device)
        return self.network.decode(class_latents, shared_latents)

    def _images(self, latents: Sequence[Latents]) -> list[NDArray[np.uint8]]:
        normalised = self._decoded(latents).cpu()
        mean, std = (
            torch.tensor(numbers).view(1, -1, 1, 1) for numbers in (self.preparation.mean, self.preparation.std)
        )
        levels = ((normalised * std + mean) * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
        return [image[..., 0] if image.shape[2] == 1 else image for image in levels]

    def _class_number(self, class_name: str) -> int:
        if class_name not in self.classes:
            known = ", ".join(self.classes)
            raise CapasError("edit_class_unknown", where="--class", received=class_name, known=known)
        return self.classes.index(class_name)

    def _as_latents(self, number: int, class_latent: Tensor, shared_latent: Tensor) -> Latents:
        return Latents(
            model=self.model_hash, class_name=self.classes[number], class_latent=_numbers(class_latent),
            shared_latent=_numbers(shared_latent),
        )  # fmt: skip


def _numbers(tensor: Tensor) -> tuple[float, ...]:
    return tuple(tensor.cpu().float().tolist())
