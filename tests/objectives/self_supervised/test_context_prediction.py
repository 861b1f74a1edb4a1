"""Context prediction: the pairs and their directions are right, and it learns."""

import torch

from capas.networks.representation.heads import context_head
from capas.objectives.self_supervised.context_prediction import ContextPrediction, neighbour_pairs
from tests.objectives.self_supervised.toys import FEATURES, Images, check_contract, encoder, falls, learn, shapes

BATCH = Images(inputs=shapes(6, size=28))


def make() -> ContextPrediction:
    return ContextPrediction(encoder(), context_head(FEATURES))


def test_it_keeps_the_contract() -> None:
    check_contract(make(), make, BATCH)


def test_directions_go_row_by_row_around_the_centre() -> None:
    # A patch's only feature is its place: 10 · row + column.
    place = torch.tensor([[10.0 * row + column] for row in range(3) for column in range(3)])
    pairs, directions = neighbour_pairs(torch.stack([place, place + 100]))
    assert directions.tolist() == [*range(8), *range(8)]
    assert pairs[:8, 0].tolist() == [11.0] * 8 and pairs[8:, 0].tolist() == [111.0] * 8
    named = {0: -11, 1: -10, 2: -9, 3: -1, 4: 1, 5: 9, 6: 10, 7: 11}
    assert {int(d): int(b - a) for d, (a, b) in zip(directions, pairs, strict=True)} == named


def test_it_learns() -> None:
    """A bowl has another slope in each direction from its centre."""
    line = torch.linspace(-1, 1, 28)
    bowls = torch.stack([(line[:, None] - 0.1 * i).square() + (line + 0.1 * i).square() for i in range(-2, 3)])[:, None]
    assert falls(learn(make(), Images(inputs=bowls), rate=1e-2), 0.7)
