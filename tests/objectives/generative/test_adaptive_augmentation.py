"""Adaptive augmentation: each change is what it is called, can be differentiated, and p follows the discriminator."""

import pytest
import torch
from torch import Tensor

from capas.objectives.generative.adaptive_augmentation import (
    DRAWS,
    MAX_PROBABILITY,
    RISE_IMAGES,
    AdaptiveAugmentation,
    augmented,
)

MIRROR, TURN, MOVE, BRIGHTNESS, CONTRAST = range(5)


def chance(**parts: float) -> Tensor:
    """Chance of one image that makes no change but what is named: by column."""
    drawn = torch.full((1, DRAWS), 0.5)
    drawn[:, :10:2] = 0.99
    for name, value in parts.items():
        drawn[:, int(name[1:])] = value
    return drawn


def only(change: int, which: float, down: float = 0.5) -> Tensor:
    return chance(**{f"c{2 * change}": 0.0, f"c{2 * change + 1}": which, f"c{DRAWS - 1}": down})


IMAGE = torch.arange(64.0).reshape(1, 1, 8, 8) / 64


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        (chance(), IMAGE),
        (only(MIRROR, 0.2), IMAGE.flip(3)),
        (only(MIRROR, 0.7), IMAGE),
        *((only(TURN, (k + 0.5) / 4), torch.rot90(IMAGE, -k, (2, 3))) for k in range(4)),
        (only(BRIGHTNESS, 0.5 + 0.6826895 / 2), IMAGE + 0.2),
        (only(CONTRAST, 0.5 + 0.6826895 / 2), IMAGE * 2**0.5),
    ],
)
def test_each_change_alone(drawn: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(augmented(IMAGE, 0.5, drawn), expected, rtol=1e-4, atol=1e-5)


def test_moves_are_filled_by_reflection() -> None:
    moved = augmented(IMAGE, 0.5, only(MOVE, 0.999, down=0.001))[0, 0]
    torch.testing.assert_close(moved[:-1, 1:], IMAGE[0, 0, 1:, :-1])  # one to the right, one up
    torch.testing.assert_close(moved[-1, 1:], IMAGE[0, 0, -2, :-1])
    torch.testing.assert_close(moved[:-1, 0], IMAGE[0, 0, 1:, 1])


def test_a_change_happens_as_often_as_is_said() -> None:
    drawn = torch.rand(4000, DRAWS, generator=torch.Generator().manual_seed(0))
    same = (augmented(IMAGE.expand(4000, -1, -1, -1), 0.3, drawn) == IMAGE).flatten(1).all(1)
    # None of five changes; a mirror image is none half the time, a turn a quarter, a move of (0, 0) a quarter.
    expected = 0.7**2 * (1 - 0.3 / 2) * (1 - 0.3 * 3 / 4) * (1 - 0.3 * 3 / 4)
    assert float(same.float().mean()) == pytest.approx(expected, abs=0.03)
    assert AdaptiveAugmentation()(IMAGE, drawn[:1]) is IMAGE


def test_it_can_be_differentiated_twice() -> None:
    images = torch.rand(3, 1, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    drawn = torch.rand(3, DRAWS, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert torch.autograd.gradgradcheck(lambda given: augmented(given, 0.8, drawn).pow(3), (images,))


def test_p_follows_the_discriminator_and_is_remembered() -> None:
    adaptive = AdaptiveAugmentation()
    sure, unsure = torch.ones(1000), torch.cat([torch.ones(700), -torch.ones(300)])
    for _ in range(4):
        adaptive.follow(sure)
    assert adaptive.probability == pytest.approx(4000 / RISE_IMAGES)
    adaptive.follow(unsure)
    other = AdaptiveAugmentation()
    other.load_state_dict(adaptive.state_dict())
    for one in (adaptive, other):
        for _ in range(3):
            one.follow(unsure)
        assert one.probability == 0
    for _ in range(200):
        adaptive.follow(sure)
    assert adaptive.probability == MAX_PROBABILITY
