"""What the report says of maps and places, from figures made by hand."""

import numpy as np
import pytest
import torch

from capas.metrics.rate import rate
from capas.trust.explanations.faithfulness import AdvantageOverBrightness, FaithfulnessCurve
from capas.trust.explanations.region_importance import RegionImportance
from capas.trust.rendering.blocks import Grid, ImageGallery
from capas.trust.themes.explanations_blocks import (
    SaliencyMethod,
    best_method,
    explanation_findings,
    method_facts,
    methods_table,
    region_blocks,
    region_facts,
    region_text,
    saliency_deletion_plot,
)
from tests.trust.made_models import images_reader


def curve(*values: float) -> FaithfulnessCurve:
    mean = torch.tensor(values)
    return FaithfulnessCurve(shares=torch.linspace(0, 1, len(values)), mean=mean, areas=mean.mean()[None])


def method(
    name: str, deletion: float, insertion: float, alike: float | None = 0.1, low: float = 0.05
) -> SaliencyMethod:
    advantage = AdvantageOverBrightness(value=0.1, interval=(low, 0.2), n=9)
    return SaliencyMethod(
        name=name, maps=torch.zeros(1, 2, 2), deletion=curve(deletion, deletion), insertion=curve(insertion, insertion),
        randomization_correlation=alike, advantage=None if alike is None else advantage,
    )  # fmt: skip


CONTROL = method("random", 0.5, 0.5, None)


def test_reliable_is_what_changes_with_the_weights_and_beats_brightness() -> None:
    assert method("gradient", 0.2, 0.8, 0.3).reliable
    assert not method("gradient", 0.2, 0.8, 0.31).reliable and not method("gradient", 0.2, 0.8, low=0.0).reliable
    assert not CONTROL.reliable


def test_the_best_is_the_most_telling_of_the_reliable_ones() -> None:
    methods = [method("occlusion", 0.3, 0.6), method("gradient", 0.2, 0.9), method("grad_cam", 0.0, 1.0, 0.9), CONTROL]
    best = best_method(methods)
    assert best is not None and best.name == "gradient"
    assert best_method(methods[2:]) is None


def test_facts_of_a_control_have_no_checks() -> None:
    assert method_facts(CONTROL) == {"deletion": 0.5, "insertion": 0.5}
    assert method_facts(method("gradient", 0.2, 0.8)) == {
        "deletion": 0.2,
        "insertion": 0.8,
        "random_weights_correlation": 0.1,
        "advantage_over_brightness": {"value": 0.1, "n": 9, "interval": [0.05, 0.2], "unit": ""},
        "reliable": True,
    }
    rows = methods_table([method("gradient", 0.2, 0.8), method("occlusion", 0.2, 0.8, 0.9), CONTROL], "note").rows
    assert rows[0] == ["gradient", "0.200", "0.800", "0.10", "0.100 (0.050–0.200)", "reliable"]
    assert rows[1][5] == "not reliable" and rows[2] == ["at random", "0.500", "0.500", "–", "–", "control"]


def test_the_plot_draws_controls_dashed() -> None:
    found = saliency_deletion_plot([method("gradient", 0.2, 0.8), CONTROL], "score", percent_y=False)
    assert [line.dashed for line in found.lines] == [False, True] and found.y == "score" and not found.percent_y
    assert found.description == "gradient: 0.20; at random: 0.50"


def place(top: int, left: int, covered: int = 10, alone: int = 5, side: int = 2) -> RegionImportance:
    return RegionImportance(top=top, left=left, height=side, width=side, accuracy_covered=rate(covered, 10),
                            accuracy_alone=rate(alone, 10))  # fmt: skip


@pytest.mark.parametrize(
    ("top", "left", "said"),
    [(0, 0, "at the top left"), (0, 3, "at the top"), (3, 6, "at the right"), (6, 0, "at the bottom left"),
     (3, 3, "in the middle"), (6, 6, "at the bottom right")],
)  # fmt: skip
def test_places_are_named_by_thirds(top: int, left: int, said: str) -> None:
    assert region_text(place(top, left), images_reader()) == said


FOUND = [place(0, 0, alone=9), place(6, 6, covered=2, alone=4), place(3, 3, covered=7, alone=3)]


def test_the_most_telling_and_the_most_missed_are_different_questions() -> None:
    assert region_facts(FOUND) == {
        "most_telling_alone": {"top": 0, "left": 0, "height": 2, "width": 2, "right": rate(9, 10).as_json()},
        "most_missed_when_covered": {"top": 6, "left": 6, "height": 2, "width": 2, "right": rate(2, 10).as_json()},
    }
    table, gallery = region_blocks(images_reader(), torch.full((3, 1, 8, 8), 0.5), FOUND)
    assert isinstance(table, Grid) and isinstance(gallery, ImageGallery)
    assert [row[1] for row in table.rows] == ["at the top left", "at the bottom right"]
    heat = gallery.images[0].heatmap
    assert heat is not None and (heat[6:, 6:] == 1).all() and heat[3:5, 3:5] == pytest.approx(0.3 / 0.8)
    assert (heat[:2, :2] == 0).all() and np.all(gallery.images[0].image == 128)


def test_a_place_that_decides_and_maps_that_cannot_be_believed_are_told() -> None:
    reader = images_reader()
    assert explanation_findings(reader, method("gradient", 0.2, 0.8), None) == []
    both = explanation_findings(reader, None, place(0, 0, alone=9))
    assert [(one.key, one.gravity) for one in both] == [
        ("one_place_decides", "problem"), ("no_reliable_map", "attention")]  # fmt: skip
    # 2×2 of 8×8 pixels.
    assert "at the top left, 6 % of the picture" in both[0].text and "90.0 %" in both[0].text
