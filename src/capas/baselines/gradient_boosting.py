"""Gradient boosting on binned columns: the baseline of tabular networks.

Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", Annals of Statistics 2001; with second
derivatives and leaf-wise trees on histograms as in LightGBM (Ke et al., NIPS 2017) and scikit-learn's
HistGradientBoosting, whose defaults these are. Each tree splits where

    gain = G_L² / (H_L + λ) + G_R² / (H_R + λ) − G² / (H + λ)

is greatest, G and H being sums of first and second derivatives of the loss, best leaf first; a leaf adds −η G/(H + λ).
Missing numbers (NaN) go to the side where the gain is greater; where none were missing, to the side with more examples.

Squared error for numbers; logistic loss for two classes; for K classes cross-entropy with K trees a round. It is
deterministic. Legend: N rows, D columns, K outputs a round, S bins (the last holds what is missing).
"""

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Bins = NDArray[np.uint8]
MAX_BINS = 255
MISSING_BIN = MAX_BINS


@dataclass(frozen=True, kw_only=True, slots=True)
class BoostingConfig:
    """Hyper-parameters of gradient boosting.

    Attributes:
        rounds: Boosting rounds.
        learning_rate: Shrinkage η, 0..1.
        max_leaves: Largest number of leaves of a tree.
        min_leaf_size: Fewest examples in a leaf.
        l2: Penalty λ on leaf values.
    """

    rounds: int = 100
    learning_rate: float = 0.1
    max_leaves: int = 31
    min_leaf_size: int = 20
    l2: float = 0.0

    def __post_init__(self) -> None:
        if self.rounds < 0 or self.max_leaves < 2 or self.min_leaf_size < 1 or self.l2 < 0:
            raise ValueError(f"{self}; expected rounds ≥ 0, leaves ≥ 2, leaf_size ≥ 1, penalty ≥ 0")
        if not 0 < self.learning_rate <= 1:
            raise ValueError(f"learning_rate is {self.learning_rate}; expected 0 < value ≤ 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """A decision tree as columns of nodes; a leaf has ``left`` = 0. Rows with ``bin ≤ threshold`` go left."""

    column: NDArray[np.int64]
    threshold: NDArray[np.int64]
    missing_left: NDArray[np.bool_]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: Numbers

    def predict(self, bins: Bins) -> Numbers:
        """Return the values (N) of binned rows (N, D)."""
        node = np.zeros(len(bins), np.int64)
        rows = np.arange(len(bins))
        while len(rows):
            rows = rows[self.left[node[rows]] > 0]
            at = node[rows]
            chosen = bins[rows, self.column[at]]
            goes_left = np.where(chosen == MISSING_BIN, self.missing_left[at], chosen <= self.threshold[at])
            node[rows] = np.where(goes_left, self.left[at], self.right[at])
        return self.value[node]


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeSplit:
    """The best split of a leaf."""

    gain: float
    column: int
    threshold: int
    missing_left: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class GradientBoosting:
    """A fitted model.

    Attributes:
        edges: Edges of the bins by column.
        initial_scores: Scores before the first tree, shape (K,).
        trees: Trees by round and output.
        num_classes: Number of classes; None for numbers.
    """

    edges: tuple[Numbers, ...]
    initial_scores: Numbers
    trees: tuple[tuple[Tree, ...], ...]
    num_classes: int | None

    @classmethod
    def fit(
        cls, features: Numbers, targets: NDArray[np.generic], *, num_classes: int | None = None,
        config: BoostingConfig | None = None,
    ) -> "GradientBoosting":  # fmt: skip
        """Fit to ``features`` (N, D), NaN where missing, and N numbers, or N class indices with ``num_classes``."""
        if features.ndim != 2 or targets.shape != (len(features),) or len(features) == 0:
            raise ValueError(f"features {features.shape}, targets {targets.shape}; expected (N, D) and (N,), N ≥ 1")
        config = config or BoostingConfig()
        edges = tuple(bin_edges(column) for column in features.T)
        bins = bin_features(features, edges)
        target_columns = _target_columns(targets, num_classes)
        start = _start(target_columns, num_classes)
        scores = np.tile(start, (len(features), 1))
        rounds = []
        for _ in range(config.rounds):
            gradients, hessians = _derivatives(scores, target_columns, num_classes)
            trees = tuple(grow_tree(bins, gradients[:, k], hessians[:, k], config) for k in range(scores.shape[1]))
            for k, tree in enumerate(trees):
                scores[:, k] += tree.predict(bins)
            rounds.append(trees)
        return cls(edges=edges, initial_scores=start, trees=tuple(rounds), num_classes=num_classes)

    def predict(self, features: Numbers) -> Numbers:
        """Return N numbers, or probabilities (N, num_classes)."""
        bins = bin_features(features, self.edges)
        scores = np.tile(self.initial_scores, (len(features), 1))
        for trees in self.trees:
            for k, tree in enumerate(trees):
                scores[:, k] += tree.predict(bins)
        return scores[:, 0] if self.num_classes is None else _probabilities(scores)


def bin_edges(column: Numbers) -> Numbers:
    """Return at most 254 bin edges: half-way between neighbouring values where these are few, else at quantiles."""
    values = np.unique(column[~np.isnan(column)])
    if len(values) <= MAX_BINS:
        return (values[:-1] + values[1:]) / 2
    quantiles = np.percentile(
        column[~np.isnan(column)], np.linspace(0, 100, MAX_BINS + 1)[1:-1], method="averaged_inverted_cdf"
    )
    return np.unique(quantiles)


def bin_features(features: Numbers, edges: tuple[Numbers, ...]) -> Bins:
    """Return the bins 0..254 of rows (N, D), 255 where missing."""
    bins = np.empty(features.shape, np.uint8)
    for number, borders in enumerate(edges):
        bins[:, number] = np.searchsorted(borders, features[:, number])
    bins[np.isnan(features)] = MISSING_BIN
    return bins


def grow_tree(bins: Bins, gradients: Numbers, hessians: Numbers, config: BoostingConfig) -> Tree:
    """Grow one tree, best leaf first."""
    nodes: list[tuple[int, int, bool, int, int, float]] = []
    waiting: list[tuple[float, int, NDArray[np.int64], Numbers, TreeSplit]] = []

    def add(rows: NDArray[np.int64], histogram: Numbers) -> None:
        total = histogram[:, 0].sum(axis=1)
        value = -config.learning_rate * total[0] / max(total[1] + config.l2, 1e-12)
        split = best_split(histogram, config)
        if split is not None:
            heapq.heappush(waiting, (-split.gain, len(nodes), rows, histogram, split))
        nodes.append((0, 0, False, 0, 0, float(value)))

    everything = np.arange(len(bins))
    add(everything, build_histograms(bins, gradients, hessians))
    leaves = 1
    while waiting and leaves < config.max_leaves:
        _, number, rows, histogram, split = heapq.heappop(waiting)
        chosen = bins[rows, split.column]
        goes_left = np.where(chosen == MISSING_BIN, split.missing_left, chosen <= split.threshold)
        sides = rows[goes_left], rows[~goes_left]
        small = int(len(sides[1]) < len(sides[0]))
        # Only the smaller side is counted; the other is the difference.
        counted = build_histograms(bins[sides[small]], gradients[sides[small]], hessians[sides[small]])
        nodes[number] = (split.column, split.threshold, split.missing_left, len(nodes), len(nodes) + 1, 0.0)
        for side in (0, 1):
            add(sides[side], counted if side == small else histogram - counted)
        leaves += 1
    column, threshold, missing_left, left, right, value = (np.array(part) for part in zip(*nodes, strict=True))
    return Tree(column=column, threshold=threshold, missing_left=missing_left, left=left, right=right, value=value)


def build_histograms(bins: Bins, gradients: Numbers, hessians: Numbers) -> Numbers:
    """Return (3, D, 256): sums of gradients, of Hessians and of examples in each bin of each column."""
    columns = bins.shape[1]
    places = (bins + np.arange(columns) * (MISSING_BIN + 1)).ravel()
    size = columns * (MISSING_BIN + 1)
    sums = [np.bincount(places, np.repeat(weights, columns), size) for weights in (gradients, hessians)]
    counts = np.bincount(places, minlength=size).astype(np.float64)
    return np.stack([*sums, counts]).reshape(3, columns, MISSING_BIN + 1)


def best_split(histogram: Numbers, config: BoostingConfig) -> TreeSplit | None:
    """Return the split of greatest gain; None where none is allowed or gains anything."""
    total = histogram.sum(axis=2, keepdims=True)
    left = histogram[:, :, :MISSING_BIN].cumsum(axis=2)
    missing = histogram[:, :, MISSING_BIN:]
    sides = np.stack([left, left + missing])  # missing to the right, missing to the left
    others = total - sides
    parent = _leaf_score(total, config.l2)
    gains = _leaf_score(sides, config.l2) + _leaf_score(others, config.l2) - parent
    enough = np.minimum(sides[:, 2], others[:, 2]) >= config.min_leaf_size - 0.5
    curved = np.minimum(sides[:, 1], others[:, 1]) >= 1e-3
    gains = np.where(enough & curved, gains, -np.inf)
    best = int(gains.argmax())
    if not gains.flat[best] > 1e-10:
        return None
    with_missing, column, threshold = (int(part) for part in np.unravel_index(best, gains.shape))
    if missing[2, column, 0] < 0.5:
        with_missing = int(left[2, column, threshold] > total[2, column, 0] / 2)
    return TreeSplit(gain=float(gains.flat[best]), column=column, threshold=threshold, missing_left=bool(with_missing))


def _leaf_score(sums: Numbers, penalty: float) -> Numbers:
    """G² / (H + λ), for sums (…, 3, D, S) or (3, D, S)."""
    gradients, hessians = sums[..., 0, :, :], sums[..., 1, :, :]
    worth: Numbers = gradients**2 / np.maximum(hessians + penalty, 1e-12)
    return worth


def _target_columns(targets: NDArray[np.generic], num_classes: int | None) -> Numbers:
    """(N, K): the numbers; or whether each is of the second class; or of each class."""
    if num_classes is None:
        return targets.astype(np.float64)[:, None]
    if num_classes < 2:
        raise ValueError(f"num_classes is {num_classes}; expected 2 or more")
    whole = targets.astype(np.int64)
    if not 0 <= whole.min() <= whole.max() < num_classes:
        raise ValueError(f"targets hold {whole.min()}..{whole.max()}; expected 0..{num_classes - 1}")
    one_hot: Numbers = np.eye(num_classes)[whole]
    return one_hot[:, 1:] if num_classes == 2 else one_hot


def _start(target_columns: Numbers, num_classes: int | None) -> Numbers:
    mean: Numbers = target_columns.mean(axis=0)
    if num_classes is None:
        return mean
    share = np.clip(mean, 1e-12, 1 - 1e-12)
    start: Numbers = np.log(share / (1 - share)) if num_classes == 2 else np.log(share)
    return start


def _derivatives(scores: Numbers, target_columns: Numbers, num_classes: int | None) -> tuple[Numbers, Numbers]:
    if num_classes is None:
        return scores - target_columns, np.ones_like(scores)
    shares = _probabilities(scores)[:, -scores.shape[1] :]
    return shares - target_columns, shares * (1 - shares)


def _probabilities(scores: Numbers) -> Numbers:
    """(N, 1) or (N, K) scores → (N, 2) or (N, K) probabilities."""
    both = np.concatenate([np.zeros_like(scores), scores], axis=1) if scores.shape[1] == 1 else scores
    weights = np.exp(both - both.max(axis=1, keepdims=True))
    shares: Numbers = weights / weights.sum(axis=1, keepdims=True)
    return shares
