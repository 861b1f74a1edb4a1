"""The parts of a table's model that scikit-learn fits, as tensors: boosted trees, a forest, a linear model.

Features are float32; scikit-learn compares them with thresholds in float64. A threshold is rounded down to float32
here: x ≤ t is then decided alike for every float32 x.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from capas.baselines.logistic_regression import IMPOSSIBLE, choose_penalty, fit_logistic_weights
from capas.baselines.ridge import fit_ridge
from capas.core.spec import OutputKind
from capas.networks.tabular.tree_ensemble import TreeEnsemble, TreeEnsembleConfig

SEED: Final = 0
MAX_BOOSTED_TREES: Final = 2000
MAX_FOREST_ROWS: Final = 10_000  # more for a tree would make bundles of many megabytes
FittedPart = Callable[[Tensor], Tensor]  # features (N, D) → logits, probabilities or numbers (N, O)
_Nodes = NDArray[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class PartTargets:
    """What the parts learn.

    Attributes:
        kind: Classes, tags or numbers.
        values: int64 (N,) class indices; or float32 (N, O), tags as 0 and 1 and numbers standardised.
        outputs: O.
    """

    kind: OutputKind
    values: Tensor
    outputs: int

    def take(self, rows: Tensor) -> "PartTargets":
        """Return the targets of some rows."""
        return PartTargets(kind=self.kind, values=self.values[rows], outputs=self.outputs)

    @property
    def varied(self) -> bool:
        """Whether there is anything to be told apart."""
        return bool((self.values != self.values[:1]).any())


@dataclass(frozen=True, kw_only=True, slots=True)
class LinearPart:
    """A linear model: ``weight`` (D, O), ``bias`` (O), and the ``penalties`` that were chosen for each output."""

    weight: Tensor
    bias: Tensor
    penalties: tuple[float, ...]

    def __call__(self, features: Float[Tensor, "N D"]) -> Float[Tensor, "N O"]:
        return features @ self.weight + self.bias


def boosted_trees(targets: PartTargets) -> int:
    """Return how many trees gradient boosting grows for these targets: 100 an output."""
    return 100 * (1 if targets.kind == "class" and targets.outputs == 2 else targets.outputs)


def fit_boosting(features: Float[Tensor, "N F"], targets: PartTargets) -> TreeEnsemble:
    """Fit scikit-learn's ``HistGradientBoosting`` with its defaults: logits, or standardised numbers."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    x = features.numpy()
    offset = torch.zeros(targets.outputs)
    trees: list[tuple[int, _Nodes]] = []  # (output, nodes)
    if targets.kind == "class" and not targets.varied:
        offset[:] = IMPOSSIBLE
        offset[targets.values[0]] = 0.0
    elif targets.kind == "class":
        model = HistGradientBoostingClassifier(random_state=SEED).fit(x, targets.values.numpy())
        known = model.classes_.tolist()
        # Two classes: one sum of trees, the logit of the second.
        outputs = known if len(known) > 2 else known[1:]
        offset[:] = IMPOSSIBLE
        offset[known] = 0.0
        offset[outputs] = torch.from_numpy(np.ravel(model._baseline_prediction)).float()
        trees = [(outputs[k], tree.nodes) for row in model._predictors for k, tree in enumerate(row)]
    else:
        booster = HistGradientBoostingClassifier if targets.kind == "tags" else HistGradientBoostingRegressor
        for output, column in enumerate(targets.values.T):
            if (column == column[0]).all():
                constant = -IMPOSSIBLE if column[0] > 0 else IMPOSSIBLE
                offset[output] = constant if targets.kind == "tags" else column[0]
                continue
            model = booster(random_state=SEED).fit(x, column.numpy())
            offset[output] = float(np.ravel(model._baseline_prediction)[0])
            trees += [(output, row[0].nodes) for row in model._predictors]
    fields = ("feature_idx", "num_threshold", "left", "right", "missing_go_to_left", "value")
    found = [tuple(nodes[name] for name in fields) for _, nodes in trees]
    leaves = [nodes["is_leaf"].astype(bool) for _, nodes in trees]
    counted = torch.tensor([output for output, _ in trees], dtype=torch.int64)
    weights = torch.nn.functional.one_hot(counted, targets.outputs).float()
    return _assembled(found, leaves, weights, offset)


