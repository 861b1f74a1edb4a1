"""Integrated gradients are captum's and complete; the others are what can be worked out by hand."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.trust.explanations.image_explainers import grad_cam_map
from capas.trust.explanations.saliency import (
    brightness,
    grad_cam,
    gradient,
    gradient_times_input,
    integrated_gradients,
    occlusion,
    over_channels,
    random_map,
)
from capas.trust.subjects.image_inputs import UnitRangeImageModel, images_to_unit_range
from capas.trust.subjects.open_run import open_run
from capas.trust.subjects.single_output import ModelUnderTest
from tests.harness import FIXTURES

RECORDED = load_file(FIXTURES / "attacks" / "attacks.safetensors")
X, Y = RECORDED["x"], RECORDED["y"]


def tiny() -> nn.Module:
    network = nn.Sequential(nn.Flatten(), nn.Linear(72, 8), nn.Tanh(), nn.Linear(8, 5))
    network.load_state_dict({name: RECORDED[name] for name in network.state_dict()})
    return network.eval().requires_grad_(False)


WEIGHTS = torch.randn(3, 2 * 8 * 7, generator=torch.Generator().manual_seed(1))
PICTURES = torch.rand(4, 2, 8, 7, generator=torch.Generator().manual_seed(2))
CLASSES = torch.tensor([0, 2, 1, 2])
OWN = WEIGHTS[CLASSES].reshape(4, 2, 8, 7)


def plain(x: Tensor) -> Tensor:
    return x.flatten(1) @ WEIGHTS.T


def test_integrated_gradients_are_captums() -> None:
    from_black = integrated_gradients(tiny(), X, Y, steps=16)
    from_grey = integrated_gradients(tiny(), X, Y, steps=16, baseline=0.3)
    torch.testing.assert_close(from_black, RECORDED["integrated"].sum(1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(from_grey, RECORDED["integrated_from_grey"].sum(1), atol=1e-5, rtol=1e-5)


def test_integrated_gradients_sum_to_the_difference_of_the_logits() -> None:
    rows, baseline = torch.arange(4), torch.rand(1, 2, 6, 6)
    expected = tiny()(X)[rows, Y] - tiny()(baseline)[:, Y][0]
    found = integrated_gradients(tiny(), X, Y, baseline=baseline, steps=128).sum(dim=(1, 2))
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=2e-3)


def test_on_a_linear_network_they_are_its_weights() -> None:
    torch.testing.assert_close(gradient(plain, PICTURES, CLASSES), OWN.abs().amax(1))
    signed = (OWN * PICTURES).sum(1)
    torch.testing.assert_close(gradient_times_input(plain, PICTURES, CLASSES), signed)
    torch.testing.assert_close(integrated_gradients(plain, PICTURES, CLASSES, steps=1), signed)
    single = occlusion(plain, PICTURES, CLASSES, window=1, stride=1)
    torch.testing.assert_close(single, signed, atol=1e-4, rtol=1e-4)


def test_occlusion_averages_the_windows_over_each_place() -> None:
    part = (OWN * (PICTURES - 0.5)).sum(1)
    # Windows of 3 every 2: in each direction one to two of them cover a place, and the last ends at the border.
    sums = functional.avg_pool2d(part[:, None], 3, stride=1)[:, 0] * 9
    tops, lefts = [0, 2, 4, 5], [0, 2, 4]
    total, count = torch.zeros_like(part), torch.zeros_like(part)
    for top in tops:
        for left in lefts:
            total[:, top : top + 3, left : left + 3] += sums[:, top, left][:, None, None]
            count[:, top : top + 3, left : left + 3] += 1
    found = occlusion(plain, PICTURES, CLASSES, fill=0.5, window=3, stride=2, batch=5)
    torch.testing.assert_close(found, total / count, atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match="window"):
        occlusion(plain, PICTURES, CLASSES, window=9)


def test_grad_cam_points_at_what_the_class_is_made_of() -> None:
    # Two features, bright left and bright right; class 0 is the first, class 1 the second minus the first.
    features = torch.zeros(1, 2, 4, 4)
    features[0, 0, :, :2], features[0, 1, :, 2:] = 1, 1
    head = torch.tensor([[1.0, 0.0], [-1.0, 1.0]])

    def layer(x: Tensor) -> tuple[Tensor, Tensor]:
        found = features * x.mean(dim=(1, 2, 3), keepdim=True)
        return found, found.mean(dim=(2, 3)) @ head.T

    picture = torch.ones(2, 1, 8, 8)
    left, right = grad_cam(layer, picture, torch.tensor([0, 1]))
    assert (left[:, :3] > 0).all() and (left[:, 5:] == 0).all()
    assert (right[:, 5:] > 0).all() and (right[:, :3] == 0).all()


def test_other_media_keep_their_shape() -> None:
    for shape in ((112,), (14, 8)):
        x = PICTURES.reshape(4, *shape)
        for found in (gradient(plain, x, CLASSES), integrated_gradients(plain, x, CLASSES, steps=2), brightness(x)):
            assert found.shape == x.shape
        torch.testing.assert_close(gradient(plain, x, CLASSES), OWN.abs().reshape(x.shape))


def test_each_example_has_its_own_map() -> None:
    for method in (gradient, gradient_times_input, integrated_gradients, occlusion):
        together = method(tiny(), X, Y)
        singly = torch.cat([method(tiny(), X[i : i + 1], Y[i : i + 1]) for i in range(4)])
        torch.testing.assert_close(together, singly, atol=1e-5, rtol=1e-4)


def test_the_background_is_not_bright() -> None:
    ink = torch.ones(1, 3, 5, 5)
    ink[0, :, 2, 2] = 0.25
    found = brightness(ink)
    assert float(found[0, 2, 2]) == 0.75 and float(found.sum()) == 0.75
    assert torch.equal(brightness(1 - ink), found)


def test_controls() -> None:
    noise = random_map(PICTURES, torch.Generator().manual_seed(0))
    assert noise.shape == (4, 8, 7) and float(noise.min()) >= 0 and float(noise.max()) <= 1
    assert torch.equal(over_channels(PICTURES), PICTURES.sum(1))


def test_class_activation_of_a_model_is_that_of_its_last_map(bars_run: Path) -> None:
    """By hand: the mean gradient of each map weighs it; what speaks against the class is left out."""
    subject = ModelUnderTest(*open_run(str(bars_run)))
    assert isinstance(subject.reader, ImageReader)
    forward = UnitRangeImageModel(subject.reader)
    x, classes = images_to_unit_range(subject.test.prepared[:4]), subject.test.targets[:4]
    maps, outputs = forward.feature_map_and_logits(x.requires_grad_())
    assert min(maps.shape[2:]) >= 4 and torch.allclose(outputs, forward(x), atol=1e-4)
    (slope,) = torch.autograd.grad(outputs.gather(1, classes[:, None]).sum(), maps)
    coarse = (slope.mean((2, 3))[:, :, None, None] * maps).sum(1).relu()
    found = grad_cam_map(forward, x.detach(), classes)
    assert found.shape == (4, *x.shape[2:])
    whole = torch.nn.functional.interpolate(coarse[:, None], size=x.shape[2:], mode="bilinear", align_corners=False)
    assert torch.allclose(found, whole[:, 0], atol=1e-5) and float(found.max()) > 0
