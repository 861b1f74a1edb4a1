"""Heat over a picture: nothing where there is none, and lighter the hotter it is."""

import numpy as np
import pytest

from capas.trust.rendering.heatmap_overlay import HEATMAP_OPACITY, colorize_heatmap, overlay_heatmap


def test_colours_are_those_of_the_scale_and_beyond_its_ends_the_last() -> None:
    heat = np.array([[-1.0, 0.0, 0.25, 0.5, 0.75, 1.0, 3.0]], np.float32)
    found = colorize_heatmap(heat)[0]
    assert found[:3].tolist() == [[0, 0, 4], [0, 0, 4], [87, 16, 110]] and found[5].tolist() == [252, 255, 164]
    assert found[6].tolist() == found[5].tolist()
    # Half-way between two colours lies their mean.
    assert colorize_heatmap(np.array([[0.875]], np.float32))[0, 0] == pytest.approx([250.5, 198.5, 86.5])


def test_hotter_is_lighter() -> None:
    heat = np.linspace(0, 1, 101, dtype=np.float32)[None]
    luma = colorize_heatmap(heat)[0] @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luma) > 0).all()


def test_cold_places_stay_as_they_are_and_hot_ones_are_mixed() -> None:
    image = np.full((2, 2), 100, np.uint8)
    heat = np.array([[0, 1], [0.5, 0]], np.float32)
    found = overlay_heatmap(image, heat)
    assert found.dtype == np.uint8 and found[0, 0].tolist() == found[1, 1].tolist() == [100, 100, 100]
    hot = [round(100 * (1 - HEATMAP_OPACITY) + HEATMAP_OPACITY * c) for c in (252, 255, 164)]
    assert found[0, 1].tolist() == hot
    half = HEATMAP_OPACITY / 2
    assert found[1, 0].tolist() == [round(100 * (1 - half) + half * c) for c in (188, 55, 84)]


def test_a_picture_in_colour_is_laid_under_it_in_grey() -> None:
    red = np.zeros((1, 1, 3), np.uint8)
    red[..., 0] = 255
    assert overlay_heatmap(red, np.zeros((1, 1), np.float32))[0, 0].tolist() == [76, 76, 76]
