"""The members of the ensemble stay within their limits, and together do no worse than one."""

from functools import partial

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from capas.trust.attacks.autoattack import apgd, autoattack, targeted_logit_ratio
from capas.trust.attacks.classification_losses import cross_entropy
from capas.trust.attacks.fgsm_pgd import pgd
from capas.trust.attacks.robust_accuracy import accuracy_under_attack, correct_on_clean
from capas.trust.attacks.square_attack import square_attack
from tests.harness import FIXTURES

RECORDED = load_file(FIXTURES / "attacks" / "attacks.safetensors")


def tiny() -> nn.Module:
    network = nn.Sequential(nn.Flatten(), nn.Linear(72, 8), nn.Tanh(), nn.Linear(8, 5))
    network.load_state_dict({name: RECORDED[name] for name in network.state_dict()})
    return network.eval().requires_grad_(False)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


X = torch.rand(40, 2, 6, 6, generator=torch.Generator().manual_seed(9))
Y = tiny()(X).argmax(1)


def test_the_targeted_ratio_is_that_of_autoattack() -> None:
    y = RECORDED["y"]
    pair = torch.stack([y, (y + 1) % 5], dim=1)
    torch.testing.assert_close(targeted_logit_ratio(RECORDED["logits"], pair), RECORDED["ratio"])


def test_below_four_classes_it_is_the_plain_difference() -> None:
    assert targeted_logit_ratio(torch.tensor([[1.0, 4.0]]), torch.tensor([[1, 0]])).tolist() == [-3]


@pytest.mark.parametrize("eps", [0.0, 0.05, 0.4])
def test_no_attack_leaves_its_limits(eps: float) -> None:
    for changed in (
        autoattack(tiny(), X, Y, eps, generator(), steps=10, queries=20),
        apgd(tiny(), X, Y, eps, generator(), steps=10),
        square_attack(tiny(), X, Y, eps, generator(), queries=20),
    ):
        assert float(changed.min()) >= 0 and float(changed.max()) <= 1
        assert float((changed - X).abs().max()) <= eps + 1e-6


def test_adapting_the_step_finds_more_loss_than_a_fixed_one() -> None:
    def never(logits: Tensor, y: Tensor) -> Tensor:
        return torch.ones_like(y, dtype=torch.bool)

    eps = 0.02
    best = apgd(tiny(), X, Y, eps, generator(), steps=30, is_correct=never)
    crude = pgd(tiny(), X, Y, eps, steps=30, step_size=2 * eps)
    gained = cross_entropy(tiny()(best), Y) - cross_entropy(tiny()(crude), Y)
    assert float(gained.min()) > -1e-3 and float(gained.mean()) > 0


def test_the_step_shrinks_where_it_would_overshoot() -> None:
    def nearness(found: Tensor, wanted: Tensor) -> Tensor:
        return -(found - wanted).square().sum(1)

    x = torch.full((6, 5), 0.5)
    wanted = x + 0.2 * torch.rand(6, 5, generator=torch.Generator().manual_seed(7)) - 0.1
    found = apgd(
        lambda x: x, x, wanted, 0.1, generator(), steps=100, loss=nearness, is_correct=lambda a, b: a[:, 0] < 9
    )
    assert float((found - wanted).abs().max()) < 0.005


def test_it_is_no_weaker_than_its_members() -> None:
    eps = 0.03
    after = {
        name: accuracy_under_attack(tiny(), X, Y, attack).accuracy.value
        for name, attack in {
            "pgd": partial(pgd, tiny(), eps=eps),
            "squares": partial(square_attack, tiny(), eps=eps, generator=generator()),
            "strong": partial(autoattack, tiny(), eps=eps, generator=generator()),
        }.items()
    }
    assert 0 < after["strong"] <= min(after["pgd"], after["squares"]) < 1


def test_squares_reach_every_medium() -> None:
    for shape in ((72,), (12, 6), (2, 6, 6)):
        changed = square_attack(lambda x: tiny()(x.flatten(1)), X.reshape(40, *shape), Y, 0.2, generator(), queries=60)
        assert changed.shape == (40, *shape)
        assert correct_on_clean(lambda x: tiny()(x.flatten(1)), changed, Y).float().mean() < 0.6


def test_a_step_without_gradient_is_left_to_the_squares() -> None:
    def hidden(x: Tensor) -> Tensor:
        # Rounding has no gradient: only its input's dependence is kept, times zero.
        return tiny()((x * 40).round() / 40) + 0 * x.flatten(1).sum(1, keepdim=True)

    eps = 0.1
    assert correct_on_clean(hidden, pgd(hidden, X, Y, eps), Y).all()
    assert (
        accuracy_under_attack(hidden, X, Y, partial(autoattack, hidden, eps=eps, generator=generator())).accuracy.value
        < 0.8
    )
