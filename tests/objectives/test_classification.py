"""The loss of a classifier against the definition and against torch with soft targets."""

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from capas.data.image.augment import MixupPairing
from capas.objectives.base import Objective, Phase
from capas.objectives.classification import (
    AUXILIARY_WEIGHT,
    Classification,
    ClassificationBatch,
    balanced_class_weights,
)
from tests.harness import step_context

K = 4
PHASE = Phase(name="correct", loss="loss", networks=("network",))


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    inputs: Tensor
    targets: Tensor
    mix: MixupPairing | None = None


class ThreeOutputs(nn.Module):
    """As GoogLeNet: a tuple while training, the first alone otherwise."""

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        return (images, 2 * images, -images) if self.training else images


def logits() -> Tensor:
    return torch.randn(6, K, generator=torch.Generator().manual_seed(1), requires_grad=True)


LABELS = torch.tensor([0, 3, 1, 1, 2, 0])


def loss_of(objective: Classification, batch: Batch) -> Tensor:
    return objective.losses(batch, PHASE, step_context())["loss"]


def test_it_is_an_objective_for_batches_with_labels() -> None:
    objective = Classification(nn.Identity())
    assert isinstance(objective, Objective) and isinstance(Batch(inputs=logits(), targets=LABELS), ClassificationBatch)
    (phase,) = objective.phases
    assert phase == PHASE and set(objective.networks) == set(phase.networks)


def test_the_plain_loss_is_the_mean_surprise() -> None:
    x = logits()
    expected = -(x.softmax(1)[torch.arange(6), LABELS]).log().mean()
    torch.testing.assert_close(loss_of(Classification(nn.Identity()), Batch(inputs=x, targets=LABELS)), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("mixed", [False, True])
def test_smoothing_weights_and_mixing_equal_soft_targets(smoothing: float, weighted: bool, mixed: bool) -> None:
    """Targets (1 − ε)·onehot + ε/K, mixed in pairs, and each class's share of the surprise times its weight."""
    x = logits()
    weights = torch.tensor([0.5, 1.0, 2.0, 0.7]) if weighted else torch.ones(K)
    mix = MixupPairing(partner=torch.tensor([3, 0, 4, 1, 2, 5]), weight=torch.rand(6)) if mixed else None
    targets = F.one_hot(LABELS, K) * (1 - smoothing) + smoothing / K
    if mix is not None:
        targets = mix.weight[:, None] * targets + (1 - mix.weight[:, None]) * targets[mix.partner]
    expected = -(targets * weights * x.log_softmax(1)).sum(1).mean()
    objective = Classification(nn.Identity(), label_smoothing=smoothing, class_weights=weights if weighted else None)
    found = loss_of(objective, Batch(inputs=x, targets=LABELS, mix=mix))
    torch.testing.assert_close(found, expected)
    (ours,) = torch.autograd.grad(found, x)
    (theirs,) = torch.autograd.grad(expected, x)
    torch.testing.assert_close(ours, theirs)


def test_auxiliary_outputs_weigh_less_and_only_while_training() -> None:
    x, network = logits(), ThreeOutputs()
    objective, batch = Classification(network), Batch(inputs=x, targets=LABELS)
    main, second, third = (F.cross_entropy(factor * x, LABELS) for factor in (1, 2, -1))
    torch.testing.assert_close(loss_of(objective, batch), main + AUXILIARY_WEIGHT * (second + third))
    network.eval()
    torch.testing.assert_close(loss_of(objective, batch), main)


def test_bfloat16_logits_are_judged_in_float32() -> None:
    found = loss_of(Classification(nn.Identity()), Batch(inputs=logits().bfloat16(), targets=LABELS))
    assert found.dtype == torch.float32


def test_smoothing_has_its_bounds() -> None:
    for value in (-0.1, 1.0):
        with pytest.raises(ValueError, match="label_smoothing"):
            Classification(nn.Identity(), label_smoothing=value)


def test_balanced_weights_make_every_class_weigh_the_same() -> None:
    labels = torch.tensor([0] * 6 + [1] * 3 + [3])
    weights = balanced_class_weights(labels, K)
    totals = torch.bincount(labels, minlength=K) * weights
    torch.testing.assert_close(totals, torch.tensor([2.5, 2.5, 0.0, 2.5]))
    torch.testing.assert_close(weights[labels].mean(), torch.tensor(0.75))  # 3 of the 4 classes are there
    even = torch.tensor([0, 1, 2, 3, 3, 2, 1, 0])
    assert torch.equal(balanced_class_weights(even, K), torch.ones(K))
