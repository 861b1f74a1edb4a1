"""Training of segmentation networks."""

from collections.abc import Iterator, Mapping
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capas.baselines.majority_pixel_class import majority_pixel_class
from capas.bundle.card import NetworkCard
from capas.bundle.write import PREPARATION
from capas.data.image.augment import color_jitter
from capas.data.image.masks import MaskFiles
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.image.segmentation_transforms import augment_images_and_masks
from capas.data.image.store import ImageStore
from capas.engine.distributed import Ranks
from capas.engine.execution import Execution
from capas.engine.loop import ValidationScore
from capas.engine.recipe import PreparedDataset, TestResult
from capas.engine.recipes.segmentation.evaluate import evaluate_segmentation
from capas.engine.recipes.segmentation.network import PREDICTION_BATCH, build_network
from capas.engine.recipes.shared.batches import JointlyAugmentedBatches, training_sampler
from capas.engine.recipes.shared.forward import forward_batch
from capas.metrics.segmentation import pixel_confusions
from capas.networks.catalog import find_other_entry
from capas.objectives.segmentation import Segmentation, pixel_class_weights


class SegmentationJob:
    """Images, masks, network and objective of a segmentation run (``TrainingJob``)."""

    def __init__(
        self,
        work: PreparedDataset,
        store: ImageStore,
        masks: NDArray[np.uint8],
        preparation: ImagePreprocessing,
        ranks: Ranks,
    ) -> None:
        self.work = work
        self.store = store
        self.masks = torch.from_numpy(masks)
        self.preparation = preparation
        config, self.classes = work.config, work.spec.classes
        train = work.record.positions("train")
        self._network = build_network(config, len(self.classes))
        balanced = config.objective.class_weights == "balanced"
        weights = pixel_class_weights(self.masks[train], len(self.classes)) if balanced else None
        self._objective = Segmentation(self._network, class_weights=weights)
        self._batches = JointlyAugmentedBatches(training_sampler(config, train, ranks), work.record.names, self._vary)

    def _vary(self, positions: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        augment = self.work.config.augment
        pictures, masks = augment_images_and_masks(
            self.store.take(positions), self.masks[positions], crop=float(augment.crop), flip=bool(augment.flip),
            rotate=augment.rotate, rng=rng,
        )  # fmt: skip
        if augment.colour:
            pictures = color_jitter(pictures, float(augment.colour), rng)
        return self.preparation.normalise(pictures), masks

    @property
    def objective(self) -> Segmentation:
        return self._objective

    @property
    def batches(self) -> JointlyAugmentedBatches[Tensor]:
        return self._batches

    @property
    def head(self) -> str | None:
        return "decoder" if self.work.config.network.pretrained is True else None

    @property
    def has_validation(self) -> bool:
        return "validation" in self.work.record.splits

    def _answered(self, positions: Tensor, execution: Execution) -> Iterator[tuple[Tensor, Tensor]]:
        """Positions and logits (B, K, H, W), a few images at a time."""
        for part in torch.split(positions, PREDICTION_BATCH):
            inputs = self.preparation.normalise(self.store.take(part))
            yield part, forward_batch(self._network, inputs, execution)

    def validate(self, execution: Execution) -> ValidationScore:
        positions = self.work.record.positions("validation")
        losses, confusions = [], []
        for part, logits in self._answered(positions, execution):
            masks = self.masks[part]
            losses.append(float(self._objective.loss(logits, masks)) * len(part))
            confusions.append(pixel_confusions(logits.argmax(1), masks, len(self.classes)))
        total = torch.cat(confusions).sum(0).double()
        hits = total.diagonal()
        iou = (hits / (total.sum(0) + total.sum(1) - hits)).nanmean().nan_to_num()
        n = len(positions)
        return ValidationScore(metric="mean_iou", value=float(iou), loss=sum(losses) / n, n=n)

    def calibrate(self, execution: Execution) -> None:
        return None

    def test(self, execution: Execution) -> TestResult:
        """Evaluate on the test split, at the size of the original masks."""
        record, masks = self.work.record, cast(MaskFiles, self.work.targets)
        train, test = record.positions("train"), record.positions("test")
        common = majority_pixel_class(self.masks[train], len(self.classes))
        predictions = (
            (record.names[i], logits[row], torch.from_numpy(masks.decode(self.work.indices[i])))
            for part, logits in self._answered(test, execution)
            for row, i in enumerate(part.tolist())
        )
        return evaluate_segmentation(predictions, self.classes, common)

    def bundle_files(self) -> Mapping[str, object]:
        return {PREPARATION: self.preparation.as_json()}

    def network_card(self) -> NetworkCard:
        config = self.work.config
        settings = {"in_channels": self.preparation.channels, "num_classes": len(self.classes),
                    "width": int(config.network.width)}  # fmt: skip
        parameters = sum(p.numel() for p in self._network.parameters())
        name = config.network.name
        return NetworkCard(name=name, settings={**settings}, parameters=parameters, paper=find_other_entry(name).paper)
