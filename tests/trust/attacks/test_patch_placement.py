"""Stickers lie where they should, and turn, move and shine as they say."""

import pytest
import torch

from capas.trust.attacks.patch_placement import (
    NO_AUGMENTATION,
    PatchAugmentation,
    apply_patch,
    glasses_mask,
    sample_placement,
    sign_mask,
    square_mask,
)

GENERATOR = torch.Generator()


def still(**changes: float) -> PatchAugmentation:
    values = {"rotation_deg": 0.0, "scale": 0.0, "shift": 0.0, "brightness": 0.0, "contrast": 0.0, "blur_pixels": 0.0}
    return PatchAugmentation(**(values | changes))


def test_a_still_sticker_replaces_just_its_pixels() -> None:
    x, patch = torch.rand(3, 2, 9, 12), torch.rand(2, 9, 12)
    for mask in (square_mask(9, 12, 3, "centre"), square_mask(9, 12, 3, "corner"), sign_mask(9, 12)):
        shown = apply_patch(x, patch, mask, sample_placement(3, mask, NO_AUGMENTATION, GENERATOR))
        torch.testing.assert_close(shown, torch.where(mask, patch, x), atol=1e-5, rtol=0)


def test_squares_lie_at_the_centre_or_in_the_corner() -> None:
    centre, corner = (square_mask(28, 28, 7, position) for position in ("centre", "corner"))
    assert float(centre.float().mean()) == float(corner.float().mean()) == 0.0625
    assert corner[:7, :7].all() and centre[10:17, 10:17].all()
    with pytest.raises(ValueError, match="sticker"):
        square_mask(5, 9, 6, "centre")


@pytest.mark.parametrize("size", [(28, 28), (64, 64), (224, 224), (96, 128)])
def test_templates_cover_what_the_papers_say_and_are_symmetric(size: tuple[int, int]) -> None:
    for mask, least, most in ((glasses_mask(*size), 0.04, 0.09), (sign_mask(*size), 0.08, 0.13)):
        assert least < float(mask.float().mean()) < most
        assert torch.equal(mask, mask.flip(1))
    assert torch.equal(sign_mask(*size), sign_mask(*size).flip(0))


def test_a_turned_sticker_stays_at_its_place() -> None:
    mask = square_mask(41, 61, 15, "corner")
    shown = apply_patch(
        torch.zeros(8, 1, 41, 61),
        torch.ones(1, 41, 61),
        mask,
        sample_placement(8, mask, still(rotation_deg=45.0, scale=0.2), GENERATOR.manual_seed(1)),
    )[:, 0]
    rows, columns = torch.arange(41.0), torch.arange(61.0)
    # Part of a corner that turns out of the picture is lost: only the place is asked for.
    for weight, places in ((shown.sum(2), rows), (shown.sum(1), columns)):
        assert ((weight * places).sum(1) / weight.sum(1) - 7).abs().max() < 1.5
    assert not torch.allclose(shown[0], shown[1])


def test_scale_and_shift_have_their_size() -> None:
    mask = square_mask(40, 60, 10, "centre")
    white, black = torch.ones(1, 40, 60), torch.zeros(200, 1, 40, 60)
    scaled = apply_patch(black, white, mask, sample_placement(200, mask, still(scale=0.2), GENERATOR.manual_seed(2)))
    areas = scaled.sum(dim=(1, 2, 3))
    assert 60 < float(areas.min()) < 75 and 135 < float(areas.max()) < 150
    moved = apply_patch(black, white, mask, sample_placement(200, mask, still(shift=0.1), GENERATOR.manual_seed(2)))[
        :, 0
    ]
    middle = (moved.sum(1) * torch.arange(60.0)).sum(1) / moved.sum(dim=(1, 2))
    assert float((middle - 29.5).abs().max()) == pytest.approx(6, abs=0.3)


def test_light_changes_the_sticker_and_not_the_picture() -> None:
    mask = square_mask(9, 9, 3, "centre")
    x, patch = torch.full((50, 1, 9, 9), 0.3), torch.full((1, 9, 9), 0.7)
    brighter = apply_patch(x, patch, mask, sample_placement(50, mask, still(brightness=0.1), GENERATOR.manual_seed(3)))
    firmer = apply_patch(x, patch, mask, sample_placement(50, mask, still(contrast=0.5), GENERATOR.manual_seed(3)))
    for shown, change in ((brighter, 0.1), (firmer, 0.1)):
        on_it = shown[:, 0, 4, 4]
        assert float((on_it - 0.7).abs().max()) == pytest.approx(change, abs=0.01)
        torch.testing.assert_close(shown[:, 0, ~mask], x[:, 0, ~mask])


def test_blur_softens_the_edge() -> None:
    mask = square_mask(9, 9, 3, "centre")
    placement = sample_placement(1, mask, still(blur_pixels=5.0), GENERATOR.manual_seed(1))
    shown = apply_patch(torch.zeros(1, 1, 9, 9), torch.ones(1, 9, 9), mask, placement)[0, 0]
    assert 0 < float(shown[4, 2]) < float(shown[4, 3]) < float(shown[4, 4]) and float(shown.sum()) == pytest.approx(9)
