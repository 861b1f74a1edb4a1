"""Lines of writing, varied."""

from dataclasses import replace

import pytest
import torch

from capas.data.image.augment_lines import LineAugmentation, augment_lines

NOTHING = LineAugmentation(shift=0, slant=0, size=0, warp=0, stroke=0, ink=0, fade=0, noise=0)
WIDTHS = torch.tensor([90, 60, 33])


def lines() -> torch.Tensor:
    """Three lines with a bar across the middle and a stroke near the start, as long as ``WIDTHS``."""
    values = torch.zeros(3, 1, 32, 90)
    for line, width in zip(values, WIDTHS, strict=True):
        line[0, 14:18, : int(width)] = 0.8
        line[0, 4:28, 8:12] = 0.8
    return values


def varied(by: LineAugmentation, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    return augment_lines(lines(), WIDTHS, by, torch.Generator().manual_seed(seed))


def test_without_variation_lines_stay_as_they_are() -> None:
    values, widths = varied(NOTHING)
    assert widths.equal(WIDTHS)
    torch.testing.assert_close(values, lines(), atol=2e-2, rtol=0)


def test_the_same_seed_varies_alike_and_another_one_otherwise() -> None:
    assert varied(LineAugmentation(), 1)[0].equal(varied(LineAugmentation(), 1)[0])
    first, second = varied(LineAugmentation(), 1)[0], varied(LineAugmentation(), 2)[0]
    assert first.shape != second.shape or not first.equal(second)


def test_values_stay_in_range_and_nothing_stands_behind_the_end() -> None:
    for seed in range(5):
        values, widths = varied(LineAugmentation(), seed)
        assert values.min() >= 0 and values.max() <= 1 and values.shape[3] == widths.max()
        assert all(not line[..., int(width) :].any() for line, width in zip(values, widths, strict=True))


def test_size_makes_lines_longer_or_shorter_by_no_more_than_it_says() -> None:
    shares = torch.cat([varied(replace(NOTHING, size=0.2), seed)[1] / WIDTHS for seed in range(30)])
    assert 0.78 <= shares.min() < 0.9 and 1.1 < shares.max() <= 1.22


def test_shift_moves_the_bar_up_or_down() -> None:
    rows = [varied(replace(NOTHING, shift=0.2), seed)[0][0, 0, :, 50].argmax().item() for seed in range(30)]
    assert min(rows) < 12 and max(rows) > 16 and all(14 - 8 <= row <= 14 + 8 for row in rows)


def test_slant_moves_the_top_of_a_stroke_against_its_foot() -> None:
    leaned = []
    for seed in range(20):
        values, _ = varied(replace(NOTHING, slant=0.3), seed)
        columns = torch.arange(values.shape[3])
        top, foot = (float((values[0, 0, rows] * columns).sum() / values[0, 0, rows].sum()) for rows in (6, 26))
        leaned.append(top - foot)
    assert max(leaned) > 2 and min(leaned) < -2


@pytest.mark.parametrize(
    ("field", "value"), [("warp", 2.0), ("stroke", 1.0), ("ink", 0.5), ("fade", 1.0), ("noise", 0.2)]
)
def test_each_variation_changes_lines(field: str, value: float) -> None:
    values, widths = varied(replace(NOTHING, **{field: value}))
    assert widths.equal(WIDTHS) and (values - lines()).abs().max() > 0.1
