"""A network and a linear model of terms side by side."""

import torch
from torch import Tensor, nn

from capas.networks.sequence.text_blend import TextBlend, TextBlendConfig

INDICES, WEIGHTS, OFFSETS = torch.tensor([0, 2, 1]), torch.tensor([1.0, 0.5, 2.0]), torch.tensor([0, 2])


class Own(nn.Module):
    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.tensor([[0.0, 2.0]]).expand(2, 2) if len(inputs) == 1 else torch.tensor([[1.0, 0.0]]).expand(2, 2)


def blend(output: str, share: float, *, own_inputs: bool) -> TextBlend:
    made = TextBlend(Own(), TextBlendConfig(terms=3, outputs=2, output=output, own_inputs=own_inputs))  # type: ignore[arg-type]
    with torch.no_grad():
        made.linear_weight.copy_(torch.tensor([[1.0, 0], [0, 1], [4, 0]]))
        made.linear_bias.copy_(torch.tensor([0.0, 0.5]))
    made.share.fill_(share)
    return made


def test_numbers_by_hand() -> None:
    # Linear: 1 · 1 + 0.5 · 4 = 3 and 0 + 0.5; then 0 and 2 · 1 + 0.5.
    found = blend("numbers", 0.25, own_inputs=False)(INDICES, WEIGHTS, OFFSETS)
    torch.testing.assert_close(found, torch.tensor([[0.25 + 0.75 * 3, 0.75 * 0.5], [0.25, 0.75 * 2.5]]))


def test_classes_are_a_mean_of_probabilities_and_own_inputs_come_first() -> None:
    found = blend("class", 0.5, own_inputs=True)(torch.zeros(2, 1), INDICES, WEIGHTS, OFFSETS).softmax(1)
    expected = (torch.tensor([[0.0, 2.0]] * 2).softmax(1) + torch.tensor([[3.0, 0.5], [0, 2.5]]).softmax(1)) / 2
    torch.testing.assert_close(found, expected)


def test_tags_come_back_as_logits() -> None:
    found = blend("tags", 0.0, own_inputs=False)(INDICES, WEIGHTS, OFFSETS)
    torch.testing.assert_close(found, torch.tensor([[3.0, 0.5], [0, 2.5]]), atol=1e-4, rtol=1e-4)


def test_the_linear_part_is_not_trained() -> None:
    made = blend("class", 0.5, own_inputs=False)
    assert [name for name, p in made.named_parameters() if p.requires_grad] == []
