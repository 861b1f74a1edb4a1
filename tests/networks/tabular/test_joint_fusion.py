"""Joint fusion: what it computes, what is hidden while training, mirrored pictures, meanings that depend on both."""

import math

import pytest
import torch
from torch import nn

from capas.networks.tabular.joint_fusion import JointFusion, JointFusionConfig
from capas.networks.tabular.tabular_mlp import encode_columns


class Sides(nn.Module):
    """The means of the left and of the right half of pictures (B, 1, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(2, 2, bias=False)
        self.last.weight.data = torch.eye(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = x.chunk(2, 3)
        found: torch.Tensor = self.last(torch.stack([left.mean((1, 2, 3)), right.mean((1, 2, 3))], 1))
        return found


class Pair(nn.Module):
    """A network with an auxiliary output."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x


def config(**changes: object) -> JointFusionConfig:
    settings = {"numbers": 1, "categories": (3,), "outputs": 2, "embedding": 2, "width": 8, "bins": 2}
    return JointFusionConfig(**settings | changes)  # type: ignore[arg-type]


EDGES = torch.tensor([[-1.0, 0, 1]])
NUMBERS, CATEGORIES = torch.tensor([[0.5], [math.nan], [-2.0]]), torch.tensor([[0], [1], [9]])


def test_the_outputs_are_those_of_the_equations() -> None:
    network = JointFusion(config(), nn.Identity(), EDGES).eval()
    embedded = torch.randn(3, 2)
    columns = encode_columns(NUMBERS, CATEGORIES, EDGES, (3,))
    hidden = torch.cat([embedded, columns], 1) @ network.hidden.weight.T + network.hidden.bias
    expected = torch.cat([embedded, hidden.relu()], 1) @ network.output.weight.T + network.output.bias
    torch.testing.assert_close(network(embedded, NUMBERS, CATEGORIES), expected)


def test_hidden_columns_count_as_missing_and_only_while_training() -> None:
    network = JointFusion(config(hidden_share=0.999999, dropout=0.0), nn.Identity(), EDGES)
    embedded = torch.randn(3, 2)
    missing = network.eval()(embedded, torch.full((3, 1), torch.nan), torch.zeros(3, 1, dtype=torch.long))
    assert not torch.equal(network(embedded, NUMBERS, CATEGORIES), missing)
    torch.testing.assert_close(network.train()(embedded, NUMBERS, CATEGORIES), missing)


def test_mirrored_pictures_are_averaged_with_their_own_columns() -> None:
    pictures = torch.rand(3, 1, 4, 4)
    plain, mirrored = (JointFusion(config(mirrored=flag), Sides(), EDGES).eval() for flag in (False, True))
    mirrored.load_state_dict(plain.state_dict())
    both = [plain(one, NUMBERS, CATEGORIES) for one in (pictures, pictures.flip(3))]
    torch.testing.assert_close(mirrored(pictures, NUMBERS, CATEGORIES), (both[0] + both[1]) / 2)


def test_auxiliary_outputs_are_fused_as_well() -> None:
    network = JointFusion(config(hidden_share=0.0, dropout=0.0), Pair(), EDGES).train()
    first, second = network(torch.randn(3, 2), NUMBERS, CATEGORIES)
    assert torch.equal(first, second) and first.shape == (3, 2)


def test_the_last_layer_in_order_is_the_content_s() -> None:
    network = JointFusion(config(), Sides(), EDGES)
    assert isinstance(network.content, Sides)
    assert [one for one in network.modules() if isinstance(one, nn.Linear)][-1] is network.content.last


def test_a_column_may_turn_the_meaning_of_a_picture_around() -> None:
    """Neither side tells anything alone, and no sum of two outputs does."""
    x, numbers = torch.randn(200, 2), torch.randn(200, 1)
    targets = ((x[:, 0] > 0) != (numbers[:, 0] > 0)).long()
    network = JointFusion(config(categories=(), width=32, hidden_share=0.0, dropout=0.0), nn.Identity(), EDGES)
    nothing = torch.zeros(200, 0, dtype=torch.long)
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(80):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x, numbers, nothing), targets).backward()
        optimizer.step()
    assert (network(x, numbers, nothing).argmax(1) == targets).float().mean() > 0.95


@pytest.mark.parametrize(
    "changes",
    [
        {"numbers": 0, "categories": ()},
        {"categories": (0,)},
        {"hidden_share": 1.0},
        {"dropout": -0.1},
        {"embedding": 0},
    ],
)
def test_impossible_configurations_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        config(**changes)
