"""An optimised sticker does more than its controls where a network looks at it, and nothing where it does not."""

import pytest
import torch
from torch import Tensor

from capas.trust.attacks.adversarial_patch import (
    PATCH_FILLINGS,
    PatchConfig,
    non_printability,
    optimize_patch,
    patch_accuracy_table,
    patch_image,
    printable_colors,
    total_variation,
)
from capas.trust.attacks.patch_placement import (
    PatchAugmentation,
    apply_patch,
    sample_placement,
    sign_mask,
    square_mask,
)

STRIPES = (torch.arange(8) % 2 * 2.0 - 1).expand(8, 8)
MASK = square_mask(8, 8, 4, "centre")
CORNER = square_mask(8, 8, 3, "corner")


def striped(x: Tensor) -> Tensor:
    """Class 1 if the middle shows vertical stripes, class 0 if it shows their opposite; it looks nowhere else."""
    seen = ((x[:, 0] - 0.5) * STRIPES * MASK).sum(dim=(1, 2)) * 3
    return torch.stack([-seen, seen, torch.zeros_like(seen) - 9], dim=1)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def pictures(n: int = 60) -> tuple[Tensor, Tensor]:
    x = torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(n)) * 0.5 + 0.25 - STRIPES * 0.2
    return x, torch.zeros(n, dtype=torch.long)


@pytest.mark.parametrize(
    "variety", [PatchAugmentation(rotation_deg=0, scale=0, shift=0), PatchAugmentation(rotation_deg=3, shift=0)]
)
def test_it_does_more_than_its_controls_only_where_it_is_seen(variety: PatchAugmentation) -> None:
    config = PatchConfig(steps=40, batch=16, augmentation=variety)
    masks = {"centre": MASK, "corner": CORNER}
    optimised = {
        name: optimize_patch(striped, *pictures(), mask, generator(), config=config) for name, mask in masks.items()
    }
    rows = patch_accuracy_table(striped, *pictures(70), masks, optimised, generator(), augmentation=variety, batch=32)
    assert [(row.position, row.filling) for row in rows] == [
        (name, filling) for name in masks for filling in PATCH_FILLINGS
    ]
    found = {(row.position, row.filling): row.accuracy.value for row in rows}
    assert all(row.accuracy.n == 70 for row in rows) and {row.covered_share for row in rows} == {0.25, 9 / 64}
    assert found["centre", "none"] == 1 and found["centre", "optimised"] == 0
    # Its lower right pixel of nine touches the middle: too little to change an answer.
    assert all(found["corner", filling] > 0.9 for filling in PATCH_FILLINGS)


def test_it_reaches_its_target() -> None:
    x, y = pictures()
    patch = optimize_patch(striped, x, y, MASK, generator(), config=PatchConfig(steps=40), target=1)
    placement = sample_placement(60, MASK, PatchAugmentation(rotation_deg=0, scale=0, shift=0), generator())
    assert (striped(apply_patch(x, patch, MASK, placement)).argmax(1) == 1).all()


def test_the_patch_is_a_picture_and_only_its_mask_is_changed() -> None:
    patch = optimize_patch(striped, *pictures(), MASK, generator(), config=PatchConfig(steps=5, learning_rate=3))
    assert float(patch.min()) >= 0 and float(patch.max()) <= 1
    assert (patch[:, ~MASK] == 0.5).all()


def test_smoothness_and_printability_do_what_they_say() -> None:
    def found(**weights: float) -> Tensor:
        config = PatchConfig(steps=60, batch=8, **weights)  # type: ignore[arg-type]
        return optimize_patch(striped, *pictures(), MASK, generator(), config=config)

    assert total_variation(found(smoothness=300.0), MASK) < 0.5 * total_variation(found(smoothness=0.0), MASK)
    palette = printable_colors(1)
    printed = non_printability(found(printability=300.0, smoothness=0.0), MASK, palette)
    assert printed < 0.5 * non_printability(found(printability=0.0, smoothness=0.0), MASK, palette)


def test_the_measures_by_hand() -> None:
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * torch.ones(1, 1)
    # Four by four pixels have 24 pairs of neighbours, all of them different.
    assert float(total_variation(board[None], MASK)) == pytest.approx(24 / 32)
    assert float(total_variation(torch.ones(3, 8, 8), MASK)) == 0
    assert float(non_printability(torch.zeros(1, 8, 8), MASK, torch.tensor([[0.2], [0.9]]))) == pytest.approx(0.2)


def test_printable_colours_are_neither_full_nor_pure() -> None:
    grey, colours = printable_colors(1), printable_colors(3)
    assert grey.shape == (19, 1) and colours.shape == (125, 3)
    for palette in (grey, colours):
        assert float(palette.min()) >= 0.05 - 1e-6 and float(palette.max()) <= 0.95 + 1e-6
    assert float((colours.amax(1) - colours.amin(1)).max()) == pytest.approx(0.72)


def test_it_is_cut_out_for_printing() -> None:
    patch = torch.zeros(3, 8, 8)
    patch[0] = 1
    whole = patch_image(patch, MASK)
    assert whole.shape == (4, 4, 3) and (whole == (255, 0, 0)).all()
    bars = patch_image(patch.expand(3, 8, 8), sign_mask(8, 8))
    assert (bars[0, 0] == (255, 0, 0)).all() and (bars[len(bars) // 2] == 255).all()


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        optimize_patch(striped, *pictures(), MASK & False, generator())
    with pytest.raises(ValueError, match="masks at"):
        patch_accuracy_table(striped, *pictures(), {"centre": MASK}, {}, generator())
    with pytest.raises(ValueError, match="steps"):
        PatchConfig(steps=0)
