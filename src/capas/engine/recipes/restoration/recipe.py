"""The recipe for image-to-image problems, trained on pairs, or on images of which degraded inputs are made."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capas.bundle.read import Bundle
from capas.core.rng import seeded_generator
from capas.data.batch import Batch
from capas.data.image.degradations import (
    ImagePair,
    make_degraded_pair,
    to_float_tensor,
)
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.execution import TrialBatch
from capas.engine.recipe import PreparedDataset, ResolvedConfig
from capas.engine.recipes.restoration.defaults import patches_per_picture, resolve_defaults
from capas.engine.recipes.restoration.learn import RestorationJob
from capas.engine.recipes.restoration.predictor import RestorationPredictor
from capas.engine.recipes.restoration.restorer import Restorer, restorer_from_config
from capas.objectives.restoration import Restoration


class RestorationRecipe:
    """The recipe for image-to-image problems (``Recipe``)."""

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        return resolve_defaults(config, report)

    def prepare(self, work: PreparedDataset, ranks: Ranks) -> RestorationJob:
        return RestorationJob(work, ranks)

    def trial(self, config: Config, report: DatasetReport) -> TrialBatch[Batch[Tensor]]:
        restorer = restorer_from_config(config)
        count, rng = int(config.train.batch_size), seeded_generator(0, "trial")
        side = max(1, int(config.data.image_size) // restorer.scale) * (
            1 if restorer.kind == "pairs" else restorer.scale
        )
        noise = torch.randint(256, (count, side, side, restorer.channels), generator=rng).to(torch.uint8).numpy()
        pairs = [_trial_pair(restorer, picture, rng) for picture in noise]
        batch = Batch(inputs=torch.stack([p.source for p in pairs]), targets=torch.stack([p.target for p in pairs]),
                      positions=torch.arange(count))  # fmt: skip
        objective = Restoration(restorer.network(), scale=restorer.loss_scale)
        return TrialBatch(
            objective=objective, batch=batch, examples=max(1, count // patches_per_picture(_train(report)))
        )

    def reopen(self, bundle: Bundle) -> RestorationPredictor:
        return RestorationPredictor.reopen(bundle)


def _train(report: DatasetReport) -> int:
    return max(1, report.split.count("train"))


def _trial_pair(restorer: Restorer, picture: NDArray[np.uint8], rng: torch.Generator) -> ImagePair:
    if restorer.kind != "pairs":
        return make_degraded_pair(restorer.kind, picture, factor=restorer.scale, noise=25.0, rng=rng, training=True)
    source = to_float_tensor(picture)
    target = source.repeat_interleave(restorer.scale, 1).repeat_interleave(restorer.scale, 2)
    return ImagePair(source=source, target=target)


recipe = RestorationRecipe()
