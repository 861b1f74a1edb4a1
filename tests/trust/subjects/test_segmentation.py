"""A class of every pixel: by hand, from a network that calls light what is above one half."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from capas.data.image.io import ImageArray
from capas.data.image.masks import IGNORE_INDEX
from capas.data.image.preprocess import ImagePreprocessing
from capas.engine.recipe import Item
from capas.engine.recipes.segmentation.predictor import SegmentationInput, SegmentationPredictor
from capas.trust.subjects.segmentation import (
    PIXELS,
    SegmentationAdapter,
    SegmentationFeatureExtractor,
    UnitRangeSegmentationModel,
)
from tests.trust.made_models import half_pictures, light_predictor, texts_of, write_masks


def adapter(folder: Path, picture: NDArray[np.uint8], mask: NDArray[np.uint8]) -> SegmentationAdapter:
    masks = write_masks(folder, mask[None], ("dark", "light"))
    return SegmentationAdapter(light_predictor(), ImageArray(picture[None], "pictures"), masks)


def light_at(share: float) -> float:
    """P(light) of a pixel of this lightness."""
    return 1 / (1 + math.exp(-10 * (share - 0.5)))


def test_the_normalisation_is_inside() -> None:
    scaled = ImagePreprocessing(height=8, width=8, channels=1, mean=(0.4,), std=(0.2,))
    model = SegmentationPredictor(nn.Conv2d(1, 3, 3, padding=1), scaled, ("a", "b", "c"))
    pixels = torch.from_numpy(half_pictures([0, 1]).arrays).permute(0, 3, 1, 2)
    forward = UnitRangeSegmentationModel(model)
    torch.testing.assert_close(forward(pixels.float() / 255), model.network(scaled.normalise(pixels)))
    assert not any(parameter.requires_grad for parameter in forward.parameters())


def test_what_is_stated_of_each_pixel(tmp_path: Path) -> None:
    picture = np.full((8, 8), 51, np.uint8)  # 0.2
    picture[:, 4:] = 204  # 0.8
    mask = np.zeros((8, 8), np.uint8)
    mask[:, 5:] = 1  # one column too few
    mask[0] = IGNORE_INDEX
    subject = adapter(tmp_path, picture, mask)
    found = subject.evaluate_example(0, 3, torch.Generator().manual_seed(0))
    samples, sure = found.calibration_samples, light_at(0.8)
    assert len(samples.correct) == 56 and int(samples.correct.sum()) == 49
    torch.testing.assert_close(samples.confidence, torch.full((56,), sure))
    dark, light = found.label_issues
    assert (dark.position, dark.given_label, dark.predicted_label) == (3, "dark", "dark")
    # 28 of its 35 pixels are dark.
    assert dark.given_label_probability == pytest.approx((28 * sure + 7 * (1 - sure)) / 35, abs=1e-5)
    assert (light.given_label, light.predicted_label) == ("light", "light")
    heat = subject.label_issue_heatmap(0, light)
    assert (heat[mask != 1] == 0).all() and heat[mask == 1] == pytest.approx(1 - sure, abs=1e-5)


def test_a_class_that_the_model_does_not_see_is_doubted_unless_it_is_tiny(tmp_path: Path) -> None:
    picture, mask = np.full((100, 100), 204, np.uint8), np.ones((100, 100), np.uint8)
    mask[0, :50] = 0  # half a percent
    model = SegmentationPredictor(light_predictor().network, ImagePreprocessing(
        height=100, width=100, channels=1, mean=(0.0,), std=(1.0,)), ("dark", "light"))  # fmt: skip

    def found(mask: NDArray[np.uint8]) -> list[tuple[str, str]]:
        masks = write_masks(tmp_path, mask[None], ("dark", "light"))
        evaluation = SegmentationAdapter(model, ImageArray(picture[None], "p"), masks).evaluate_example(
            0, 0, torch.Generator())  # fmt: skip
        assert len(evaluation.calibration_samples.correct) == PIXELS
        return [(one.given_label, one.predicted_label) for one in evaluation.label_issues]

    assert found(mask) == [("light", "light")]
    mask[0, 50] = 0
    assert found(mask) == [("dark", "light"), ("light", "light")]


def test_features_are_the_mean_of_the_smallest_map() -> None:
    first, last = nn.Conv2d(1, 1, 1), nn.Conv2d(2, 2, 1)
    down, up = nn.Conv2d(1, 3, 2, stride=2), nn.ConvTranspose2d(3, 2, 2, stride=2)
    squeezed = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 2, 1))  # 1×1: no map of the picture

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last, self.down, self.up, self.squeezed = first, last, down, up, squeezed

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            small = self.down(self.first(x))
            result: torch.Tensor = self.last(self.up(small)) + self.squeezed(small)
            return result

    preparation = ImagePreprocessing(height=8, width=8, channels=1, mean=(0.0,), std=(1.0,))
    model = SegmentationPredictor(Network().eval(), preparation, ("a", "b"))
    prepared = model.preprocess(Item(name="", content=half_pictures([0]).decode(0)))
    found = SegmentationFeatureExtractor(model).ood_features(prepared)
    x = prepared.prepared[None].float() / 255
    assert found.features is not None and found.views is not None and torch.equal(found.views, x)
    torch.testing.assert_close(found.features, down(first(x))[0].mean((1, 2)).detach())


def test_probes_are_pictures_of_the_same_size(tmp_path: Path) -> None:
    subject = adapter(tmp_path, half_pictures([0]).decode(0)[..., 0], np.zeros((8, 8), np.uint8))
    made = subject.feature_extractor.ood_probes([subject.prepared(0)], torch.Generator())
    inverted = made["inverted"][0]
    assert isinstance(inverted, SegmentationInput)
    assert torch.equal(inverted.prepared, 255 - subject.prepared(0).prepared)
    assert np.array_equal(subject.feature_extractor.display_image(inverted), inverted.display_image)
    with pytest.raises(AssertionError):
        SegmentationAdapter(light_predictor(), half_pictures([0]), texts_of(["a"]))
