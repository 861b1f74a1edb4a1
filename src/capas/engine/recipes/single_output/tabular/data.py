"""Encoded rows for training, and the parts of a table's model beside the network."""

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.core.spec import OUTPUT_KINDS, TaskName
from capas.data.batch import Batch, batches_with_targets
from capas.data.tabular.preprocess import EncodedRows, TabularPreprocessing, one_hot_columns
from capas.decoding.output_activation import activate_outputs
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.execution import Execution
from capas.engine.recipe import TrainingBatches
from capas.engine.recipes.shared.batches import training_sampler
from capas.engine.recipes.single_output.blend_shares import fit_blend_shares
from capas.engine.recipes.single_output.linear_baseline import DENSE_BASELINE
from capas.engine.recipes.single_output.tabular.defaults import NETWORK_ALONE
from capas.engine.recipes.single_output.tabular.network import (
    BINS,
    MAX_BINNED_COLUMNS,
    blend_of,
    build_network,
    card_settings,
)
from capas.engine.recipes.single_output.tabular.parts import (
    MAX_BOOSTED_TREES,
    FittedPart,
    LinearPart,
    PartTargets,
    boosted_trees,
    fit_boosting,
    fit_forest,
    fit_linear,
)
from capas.networks.catalog import find_other_entry
from capas.networks.tabular.tabular_blend import TabularBlend, TabularBlendConfig, linear_columns, tree_features
from capas.networks.tabular.tabular_mlp import MEMBERS, quantile_edges
from capas.networks.tabular.tree_ensemble import TreeEnsemble
from capas.objectives.regression import standardise_columns

MAX_LINEAR_COLUMNS: Final = 1000  # with more, a linear model takes longer than the training
MAX_TREE_COLUMNS: Final = 500
MAX_CROSS_FITTED: Final = 20_000  # with more rows, the validation split alone tells the shares well enough
MIN_DRAWN: Final = 50  # training rows; of fewer, folds are counted off
MIN_FITTED: Final = 8  # rows; trees and penalties chosen by cross-validation say nothing about fewer
CHUNK: Final = 2000


