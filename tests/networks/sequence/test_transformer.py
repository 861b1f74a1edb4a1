"""The Transformer against torch's own, the paper's size, and its incremental decoder."""

import pytest
import torch
from torch import Tensor, nn

from capas.networks.sequence.attention import MultiHeadAttention, capture_attention, padding_mask
from capas.networks.sequence.transformer import TextEncoder, Transformer, TransformerConfig, sinusoidal_positions

SMALL = TransformerConfig(
    vocabulary=11, width=16, heads=4, encoder_layers=2, decoder_layers=2, feedforward=24, dropout=0.0
)
SOURCE = torch.randint(11, (3, 7), generator=torch.Generator().manual_seed(1))
LENGTHS = torch.tensor([5, 2, 7])
TARGET = torch.randint(11, (3, 6), generator=torch.Generator().manual_seed(2))


def small(*, pre_norm: bool = False) -> Transformer:
    config = TransformerConfig(
        vocabulary=11, width=16, heads=4, encoder_layers=2, decoder_layers=2, feedforward=24, dropout=0.0,
        pre_norm=pre_norm,
    )  # fmt: skip
    network = Transformer(config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return network


def as_torchs(network: Transformer, *, pre_norm: bool) -> tuple[nn.Transformer, list[tuple[Tensor, Tensor]]]:
    """torch.nn.Transformer with our weights, and the pairs of parameters (ours, theirs)."""
    theirs = nn.Transformer(16, 4, 2, 2, 24, dropout=0.0, batch_first=True, norm_first=pre_norm)
    pairs: list[tuple[Tensor, Tensor]] = []

    def twins(ours: nn.Module, other: nn.Module) -> None:
        pairs.extend(zip(ours.parameters(), other.parameters(), strict=True))

    def attention(ours: MultiHeadAttention, other: nn.MultiheadAttention) -> None:
        pairs.extend([(ours.projection.weight, other.in_proj_weight), (ours.projection.bias, other.in_proj_bias)])
        twins(ours.output, other.out_proj)

    for layer, other in zip(network.encoder.layers, theirs.encoder.layers, strict=True):
        attention(layer.attention, other.self_attn)
        for part, twin in ((layer.feed[0], other.linear1), (layer.feed[2], other.linear2)):
            twins(part, twin)
        twins(layer.around_attention, other.norm1)
        twins(layer.around_feed, other.norm2)
    for layer, other in zip(network.decoder.layers, theirs.decoder.layers, strict=True):
        attention(layer.attention, other.self_attn)
        attention(layer.cross, other.multihead_attn)
        for part, twin in ((layer.feed[0], other.linear1), (layer.feed[2], other.linear2)):
            twins(part, twin)
        norms = ((layer.around_attention, other.norm1), (layer.around_cross, other.norm2))
        for part, twin in (*norms, (layer.around_feed, other.norm3)):
            twins(part, twin)
    twins(network.encoder.norm, theirs.encoder.norm)
    twins(network.decoder.norm, theirs.decoder.norm)
    with torch.no_grad():
        for mine, its in pairs:
            its.copy_(mine)
    return theirs, pairs


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize("pre_norm", [False, True])
def test_both_norms_are_torchs_transformer_with_gradients(pre_norm: bool) -> None:
    network = small(pre_norm=pre_norm)
    theirs, pairs = as_torchs(network, pre_norm=pre_norm)
    source, target = torch.randn(3, 7, 16, requires_grad=True), torch.randn(3, 6, 16, requires_grad=True)
    allowed = padding_mask(LENGTHS, 7)
    ours = network.decoder(target, network.decoder.begin(network.encoder(source, allowed), allowed))[0]
    expected = theirs(
        source, target, src_key_padding_mask=~allowed, memory_key_padding_mask=~allowed,
        tgt_mask=torch.ones(6, 6, dtype=torch.bool).triu(1),
    )  # fmt: skip
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)
    weights = torch.randn_like(ours)
    assert len(pairs) == len(list(theirs.parameters()))
    mine = torch.autograd.grad((ours * weights).sum(), [source, target, *(own for own, _ in pairs)])
    its = torch.autograd.grad((expected * weights).sum(), [source, target, *(other for _, other in pairs)])
    for gradient, other in zip(mine, its, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-5, atol=2e-5)


def test_the_base_setting_has_the_known_count() -> None:
    network = Transformer(TransformerConfig(vocabulary=7))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert parameters - 7 * 512 == 44_140_544


