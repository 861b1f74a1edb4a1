"""Pictures are restored at their own size; holes are where they are transparent."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from capas.bundle.write import PREPARATION
from capas.core.errors import CapasError
from capas.data.image.color import rgb_to_lab
from capas.data.image.io import ImageArray
from capas.engine.recipe import Item
from capas.engine.recipes.restoration.predictor import RestorationPredictor, RestorerCard
from tests.engine.recipes.made_work import bundle_of, network_card, pixels, report_of, spec_of


class Times(nn.Module):
    """Each pixel ``scale`` times, with a weight of one."""

    def __init__(self, scale: int = 1) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x[:, :3].repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)


def predictor(kind: str = "denoise", *, scale: int = 1, channels: int = 3) -> RestorationPredictor:
    card = RestorerCard(kind=kind, channels=channels, scale=scale, width=4, noise=20.0)  # type: ignore[arg-type]
    return RestorationPredictor(Times(scale), card)


def item(content: object) -> Item:
    return Item(name="it", content=content)


def test_a_picture_comes_back_at_the_size_of_its_answer() -> None:
    picture = pixels(1, 5, 7)[0]
    model = predictor("super-resolve", scale=2)
    (found,) = model.predict(["it"], [model.preprocess(item(picture))])
    assert found.picture is not None and np.array_equal(found.picture, picture.repeat(2, 0).repeat(2, 1))
    assert found.as_json()["prediction"] == "super-resolve" and found.text == "14×10"
    assert found.facts == {"width": 14, "height": 10}


def test_channels_are_those_it_was_trained_on() -> None:
    assert predictor(channels=1).preprocess(item(pixels(1, 4, 4)[0])).shape == (1, 4, 4)
    assert predictor().preprocess(item(pixels(1, 4, 4, 1)[0])).shape == (3, 4, 4)


def test_colours_are_asked_by_lightness_alone() -> None:
    picture = pixels(1, 4, 4)[0]
    found = predictor("colourise").preprocess(item(picture))
    expected = rgb_to_lab(torch.from_numpy(picture).permute(2, 0, 1)[None] / 255)[0, :1]
    torch.testing.assert_close(found, expected)


def transparent(holes: list[tuple[int, int]]) -> NDArray[np.uint8]:
    picture = np.concatenate([pixels(1, 3, 4)[0], np.full((3, 4, 1), 255, np.uint8)], axis=2)
    for row, column in holes:
        picture[row, column, 3] = 0
    return picture


def test_transparent_pixels_are_holes_with_the_mean_colour_of_the_rest(tmp_path: Path) -> None:
    picture = transparent([(0, 1), (2, 3)])
    Image.fromarray(picture).save(tmp_path / "a.png")
    for content in (picture, tmp_path / "a.png"):
        found = predictor("inpaint").preprocess(item(content))
        assert found.shape == (4, 3, 4) and found[3].nonzero().tolist() == [[0, 1], [2, 3]]
        known = picture[picture[..., 3] == 255][:, :3] / 255
        for row, column in ((0, 1), (2, 3)):
            np.testing.assert_allclose(found[:3, row, column], known.mean(0), atol=1e-6)
        np.testing.assert_allclose(found[:3, 1, 1], picture[1, 1, :3] / 255, atol=1e-6)


@pytest.mark.parametrize(
    "content",
    [pixels(1, 3, 4)[0], transparent([]), transparent([(r, c) for r in range(3) for c in range(4)])],
    ids=["opaque", "no hole", "nothing but a hole"],
)
def test_without_a_hole_or_without_a_rest_there_is_nothing_to_paint(content: NDArray[np.uint8]) -> None:
    with pytest.raises(CapasError) as error:
        predictor("inpaint").preprocess(item(content))
    assert (error.value.key, error.value.where) == ("hole_missing", "it")


def test_an_answer_too_large_for_memory_is_refused() -> None:
    huge = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (4000, 4000, 3))
    with pytest.raises(CapasError) as error:
        predictor("super-resolve", scale=2).preprocess(item(huge))
    assert (error.value.key, error.value.received) == ("picture_too_large", "64")


def test_other_data_is_tested_by_what_is_made_of_it() -> None:
    pictures, targets = ImageArray(pixels(3, 12, 12), "p"), ImageArray(pixels(3, 24, 24), "t")
    spec, model = spec_of("transform", "image"), predictor()
    report = report_of(pictures, spec, ["test"] * 3)
    one, again = (model.evaluate(report, [2, 0]) for _ in range(2))
    assert one.n == 2 and [row[0] for row in one.rows[1:]] == ["p/00002", "p/00000"] and one.rows == again.rows
    paired = report_of(pictures, spec, ["test"] * 3, targets=targets)
    assert predictor("pairs", scale=2).evaluate(paired, [1]).n == 1
    with pytest.raises(CapasError) as error:
        predictor("pairs", scale=3).evaluate(paired, [1])
    assert (error.value.key, error.value.where, error.value.received) == ("pair_of_other_size", "p/00001", "24×24")
    with pytest.raises(CapasError) as error:
        predictor("pairs").evaluate(report, [1])
    assert error.value.key == "transform_no_pairs"


def test_a_bundle_opens_and_a_broken_one_is_named() -> None:
    card = RestorerCard(kind="denoise", channels=1, scale=1, width=4, noise=20.0)
    spec, described = spec_of("transform", "image"), network_card("dncnn", width=4, scale=1)
    tensors = card.network().state_dict()
    opened = RestorationPredictor.reopen(bundle_of(spec, described, {PREPARATION: asdict(card)}, tensors))
    assert opened.restorer == card and not opened.network.training
    broken = {**asdict(card), "kind": "sharpen"}
    with pytest.raises(CapasError) as error:
        RestorationPredictor.reopen(bundle_of(spec, described, {PREPARATION: broken}, tensors))
    assert error.value.key == "bundle_incomplete" and error.value.where == f"bundle/{PREPARATION}"


def test_prepared_pictures_are_what_an_export_is_compared_on() -> None:
    model = predictor()
    found = model.exportable([model.preprocess(item(pixels(1, 4, 4)[0]))])
    assert found.count == 1 and found.compared[0][0].shape == (1, 3, 4, 4)