def fit_forest(features: Float[Tensor, "N F"], targets: PartTargets, *, threads: int = 1) -> TreeEnsemble:
    """Fit scikit-learn's random forest with its defaults: probabilities, or standardised numbers."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind = RandomForestClassifier if targets.kind == "class" else RandomForestRegressor
    share = MAX_FOREST_ROWS if len(features) > MAX_FOREST_ROWS else None
    model = kind(random_state=SEED, n_jobs=threads, max_samples=share)
    y = targets.values.numpy()
    model.fit(features.numpy(), y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y)
    known = model.classes_.tolist() if targets.kind == "class" else list(range(targets.outputs))
    found, leaves = [], []
    for one in model.estimators_:
        tree = one.tree_
        values = np.zeros((tree.node_count, targets.outputs), dtype=np.float32)
        held = tree.value[:, 0, :] if targets.kind == "class" else tree.value[:, :, 0]
        values[:, known] = held / held.sum(1, keepdims=True) if targets.kind == "class" else held
        missing = tree.missing_go_to_left
        found.append((tree.feature, tree.threshold, tree.children_left, tree.children_right, missing, values))
        leaves.append(tree.children_left < 0)
    weights = torch.full((len(found), targets.outputs), 1 / len(found))
    return _assembled(found, leaves, weights, torch.zeros(targets.outputs))


def _assembled(
    trees: Sequence[tuple[_Nodes, ...]], leaves: Sequence[_Nodes], weights: Tensor, offset: Tensor
) -> TreeEnsemble:
    """Put trees one behind another: (feature, threshold, left, right, missing left, value) of the nodes of each."""
    if not trees:  # all outputs are constant
        zero = np.zeros(1, dtype=np.int64)
        trees, leaves = [(zero, zero.astype(float), zero, zero, zero, zero.astype(float))], [zero == 0]
        weights = torch.zeros(1, len(offset))
    starts = np.cumsum([0, *(len(leaf) for leaf in leaves)])
    places = [start + np.arange(len(leaf)) for start, leaf in zip(starts, leaves, strict=False)]
    columns = list(zip(*trees, strict=True))
    leaf = np.concatenate(leaves)
    place = np.concatenate(places)
    branches = [
        np.where(leaf, place, np.concatenate([start + side.astype(np.int64) for start, side in
                                              zip(starts, columns[number], strict=False)]))
        for number in (2, 3)
    ]  # fmt: skip
    value = np.concatenate(columns[5]).astype(np.float32).reshape(len(leaf), -1)
    depth = max(_depth(tree[2], tree[3], leaf) for tree, leaf in zip(trees, leaves, strict=True))
    made = TreeEnsemble(TreeEnsembleConfig(
        trees=len(trees), nodes=len(leaf), depth=depth, values=value.shape[1], outputs=len(offset)
    ))  # fmt: skip
    threshold = _rounded_down(np.where(leaf, 0.0, np.concatenate(columns[1])))
    made.load_state_dict({
        "feature": torch.from_numpy(np.where(leaf, 0, np.concatenate(columns[0])).astype(np.int32)),
        "threshold": torch.from_numpy(threshold),
        "branches": torch.from_numpy(np.stack(branches, 1).astype(np.int32)),
        "missing_left": torch.from_numpy(np.concatenate(columns[4]).astype(bool)),
        "value": torch.from_numpy(value),
        "roots": torch.from_numpy(starts[:-1].astype(np.int64)),
        "weights": weights,
        "offset": offset,
    })  # fmt: skip
    return made.eval()


def _rounded_down(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    near = numbers.astype(np.float32)
    return np.where(near > numbers, np.nextafter(near, np.float32(-np.inf)), near)


def _depth(left: _Nodes, right: _Nodes, leaf: _Nodes) -> int:
    """Return the steps from the root (node 0) to the deepest leaf."""
    depth, level = 0, np.zeros(1, dtype=np.int64)
    while len(level := level[~leaf[level]]):
        level = np.concatenate([left[level], right[level]]).astype(np.int64)
        depth += 1
    return depth


def fit_linear(features: Float[Tensor, "N D"], targets: PartTargets, penalties: Sequence[float] = ()) -> LinearPart:
    """Fit a logistic or a ridge regression.

    Args:
        features: Numbers near standard scale.
        targets: What to learn.
        penalties: The strength of the penalty for each model, where it is known; else chosen by cross-validation.
    """
    d, k = features.shape[1], targets.outputs
    weight, bias = torch.zeros(d, k), torch.zeros(k)
    if targets.kind == "class":
        c = penalties[0] if penalties else choose_penalty(features, targets.values)
        weight, bias = fit_logistic_weights(features, targets.values, k, c=c)
        return LinearPart(weight=weight, bias=bias, penalties=(c,))
    chosen = []
    for output, column in enumerate(targets.values.T):
        if targets.kind == "numbers":
            ridge = fit_ridge(features, column)
            weight[:, output], bias[output] = ridge.weight.float(), ridge.bias
            continue
        labels = column.long()
        chosen.append(penalties[output] if penalties else choose_penalty(features, labels))
        one, shift = fit_logistic_weights(features, labels, 2, c=chosen[-1])
        weight[:, output], bias[output] = one[:, 1] - one[:, 0], shift[1] - shift[0]
    return LinearPart(weight=weight, bias=bias, penalties=tuple(chosen))