def test_one_matrix_embeds_both_sides_and_gives_the_logits() -> None:
    network = small()
    assert sum(parameter.shape[0] == 11 for parameter in network.parameters() if parameter.ndim == 2) == 1
    fresh = Transformer(TransformerConfig(vocabulary=1000, width=256, heads=4, dropout=0.0))
    embedded = fresh.embedding(torch.arange(1000)[:, None]) - sinusoidal_positions(1, 256)
    assert embedded.std().item() == pytest.approx(1, abs=0.01)


def test_positions_are_the_papers_waves() -> None:
    waves = sinusoidal_positions(60, 16)
    assert waves[37, 6].item() == pytest.approx(torch.tensor(37 / 10_000 ** (6 / 16)).sin().item(), abs=1e-5)
    assert waves[37, 7].item() == pytest.approx(torch.tensor(37 / 10_000 ** (6 / 16)).cos().item(), abs=1e-5)
    assert torch.equal(sinusoidal_positions(20, 16, start=40), waves[40:])


@pytest.mark.parametrize("pre_norm", [False, True])
def test_token_by_token_is_all_at_once(pre_norm: bool) -> None:
    network = small(pre_norm=pre_norm).eval()
    whole = network(SOURCE, LENGTHS, TARGET)
    memory, parts = network.encode(SOURCE, LENGTHS), []
    for chunk in TARGET.split([1, 1, 3, 1], dim=1):
        logits, memory = network.decode(chunk, memory)
        parts.append(logits)
    assert memory.position == 6
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=1e-5, atol=1e-5)


def test_rows_of_the_memory_can_be_exchanged_and_repeated() -> None:
    network, rows = small().eval(), torch.tensor([2, 0, 2, 1])
    _, memory = network.decode(TARGET[:, :4], network.encode(SOURCE, LENGTHS))
    logits, _ = network.decode(TARGET[rows, 4:], memory.select(rows))
    torch.testing.assert_close(logits, network(SOURCE, LENGTHS, TARGET)[rows, 4:], rtol=1e-5, atol=1e-5)
    fresh = network.encode(SOURCE, LENGTHS).select(rows)
    torch.testing.assert_close(network.decode(TARGET[rows], fresh)[0], network(SOURCE, LENGTHS, TARGET)[rows])


def test_a_batch_is_its_texts_one_by_one_whatever_the_padding() -> None:
    network = small().eval()
    together = network(SOURCE, LENGTHS, TARGET)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = network(SOURCE[row : row + 1, :length], LENGTHS[row : row + 1], TARGET[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-5, atol=1e-5)


def test_no_token_sees_those_after_it() -> None:
    network = small().eval()
    changed = TARGET.clone()
    changed[:, 3:] = (changed[:, 3:] + 1) % 11
    before, after = network(SOURCE, LENGTHS, TARGET), network(SOURCE, LENGTHS, changed)
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert (before[:, 3:] - after[:, 3:]).abs().amax(-1).min() > 1e-3


def test_attention_maps_are_rows_that_sum_to_one_over_the_text() -> None:
    network = small().eval()
    with capture_attention(network) as maps:
        kept = network(SOURCE, LENGTHS, TARGET)
    torch.testing.assert_close(kept, network(SOURCE, LENGTHS, TARGET), rtol=1e-5, atol=1e-5)
    assert len(maps) == 6 and maps["decoder.layers.1.cross"].shape == (3, 4, 6, 7)
    assert maps["decoder.layers.1.cross"][1, :, :, 2:].abs().max() == 0
    for weights in maps.values():
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


def test_a_text_encoder_gives_one_vector_per_text_whatever_the_padding() -> None:
    network = TextEncoder(SMALL).eval()
    together = network(SOURCE, LENGTHS)
    assert together.shape == (3, 16)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = network(SOURCE[row : row + 1, :length], LENGTHS[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-5, atol=1e-5)
    empty = network(SOURCE[:1], torch.tensor([0]))
    assert torch.equal(empty, torch.zeros(1, 16))


@pytest.mark.parametrize(
    "wrong", [{"vocabulary": 0}, {"width": 15}, {"heads": 0}, {"feedforward": 0}, {"dropout": 1.0}]
)
def test_config_refuses_what_cannot_be(wrong: dict[str, int]) -> None:
    name = "width" if "heads" in wrong else next(iter(wrong))
    with pytest.raises(ValueError, match=name):
        TransformerConfig(**{"vocabulary": 7, **wrong})
