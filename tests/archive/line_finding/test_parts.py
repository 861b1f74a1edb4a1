"""The steps from maps to lines, each on what can be drawn by hand."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from capas.archive.line_finding.model import LineFinder
from capas.archive.line_finding.outlines import _cheapest, line_outlines
from capas.archive.line_finding.patches import SIZE, TrainingPage, random_patch
from capas.archive.line_finding.spacing import spacings
from capas.archive.line_finding.synthetic_pages import draw_page
from capas.archive.line_finding.targets import target_maps
from capas.archive.line_finding.trace import trace_baselines
from capas.archive.line_finding.train import line_map_loss, train_line_finder, training_patches
from capas.data.synthetic.manuscripts import FONT_FOLDER
from capas.networks.document.line_finder import LineFinderConfig, LineFinderNet

Floats = NDArray[np.float64]


def level(y: float, start: float, stop: float) -> Floats:
    return np.array([(start, y), (stop, y)], dtype=np.float64)


def test_a_third_line_too_near_does_not_make_a_line_small() -> None:
    lines = [level(y, 0, 500) for y in (100, 140, 180, 220)]
    assert spacings(lines, 1000).tolist() == [40] * 4
    assert spacings([*lines, level(225, 400, 450)], 1000).tolist() == [40, 40, 40, 24, 24]
    assert spacings([level(100, 0, 500)], 900).tolist() == [30]


def test_maps_that_were_drawn_are_traced_back() -> None:
    slope = np.array([(30.0, 60.0), (330.0, 84.0)])
    true = [slope, slope + np.array([0, 40]), slope + np.array([0, 80]), np.array([(345.0, 85.0), (500.0, 97.0)])]
    maps = target_maps(true, np.full(4, 40.0), 240, 540)
    found = sorted(
        (trace.points * 2 + 0.5 for trace in trace_baselines(maps[0], maps[1])), key=lambda p: (p[0, 0], p[0, 1])
    )
    assert len(found) == 4
    for line, wanted in zip(found, true, strict=True):
        x = line[:, 0]
        assert np.abs(line[:, 1] - np.interp(x, *wanted.T)).max() < 1
        assert abs(x[0] - wanted[0, 0]) < 6 and abs(x[-1] - wanted[-1, 0]) < 6


def test_a_gap_is_closed_unless_a_line_ends_in_it() -> None:
    maps = target_maps([level(y, 20, 400) for y in (60, 100, 140)], np.full(3, 40.0), 200, 420)
    maps[0, :, 90:110] = 0
    assert len(trace_baselines(maps[0], maps[1])) == 3
    maps[1, :, 99:101] = 1
    assert len(trace_baselines(maps[0], maps[1])) == 6


def test_the_cheapest_path_is_that_of_brute_force() -> None:
    costs = np.random.default_rng(1).random((3, 6, 4))
    steps = [(r, *rest) for r in range(4) for rest in np.ndindex(*(4,) * 5)]
    ways = [way for way in steps if all(abs(a - b) <= 1 for a, b in pairwise(way))]
    for band, path in zip(costs, _cheapest(costs), strict=True):
        best = min(ways, key=lambda way: sum(band[i, r] for i, r in enumerate(way)))
        assert tuple(path.tolist()) == best


def test_an_edge_goes_round_a_descender() -> None:
    ink = np.zeros((120, 300), np.float32)
    ink[40:58, 140:150] = 3  # down from the line at 40, nearly to the body of the next one
    line, following = level(40, 20, 280), level(80, 20, 280)
    outline = line_outlines(ink, [line, following], np.array([40.0, 40.0]))[0]
    lower = outline[len(outline) // 2 :]
    at = np.abs(lower[:, 0] - 145) < 5
    assert lower[at, 1].min() > 55 and np.median(lower[:, 1]) < 53


@pytest.mark.parametrize("seed", range(4))
def test_drawn_pages_and_patches_hold_what_they_say(seed: int) -> None:
    fonts = [FONT_FOLDER / "meddon.woff2"]
    picture, lines, spaces = draw_page(seed, fonts)
    again = draw_page(seed, fonts)
    assert (picture == again[0]).all() and len(lines) == len(spaces)
    patch = random_patch(TrainingPage(picture=picture, baselines=lines, spaces=spaces), np.random.default_rng(seed))
    assert patch.inputs.shape == (1, SIZE, SIZE) and patch.targets.shape == (3, SIZE // 2, SIZE // 2)
    assert float(patch.targets.min()) >= 0 and float(patch.targets.max()) <= 1


def test_a_patch_has_its_baselines_where_its_ink_ends() -> None:
    """On a page of bars that stand on their baselines, the ink is above them however the patch is turned and bent."""
    picture, lines = np.full((1000, 1000), 255, np.uint8), []
    for y in range(60, 1000, 36):
        picture[y - 12 : y, 20:980] = 0
        lines.append(level(y, 20, 980))
    page = TrainingPage(picture=picture, baselines=lines, spaces=np.full(len(lines), 36.0))
    contrasts = []
    for seed in range(12):
        patch = random_patch(page, np.random.default_rng(seed))
        ink = torch.nn.functional.avg_pool2d(patch.inputs, 2)[0]
        near = torch.nn.functional.max_pool2d(patch.targets[2:], (5, 1), 1, (2, 0))[0] > 0.9
        contrasts.append(float(ink[patch.targets[2] > 0.9].mean() - ink[near & (patch.targets.sum(0) == 0)].mean()))
    # One that is mostly off the page, made bitonal, may have lost its ink.
    assert np.mean([contrast > 0.5 for contrast in contrasts]) > 0.8


def test_the_loss_falls_towards_the_truth() -> None:
    wanted = (torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.7).float()
    sure = (2 * wanted - 1) * 12
    assert (
        float(line_map_loss(sure, wanted))
        < 0.01
        < float(line_map_loss(0 * sure, wanted))
        < float(line_map_loss(-sure, wanted))
    )


def test_what_is_learned_can_be_opened(tmp_path: Path) -> None:
    fonts = [FONT_FOLDER / "meddon.woff2"]
    picture, lines, spaces = draw_page(1, fonts)
    page = TrainingPage(picture=picture, baselines=lines, spaces=spaces)
    torch.set_num_threads(1)
    network = train_line_finder(training_patches([], [page], 0), 0.005, 0, tmp_path / "w.safetensors")
    opened = LineFinder.open(tmp_path / "w.safetensors").network
    given = torch.rand(1, 1, 64, 48)
    assert torch.allclose(network.eval()(given), opened(given), atol=0.05)


def test_the_network_answers_at_half_size_for_any_size() -> None:
    network = LineFinderNet(LineFinderConfig()).eval()
    assert sum(p.numel() for p in network.parameters()) < 400_000
    for height, width in ((33, 47), (16, 16), (1, 9)):
        assert network(torch.zeros(1, 1, height, width)).shape == (1, 3, -(-height // 2), -(-width // 2))
    with pytest.raises(ValueError, match="expected 1"):
        LineFinderConfig(width=0)
    with pytest.raises(ValueError, match="fonts"):
        draw_page(0, [])
