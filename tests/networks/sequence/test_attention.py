"""Attention against torch's own, and what its masks and maps mean."""

import pytest
import torch
from torch import Tensor, nn

from capas.networks.sequence.attention import (
    MultiHeadAttention,
    attention_weights,
    capture_attention,
    causal_mask,
    padding_mask,
)

LENGTHS = torch.tensor([5, 2, 7])


def pair(dtype: torch.dtype = torch.float32) -> tuple[MultiHeadAttention, nn.MultiheadAttention]:
    """Ours and torch's with the same random weights, biases included."""
    ours, theirs = MultiHeadAttention(16, 4).to(dtype), nn.MultiheadAttention(16, 4, batch_first=True).to(dtype)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.uniform_(-0.5, 0.5)
        ours.projection.weight.copy_(theirs.in_proj_weight)
        ours.projection.bias.copy_(theirs.in_proj_bias)
        ours.output.weight.copy_(theirs.out_proj.weight)
        ours.output.bias.copy_(theirs.out_proj.bias)
    return ours, theirs


def compare(result: tuple[Tensor, ...], expected: tuple[Tensor, ...], inputs: list[Tensor]) -> None:
    weights = torch.randn_like(expected[0])
    gradients = torch.autograd.grad((result[0] * weights).sum(), inputs)
    for ours, theirs in zip(
        (result[0], *gradients), (expected[0], *torch.autograd.grad((expected[0] * weights).sum(), inputs)), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kept", [False, True])
def test_self_attention_is_torchs_with_gradients(padded: bool, causal: bool, kept: bool) -> None:
    ours, theirs = pair()
    x = torch.randn(3, 7, 16, requires_grad=True)
    inside = padding_mask(LENGTHS, 7)
    blocked = ~causal_mask(7, 7, x.device) if causal else None
    expected, maps = theirs(
        x, x, x, key_padding_mask=~inside if padded else None, attn_mask=blocked, average_attn_weights=False
    )
    allowed = inside[:, None, None] if padded else None
    if not kept:
        compare((ours(x, x, allowed, causal=causal),), (expected,), [x])
        return
    with capture_attention(ours) as seen:
        compare((ours(x, x, allowed, causal=causal),), (expected,), [x])
    torch.testing.assert_close(seen[""], maps, rtol=1e-5, atol=1e-6)


def test_the_gradients_of_the_weights_are_torchs() -> None:
    ours, theirs = pair(torch.float64)
    x, memory = torch.randn(3, 4, 16, dtype=torch.float64), torch.randn(3, 7, 16, dtype=torch.float64)
    inside = padding_mask(LENGTHS, 7)
    weights = torch.randn(3, 4, 16, dtype=torch.float64)
    (ours(x, memory, inside[:, None, None]) * weights).sum().backward()
    (theirs(x, memory, memory, key_padding_mask=~inside)[0] * weights).sum().backward()
    for parameter, other in zip(
        (ours.projection.weight, ours.projection.bias, ours.output.weight, ours.output.bias),
        (theirs.in_proj_weight, theirs.in_proj_bias, theirs.out_proj.weight, theirs.out_proj.bias),
        strict=True,
    ):
        torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-10, atol=1e-10)


def test_a_query_that_may_look_nowhere_gives_zeros_on_both_paths() -> None:
    queries, keys = torch.randn(2, 1, 3, 4), torch.randn(2, 1, 5, 4)
    allowed = torch.ones(2, 1, 3, 5, dtype=torch.bool)
    allowed[1, 0, 2] = False
    weights = attention_weights(queries, keys, allowed)
    assert weights[1, 0, 2].abs().sum() == 0
    torch.testing.assert_close(weights.sum(-1)[0], torch.ones(1, 3))
    layer = MultiHeadAttention(8, 2)
    x = torch.randn(1, 3, 8)
    nowhere = torch.zeros(1, 1, 3, 3, dtype=torch.bool)
    torch.testing.assert_close(layer(x, x, nowhere), torch.zeros(1, 3, 8))


def test_positions_read_in_two_parts_are_those_read_at_once() -> None:
    layer = MultiHeadAttention(16, 4)
    x = torch.randn(2, 7, 16)
    first, second = layer.project_keys_values(x[:, :4]), layer.project_keys_values(x[:, 4:])
    parts = [layer.attend(x[:, :4], first, causal=True), layer.attend(x[:, 4:], first.append(second), causal=True)]
    torch.testing.assert_close(torch.cat(parts, dim=1), layer(x, x, causal=True), rtol=1e-5, atol=1e-6)


def test_maps_are_kept_only_within_the_block() -> None:
    stack = nn.ModuleList([MultiHeadAttention(8, 2), MultiHeadAttention(8, 2)])
    x = torch.randn(1, 3, 8)
    with pytest.raises(RuntimeError, match="stop"), capture_attention(stack) as maps:
        stack[0](x, x)
        assert list(maps) == ["0"] and maps["0"].shape == (1, 2, 3, 3)
        raise RuntimeError("stop")
    stack[1](x, x)
    assert list(maps) == ["0"]


def test_a_width_that_the_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="width is 10"):
        MultiHeadAttention(10, 4)
