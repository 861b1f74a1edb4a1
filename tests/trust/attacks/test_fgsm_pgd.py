"""One step and many steps are foolbox's; no attack leaves its limits or gives more than the accuracy without it."""

from functools import partial

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from capas.trust.attacks.classification_losses import cross_entropy, margin
from capas.trust.attacks.fgsm_pgd import fgsm, input_gradient, pgd, random_noise
from capas.trust.attacks.robust_accuracy import accuracy_under_attack, correct_on_clean
from tests.harness import FIXTURES

RECORDED = load_file(FIXTURES / "attacks" / "attacks.safetensors")
X, Y = RECORDED["x"], RECORDED["y"]


def tiny() -> nn.Module:
    network = nn.Sequential(nn.Flatten(), nn.Linear(72, 8), nn.Tanh(), nn.Linear(8, 5))
    network.load_state_dict({name: RECORDED[name] for name in network.state_dict()})
    return network.eval().requires_grad_(False)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def answers(n: int = 40) -> tuple[Tensor, Tensor]:
    """Inputs and what the tiny network says of them, a quarter of it made wrong."""
    x = torch.rand(n, 2, 6, 6, generator=generator(9))
    y = tiny()(x).argmax(1)
    return x, torch.where(torch.arange(n) % 4 == 0, (y + 1) % 5, y)


def test_they_are_foolboxs() -> None:
    assert torch.allclose(fgsm(tiny(), X, Y, 0.1), RECORDED["fgsm"], atol=1e-6, rtol=0)
    assert torch.allclose(pgd(tiny(), X, Y, 0.1, step_size=0.01 / 3), RECORDED["pgd"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("eps", [0.0, 0.05, 0.4])
def test_no_attack_leaves_its_limits(eps: float) -> None:
    for changed in (
        fgsm(tiny(), X, Y, eps),
        pgd(tiny(), X, Y, eps, steps=5, step_size=0.3, generator=generator(), restarts=2),
        random_noise(X, eps, generator()),
    ):
        assert float(changed.min()) >= 0 and float(changed.max()) <= 1
        assert float((changed - X).abs().max()) <= eps + 1e-6


def test_no_change_is_the_accuracy_without_attack_exactly() -> None:
    x, y = answers()
    clean = correct_on_clean(tiny(), x, y)
    assert int(clean.sum()) == 30
    for attack in (
        partial(fgsm, tiny(), eps=0.0),
        partial(pgd, tiny(), eps=0.0, generator=generator()),
        partial(lambda x, y, eps: random_noise(x, eps, generator()), eps=0.0),
    ):
        outcome = accuracy_under_attack(tiny(), x, y, attack)
        assert outcome.accuracy.value == 0.75
        assert torch.equal(outcome.correct_after, clean) and torch.equal(outcome.adversarial, x)


def test_what_is_wrong_before_stays_wrong_and_unchanged() -> None:
    x, y = answers()
    outcome = accuracy_under_attack(tiny(), x, y, lambda some, wanted: 1 - some, batch=7)
    wrong = ~outcome.correct_before
    assert torch.equal(outcome.adversarial[wrong], x[wrong]) and not outcome.correct_after[wrong].any()
    assert outcome.accuracy.n == 40
    assert outcome.accuracy.value == pytest.approx(float(outcome.correct_after.float().mean()))


def test_more_is_worse() -> None:
    x, y = answers()
    found = [
        accuracy_under_attack(tiny(), x, y, partial(pgd, tiny(), eps=eps)).accuracy.value for eps in (0, 0.02, 0.05, 1)
    ]
    assert found == sorted(found, reverse=True) and found[0] > found[2] and found[3] == 0


@pytest.mark.parametrize("steps", [4, 10, 20])
def test_few_steps_reach_the_border_too(steps: int) -> None:
    def rising(x: Tensor) -> Tensor:
        return torch.stack([x.flatten(1).sum(1), -x.flatten(1).sum(1)], 1)

    grey = torch.full((2, 1, 3, 3), 0.5)
    moved = pgd(rising, grey, torch.tensor([1, 1]), 0.1, steps=steps) - grey
    torch.testing.assert_close(moved, torch.full_like(moved, 0.1))


def test_restarts_keep_the_worst_of_each_example() -> None:
    x, y = answers()
    eps, one = 0.03, generator()
    singly = [pgd(tiny(), x, y, eps, steps=3, generator=one) for _ in range(3)]
    kept = pgd(tiny(), x, y, eps, steps=3, generator=generator(), restarts=3)
    right = torch.stack([correct_on_clean(tiny(), some, y) for some in singly])
    assert torch.equal(correct_on_clean(tiny(), kept, y), right.all(0))
    losses = torch.stack([cross_entropy(tiny()(some), y) for some in singly])
    always = right.all(0)
    torch.testing.assert_close(cross_entropy(tiny()(kept), y)[always], losses.max(0).values[always])


def test_each_example_is_attacked_by_itself() -> None:
    together = pgd(tiny(), X, Y, 0.1, steps=7)
    singly = torch.cat([pgd(tiny(), X[i : i + 1], Y[i : i + 1], 0.1, steps=7) for i in range(4)])
    torch.testing.assert_close(together, singly)


def test_targets_may_be_numbers() -> None:
    def distance(found: Tensor, wanted: Tensor) -> Tensor:
        return (found - wanted).square().sum(1)

    wanted = tiny()(X) + 0.01
    changed = pgd(tiny(), X, wanted, 0.1, steps=5, loss=distance)
    assert (distance(tiny()(changed), wanted) > 10 * distance(tiny()(X), wanted)).all()


def test_the_margin_is_above_zero_where_the_answer_is_wrong() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0], [1.0, 3.0, 2.0]])
    assert margin(logits, torch.tensor([1, 0])).tolist() == [-1, 2]

    # Where the softmax is saturated only the margin has a gradient.
    def sure(x: Tensor) -> Tensor:
        return 500 * tiny()(x)

    y = tiny()(X).argmax(1)
    assert (input_gradient(sure, X, y, margin).flatten(1).abs().amax(1) > 1).all()
    assert (input_gradient(sure, X, y, cross_entropy).flatten(1).abs().amax(1) < 1e-6).any()


def test_noise_goes_as_far_as_an_attack_may() -> None:
    grey = torch.full((1, 1, 50, 50), 0.5)
    moved = random_noise(grey, 0.1, generator()) - grey
    torch.testing.assert_close(moved.abs(), torch.full_like(moved, 0.1))
    assert abs(float(moved.mean())) < 0.01


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 0"):
        fgsm(tiny(), X * 255, Y, 0.1)
    with pytest.raises(ValueError, match="eps"):
        pgd(tiny(), X, Y, -0.1)
    with pytest.raises(ValueError, match="restarts"):
        pgd(tiny(), X, Y, 0.1, restarts=2)
