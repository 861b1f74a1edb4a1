"""The denoiser of points: it can take the place of the U-Net, and points of a batch do not see each other."""

import pytest
import torch

from capas.networks.generative.point_denoiser import PointDenoiser, PointDenoiserConfig


def test_points_of_a_batch_do_not_see_each_other_and_time_and_class_count() -> None:
    network = PointDenoiser(PointDenoiserConfig(width=16, depth=2, num_classes=3))
    with torch.no_grad():
        for layer in network.layers:
            layer.second.weight.normal_()  # type: ignore[union-attr, operator]
    points, times, classes = torch.randn(4, 2), torch.tensor([0.0, 9.5, 500, 999]), torch.tensor([0, 1, 2, 3])
    together = network(points, times, classes)
    assert together.shape == points.shape
    singly = [network(points[i : i + 1], times[i : i + 1], classes[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(together, torch.cat(singly), rtol=0, atol=1e-5)
    assert float((network(points, times.flip(0), classes) - together).detach().abs().min()) > 1e-6
    assert torch.equal(network(points, times, network.null_condition(classes)), network(points, times))
    assert not torch.equal(network(points, times)[:3], together[:3])


def test_a_network_of_no_width_is_refused() -> None:
    with pytest.raises(ValueError, match="width is 0"):
        PointDenoiserConfig(width=0)
