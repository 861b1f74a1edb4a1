"""Each way of fooling oneself is found, and an honest network passes."""

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from capas.trust.attacks.classification_losses import cross_entropy, margin
from capas.trust.attacks.sanity_checks import AttackSanityCheck, SanityCheckFailure, run_sanity_checks
from capas.trust.subjects.model_functions import ForwardFunction
from tests.harness import FIXTURES

RECORDED = load_file(FIXTURES / "attacks" / "attacks.safetensors")


def tiny() -> nn.Module:
    network = nn.Sequential(nn.Flatten(), nn.Linear(72, 8), nn.Tanh(), nn.Linear(8, 5))
    network.load_state_dict({name: RECORDED[name] for name in network.state_dict()})
    return network.eval().requires_grad_(False)


X = torch.rand(30, 2, 6, 6, generator=torch.Generator().manual_seed(9))
Y = tiny()(X).argmax(1)


def check(forward: ForwardFunction, x: Tensor = X) -> AttackSanityCheck:
    return run_sanity_checks(forward, x, Y, 0.05, torch.Generator().manual_seed(0), queries=100)


def test_an_honest_network_passes() -> None:
    found = check(tiny())
    assert found.failures == () and found.loss is cross_entropy
    assert found.clean == 1 and found.unlimited == 0
    assert found.many_steps <= found.one_step < found.noise


@pytest.mark.parametrize("wrong", [X * 255, X - 0.5])
def test_another_range(wrong: Tensor) -> None:
    assert check(tiny(), wrong).failures == (SanityCheckFailure.OUTSIDE_RANGE,)


def test_answers_that_are_no_numbers() -> None:
    assert check(lambda x: tiny()(x) / 0 * 0).failures == (SanityCheckFailure.NOT_FINITE,)
    assert check(tiny(), X / torch.zeros(())).failures == (SanityCheckFailure.NOT_FINITE,)


def test_training_mode() -> None:
    dropping = nn.Sequential(nn.Dropout(0.3), tiny()).train()
    assert check(dropping).failures == (SanityCheckFailure.NOT_REPEATABLE,)
    normalising = nn.Sequential(nn.BatchNorm2d(2), tiny()).train().requires_grad_(False)
    assert check(normalising).failures == (SanityCheckFailure.DEPENDS_ON_BATCH,)
    assert check(normalising.eval()).failures == ()


def test_a_saturated_softmax_asks_for_the_margin() -> None:
    found = check(lambda x: 3000 * tiny()(x))
    assert found.failures == (SanityCheckFailure.SATURATED,) and found.loss is margin
    assert found.many_steps == pytest.approx(check(tiny()).many_steps, abs=0.15)


def test_masked_gradients() -> None:
    found = check(lambda x: tiny()((x * 40).round() / 40) + 0 * x.flatten(1).sum(1, keepdim=True))
    assert {
        SanityCheckFailure.VANISHING,
        SanityCheckFailure.WEAKER_THAN_SQUARES,
        SanityCheckFailure.NOT_REACHING_ZERO,
    } <= set(found.failures)


def test_gradients_that_point_the_wrong_way() -> None:
    def turned(x: Tensor) -> Tensor:
        # The value of the network, with its gradient reversed.
        honest = tiny()(x)
        return 2 * honest.detach() - honest

    failures = set(check(turned).failures)
    assert {
        SanityCheckFailure.WEAKER_THAN_NOISE,
        SanityCheckFailure.WEAKER_THAN_SQUARES,
        SanityCheckFailure.NOT_REACHING_ZERO,
    } <= failures
