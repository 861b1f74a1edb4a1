"""Training of image-to-image networks on random patches."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capas.bundle.card import NetworkCard
from capas.bundle.write import PREPARATION
from capas.core.rng import derive_seed, seeded_generator
from capas.data.image.degradations import (
    ImagePair,
    make_degraded_pair,
    mirrored_patch,
    rotate_and_flip,
    to_float_tensor,
)
from capas.engine.distributed import Ranks
from capas.engine.execution import Execution
from capas.engine.loop import ValidationScore
from capas.engine.recipe import PreparedDataset, TestResult
from capas.engine.recipes.restoration.data import centre_crop, decode_images
from capas.engine.recipes.restoration.defaults import (
    patches_per_picture,
)
from capas.engine.recipes.restoration.evaluate import evaluate_restoration, measure_quality
from capas.engine.recipes.restoration.restorer import restorer_from_config
from capas.engine.recipes.shared.batches import JointlyAugmentedBatches, training_sampler
from capas.networks.catalog import find_other_entry
from capas.objectives.restoration import Restoration

VALIDATION_LIMITS: Final = (20, 256)  # at most so many pictures, the middle so many pixels of each


class RestorationJob:
    """Images, network and objective of a restoration run (``TrainingJob``)."""

    def __init__(self, work: PreparedDataset, ranks: Ranks) -> None:
        config = self.config = work.config
        self.record = work.record
        self.restorer = restorer_from_config(config)
        torch.manual_seed(derive_seed(config.train.seed, "weights"))
        self._network = self.restorer.network()
        self._objective = Restoration(self._network, scale=self.restorer.loss_scale)
        self.source_images, self.target_images = decode_images(work, self.restorer)
        train = work.record.positions("train")
        repeated = train.repeat_interleave(patches_per_picture(len(train)))
        self._batches = JointlyAugmentedBatches(
            training_sampler(config, repeated, ranks), work.record.names, self._patches
        )

    def _patches(self, positions: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        pairs = [self._patch(position, rng) for position in positions.tolist()]
        return torch.stack([pair.source for pair in pairs]), torch.stack([pair.target for pair in pairs])

    def _patch(self, position: int, rng: torch.Generator) -> ImagePair:
        """A random square patch, rotated and mirrored at random."""
        scale, picture = self.restorer.scale, self.source_images.take(position)
        paired = self.target_images is not None
        side = max(1, int(self.config.data.image_size) // scale) * (1 if paired else scale)
        top, left = (int(torch.randint(max(1, s - side + 1), (1,), generator=rng)) for s in picture.shape[:2])
        quarters, mirrored = (int(torch.randint(n, (1,), generator=rng)) for n in (4, 2))
        if self.restorer.kind == "colourise":
            quarters = 0  # the sky is above
        cut = rotate_and_flip(mirrored_patch(picture, top, left, side), quarters, flipped=bool(mirrored))
        if self.target_images is None:
            return self._made(cut, rng, training=True)
        other = mirrored_patch(self.target_images.take(position), scale * top, scale * left, scale * side)
        return ImagePair(
            source=to_float_tensor(cut),
            target=to_float_tensor(rotate_and_flip(other, quarters, flipped=bool(mirrored))),
        )

    def _made(self, picture: NDArray[np.uint8], rng: torch.Generator, *, training: bool) -> ImagePair:
        kind, noise = self.restorer.kind, self.config.transform.noise
        return make_degraded_pair(kind, picture, factor=self.restorer.scale, noise=noise, rng=rng, training=training)

    def pair(self, position: int, side: int | None = None) -> ImagePair:
        """Return a whole image, or its central ``side`` pixels, as it is evaluated: deterministic."""
        picture = self.source_images.take(position)
        target = None if self.target_images is None else self.target_images.take(position)
        if side is not None:
            picture, target = centre_crop(picture, target, side, self.restorer.scale)
        if target is not None:
            return ImagePair(source=to_float_tensor(picture), target=to_float_tensor(target))
        return self._made(
            picture, seeded_generator(self.config.train.seed, "spoil", self.record.hashes[position]), training=False
        )

    @property
    def objective(self) -> Restoration:
        return self._objective

    @property
    def batches(self) -> JointlyAugmentedBatches[Tensor]:
        return self._batches

    @property
    def head(self) -> str | None:
        return None

    @property
    def has_validation(self) -> bool:
        return "validation" in self.record.splits

    def validate(self, execution: Execution) -> ValidationScore:
        most, side = VALIDATION_LIMITS
        positions = self.record.positions("validation").tolist()[:most]
        found, losses = [], []
        for position in positions:
            pair = self.pair(position, side)
            target_image = self.restorer.target_image(pair.source, pair.target)
            restored = self.restorer.restore(self._network, pair.source, execution)
            found.append(measure_quality(restored, target_image).psnr)
            losses.append(float((restored - target_image).abs().mean()))
        n = len(positions)
        return ValidationScore(metric="psnr", value=sum(found) / n, loss=sum(losses) / n, n=n)

    def calibrate(self, execution: Execution) -> None:
        return None

    def test(self, execution: Execution) -> TestResult:
        pairs = ((self.record.names[i], self.pair(i)) for i in self.record.positions("test").tolist())
        return evaluate_restoration(pairs, self.restorer, self._network, execution)

    def bundle_files(self) -> Mapping[str, object]:
        return {PREPARATION: {**asdict(self.restorer), "noise": self.config.transform.noise}}

    def network_card(self) -> NetworkCard:
        name = self.restorer.name
        return NetworkCard(
            name=name, settings={"width": self.restorer.width, "scale": self.restorer.scale},
            parameters=sum(p.numel() for p in self._network.parameters()), paper=find_other_entry(name).paper,
        )  # fmt: skip
