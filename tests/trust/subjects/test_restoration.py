"""Pictures to be restored, as the out-of-distribution scores see them: colours in 0..1, holes left alone."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from capas.core.rng import seeded_generator
from capas.data.image.degradations import DegradationKind, make_degraded_pair, to_float_tensor
from capas.data.image.io import ImageArray
from capas.engine.recipes.restoration.predictor import RestorationPredictor, RestorerCard
from capas.trust.ood.image_probes import IMAGE_PROBES
from capas.trust.subjects.restoration import RestorationAdapter, RestorationFeatureExtractor
from capas.trust.subjects.structured import LabelIssue


def model(kind: DegradationKind) -> RestorationPredictor:
    return RestorationPredictor(nn.Conv2d(1, 1, 1), RestorerCard(kind=kind, channels=1, scale=1, width=4, noise=20.0))


def test_lightness_becomes_a_share_and_the_whole_picture_is_seen() -> None:
    found = RestorationFeatureExtractor(model("colourise")).ood_features(torch.full((1, 40, 90), 25.0))
    assert found.features is None and found.views is not None and found.is_whole_image
    torch.testing.assert_close(found.views, torch.full((1, 1, 64, 64), 0.25))


def test_the_channel_of_the_holes_is_not_looked_at() -> None:
    colours, holes = torch.rand(1, 20, 20, generator=torch.Generator().manual_seed(0)), torch.zeros(1, 20, 20)
    extractor = RestorationFeatureExtractor(model("inpaint"))
    seen = [extractor.ood_features(torch.cat([colours, mask])).views for mask in (holes, 1 - holes)]
    assert seen[0] is not None and seen[1] is not None and torch.equal(seen[0], seen[1])


@pytest.mark.parametrize(("kind", "channels", "scale"), [("inpaint", 2, 1.0), ("colourise", 1, 100.0)])
def test_probes_change_the_colours_and_keep_the_rest(kind: DegradationKind, channels: int, scale: float) -> None:
    prepared = scale * torch.rand(channels, 8, 8, generator=torch.Generator().manual_seed(0))
    made = RestorationFeatureExtractor(model(kind)).ood_probes([prepared], torch.Generator())
    assert set(made) == set(IMAGE_PROBES)
    for (one,) in made.values():
        assert isinstance(one, Tensor) and one.shape == prepared.shape
        assert torch.equal(one[1:], prepared[1:]) and not torch.allclose(one[:1], prepared[:1])
    inverted = made["inverted"][0]
    assert isinstance(inverted, Tensor)
    torch.testing.assert_close(inverted[:1], scale - prepared[:1])


def test_an_example_is_degraded_as_in_the_test_each_time_alike() -> None:
    images = ImageArray(np.full((2, 12, 12), 128, np.uint8), "pictures")
    adapter = RestorationAdapter(model("denoise"), images)
    expected = make_degraded_pair("denoise", images.decode(1), factor=1, noise=20.0, training=False,
                                  rng=seeded_generator(0, "spoil", "pictures/00001"))  # fmt: skip
    assert torch.equal(adapter.prepared(1), expected.source) and torch.equal(adapter.prepared(1), adapter.prepared(1))
    # By its name: equal pictures are degraded differently.
    assert not torch.equal(adapter.prepared(0), adapter.prepared(1))
    assert float((adapter.prepared(1) - 128 / 255).std()) == pytest.approx(20 / 255, rel=0.2)


def test_a_pair_s_picture_is_taken_as_it_is_and_nothing_is_stated() -> None:
    images = ImageArray(np.arange(64, dtype=np.uint8).reshape(1, 8, 8), "pictures")
    adapter = RestorationAdapter(model("pairs"), images)
    assert torch.equal(adapter.prepared(0), to_float_tensor(images.decode(0)))
    assert np.array_equal(adapter.feature_extractor.display_image(adapter.prepared(0)), images.decode(0)[..., 0])
    assert adapter.evaluate_example(0, 0, torch.Generator()) is None
    issue = LabelIssue(position=0, location="", given_label="", predicted_label="", given_label_probability=0.0)
    assert adapter.label_issue_heatmap(0, issue) is None
