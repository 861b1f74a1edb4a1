"""How good embeddings are, without fine-tuning: their rank, their spread, and what can be read from them.

- Effective rank: Garrido, Balestriero, Najman & LeCun, "RankMe: Assessing the Downstream Performance of Pretrained
  Self-Supervised Representations by Their Rank", ICML 2023 (arXiv:2210.02885), eq. 1; here without its ε, in float64.
- Spread: Chen & He, "Exploring Simple Siamese Representation Learning", CVPR 2021 (arXiv:2011.10566), Section 4.1.
- Weighted nearest neighbours: Wu, Xiong, Yu & Lin, "Unsupervised Feature Learning via Non-Parametric Instance
  Discrimination", CVPR 2018 (arXiv:1805.01978), Section 3.4: neighbours vote with exp(cos/τ), τ = 0.07; here 20 of them
  (200 there, of 1.28 million).
- Retrieval: Hinton & Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", Science 2006, Fig. 4A:
  the share of the k nearest by cosine that are alike.
- Linear probe: Alain & Bengio 2016 (arXiv:1610.01644), by scikit-learn's logistic regression.

Shapes: N training and M test embeddings of D numbers.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from capas.metrics.rate import Rate, rate

CHUNK: Final = 1024  # test embeddings whose similarities are in memory at once
INVERSE_PENALTIES: Final = (0.001, 0.01, 0.1, 1.0, 10.0)
PROBE_STEPS: Final = 200  # of L-BFGS
# A network that tells nothing apart has a spread of 0, up to rounding and dust; one that tells one thing apart, a rank
# of 1. What is small can still be read: a spread of 0.01 was measured where a linear probe was right on 79 %.
COLLAPSED_SPREAD: Final = 0.001
COLLAPSED_RANK: Final = 1.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Collapse:
    """Whether embeddings still tell examples apart.

    Attributes:
        n: Number of embeddings.
        dimensions: D.
        effective_rank: That of the embeddings without their mean, which would hide the rest: of D dimensions, about so
            many are used.
        spread: Mean standard deviation of a dimension when embeddings have length 1, times √D: 1 where they point
            everywhere, 0 where all point the same way.
        constant_dimensions: How many dimensions are the same for all embeddings.
    """

    n: int
    dimensions: int
    effective_rank: float
    spread: float
    constant_dimensions: int

    @property
    def collapsed(self) -> bool:
        """Whether all embeddings point the same way, or differ in one direction only."""
        return self.spread < COLLAPSED_SPREAD or self.effective_rank < COLLAPSED_RANK

    def as_json(self) -> dict[str, object]:
        """Return the fields as ``--json`` prints them."""
        return {
            "n": self.n, "dimensions": self.dimensions, "effective_rank": round(self.effective_rank, 3),
            "spread": round(self.spread, 6), "constant_dimensions": self.constant_dimensions,
            "collapsed": self.collapsed,
        }  # fmt: skip


def effective_rank(embeddings: Float[Tensor, "N D"]) -> float:
    """Return exp of the entropy of the singular values, which are scaled to sum to 1: RankMe.

    Between 1 (all embeddings on one line through the origin) and min(N, D) (as much in every direction); 0 where all
    are zero. It is never larger than N: compare only what was measured on as many embeddings.

    >>> round(effective_rank(torch.eye(4)), 6)
    4.0
    """
    values = torch.linalg.svdvals(embeddings.double())
    total = values.sum()
    return float(torch.special.entr(values / total).sum().exp()) if total > 0 else 0.0


def dimension_deviations(embeddings: Float[Tensor, "N D"]) -> Float[Tensor, " D"]:
    """Return the standard deviation of each dimension over the embeddings, in their unit, ≥ 0."""
    return embeddings.double().std(0, correction=0)


def collapse(embeddings: Float[Tensor, "N D"]) -> Collapse:
    """Return how much of their space the embeddings use. Raises ValueError for fewer than two."""
    n, dimensions = embeddings.shape
    if n < 2:
        raise ValueError(f"{n} embeddings; expected 2 or more")
    deviations = dimension_deviations(embeddings)
    largest = embeddings.double().abs().amax(0)
    return Collapse(
        n=n,
        dimensions=dimensions,
        effective_rank=effective_rank(embeddings.double() - embeddings.double().mean(0)),
        spread=float(dimension_deviations(F.normalize(embeddings.double(), dim=1)).mean()) * dimensions**0.5,
        constant_dimensions=int((deviations <= 1e-6 * largest).sum()),
    )


def knn_predictions(
    train: Float[Tensor, "N D"],
    train_labels: Int[Tensor, " N"],
    test: Float[Tensor, "M D"],
    *,
    k: int = 20,
    temperature: float = 0.07,
) -> Int[Tensor, " M"]:
    """Return the class that the ``k`` nearest training embeddings vote for, by cosine.

    Args:
        train: Embeddings whose classes are known, at least one.
        train_labels: Their class indices.
        test: Embeddings to classify.
        k: Number of neighbours, ≥ 1; all of them where there are fewer.
        temperature: τ of the votes exp(cos/τ), > 0.
    """
    if not len(train):
        raise ValueError("no training embeddings; expected one or more")
    known, found = F.normalize(train.float(), dim=1), []
    k, classes = min(k, len(train)), int(train_labels.max()) + 1
    asked = F.normalize(test.float(), dim=1)
    for part in (asked[start : start + CHUNK] for start in range(0, len(asked), CHUNK)):
        similar, index = (part @ known.T).topk(k, dim=1)
        votes = torch.zeros(len(part), classes, device=part.device)
        # A cosine is at most 1: the largest vote is exp(0).
        votes.scatter_add_(1, train_labels[index], ((similar - 1) / temperature).exp())
        found.append(votes.argmax(1))
    return torch.cat(found) if found else train_labels[:0]


def knn_accuracy(
    train: Float[Tensor, "N D"],
    train_labels: Int[Tensor, " N"],
    test: Float[Tensor, "M D"],
    test_labels: Int[Tensor, " M"],
    *,
    k: int = 20,
    temperature: float = 0.07,
) -> Rate:
    """Return the share of the test embeddings whose class their nearest training embeddings name."""
    predicted = knn_predictions(train, train_labels, test, k=k, temperature=temperature)
    return rate(int((predicted == test_labels).sum()), len(test_labels))


def linear_probe_predictions(
    train: Float[Tensor, "N D"], train_labels: Int[Tensor, " N"], test: Float[Tensor, "M D"], *, seed: int = 0
) -> Int[Tensor, " M"]:
    """Return the classes that a logistic regression on the standardised embeddings gives.

    Its penalty is the one of ``INVERSE_PENALTIES`` that does best on a fifth of the training embeddings, drawn by
    ``seed``; the strongest of equals. Then it is fitted to all of them.
    """
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if bool((train_labels == train_labels[0]).all()):
        return train_labels[:1].expand(len(test))
    centre, deviation = train.double().mean(0), dimension_deviations(train)
    # A constant dimension stays zero, so that the probe gives it no weight.
    scale = torch.where(deviation > 1e-6 * centre.abs().clamp(min=1e-6), deviation, 1.0)
    x, asked = (((part.double() - centre) / scale).float().numpy() for part in (train, test))
    y = train_labels.numpy()
    order = np.random.default_rng(seed).permutation(len(y))
    held, kept = order[: len(y) // 5], order[len(y) // 5 :]

    def fitted(c: float, rows: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> LogisticRegression:
        return LogisticRegression(C=c, max_iter=PROBE_STEPS).fit(x[rows], y[rows])

    with warnings.catch_warnings():
        # A probe that has not quite converged is a probe still.
        warnings.simplefilter("ignore", ConvergenceWarning)
        best = 1.0
        if len(held) and len(np.unique(y[kept])) > 1:
            best = max(INVERSE_PENALTIES, key=lambda c: (fitted(c, kept).score(x[held], y[held]), -c))
        return torch.from_numpy(fitted(best, order).predict(asked))


def linear_probe_accuracy(
    train: Float[Tensor, "N D"],
    train_labels: Int[Tensor, " N"],
    test: Float[Tensor, "M D"],
    test_labels: Int[Tensor, " M"],
    *,
    seed: int = 0,
) -> Rate:
    """Return the share of the test embeddings that a logistic regression on the training embeddings gets right."""
    predicted = linear_probe_predictions(train, train_labels, test, seed=seed)
    return rate(int((predicted == test_labels).sum()), len(test_labels))


def precision_at(
    embeddings: Float[Tensor, "N D"], labels: Bool[Tensor, "N L"], nearest: Sequence[int]
) -> Float[Tensor, "N K"]:
    """Return of each example, asked with among all others, the share of the k nearest that have a label in common.

    Args:
        embeddings: Compared by cosine; one that is all zero is at 0 of every other.
        labels: Which labels each has, one or more.
        nearest: The k; more than there are others counts as all of them.
    """
    known = F.normalize(embeddings.float(), dim=1)
    most = min(max(nearest), len(known) - 1)
    places = torch.tensor([min(k, most) for k in nearest])
    shares = []
    for start in range(0, len(known), CHUNK):
        cosines = known[start : start + CHUNK] @ known.T
        rows = torch.arange(len(cosines))
        cosines[rows, start + rows] = -2.0  # itself
        alike = (labels[start : start + CHUNK].float() @ labels.float().T) > 0
        hits = alike.gather(1, cosines.topk(most, dim=1).indices).cumsum(1)
        shares.append(hits[:, places - 1] / places)
    return torch.cat(shares)
