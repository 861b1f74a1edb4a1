"""Encoded rows for training."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.data.batch import Batch, batches_with_targets
from capas.data.tabular.preprocess import EncodedRows, TabularPreprocessing, one_hot_columns
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.execution import Execution
from capas.engine.recipe import TrainingBatches
from capas.engine.recipes.shared.batches import training_sampler
from capas.engine.recipes.shared.forward import forward_batch
from capas.engine.recipes.single_output.heads.base import MAX_BASELINE_EXAMPLES
from capas.engine.recipes.single_output.tabular.defaults import NAME
from capas.engine.recipes.single_output.tabular.linear_blend import (
    best_blend_weight,
    fit_linear_part,
    standardise_targets,
)
from capas.engine.recipes.single_output.tabular.network import build_network, tabular_network
from capas.networks.catalog import find_other_entry

MAX_LINEAR_COLUMNS = 1000


class PreparedTabularInputs:
    """The rows of a run, encoded (``PreparedInputs``, ``BlendableInputs``).

    Args:
        config: The resolved configuration.
        names: Names of the rows.
        encoded: All rows.
        preparation: The encoding, fitted to the training split.
        numbers: Whether numbers are predicted, for which the network may be blended with a linear model.
    """

    baseline = "logistic_regression"
    head: str | None = None

    def __init__(
        self,
        config: Config,
        names: Sequence[str],
        encoded: EncodedRows,
        preparation: TabularPreprocessing,
        *,
        numbers: bool,
    ) -> None:
        self.config = config
        # Where there are more columns than this, a linear model takes longer than the training.
        columns = 2 * preparation.numbers + sum(preparation.categories)
        self.blended = numbers and columns <= MAX_LINEAR_COLUMNS
        self.encoded = encoded
        self.preparation = preparation
        self._names = names

    def network(self, num_outputs: int) -> nn.Module:
        self._network = build_network(self.config, self.preparation, num_outputs, blended=self.blended)
        return self._network

    def network_card(self, network: nn.Module, num_outputs: int) -> NetworkCard:
        settings = {"width": int(self.config.network.width), "num_classes": num_outputs, "blended": self.blended}
        parameters = sum(p.numel() for p in network.parameters())
        return NetworkCard(name=NAME, settings={**settings}, parameters=parameters, paper=find_other_entry(NAME).paper)

    def training(self, targets: Tensor, positions: Tensor, ranks: Ranks) -> TrainingBatches[Batch[EncodedRows]]:
        if self.blended:
            self._standardised = standardise_targets(targets, positions)
            subset = positions[:: max(1, len(positions) // MAX_BASELINE_EXAMPLES)]
            fit_linear_part(self._network, self.features(subset), self._standardised[subset])
        order = training_sampler(self.config, positions, ranks)
        return batches_with_targets(order, self._names, targets, lambda chosen, rng: self.take(chosen))

    def blend(self, positions: Tensor, execution: Execution) -> None:
        """Fit the network's share in the output, in [0, 1], by least squares."""
        if not self.blended:
            return
        alone, share = [], tabular_network(self._network).get_buffer("share")
        for value in (1.0, 0.0):
            share.fill_(value)
            alone.append(forward_batch(self._network, self.take(positions), execution))
        share.copy_(best_blend_weight(alone[0], alone[1], self._standardised[positions]))

    def take(self, positions: Tensor) -> EncodedRows:
        return EncodedRows(numbers=self.encoded.numbers[positions], categories=self.encoded.categories[positions])

    def features(self, positions: Tensor) -> Float[Tensor, "N D"]:
        return one_hot_columns(self.take(positions), self.preparation)

    def as_json(self) -> Mapping[str, object]:
        return self.preparation.as_json()
