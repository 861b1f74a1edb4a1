"""The recipe for image problems: images are preprocessed once as uint8 and augmented batch by batch."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.errors import CapasError
from capas.core.spec import OUTPUT_KINDS, Medium
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.recipe import PreparedDataset, ResolvedConfig
from capas.engine.recipes.shared.image_facts import image_facts
from capas.engine.recipes.shared.image_store import prepare_image_store
from capas.engine.recipes.single_output.columns_beside.recipe import ColumnsBesidePipeline
from capas.engine.recipes.single_output.heads.base import OutputHead
from capas.engine.recipes.single_output.hub_backbone.recipe import HubBackbonePipeline
from capas.engine.recipes.single_output.image.data import PreparedImageInputs
from capas.engine.recipes.single_output.image.defaults import resolve_defaults
from capas.engine.recipes.single_output.image.network import build_network
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.engine.recipes.single_output.recipe import SingleOutputRecipe
from capas.networks.catalog import create_network as build_from_catalog
from capas.networks.vision.flip_tta import FlipTTA


class ImagePipeline:
    """What images contribute to the single-output recipe (``InputPipeline``)."""

    medium: Medium = "image"

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        return resolve_defaults(config, image_facts(report))

    def prepare(self, work: PreparedDataset, answers: OutputHead) -> PreparedImageInputs:
        store, preparation = prepare_image_store(work)
        kind = OUTPUT_KINDS[work.spec.task]
        return PreparedImageInputs(work.config, work.record.names, store, preparation, kind)

    def trial_inputs(
        self, config: Config, report: DatasetReport, num_outputs: int, indices: Sequence[int]
    ) -> tuple[nn.Module, Tensor]:
        size, channels = int(config.data.image_size), int(config.data.channels)
        noise = torch.rand(len(indices), channels, size, size, generator=torch.Generator().manual_seed(0))
        kind = OUTPUT_KINDS[report.detection.spec.task]
        return build_network(config, num_classes=num_outputs, kind=kind, fresh=False), noise

    def reopen(self, bundle: Bundle, num_outputs: int) -> ImageReader:
        settings = bundle.card.network.settings
        preparation = ImagePreprocessing.from_json(bundle.file(PREPARATION), where=str(bundle.folder / PREPARATION))
        size = _whole(bundle, "image_size")
        if preparation.shape != (settings["in_channels"], size, size):
            received = "×".join(map(str, preparation.shape))
            raise CapasError("bundle_incomplete", where=bundle.folder / PREPARATION, received=received)
        width = settings.get("width")
        network = build_from_catalog(
            bundle.card.network.name,
            in_channels=preparation.channels,
            num_classes=num_outputs,
            image_size=size,
            width=None if width is None else int(width),
        )
        bundle.fill(network)
        kind = OUTPUT_KINDS[bundle.card.spec.task]
        return ImageReader((FlipTTA(network, kind) if settings.get("flip_tta") else network).eval(), preparation)


def _whole(bundle: Bundle, key: str) -> int:
    value = bundle.card.network.settings.get(key)
    if not isinstance(value, int):
        raise CapasError("card_unreadable", where=bundle.folder / "card.json", received=f"{key} = {value}")
    return value


recipe = SingleOutputRecipe(ColumnsBesidePipeline(HubBackbonePipeline(ImagePipeline())))
