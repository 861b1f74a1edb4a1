"""The context network predicts ahead from what it has seen, and sees nothing else."""

import pytest
import torch

from capas.networks.representation.causal_context import CausalContext


def test_it_cannot_see_the_future() -> None:
    features = torch.randn(2, 6, 4, requires_grad=True)
    _, predicted = CausalContext(4, (2, 3))(features)
    assert set(predicted) == {2, 3}
    for at in range(6):
        for made in predicted.values():
            (gradient,) = torch.autograd.grad(made[:, at].square().sum(), features, retain_graph=True)
            reached = gradient.abs().sum((0, 2)) > 0
            assert reached.tolist() == [place <= at for place in range(6)]


def test_features_are_compared_at_one_length() -> None:
    features = torch.randn(2, 3, 4)
    scaled, _ = CausalContext(4, (1,))(features)
    torch.testing.assert_close(CausalContext(4, (1,))(100 * features)[0], scaled, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(scaled.square().mean(2), torch.ones(2, 3), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("distances", [(), (0, 1)])
def test_there_must_be_something_to_predict(distances: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="distance"):
        CausalContext(4, distances)
