"""Linear models of sparse features such as tf-idf: support vector machines for classes and tags, ridge for numbers.

Joachims, "Text Categorization with Support Vector Machines", ECML 1998; fitted by liblinear (Fan, Chang, Hsieh, Wang &
Lin, JMLR 2008), one class against all others. The penalty is chosen by cross-validation: the strongest whose loss is
within a standard error of the least (Breiman, Friedman, Olshen & Stone, "Classification and Regression Trees", 1984,
3.4.3). Margins become logits times one factor, the best on the left-out examples (Platt, 1999, with the slope alone).

Shapes: N examples, F features, O classes, tags or numbers.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from capas.core.spec import OutputKind
from capas.decoding.output_activation import activate_outputs

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

STRENGTHS: Final = (0.1, 0.3, 1.0, 3.0, 10.0)  # inverse strengths of the penalty, as scikit-learn's C
RIDGE_PENALTIES: Final = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
FOLDS: Final = 3
MAX_CHOOSING: Final = 3000  # examples that the penalty is chosen on
MAX_TAGS_TRIED: Final = 8
SEED: Final = 0
_IMPOSSIBLE: Final = -10.0  # margin of a class or tag without examples
_SLOPES: Final = tuple(float(slope) for slope in np.geomspace(0.5, 20, 25))


@dataclass(frozen=True, kw_only=True, slots=True)
class SparseLinearModel:
    """A fitted linear model.

    Attributes:
        kind: What it predicts.
        weight: float32 (F, O).
        bias: float32 (O,).
        penalty: The penalty that was chosen.
    """

    kind: OutputKind
    weight: Tensor
    bias: Tensor
    penalty: float

    def outputs(self, features: "csr_matrix") -> Tensor:
        """Return logits or numbers (N, O), float32."""
        return torch.from_numpy(np.asarray(features @ self.weight.numpy(), dtype=np.float32)) + self.bias

    def predict(self, features: "csr_matrix") -> Tensor:
        """Return probabilities or numbers (N, O)."""
        return activate_outputs(self.outputs(features), self.kind)


def fit_sparse_linear(features: "csr_matrix", targets: Tensor, kind: OutputKind, num_outputs: int) -> SparseLinearModel:
    """Fit a linear model.

    Args:
        features: Sparse rows (N, F) of about length 1.
        targets: Class indices (N,); tags (N, O); or numbers (N, O).
        kind: What is predicted.
        num_outputs: O; a class without examples gets a probability near 0.
    """
    y = targets.numpy()
    fit = _fit_ridge if kind == "numbers" else _fit_machines
    order = np.random.default_rng(SEED).permutation(len(y))[:MAX_CHOOSING]
    x_chosen, y_chosen, fold = features[order], y[order], np.arange(len(order)) % FOLDS
    judged = targets[torch.from_numpy(order)]
    tried = num_outputs
    if kind == "tags" and num_outputs > MAX_TAGS_TRIED:
        # The commonest tags choose for all: a machine for each of ninety tags, fold and strength takes many minutes.
        commonest = torch.argsort(judged.sum(0), descending=True, stable=True)[:MAX_TAGS_TRIED]
        y_chosen, judged, tried = y_chosen[:, commonest.numpy()], judged[:, commonest], MAX_TAGS_TRIED
    choices: list[tuple[Tensor, float, float]] = []  # (losses of the left-out examples, penalty, slope)
    for penalty in RIDGE_PENALTIES[::-1] if kind == "numbers" else STRENGTHS:  # the strongest first
        left_out = torch.zeros(len(order), tried)
        for one in range(FOLDS):
            weight, bias = fit(x_chosen[fold != one], y_chosen[fold != one], tried, penalty)
            left_out[fold == one] = torch.from_numpy((x_chosen[fold == one] @ weight + bias).astype(np.float32))
        losses, slope = _best_slope(left_out, judged, kind)
        choices.append((losses, penalty, slope))
    _, penalty, slope = _strongest_of_the_best(choices)
    weight, bias = fit(features, y, num_outputs, penalty)
    return SparseLinearModel(
        kind=kind, weight=torch.from_numpy((weight * slope).astype(np.float32)), penalty=penalty,
        bias=torch.from_numpy((bias * slope).astype(np.float32)),
    )  # fmt: skip


def _strongest_of_the_best(choices: Sequence[tuple[Tensor, float, float]]) -> tuple[Tensor, float, float]:
    """The first of the choices, the strongest penalty first, whose mean loss is within a standard error of the least:
    the examples that choose are fewer than those that are learnt from, and want a weaker penalty than these do."""
    least = min((losses for losses, _, _ in choices), key=lambda losses: float(losses.mean()))
    bearable = float(least.mean()) + (float(least.std()) / len(least) ** 0.5 if len(least) > 1 else 0.0)
    return next(choice for choice in choices if float(choice[0].mean()) <= bearable)


def _best_slope(margins: Tensor, targets: Tensor, kind: OutputKind) -> tuple[Tensor, float]:
    """Return the losses (N,) of the left-out examples, and the slope that makes them least; of numbers their squared
    errors."""
    if kind == "numbers":
        return (margins - targets).square().mean(1), 1.0

    def losses(slope: float) -> Tensor:
        if kind == "class":
            return F.cross_entropy(slope * margins, targets, reduction="none")
        return F.binary_cross_entropy_with_logits(slope * margins, targets.float(), reduction="none").mean(1)

    return min(((losses(slope), slope) for slope in _SLOPES), key=lambda found: float(found[0].mean()))


def _fit_machines(x: Any, y: NDArray[Any], num_outputs: int, strength: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """One support vector machine for each class or tag: weight (F, O) and bias (O,)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    weight, bias = np.zeros((x.shape[1], num_outputs)), np.full(num_outputs, _IMPOSSIBLE)
    with warnings.catch_warnings():
        # One that has not quite converged serves as well; a warning here would be told to the user.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for output in range(num_outputs):
            member = y == output if y.ndim == 1 else y[:, output].astype(bool)
            if member.any() and not member.all():
                model = LinearSVC(C=strength, random_state=SEED).fit(x, member)
                weight[:, output], bias[output] = model.coef_[0], model.intercept_[0]
            elif member.all():
                bias[output] = -_IMPOSSIBLE
    return weight, bias


def _fit_ridge(x: Any, y: NDArray[Any], num_outputs: int, penalty: float) -> tuple[NDArray[Any], NDArray[Any]]:
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=penalty, solver="sparse_cg", random_state=SEED).fit(x, y.reshape(len(y), num_outputs))
    return model.coef_.reshape(num_outputs, -1).T, model.intercept_.reshape(num_outputs)