class PreparedTabularInputs:
    """The rows of a run, encoded (``PreparedInputs``, ``CrossFittedInputs``, ``BlendedInputs``).

    Args:
        config: The resolved configuration.
        task: What is learnt.
        names: Names of the rows.
        encoded: All rows.
        preparation: The encoding, fitted to the training split.
        splits: Positions of the rows of "train" and "validation".
        folds: The member that must not learn from a row, for all rows.
    """

    baseline = DENSE_BASELINE
    head: str | None = None

    def __init__(
        self,
        config: Config,
        task: TaskName,
        names: Sequence[str],
        encoded: EncodedRows,
        preparation: TabularPreprocessing,
        *,
        splits: Mapping[str, Tensor],
        folds: Int[Tensor, " N"],
    ) -> None:
        self.config = config
        self.task: TaskName = task
        self.encoded = encoded
        self.preparation = preparation
        self.splits = splits
        self.folds = folds
        self._names = names

    def network(self, num_outputs: int) -> nn.Module:
        bins = BINS if self.preparation.numbers <= MAX_BINNED_COLUMNS else 0
        edges = quantile_edges(self.encoded.numbers[self.splits["train"]], bins)
        self._network = build_network(self.config, self.preparation, self.task, num_outputs, edges)
        return self._network

    def network_card(self, network: nn.Module, num_outputs: int) -> NetworkCard:
        blend = blend_of(network)
        parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
        settings = card_settings(blend.config, blend.get_buffer("shares"))
        name = self.config.network.name
        return NetworkCard(name=name, settings=settings, parameters=parameters, paper=find_other_entry(name).paper)

    def training(self, targets: Tensor, positions: Tensor, ranks: Ranks) -> TrainingBatches[Batch[EncodedRows]]:
        order = training_sampler(self.config, positions, ranks)
        return batches_with_targets(order, self._names, targets, lambda chosen, rng: self.take(chosen))

    def member_outputs(self, inputs: EncodedRows) -> Float[Tensor, "N K O"]:
        outputs: Tensor = blend_of(self._network).mlp(inputs.numbers, inputs.categories)
        return outputs

    def _can_cross_fit(self, learnt: PartTargets, train: Tensor) -> bool:
        """Whether, whatever fold is left out, there is something to be told apart by as many rows as a part needs."""
        if not learnt.take(train).varied:
            return False
        rests = [train[self.folds[train] != fold] for fold in range(blend_of(self._network).config.mlp.members)]
        return all(len(rest) >= MIN_FITTED and learnt.take(rest).varied for rest in rests)

    @torch.no_grad()
    def fit_parts(self, targets: Tensor, execution: Execution) -> None:
        """Fit the other parts to the training rows, and the share of each to rows that it has not learnt from."""
        train = self.splits["train"]
        learnt = self._part_targets(targets)
        if self.config.network.name == NETWORK_ALONE or not self._can_cross_fit(learnt, train):
            return
        cross_fitted = len(train) <= MAX_CROSS_FITTED or len(self.splits["validation"]) == 0
        held = train if cross_fitted else self.splits["validation"]
        parts = self._fitted_parts(learnt, train, execution.threads)
        # The penalty of a linear model is chosen once: it is the same for four fifths of the rows.
        penalties = {name: part.penalties if isinstance(part, LinearPart) else () for name, part in parts.items()}
        predictions = {"network": self._network_predictions(held, execution, own_fold=cross_fitted)}
        for name in parts:
            outputs = torch.zeros(len(held), learnt.outputs)
            if cross_fitted:
                for fold in range(blend_of(self._network).config.mlp.members):
                    rest, left_out = train[self.folds[train] != fold], self.folds[train] == fold
                    if left_out.any():
                        part = self._fit(name, learnt, rest, execution.threads, penalties[name])
                        outputs[left_out] = self._in_chunks(part, name, train[left_out])
            else:
                outputs = self._in_chunks(parts[name], name, held)
            predictions[name] = outputs if name == "forest" else activate_outputs(outputs, learnt.kind)
        shares = fit_blend_shares(predictions, learnt.values[held], learnt.kind)
        self._keep(parts, shares)

    def _part_targets(self, targets: Tensor) -> PartTargets:
        kind = OUTPUT_KINDS[self.task]
        values = targets
        if kind == "numbers":
            values = standardise_columns(targets, self.splits["train"])
        elif kind == "tags":
            values = targets.float()
        return PartTargets(kind=kind, values=values, outputs=blend_of(self._network).config.mlp.outputs)

    def _fitted_parts(self, targets: PartTargets, rows: Tensor, threads: int) -> dict[str, FittedPart]:
        shape = blend_of(self._network).config.mlp
        few_columns = len(self._features("forest", rows[:1])[0]) <= MAX_TREE_COLUMNS
        chosen = {
            "boosting": few_columns and boosted_trees(targets) <= MAX_BOOSTED_TREES,
            "forest": few_columns,
            "linear": linear_columns(shape) <= MAX_LINEAR_COLUMNS,
        }
        return {name: self._fit(name, targets, rows, threads) for name, wanted in chosen.items() if wanted}

    def _fit(
        self, name: str, targets: PartTargets, rows: Tensor, threads: int, penalties: Sequence[float] = ()
    ) -> FittedPart:
        features, learnt = self._features(name, rows), targets.take(rows)
        if name == "linear":
            return fit_linear(features, learnt, penalties)
        return fit_boosting(features, learnt) if name == "boosting" else fit_forest(features, learnt, threads=threads)

    def _features(self, name: str, rows: Tensor) -> Float[Tensor, "N D"]:
        if name == "linear":
            return self.features(rows)
        taken = self.take(rows)
        return tree_features(taken.numbers, taken.categories, self.preparation.categories)

    def _in_chunks(self, part: FittedPart, name: str, rows: Tensor) -> Float[Tensor, "N O"]:
        return torch.cat([part(self._features(name, some)) for some in torch.split(rows, CHUNK)])

    def _network_predictions(self, rows: Tensor, execution: Execution, *, own_fold: bool) -> Float[Tensor, "N O"]:
        """Of each row, what the member says that has not learnt from it; else the mean of all members."""
        blend = blend_of(self._network).eval()
        found = []
        for some in torch.split(rows, CHUNK):
            with execution.autocast():
                outputs = self.member_outputs(execution.place_batch(self.take(some)))
            members = activate_outputs(outputs.float().cpu(), blend.config.output)
            found.append(members[torch.arange(len(some)), self.folds[some]] if own_fold else members.mean(1))
        return torch.cat(found)

    def _keep(self, parts: Mapping[str, FittedPart], shares: Mapping[str, float]) -> None:
        """Put the parts that have a share beside the network."""
        alone = blend_of(self._network)
        trees = {name: part for name, part in parts.items() if name in shares and isinstance(part, TreeEnsemble)}
        config = TabularBlendConfig(
            mlp=alone.config.mlp, output=alone.config.output, linear="linear" in shares,
            trees={name: part.config for name, part in trees.items()},
        )  # fmt: skip
        blend = TabularBlend(config, alone.mlp.get_buffer("edges"))
        blend.mlp = alone.mlp
        for name, part in trees.items():
            blend.trees[name] = part
        if "linear" in shares:
            linear = parts["linear"]
            assert isinstance(linear, LinearPart)
            blend.linear_weight.copy_(linear.weight)
            blend.linear_bias.copy_(linear.bias)
        blend.shares = torch.tensor([shares.get(name, 0.0) for name in config.parts])
        device = alone.mlp.get_buffer("edges").device
        self._network.network = blend.to(device).train(alone.training)

    def take(self, positions: Tensor) -> EncodedRows:
        return EncodedRows(numbers=self.encoded.numbers[positions], categories=self.encoded.categories[positions])

    def features(self, positions: Tensor) -> Float[Tensor, "N D"]:
        return one_hot_columns(self.take(positions), self.preparation)

    def as_json(self) -> Mapping[str, object]:
        return self.preparation.as_json()


def folds_of(hashes: Sequence[str], train: Sequence[int], members: int = MEMBERS) -> Tensor:
    """Return a fold for each row by its content, so that equal rows share one: int64 (N,).

    Where few rows ``train`` they are counted off in the order of their content, and equal ones share a fold as well:
    by chance all could fall in one, whose member would learn nothing.
    """
    found = [int(content[:8], 16) % members for content in hashes]
    if len(train) < MIN_DRAWN:
        counted = {content: k % members for k, content in enumerate(sorted({hashes[i] for i in train}))}
        found = [counted.get(content, fold) for content, fold in zip(hashes, found, strict=True)]
    return torch.tensor(found)
