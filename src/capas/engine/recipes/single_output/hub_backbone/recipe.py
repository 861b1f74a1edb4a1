"""The input pipeline of a medium whose network may also be a model in Hugging Face's format (``hf:NAME``)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.errors import CapasError
from capas.core.spec import Medium
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.recipe import PreparedDataset, ResolvedConfig
from capas.engine.recipes.single_output.heads.base import OutputHead
from capas.engine.recipes.single_output.hub_backbone.audio_reader import HubAudioReader
from capas.engine.recipes.single_output.hub_backbone.data import prepare_hub_inputs
from capas.engine.recipes.single_output.hub_backbone.defaults import resolve_hub_defaults, vector_width
from capas.engine.recipes.single_output.hub_backbone.head import (
    TUNED,
    HubImageClassifier,
    VectorHead,
    VectorHeadConfig,
    new_head,
)
from capas.engine.recipes.single_output.hub_backbone.pixels import hub_pixels
from capas.engine.recipes.single_output.hub_backbone.reference import (
    HUB,
    encoder_of_bundle,
    open_backbone,
    open_referenced,
)
from capas.engine.recipes.single_output.hub_backbone.text_encoding import HubTextEncoding
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.engine.recipes.single_output.inputs import InputPipeline, InputReader, PreparedInputs
from capas.engine.recipes.single_output.text.predictor import TextReader


class HubBackbonePipeline:
    """The pipeline of a medium, or a head on a frozen encoder where the network is ``hf:NAME`` (``InputPipeline``).

    Args:
        content: The pipeline of the medium, which answers for every other network.
    """

    def __init__(self, content: InputPipeline[Any]) -> None:
        self.content = content

    @property
    def medium(self) -> Medium:
        return self.content.medium

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        """See ``Recipe``. Raises CapasError as ``open_backbone``, ``hub_pixels`` and ``resolve_hub_defaults``."""
        if not config.network.name.startswith(HUB):
            return self.content.resolve_defaults(config, report)
        encoder = open_backbone(config.network.name, self.medium)
        if self.medium == "image":
            hub_pixels(encoder)  # complains now, not after the examples were read
        return resolve_hub_defaults(config, report, encoder, self.content)

    def prepare(self, work: PreparedDataset, output_head: OutputHead) -> PreparedInputs[Any]:
        if not work.config.network.name.startswith(HUB):
            return self.content.prepare(work, output_head)
        encoder = open_backbone(work.config.network.name, self.medium)
        return prepare_hub_inputs(work, encoder, self.medium, output_head)

    def trial_inputs(
        self, config: Config, report: DatasetReport, num_outputs: int, indices: Sequence[int]
    ) -> tuple[nn.Module, object]:
        if not config.network.name.startswith(HUB):
            return self.content.trial_inputs(config, report, num_outputs, indices)
        width = vector_width(open_backbone(config.network.name, self.medium), self.medium)
        vectors: Tensor = torch.randn(len(indices), width, generator=torch.Generator().manual_seed(0))
        return new_head(config, vectors, num_outputs), vectors

    def reopen(self, bundle: Bundle, num_outputs: int) -> InputReader[Any]:
        """See ``Recipe``. Raises CapasError as ``open_referenced`` does."""
        card = bundle.card.network
        if not card.name.startswith(HUB):
            return self.content.reopen(bundle, num_outputs)
        where, reference = bundle.folder / PREPARATION, bundle.file(PREPARATION)
        tuned = "files" in reference
        encoder = encoder_of_bundle(reference, where) if tuned else open_referenced(reference, self.medium, where)
        try:
            head = VectorHead(VectorHeadConfig(features=int(str(card.settings["features"])), num_outputs=num_outputs))
        except (KeyError, ValueError) as error:
            raise CapasError("card_unreadable", where=bundle.folder / "card.json", received=str(error)) from error
        if tuned:
            replace(bundle, tensors=_tensors(bundle, tuned=True)).fill(encoder.features)
        replace(bundle, tensors=_tensors(bundle, tuned=False)).fill(head)
        if self.medium == "image":
            return ImageReader(HubImageClassifier(encoder.features, head).eval(), hub_pixels(encoder))
        if self.medium == "audio":
            return HubAudioReader(head, encoder)
        return TextReader(head, HubTextEncoding(encoder, reference))


def _tensors(bundle: Bundle, *, tuned: bool) -> dict[str, Tensor]:
    """The weights of the fine-tuned encoder, or those of the head."""
    return {
        name.removeprefix(TUNED): tensor for name, tensor in bundle.tensors.items() if name.startswith(TUNED) == tuned
    }
