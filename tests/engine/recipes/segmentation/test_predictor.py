"""Masks of a network that calls light pixels "light": at the picture's own size, with shares and an overlay."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from capas.data.image.io import ImageArray
from capas.data.image.masks import ClassMap, MaskFiles
from capas.data.image.preprocess import ImagePreprocessing
from capas.engine.recipe import Item
from capas.engine.recipes.segmentation.predictor import SegmentationPredictor
from tests.engine.recipes.made_work import report_of, spec_of

UNSCALED = ImagePreprocessing(height=8, width=8, channels=1, mean=(0.0,), std=(1.0,), fit="squash")


class Light(nn.Module):
    """Logits 0 and 10 (x − 1/2) of every pixel, and one for a class that never is."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.scale * (pictures - 0.5)
        return torch.cat([torch.zeros_like(x), x, torch.full_like(x, -9.0)], dim=1)


def model() -> SegmentationPredictor:
    return SegmentationPredictor(Light(), UNSCALED, ("dark", "light", "never"))


def quarter(side: int = 16, channels: int = 3) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Dark, but for the left quarter."""
    picture = np.full((side, side, channels), 10, np.uint8)
    picture[:, : side // 4] = 240
    return picture


def test_shares_text_mask_and_overlay_of_a_quarter() -> None:
    held = model()
    (found,) = held.predict(["q"], [held.preprocess(Item(name="q", content=quarter()))])
    assert found.prediction == ["dark", "light"]
    assert found.facts == {"shares": {"dark": 0.75, "light": 0.25}}
    assert found.text is not None and found.text.startswith("dark 75") and " · light 25" in found.text
    with Image.open(io.BytesIO(found.files[".mask.png"])) as image:
        mask = np.array(image)
        assert image.mode == "P"
    expected = np.zeros((16, 16), np.uint8)
    expected[:, :4] = 1
    assert np.array_equal(mask, expected)
    assert found.picture is not None and found.picture.shape == (16, 16, 3)
    assert np.array_equal(found.picture[0, 0], (quarter()[0, 0].astype(int) + held.colours[1]) // 2)


def test_a_large_picture_is_shown_smaller_and_its_mask_is_not() -> None:
    held = model()
    seen = held.preprocess(Item(name="wide", content=np.zeros((4, 4096, 3), np.uint8)))
    assert seen.display_image.shape == (2, 2048, 3) and (seen.height, seen.width) == (4, 4096)
    (found,) = held.predict(["wide"], [seen])
    with Image.open(io.BytesIO(found.files[".mask.png"])) as image:
        assert image.size == (4096, 4)
    assert found.picture is not None and found.picture.shape == (2, 2048, 3)


def test_more_pictures_than_a_batch_are_answered_in_order() -> None:
    held = model()
    sides = [8 + 4 * (i % 3) for i in range(35)]
    answers = held.predict(
        [str(i) for i in range(35)],
        [held.preprocess(Item(name="", content=np.full((side, 8, 3), 200 * (side % 8 == 0), np.uint8)))
         for side in sides],
    )  # fmt: skip
    assert [answer.input for answer in answers] == [str(i) for i in range(35)]
    assert [answer.prediction for answer in answers] == [["light" if side % 8 == 0 else "dark"] for side in sides]


def test_other_data_is_tested_by_the_names_of_its_classes(tmp_path: Path) -> None:
    mask = (quarter()[..., 0] < 100).astype(np.uint8)  # here 0 is light and 1 is dark
    mask[0] = 7
    Image.fromarray(mask).save(tmp_path / "m.png")
    masks = MaskFiles([tmp_path / "m.png"], tmp_path, ClassMap(names={0: "light", 1: "dark"}))
    report = report_of(
        ImageArray(quarter(channels=1)[None], "p"), spec_of("label", "image", classes=masks.class_map.classes),
        ["test"], targets=masks,
    )  # fmt: skip
    found = model().evaluate(report, [0])
    accuracy = found.metrics["pixel_accuracy"]
    assert isinstance(accuracy, dict) and accuracy["value"] == 1.0 and found.rows[1][0] == "p/00000"


@pytest.mark.parametrize("given", [0, 3])
def test_an_export_answers_with_probabilities_of_every_pixel(given: int) -> None:
    held = model()
    prepared = [held.preprocess(Item(name="", content=quarter())) for _ in range(given)]
    found = held.exportable(prepared)
    assert found.axes == ("batch", 3, 8, 8) and found.output == "probabilities"
    assert found.count == (given or 16) and found.facts["classes"] == ["dark", "light", "never"]
    answer = found.network(*found.compared[0])
    torch.testing.assert_close(answer.sum(1), torch.ones(found.count, 8, 8))
    if given:
        # Light is 240 / 255: logits 0, 4.41 and −9.
        odds = np.exp(10 * (240 / 255 - 0.5))
        assert answer[0, 1, 0, 0].item() == pytest.approx(odds / (1 + odds + np.exp(-9)), abs=1e-5)
