"""CPC: windows in their order, the loss of its definition, no look ahead, and it learns from images and sounds."""

import math

import pytest
import torch
from torch import Tensor, nn

from capas.networks.representation.causal_context import CausalContext
from capas.objectives.self_supervised import cpc
from capas.objectives.self_supervised.cpc import CPC, DISTANCES, Layout, info_nce, window_sequences
from tests.objectives.self_supervised.toys import (
    FEATURES,
    Images,
    check_contract,
    context,
    encoder,
    falls,
    learn,
    loss_of,
    shapes,
)


def make(layout: Layout = "image") -> CPC:
    return CPC(encoder(), CausalContext(FEATURES, DISTANCES), layout=layout)


def batch(layout: Layout) -> Images:
    return Images(inputs=shapes(4, size=24) if layout == "image" else shapes(4, size=32)[:, :, :10])


@pytest.mark.parametrize("layout", ["image", "audio"])
def test_it_keeps_the_contract(layout: Layout) -> None:
    check_contract(make(layout), lambda: make(layout), batch(layout))


def test_images_are_read_down_their_columns() -> None:
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(32.0), indexing="ij")
    windows = window_sequences(torch.stack([rows, columns])[None], "image")
    assert windows.shape == (7, 9, 2, 8, 8)  # a sequence for each of 7 columns, 9 places down
    assert windows[3, 5, :, 0, 0].tolist() == [5 * 4, 3 * 4]
    assert torch.equal(windows[3, 5, 0, :, 0], torch.arange(20.0, 28.0))


def test_sounds_are_read_along_time() -> None:
    spectrograms = torch.arange(100.0).expand(2, 1, 10, 100)
    windows = window_sequences(spectrograms, "audio")
    assert windows.shape == (2, 15, 1, 10, 12)
    assert torch.equal(windows[1, 4, 0, 3], torch.arange(24.0, 36.0))


@pytest.mark.parametrize("layout", ["image", "audio"])
def test_what_is_too_short_is_refused(layout: Layout) -> None:
    with pytest.raises(ValueError, match="16 or more"):
        window_sequences(torch.zeros(1, 1, 30, 15), layout)


def test_the_loss_is_info_nce() -> None:
    generator = torch.Generator().manual_seed(0)
    predicted, targets = (torch.randn(5, 4, generator=generator).double() for _ in range(2))
    shares = [
        math.exp(float(p @ z) / 2) / sum(math.exp(float(p @ other) / 2) for other in targets)
        for p, z in zip(predicted, targets, strict=True)
    ]
    assert info_nce(predicted, targets).item() == pytest.approx(-sum(map(math.log, shares)) / 5)
    assert info_nce(torch.zeros(7, 3), torch.ones(7, 3)).item() == pytest.approx(math.log(7))


def test_predictions_meet_what_lies_so_far_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The context network hands on each place's number, and predicts the number of the place asked for."""

    class Numbers(nn.Module):
        def forward(self, features: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
            places = torch.arange(features.shape[1], dtype=torch.float32)[:, None].expand(len(features), -1, 1)
            return places, {k: places + k for k in DISTANCES}

    met = []
    monkeypatch.setattr(cpc, "info_nce", lambda predicted, targets: met.append((predicted, targets)) or targets.sum())
    objective = CPC(encoder(), Numbers())
    objective.losses(batch("image"), objective.phases[0], context())
    assert all(torch.equal(predicted, targets) and len(targets) for predicted, targets in met)
    assert [len(targets) for _, targets in met] == [4 * 5 * 3, 4 * 5 * 2, 4 * 5 * 1]  # five rows and columns
    met.clear()
    objective.losses(Images(inputs=shapes(4, size=16)), objective.phases[0], context())
    assert [len(targets) for _, targets in met] == [4 * 3]  # of three rows, longer distances have no place


def test_the_context_does_not_see_later_windows() -> None:
    """By pixels: what the second place predicts depends on the first two windows alone."""
    objective = make()
    network = objective.networks["encoder"].eval()
    images = shapes(2, size=24).requires_grad_()
    windows = window_sequences(images, "image")
    features = network(windows.flatten(0, 1)).unflatten(0, windows.shape[:2])
    _, predicted = objective.networks["context"](features)
    predicted[2][:, 1].sum().backward()
    assert images.grad is not None
    reached = images.grad.abs().sum((0, 1, 3)) > 0
    assert reached.tolist() == [row < 12 for row in range(24)]


def test_candidates_are_drawn_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = make()
    full = loss_of(objective, batch("image"), 0)
    monkeypatch.setattr(cpc, "MAX_CANDIDATES", 5)
    few = loss_of(objective, batch("image"), 0)
    assert few < full and few.item() != loss_of(objective, batch("image"), 1).item()


@pytest.mark.parametrize("layout", ["image", "audio"])
def test_it_learns(layout: Layout) -> None:
    assert falls(learn(make(layout), batch(layout), rate=1e-2), 0.8)
