"""The checks tell maps that explain a network from maps that do not, on networks where one knows."""

import pytest
import torch
from torch import Tensor, nn

from capas.trust.explanations.faithfulness import FaithfulnessCurve, advantage_over_brightness, deletion, insertion
from capas.trust.explanations.parameter_randomization import (
    parameter_randomization,
    spearman,
    with_randomized_parameters,
)
from capas.trust.explanations.saliency import brightness, gradient_times_input, integrated_gradients


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Class 1 if the upper left quarter of a 4×4 picture is bright; the rest does not matter.
QUARTER = torch.zeros(4, 4)
QUARTER[:2, :2] = 1


def quarter(x: Tensor) -> Tensor:
    bright = (x[:, 0] * QUARTER).sum(dim=(1, 2))
    return torch.stack([2 - bright, bright - 2], dim=1) * 5


X = torch.ones(3, 1, 4, 4)
CLASSES = torch.ones(3, dtype=torch.long)


def test_what_matters_first_falls_and_rises_fastest() -> None:
    good, bad = QUARTER.expand(3, 4, 4), 1 - QUARTER.expand(3, 4, 4)
    assert deletion(quarter, X, CLASSES, good).area < 0.2 < 0.8 < deletion(quarter, X, CLASSES, bad).area
    assert insertion(quarter, X, CLASSES, good).area > 0.8 > 0.2 > insertion(quarter, X, CLASSES, bad).area


def test_curves_begin_and_end_with_the_whole_inputs() -> None:
    places = torch.rand(3, 4, 4, generator=generator())
    whole, empty = quarter(X).softmax(1)[0, 1], quarter(X * 0 + 0.25).softmax(1)[0, 1]
    falling, rising = (way(quarter, X, CLASSES, places, fill=0.25, steps=4) for way in (deletion, insertion))
    assert falling.shares.tolist() == [0, 0.25, 0.5, 0.75, 1]
    for curve, first, last in ((falling, whole, empty), (rising, empty, whole)):
        torch.testing.assert_close(curve.mean[[0, -1]], torch.stack([first, last]))


def test_by_hand() -> None:
    """Of two values the second is taken away first: probabilities σ(1), σ(0), σ(0)."""
    x = torch.tensor([[0.0, 1.0]])
    curve = deletion(
        lambda some: torch.stack([some[:, 0] * 0, some[:, 1]], dim=1), x, torch.tensor([1]), x, steps=2, batch=1
    )
    torch.testing.assert_close(curve.mean, torch.tensor([1.0, 0.0, 0.0]).sigmoid())
    assert curve.area == pytest.approx((float(torch.tensor(1.0).sigmoid()) + 3 * 0.5) / 4)


def test_maps_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="maps"):
        deletion(quarter, X, CLASSES, torch.ones(3, 1, 4, 4))


def test_spearman_with_ties() -> None:
    a = torch.tensor([1.0, 2.0, 2.0, 3.0])
    # Ranks 1, 2.5, 2.5, 4 against 2, 1, 3, 4: covariance 3, variances 4.5 and 5.
    assert float(spearman(a, torch.tensor([5.0, 0.0, 7.0, 9.0]))) == pytest.approx(3 / (4.5 * 5) ** 0.5, abs=1e-6)
    assert float(spearman(a, a.exp())) == pytest.approx(1)
    assert float(spearman(a, -a)) == pytest.approx(-1)
    assert float(spearman(a, torch.ones(4))) == 0


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4)).eval()


def test_random_weights_keep_their_scale_and_leave_the_network_alone() -> None:
    trained = network()
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    other = with_randomized_parameters(trained, generator())
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())
    for (name, new), old in zip(other.named_parameters(), trained.parameters(), strict=True):
        new, old = new.detach(), old.detach()
        if new.ndim > 1:
            assert float(new.square().mean()) == pytest.approx(float(old.square().mean()), rel=0.3), name
            assert float(spearman(new.flatten(), old.flatten()).abs()) < 0.3
        else:
            assert torch.equal(new.sort().values, old.sort().values)


def test_a_map_of_the_picture_fails_and_one_of_the_network_passes() -> None:
    trained = network()
    randomised = [with_randomized_parameters(trained, generator(seed)) for seed in range(3)]
    # Black beside a stroke, as digits are.
    x = torch.rand(6, 1, 8, 8, generator=generator()) * (torch.arange(8) < 4)
    classes = torch.arange(6) % 4
    picture = parameter_randomization(lambda forward, some, wanted: brightness(some), trained, randomised, x, classes)
    assert picture.correlations.shape == (3, 6) and picture.mean == pytest.approx(1) and not picture.passed
    for method in (gradient_times_input, integrated_gradients):
        assert parameter_randomization(method, trained, randomised, x, classes, batch=4).passed
    # Without their signs they are the picture's: the trap.
    unsigned = parameter_randomization(
        lambda forward, some, wanted: gradient_times_input(forward, some, wanted).abs(), trained, randomised, x, classes
    )
    assert not unsigned.passed
    stroke = (x > 0)[:, 0]
    again = parameter_randomization(
        lambda forward, some, wanted: some[:, 0], trained, randomised, x, classes, mask=stroke
    )
    assert again.mean == pytest.approx(1)


def curve(areas: Tensor) -> FaithfulnessCurve:
    return FaithfulnessCurve(shares=torch.zeros(1), mean=torch.zeros(1), areas=areas)


def test_the_advantage_over_brightness_has_an_interval() -> None:
    noise = torch.randn(200, generator=generator()) * 0.1
    control = (curve(torch.full((200,), 0.2)), curve(torch.full((200,), 0.9)))
    for gain, reliable in ((0.1, True), (0.0, False), (-0.1, False)):
        method = (curve(0.2 - gain / 2 + noise), curve(torch.full((200,), 0.9 + gain / 2)))
        found = advantage_over_brightness(method, control, generator())
        assert found.value == pytest.approx(gain - float(noise.mean()), abs=1e-6) and found.n == 200
        assert found.interval[1] - found.interval[0] == pytest.approx(2 * 1.96 * 0.1 / 200**0.5, rel=0.2)
        assert found.interval[0] < found.value < found.interval[1]
        assert found.reliable is reliable
    with pytest.raises(ValueError, match="examples"):
        advantage_over_brightness(control, (curve(torch.ones(3)), curve(torch.ones(3))), generator())
