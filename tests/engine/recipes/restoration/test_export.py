"""Exported picture networks: bytes go in, and what comes out is what the restorer makes of them."""

import pytest
import torch
from torch import Tensor, nn

from capas.data.image.color import rgb_to_lab
from capas.data.image.degradations import DegradationKind, mask_out
from capas.engine.recipes.restoration.export import exportable_restorer
from capas.engine.recipes.restoration.restorer import Restorer
from tests.engine.recipes.made_work import FLOAT32


class FirstChannels(nn.Module):
    """The picture itself, without the mask."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :3]


class Blue(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor([10.0, -40.0]).view(1, 2, 1, 1).expand(len(x), 2, *x.shape[2:])


def restorer(kind: DegradationKind, scale: int = 1) -> Restorer:
    return Restorer(kind=kind, channels=3, scale=scale, width=4)


@pytest.mark.parametrize(
    ("kind", "scale", "axes", "names"),
    [
        ("denoise", 1, ("batch", 3, "height", "width"), ["pictures"]),
        ("pairs", 2, ("batch", 3, "2 * height", "2 * width"), ["pictures"]),
        ("inpaint", 1, ("batch", 3, "height", "width"), ["pictures", "holes"]),
        ("colourise", 1, ("batch", 3, "height", "width"), ["pictures"]),
    ],
)
def test_inputs_and_axes(kind: DegradationKind, scale: int, axes: tuple[object, ...], names: list[str]) -> None:
    found = exportable_restorer(nn.Identity(), restorer(kind, scale), [])
    assert found.axes == axes and [one.name for one in found.inputs] == names and found.output == "restored"
    assert all(one.example.dtype == torch.uint8 and len(one.example) == 2 for one in found.inputs)
    assert found.inputs[0].example.shape == (2, 3, 32, 48) and found.count == 2
    assert found.facts["kind"] == kind
    # The network of colours halves a picture four times.
    assert found.steps == ({"height": 16, "width": 16} if kind == "colourise" else {})
    assert ("large_pictures" in found.facts) == (kind == "colourise")


def test_levels_are_divided_by_255_and_kept_within_a_picture() -> None:
    found = exportable_restorer(nn.Identity(), restorer("denoise"), [])
    levels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    torch.testing.assert_close(found.network(levels).flatten(), torch.tensor([0, 0.2, 1.0]))


def test_prepared_pictures_are_compared_each_by_itself() -> None:
    pictures = [torch.full((3, 4, 5), 0.2), torch.full((3, 7, 2), 1.5)]
    found = exportable_restorer(nn.Identity(), restorer("denoise"), pictures)
    assert found.count == 2 and [one[0].shape for one in found.compared] == [(1, 3, 4, 5), (1, 3, 7, 2)]
    assert [int(one[0].flatten()[0]) for one in found.compared] == [51, 255]


def test_holes_are_filled_as_the_restorer_fills_them() -> None:
    picture = torch.randint(256, (3, 6, 6)) / 255
    mask = torch.zeros(1, 6, 6)
    mask[:, 1:3, 2:5] = 1
    source = mask_out(picture, mask)
    found = exportable_restorer(FirstChannels(), restorer("inpaint"), [source])
    (given,) = found.compared
    assert torch.equal(given[1][0].float(), mask)
    expected = restorer("inpaint").restore(FirstChannels(), source, FLOAT32)
    torch.testing.assert_close(found.network(*given)[0], expected, atol=1e-3, rtol=0)


def test_colours_are_put_over_the_lightness_of_an_even_size() -> None:
    lightness = rgb_to_lab(torch.full((1, 3, 1, 1), 119 / 255)).flatten()[0]
    found = exportable_restorer(Blue(), restorer("colourise"), [lightness.expand(1, 50, 9)])
    (given,) = found.compared
    assert given[0].shape == (1, 3, 48, 16) and set(given[0].flatten().tolist()) == {119}
    expected = restorer("colourise").restore(Blue(), lightness.expand(1, 48, 16), FLOAT32)
    torch.testing.assert_close(found.network(*given)[0], expected, atol=0.005, rtol=0)
