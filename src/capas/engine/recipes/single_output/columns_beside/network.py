"""Networks of content with columns for training and for restored bundles."""

from collections.abc import Mapping
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.core.rng import derive_seed
from capas.data.tabular.preprocess import TabularPreprocessing
from capas.engine.config import Config
from capas.engine.recipes.shared.forward import DataclassInputAdapter
from capas.networks.tabular.joint_fusion import JointFusion, JointFusionConfig

EMBEDDING: Final = 64
WIDTH: Final = 64
BINS, MAX_BINNED_COLUMNS = 16, 64  # with more columns of numbers the first layer would hold most of the weights
# What ``DataclassInputAdapter`` and ``JointFusion`` put before the names of the content network's tensors.
CONTENT_PREFIX: Final = "network.content."
NEW_LAYERS: Final = ("network.hidden", "network.output")  # that no pretrained network brings along

Settings = Mapping[str, int | float | bool | str | None]


def bins_of(preparation: TabularPreprocessing) -> int:
    """Return into how many bins each number is encoded."""
    return BINS if preparation.numbers <= MAX_BINNED_COLUMNS else 0


def build_network(
    config: Config, content: nn.Module, preparation: TabularPreprocessing, outputs: int, edges: Float[Tensor, "N E"]
) -> DataclassInputAdapter:
    """Put ``content``, a network with ``embedding_width(outputs)`` outputs, together with layers for the columns, whose
    weights are drawn from the run's seed.
    """
    torch.manual_seed(derive_seed(config.train.seed, "columns"))
    fusion = JointFusionConfig(
        numbers=preparation.numbers, categories=preparation.categories, outputs=outputs,
        embedding=embedding_width(outputs), width=WIDTH, bins=edges.shape[1] - 1,
        mirrored=config.network.flip_tta is True,
    )  # fmt: skip
    return DataclassInputAdapter(JointFusion(fusion, content, edges)).train()


def embedding_width(outputs: int) -> int:
    """Return the number of outputs of the content network: no fewer than there are classes to tell apart."""
    return max(EMBEDDING, outputs)


def fusion_of(network: object) -> JointFusion:
    """Return the JointFusion inside its input adapter."""
    assert isinstance(network, DataclassInputAdapter) and isinstance(network.network, JointFusion)
    return network.network


def fusion_settings(config: JointFusionConfig) -> dict[str, int | float | bool | str | None]:
    """Return what ``restored_fusion`` needs."""
    return {
        "num_classes": config.outputs, "embedding": config.embedding, "columns.width": config.width,
        "columns.bins": config.bins, "flip_tta": config.mirrored,
    }  # fmt: skip


def restored_fusion(
    settings: Settings, content: nn.Module, preparation: TabularPreprocessing, outputs: int
) -> DataclassInputAdapter:
    """Build the network that a card describes, for its weights to be loaded. Raises KeyError or ValueError where it
    describes none.
    """
    fusion = JointFusionConfig(
        numbers=preparation.numbers, categories=preparation.categories, outputs=outputs,
        embedding=int(str(settings["embedding"])), width=int(str(settings["columns.width"])),
        bins=int(str(settings["columns.bins"])), mirrored=settings.get("flip_tta") is True,
    )  # fmt: skip
    return DataclassInputAdapter(JointFusion(fusion, content))
