"""Each kind of picture problem has its network, its baseline, and its way back to a picture."""

import pytest
import torch
from torch import Tensor, nn

from capas.data.image.degradations import DegradationKind
from capas.engine.config import Config
from capas.engine.recipes.restoration.restorer import Restorer, restorer_from_config
from capas.networks.vision.colouriser import Colouriser
from capas.networks.vision.dncnn import DnCNN
from capas.networks.vision.super_resolution import SuperResolution
from tests.engine.recipes.made_work import FLOAT32

RED_LAB = (53.2408, 80.0925, 67.2032)  # of sRGB (1, 0, 0), white D65


class Says(nn.Module):
    """The same values in every pixel."""

    def __init__(self, *values: float) -> None:
        super().__init__()
        self.values = torch.tensor(values).view(1, -1, 1, 1)
        self.seen: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(tuple(x.shape))
        return self.values.expand(len(x), -1, *x.shape[2:])


def restorer(kind: DegradationKind, *, channels: int = 3, scale: int = 1) -> Restorer:
    return Restorer(kind=kind, channels=channels, scale=scale, width=4)


@pytest.mark.parametrize(
    ("kind", "scale", "network", "baseline", "longest", "loss_scale"),
    [
        ("denoise", 1, DnCNN, "unchanged", 512, 1.0),
        ("pairs", 1, DnCNN, "unchanged", 512, 1.0),
        ("pairs", 3, SuperResolution, "bicubic", 512, 1.0),
        ("super-resolve", 2, SuperResolution, "bicubic", 512, 1.0),
        ("inpaint", 1, DnCNN, "mean_colour", 512, 1.0),
        ("colourise", 1, Colouriser, "grey", 256, 100.0),
    ],
)
def test_kinds_have_their_networks_and_baselines(
    kind: DegradationKind, scale: int, network: type[nn.Module], baseline: str, longest: int, loss_scale: float
) -> None:
    one = restorer(kind, scale=scale)
    made = one.network()
    assert isinstance(made, network) and made.training
    assert (one.baseline, one.max_side, one.loss_scale) == (baseline, longest, loss_scale)
    channels = {"colourise": 1, "inpaint": 4}.get(kind, 3)
    answer = made.eval()(torch.rand(1, channels, 16, 16))
    assert answer.shape == (1, 2 if kind == "colourise" else 3, 16 * scale, 16 * scale)


def test_baselines_by_hand() -> None:
    picture = torch.rand(3, 4, 5)
    assert torch.equal(restorer("denoise").baseline_image(picture), picture)
    holes = torch.cat([picture, torch.ones(1, 4, 5)])
    assert torch.equal(restorer("inpaint").baseline_image(holes), picture)
    even = torch.full((1, 4, 5), 0.3)
    larger = restorer("super-resolve", channels=1, scale=2).baseline_image(even)
    torch.testing.assert_close(larger, torch.full((1, 8, 10), 0.3))
    # Lightness 50 is sRGB 119 of 255.
    grey = restorer("colourise").baseline_image(torch.full((1, 2, 2), 50.0))
    torch.testing.assert_close(grey, torch.full((3, 2, 2), 119 / 255), atol=0.002, rtol=0)


def test_only_the_holes_are_painted() -> None:
    source = torch.rand(3, 6, 6)
    mask = torch.zeros(1, 6, 6)
    mask[:, 2:4, 1:3] = 1
    found = restorer("inpaint").restore(Says(0.25, 2.0, -1.0), torch.cat([source, mask]), FLOAT32)
    painted = torch.tensor([0.25, 1.0, 0.0]).view(3, 1, 1)  # kept within 0..1
    torch.testing.assert_close(found, torch.where(mask > 0, painted, source))


def test_answers_stay_within_a_picture() -> None:
    found = restorer("denoise").restore(Says(1.5, -0.5, 0.5), torch.rand(3, 4, 4), FLOAT32)
    assert found[:, 0, 0].tolist() == [1.0, 0.0, 0.5]


def test_the_lightness_and_the_network_s_colours_make_red() -> None:
    lightness, a, b = RED_LAB
    found = restorer("colourise").restore(Says(a, b), torch.full((1, 3, 5), lightness), FLOAT32)
    torch.testing.assert_close(found, torch.tensor([1.0, 0, 0]).view(3, 1, 1).expand(3, 3, 5), atol=0.01, rtol=0)
    wanted = restorer("colourise").target_image(torch.full((1, 1, 1), lightness), torch.tensor([a, b]).view(2, 1, 1))
    torch.testing.assert_close(wanted.flatten(), torch.tensor([1.0, 0, 0]), atol=0.01, rtol=0)
    same = torch.rand(3, 2, 2)
    assert restorer("denoise").target_image(same, same) is same


@pytest.mark.parametrize(("size", "seen"), [((1024, 512), (256, 128)), ((2000, 1), (256, 1)), ((256, 3), (256, 3))])
def test_colours_are_seen_at_256_pixels(size: tuple[int, int], seen: tuple[int, int]) -> None:
    network = Says(0.0, 0.0)
    found = restorer("colourise").restore(network, torch.zeros(1, *size), FLOAT32)
    assert network.seen == [(1, 1, *seen)] and found.shape == (3, *size)


def test_a_resolved_configuration_says_the_problem() -> None:
    settings = {"data.channels": 1, "network.width": 7, "transform.kind": "pairs", "transform.factor": 3}
    larger = restorer_from_config(Config().merged({**settings, "network.name": "super-resolution"}))
    assert larger == Restorer(kind="pairs", channels=1, scale=3, width=7)
    # A factor is left in the configuration of problems that have none.
    assert restorer_from_config(Config().merged({**settings, "network.name": "dncnn"})).scale == 1
