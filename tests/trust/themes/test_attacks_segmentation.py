"""Masks under attack: pixels at a known distance from the border between dark and light turn at a known size."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from capas.core.i18n import say
from capas.data.image.io import ImageArray
from capas.trust.subjects.segmentation import SegmentationAdapter
from capas.trust.subjects.structured import StructuredModelUnderTest
from capas.trust.theme import Theme
from capas.trust.theme_context import Level, ThemeContext
from capas.trust.themes.attacks_segmentation import segmentation_attacks_theme
from tests.trust.made_models import StubAdapter, grid, light_predictor, made_context, write_masks

N = 6


def theme(folder: Path, levels: Sequence[float], level: Level = "standard") -> Theme:
    """Of pictures in four stripes of these levels, which are labelled as they are seen (the border is 0.5)."""
    shares = np.array(levels).repeat(16).reshape(1, 8, 8).repeat(N, 0)
    pictures = ImageArray((255 * shares).round().astype(np.uint8), "pictures")
    masks = write_masks(folder, (shares > 0.5).astype(np.uint8), ("dark", "light"))
    context = made_context(pictures, [None] * N, ["test"] * N, task="label", classes=("dark", "light"), targets=masks)
    adapter = SegmentationAdapter(light_predictor(), pictures, masks)
    structured = StructuredModelUnderTest(adapter, context.record, context.indices, 0)
    asked = ThemeContext(run_context=replace(context, structured=structured), subject=None, level=level)
    return segmentation_attacks_theme(asked, structured)


def values(theme: Theme, name: str, way: str) -> list[float]:
    after = cast(Mapping[str, Sequence[Mapping[str, float]]], theme.facts[name])
    return [one["value"] for one in after[way]]


def test_each_size_turns_the_pixels_within_its_reach(tmp_path: Path) -> None:
    # Distances of 0.2, 0.05, 0.01 and 0.3; sizes of 0.0078, 0.0314 and 0.1.
    found = theme(tmp_path, (0.3, 0.45, 0.51, 0.8))
    assert values(found, "right_after", "pgd") == values(found, "right_after", "fgsm") == [1.0, 0.75, 0.5]
    assert cast(Mapping[str, float], found.facts["without"])["value"] == 1 and found.facts["n"] == N
    noise = values(found, "right_after", "noise")
    assert noise[0] == 1 and 0.8 < noise[1] < 0.95 and 0.65 < noise[2] < 0.85
    # Of the classes half and half: dark keeps its 32 pixels and gains 16, light keeps 16: (32/48 + 16/32) / 2.
    assert values(found, "mean_iou_after", "pgd")[1] == pytest.approx((32 / 48 + 16 / 32) / 2, abs=1e-6)
    assert not found.findings and found.facts["self_check"] == {"failures": [], "n": N}
    overlap = grid(found.blocks, say("trust.many.overlap_after"))
    assert len(overlap.heads) == 5 and overlap.rows[0][1].startswith("100.0 %")


def test_masks_that_turn_altogether_are_fragile(tmp_path: Path) -> None:
    found = theme(tmp_path, (0.49, 0.485, 0.515, 0.51))
    assert values(found, "right_after", "pgd") == [1.0, 0.0, 0.0]
    assert [one.key for one in found.findings] == ["fragile"] and found.status == "attention"


def test_the_quick_report_leaves_it_out(tmp_path: Path) -> None:
    assert theme(tmp_path, (0.3, 0.4, 0.6, 0.7), "quick").status == "not_computed"


@pytest.mark.parametrize("kind", ["words", "frames", "transcripts", "transforms", "translations"])
def test_every_other_kind_says_why_there_is_no_attack(kind: str) -> None:
    context = made_context(ImageArray(np.zeros((1, 8, 8), np.uint8), "p"), [None], ["test"], task="label")
    structured = StructuredModelUnderTest(StubAdapter(kind), context.record, [0], 0)
    asked = ThemeContext(run_context=context, subject=None, level="standard")
    found, without = segmentation_attacks_theme(asked, structured), segmentation_attacks_theme(asked, None)
    assert found.not_computed_because and found.not_computed_because != without.not_computed_because
    assert found.facts == {} and without.status == "not_computed"
