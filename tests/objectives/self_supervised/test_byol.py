"""BYOL's loss against lightly's; the target moves, and only by the moving average."""

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from capas.networks.representation.heads import byol_predictor, byol_projector
from capas.objectives.base import ActsAfterPhase
from capas.objectives.self_supervised.byol import BYOL, regression_loss
from tests.harness import FIXTURES
from tests.objectives.self_supervised.toys import (
    FEATURES,
    Views,
    check_contract,
    context,
    encoder,
    falls,
    learn,
    shapes,
    two_views,
)


def make(base_momentum: float = 0.99) -> BYOL:
    projector, predictor = byol_projector(FEATURES, output_dim=4), byol_predictor(FEATURES, output_dim=4)
    return BYOL(encoder(), projector, predictor, base_momentum=base_momentum)


def test_it_keeps_the_contract() -> None:
    check_contract(make(), make, two_views())
    assert isinstance(make(), ActsAfterPhase)


def test_the_loss_equals_lightlys() -> None:
    recorded = load_file(FIXTURES / "representation" / "embedding_losses.safetensors")
    first, second = (recorded[name].requires_grad_() for name in ("first", "second"))
    loss = regression_loss(first, second)
    loss.backward()
    # lightly leaves out the constant and the factor of eq. 2.
    torch.testing.assert_close(loss, 2 + 2 * recorded["negative_cosine.lightly.loss"], rtol=0, atol=1e-10)
    torch.testing.assert_close(first.grad, 2 * recorded["negative_cosine.lightly.first"], rtol=0, atol=1e-10)
    torch.testing.assert_close(second.grad, 2 * recorded["negative_cosine.lightly.second"], rtol=0, atol=1e-10)


def test_the_loss_adds_up_both_directions() -> None:
    """Each view's prediction is held against the target of the other view."""
    objective, views = make(), Views(first=shapes(8), second=-shapes(8).square())
    for network in objective.networks.values():
        network.eval()  # batch normalisation apart, the two views can be looked at one by one

    def online(images: torch.Tensor) -> torch.Tensor:
        return objective.networks["predictor"](objective.networks["projector"](objective.networks["encoder"](images)))

    def target(images: torch.Tensor) -> torch.Tensor:
        return objective.networks["target_projector"](objective.networks["target_encoder"](images))

    expected = regression_loss(online(views.first), target(views.second)) + regression_loss(
        online(views.second), target(views.first)
    )
    loss = objective.losses(views, objective.phases[0], context())["loss"]
    torch.testing.assert_close(loss, expected)


def weights(network: nn.Module) -> torch.Tensor:
    return nn.utils.parameters_to_vector(network.parameters()).detach().clone()


def test_the_target_moves_without_gradients() -> None:
    objective = make(0.9)
    before, (phase,) = weights(objective.networks["target_encoder"]), objective.phases
    assert torch.equal(before, weights(objective.networks["encoder"])), "it begins as a copy"
    objective.losses(two_views(), phase, context())["loss"].backward()
    for name in ("target_encoder", "target_projector"):
        assert name not in phase.networks
        assert all(p.grad is None and p.requires_grad for p in objective.networks[name].parameters())
    with torch.no_grad():
        for parameter in objective.networks["encoder"].parameters():
            parameter.add_(1.0)
        objective.after(phase, context(progress=0.5))  # τ = 0.95
        torch.testing.assert_close(weights(objective.networks["target_encoder"]), before + 0.05, rtol=0, atol=1e-5)
        objective.after(phase, context(progress=1.0))  # τ = 1: it stands still
        torch.testing.assert_close(weights(objective.networks["target_encoder"]), before + 0.05, rtol=0, atol=1e-5)


def test_the_target_is_part_of_what_is_saved() -> None:
    """A run that goes on has the target that it had: everything that moves is in the networks."""
    first, second = make(), make()
    learn(first, two_views(), steps=3)
    for name, network in first.networks.items():
        second.networks[name].load_state_dict(network.state_dict())
    assert not torch.equal(weights(first.networks["target_encoder"]), weights(first.networks["encoder"]))
    assert learn(first, two_views(), steps=3) == learn(second, two_views(), steps=3)


def test_it_learns() -> None:
    assert falls(learn(make(0.9), two_views()), 0.7)


def test_a_momentum_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match="base_momentum"):
        make(1.1)
