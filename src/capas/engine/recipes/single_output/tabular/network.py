"""Tabular networks for training and for restored bundles."""

import torch
from jaxtyping import Float
from torch import Tensor

from capas.bundle.card import NetworkCard
from capas.core.rng import derive_seed
from capas.core.spec import OUTPUT_KINDS, TaskName
from capas.data.tabular.preprocess import TabularPreprocessing
from capas.engine.config import Config
from capas.engine.recipes.shared.forward import DataclassInputAdapter
from capas.networks.tabular.tabular_blend import TabularBlend, TabularBlendConfig
from capas.networks.tabular.tabular_mlp import TabularMLPConfig
from capas.networks.tabular.tree_ensemble import TreeEnsembleConfig

BINS, MAX_BINNED_COLUMNS = 16, 64  # with more columns of numbers the first layer would hold most of the weights


def build_network(
    config: Config, preparation: TabularPreprocessing, task: TaskName, outputs: int, edges: Float[Tensor, "N E"]
) -> DataclassInputAdapter:
    """Build the configured network, without further parts, with weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    mlp = TabularMLPConfig(
        numbers=preparation.numbers, categories=preparation.categories, outputs=outputs,
        width=int(config.network.width), bins=edges.shape[1] - 1,
    )  # fmt: skip
    return DataclassInputAdapter(TabularBlend(TabularBlendConfig(mlp=mlp, output=OUTPUT_KINDS[task]), edges)).train()


def blend_of(network: object) -> TabularBlend:
    """Return the TabularBlend inside its input adapter."""
    assert isinstance(network, DataclassInputAdapter) and isinstance(network.network, TabularBlend)
    return network.network


def card_settings(config: TabularBlendConfig, shares: Tensor) -> dict[str, int | float | bool | str | None]:
    """Return what ``restored_tabular_network`` needs, and the share of each part for the reader."""
    settings: dict[str, int | float | bool | str | None] = {
        "width": config.mlp.width, "bins": config.mlp.bins, "members": config.mlp.members,
        "num_classes": config.mlp.outputs, "output": config.output,
    }  # fmt: skip
    for name, sizes in config.trees.items():
        settings |= {f"{name}.{size}": getattr(sizes, size) for size in ("trees", "nodes", "depth", "values")}
    parts = zip(config.parts, shares.tolist(), strict=True)
    return settings | {f"share.{name}": round(share, 4) for name, share in parts}


def restored_tabular_network(card: NetworkCard, preparation: TabularPreprocessing) -> DataclassInputAdapter:
    """Build the network that a card describes, for its weights to be loaded. Raises KeyError, TypeError or ValueError
    where the card describes none.
    """
    settings = card.settings
    outputs = int(str(settings["num_classes"]))
    mlp = TabularMLPConfig(
        numbers=preparation.numbers, categories=preparation.categories, outputs=outputs,
        members=int(str(settings["members"])), width=int(str(settings["width"])), bins=int(str(settings["bins"])),
    )  # fmt: skip
    trees = {
        name: TreeEnsembleConfig(
            **{size: int(str(settings[f"{name}.{size}"])) for size in ("trees", "nodes", "depth", "values")},
            outputs=outputs,
        )
        for name in ("boosting", "forest")
        if f"{name}.trees" in settings
    }
    (output,) = (kind for kind in OUTPUT_KINDS.values() if kind == settings["output"])
    config = TabularBlendConfig(mlp=mlp, output=output, trees=trees, linear="share.linear" in settings)
    return DataclassInputAdapter(TabularBlend(config))
