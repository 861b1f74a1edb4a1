"""Stickers against a model that no small patch can fool, and one that looks at a pattern in one place."""

import io
from collections.abc import Mapping
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image

from capas.core.i18n import say
from capas.engine.recipes.single_output.heads.tags_head import TagsHead
from capas.trust.attacks.adversarial_patch import PATCH_FILLINGS
from capas.trust.attacks.patch_placement import square_mask
from capas.trust.theme import Theme
from capas.trust.themes.stickers import printable_patch, stickers_theme
from tests.trust.made_models import (
    Halves,
    asked,
    half_pictures,
    halves_subject,
    images_reader,
    made_context,
    made_subject,
    texts_of,
    words_reader,
)

LABELS = [i % 2 for i in range(100)]
SPLITS = ["train"] * 40 + ["test"] * 60


def right(theme: Theme, place: str) -> Mapping[str, float]:
    found = cast(Mapping[str, Mapping[str, Mapping[str, float]]], theme.facts["right_with"])[place]
    return {filling: found[filling]["value"] for filling in PATCH_FILLINGS}


@pytest.fixture(scope="module")
def theme() -> Theme:
    """Of a model of halves that looks for a chessboard in the corner too, of which plain stickers have nothing."""
    network, corner = Halves(), square_mask(8, 8, 2, "corner")
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(4, 4) * corner
    with torch.no_grad():
        network.output.weight += 3 * torch.stack([board, -board]).flatten(1)
    return stickers_theme(asked(halves_subject(LABELS, SPLITS, network=network)))


def test_four_pixels_do_not_outweigh_the_others(theme: Theme) -> None:
    assert theme.facts["n"] == 60 and theme.facts["covered"] == {"centre": 0.0625, "corner": 0.0625}
    assert set(right(theme, "centre").values()) == {1.0} and theme.facts["varied"] is False


def test_a_pattern_that_does_is_found_and_told(theme: Theme) -> None:
    corner = right(theme, "corner")
    # It pushes towards one class: the pictures of the other one, which are half of them, are taken for it.
    assert corner["optimised"] == 0.5 and {corner[name] for name in PATCH_FILLINGS if name != "optimised"} == {1.0}
    assert [one.key for one in theme.findings] == ["sticker_corner"]
    assert "in the corner that covers 6 % of the picture" in theme.findings[0].text


def test_the_files_are_what_is_printed(theme: Theme) -> None:
    assert set(theme.files) == {"sticker-centre.png", "sticker-corner.png"}
    with Image.open(io.BytesIO(theme.files["sticker-corner.png"])) as image:
        assert image.size == (600, 600) and image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        pixels = np.asarray(image)[[0, 0, -1, -1], [0, -1, 0, -1]].astype(int)
    # The chessboard, whichever way round.
    assert abs(pixels[0] - pixels[3]) < 60 and abs(pixels[0] - pixels[1]) > 150


def test_a_patch_is_printed_cropped_and_enlarged_pixel_by_pixel() -> None:
    mask = torch.zeros(8, 8, dtype=torch.bool)
    mask[2:5, 1:3] = True
    patch = torch.arange(64.0).view(1, 8, 8) / 63
    with Image.open(io.BytesIO(printable_patch(patch, mask))) as image:
        assert image.size == (400, 600)
        shown = np.asarray(image)
    assert np.array_equal(shown, (patch[0, 2:5, 1:3] * 255).round().numpy().repeat(200, 0).repeat(200, 1))


def test_other_media_answers_and_the_quick_report_have_none() -> None:
    context = made_context(texts_of(["a"]), [0], ["test"], kind="text", classes=("no", "yes"))
    text = stickers_theme(asked(made_subject(context, words_reader({"a": 1.0}))))
    assert text.not_computed_because == say("trust.stickers.only_pictures")
    quick = stickers_theme(asked(halves_subject(LABELS, SPLITS), "quick"))
    assert quick.not_computed_because == say("trust.not_in_quick")
    tags = made_context(half_pictures([0]), [(0,)], ["test"], task="tag", classes=("left", "right"))
    tagged = stickers_theme(asked(made_subject(tags, images_reader(), TagsHead(tags.classes))))
    assert tagged.not_computed_because == say("trust.many.no_stickers")
