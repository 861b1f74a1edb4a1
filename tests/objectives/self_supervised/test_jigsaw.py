"""Jigsaw puzzles: orders that differ as much as can be, tiles that are shuffled as the label says, and it learns."""

import pytest
import torch
from torch import Tensor, nn

from capas.networks.representation.heads import jigsaw_head
from capas.objectives.self_supervised import jigsaw
from capas.objectives.self_supervised.jigsaw import Jigsaw, distant_permutations
from tests.objectives.self_supervised.toys import FEATURES, Images, check_contract, context, encoder, falls, learn
from tests.objectives.self_supervised.toys import shapes as slopes

BATCH = Images(inputs=slopes(6, size=28))


def make(count: int = 4) -> Jigsaw:
    return Jigsaw(encoder(), jigsaw_head(FEATURES, count), num_permutations=count)


def test_it_keeps_the_contract() -> None:
    check_contract(make(), make, BATCH)


def test_orders_are_permutations_that_agree_in_at_most_one_tile() -> None:
    orders = distant_permutations(72)
    assert orders.shape == (72, 9) and orders[0].tolist() == list(range(9))
    assert torch.equal(orders.sort(1).values, torch.arange(9).expand(72, 9))
    differing = (orders[:, None] != orders).sum(2)
    assert differing[~torch.eye(72, dtype=torch.bool)].min() == 8
    assert differing[:9, :9][~torch.eye(9, dtype=torch.bool)].min() == 9
    assert torch.equal(distant_permutations(5), orders[:5])


@pytest.mark.parametrize("count", [1, 73])
def test_other_counts_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=r"2\.\.72"):
        distant_permutations(count)


def test_the_head_sees_the_tiles_in_the_order_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tile's only feature is its number; what is asked for is recorded where the loss is computed."""

    class Numbers(nn.Module):
        def forward(self, tiles: Tensor) -> Tensor:
            return torch.arange(9.0).repeat(len(tiles) // 9)[:, None]

    class Recorder(nn.Module):
        seen: Tensor

        def forward(self, features: Tensor) -> Tensor:
            self.seen = features
            return torch.zeros(len(features), 72)

    recorder, asked = Recorder(), []
    objective = Jigsaw(Numbers(), recorder)
    monkeypatch.setattr(jigsaw.F, "cross_entropy", lambda logits, target: asked.append(target) or logits.sum())
    objective.losses(Images(inputs=slopes(30, size=28)), objective.phases[0], context())
    assert torch.equal(recorder.seen.long(), distant_permutations(72)[asked[0]])
    assert len(asked[0].unique()) > 15


def test_it_learns() -> None:
    line = torch.linspace(-1, 1, 28)
    bowls = torch.stack([(line[:, None] - 0.1 * i).square() + (line + 0.1 * i).square() for i in range(-2, 3)])[:, None]
    assert falls(learn(make(), Images(inputs=bowls.repeat(3, 1, 1, 1)), rate=1e-2), 0.7)
