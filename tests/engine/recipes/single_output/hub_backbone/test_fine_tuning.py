"""Fine-tuning on toys: kept only where the validation split gains beyond noise, within its time, the same again."""

from collections.abc import Mapping
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from capas.engine.config import Config
from capas.engine.encoders.hub_encoder import HubFeatures
from capas.engine.recipes.single_output.heads.class_head import ClassHead
from capas.engine.recipes.single_output.hub_backbone.fine_tuning import FineTuning, fine_tune
from capas.engine.recipes.single_output.hub_backbone.head import VectorHead, VectorHeadConfig

SPLITS = {"train": torch.arange(64), "validation": torch.arange(64, 96)}


class Model(nn.Module):
    """Looks at the first number of an image alone, until it is told otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2, bias=False)
        self.linear.weight.data = torch.tensor([[1.0, 0, 0, 0], [0.5, 0, 0, 0]])

    def forward(self, pixel_values: Tensor) -> SimpleNamespace:
        vectors = self.linear(pixel_values.flatten(1))
        return SimpleNamespace(pooler_output=vectors, last_hidden_state=vectors[:, None])


def tried(
    targets: Tensor, pixels: Tensor, *, rate: float, weight: float = 1.0, changes: Mapping[str, object] | None = None
) -> object:
    torch.manual_seed(0)
    head = VectorHead(VectorHeadConfig(features=2, num_outputs=2))
    head.linear.weight.data = weight * torch.tensor([[-1.0, 0], [1, 0]])
    return fine_tune(
        HubFeatures(Model(), joint=False, mean_of_tokens=True), head, ClassHead(["a", "b"]), targets, SPLITS,
        lambda i: {"pixel_values": pixels[i][None]}, Config().merged(changes or {}), learning_rate=rate,
    )  # fmt: skip


def toy() -> tuple[Tensor, Tensor]:
    """Images of four numbers, and their class: whether the second one is positive."""
    pixels = torch.randn(96, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    return (pixels.flatten(1)[:, 1] > 0).long(), pixels


def test_it_is_kept_where_the_frozen_vectors_do_not_hold_the_answer() -> None:
    found = tried(*toy(), rate=2.0)
    assert isinstance(found, FineTuning)
    assert found.kept
    assert found.tuned_loss < 0.6 < found.frozen_loss
    assert found.n == 32


def test_it_is_left_out_where_there_is_nothing_to_gain() -> None:
    _, pixels = toy()
    chance = torch.randint(2, (96,), generator=torch.Generator().manual_seed(1))
    found = tried(chance, pixels, rate=2.0, weight=0.0)
    assert isinstance(found, FineTuning)
    assert not found.kept


def test_the_same_comes_out_again() -> None:
    first, second = tried(*toy(), rate=2.0), tried(*toy(), rate=2.0)
    assert isinstance(first, FineTuning)
    assert isinstance(second, FineTuning)
    for name, tensor in first.features.state_dict().items():
        assert torch.equal(tensor, second.features.state_dict()[name])


@pytest.mark.parametrize("changes", [{"optim.backbone_rate": 0.0}, {"train.time_s": 1e-9}])
def test_without_a_rate_or_time_nothing_is_tried(changes: Mapping[str, object]) -> None:
    assert tried(*toy(), rate=2.0, changes=changes) is None
