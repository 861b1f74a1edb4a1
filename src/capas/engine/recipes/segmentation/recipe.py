"""The recipe for semantic segmentation."""

from collections.abc import Sequence
from statistics import median_low
from typing import Final

import torch
from torch import Tensor

from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.errors import CapasError
from capas.core.rng import seeded_generator
from capas.data.batch import Batch
from capas.data.image.io import ImageCollection
from capas.data.image.masks import MaskFiles
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.execution import TrialBatch
from capas.engine.recipe import PreparedDataset, ResolvedConfig
from capas.engine.recipes.segmentation.data import read_fitted_masks
from capas.engine.recipes.segmentation.defaults import (
    UNET,
    UNET_LITE0,
    resolve_defaults,
    target_image_size,
)
from capas.engine.recipes.segmentation.learn import SegmentationJob
from capas.engine.recipes.segmentation.network import build_network, new_segmentation_network
from capas.engine.recipes.segmentation.predictor import SegmentationPredictor
from capas.engine.recipes.shared.image_facts import image_facts
from capas.engine.recipes.shared.image_store import prepare_image_store
from capas.objectives.segmentation import Segmentation

TRIAL_BATCH: Final = 4  # a whole batch takes seconds, and there is a dozen ways to compute it


def _median_size(pictures: ImageCollection, indices: Sequence[int]) -> tuple[int, int]:
    infos = [pictures.info(i) for i in indices]
    return median_low(info.height for info in infos), median_low(info.width for info in infos)


class SegmentationRecipe:
    """The recipe for semantic segmentation (``Recipe``)."""

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        return resolve_defaults(config, report)

    def prepare(self, work: PreparedDataset, ranks: Ranks) -> SegmentationJob:
        assert isinstance(work.inputs, ImageCollection) and isinstance(work.targets, MaskFiles)
        size = target_image_size(int(work.config.data.image_size), *_median_size(work.inputs, work.indices))
        store, preparation = prepare_image_store(work, size)
        masks = read_fitted_masks(work.targets, work.indices, size, work.progress)
        return SegmentationJob(work, store, masks, preparation, ranks)

    def trial(self, config: Config, report: DatasetReport) -> TrialBatch[Batch[Tensor]]:
        facts = image_facts(report)
        height, width = target_image_size(int(config.data.image_size), facts.median_height, facts.median_width)
        count = min(TRIAL_BATCH, int(config.train.batch_size), max(1, report.split.count("train")))
        classes, rng = len(report.detection.spec.classes), seeded_generator(0, "trial")
        masks = torch.randint(classes, (count, height, width), generator=rng)
        noise = torch.rand(count, int(config.data.channels), height, width, generator=rng)
        batch = Batch(inputs=noise, targets=masks, positions=torch.arange(count))
        return TrialBatch(
            objective=Segmentation(build_network(config, classes, fresh=False)), batch=batch, examples=count
        )

    def reopen(self, bundle: Bundle) -> SegmentationPredictor:
        settings, card = bundle.card.network.settings, bundle.card
        preparation = ImagePreprocessing.from_json(bundle.file(PREPARATION), where=str(bundle.folder / PREPARATION))
        classes = len(card.classes)
        if card.network.name not in (UNET, UNET_LITE0) or settings.get("num_classes") != classes:
            raise CapasError("bundle_incomplete", where=bundle.folder / "card.json", received=card.network.name)
        width = int(settings.get("width") or 0)
        network = new_segmentation_network(card.network.name, preparation.channels, classes, width)
        return SegmentationPredictor(bundle.fill(network), preparation, card.classes)


recipe = SegmentationRecipe()
