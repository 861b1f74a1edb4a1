"""The objective by hand; beam search against trying every sentence; batched = single."""

import itertools
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from capas.decoding.seq2seq_beam import (
    TranslationHypothesis,
    length_penalty,
    seq2seq_beam_search,
    seq2seq_greedy_search,
)
from capas.networks.sequence.transformer import Transformer, TransformerConfig
from capas.objectives.translation import Translation
from tests.harness import step_context

BOS, EOS = 1, 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    source: Tensor
    source_lengths: Tensor
    target: Tensor
    target_lengths: Tensor


def network(vocabulary: int = 8) -> Transformer:
    """Random and decided: weights enlarged, so that the likeliest token is often not the best beginning."""
    config = TransformerConfig(
        vocabulary=vocabulary, width=16, heads=2, encoder_layers=1, decoder_layers=1, feedforward=16, dropout=0.0
    )
    result = Transformer(config)
    with torch.no_grad():
        for parameter in result.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.4)
    return result.eval()


def pairs() -> Pairs:
    return Pairs(
        source=torch.randint(3, 8, (3, 6)),
        source_lengths=torch.tensor([6, 1, 3]),
        target=torch.tensor([[1, 5, 6, 2, 0], [1, 4, 2, 0, 0], [1, 7, 7, 3, 2]]),
        target_lengths=torch.tensor([4, 3, 5]),
    )


class FollowsTable(nn.Module):
    """Always puts out the same logits."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        return self.logits[:, : target.shape[1]]


def test_the_loss_is_the_smoothed_cross_entropy_of_the_real_tokens() -> None:
    batch, logits = pairs(), torch.randn(3, 4, 8)
    objective = Translation(FollowsTable(logits), label_smoothing=0.1)
    loss = objective.losses(batch, objective.phases[0], step_context())["loss"]
    wanted = [(0, 0, 5), (0, 1, 6), (0, 2, 2), (1, 0, 4), (1, 1, 2), (2, 0, 7), (2, 1, 7), (2, 2, 3), (2, 3, 2)]
    terms = []
    for row, place, token in wanted:
        logarithms = logits[row, place].log_softmax(0)
        terms.append(-0.9 * logarithms[token] - 0.1 * logarithms.mean())
    torch.testing.assert_close(loss, torch.stack(terms).mean())
    with pytest.raises(ValueError, match="label_smoothing"):
        Translation(nn.Identity(), label_smoothing=1.0)


def test_what_stands_in_the_padding_does_not_matter() -> None:
    batch, translator = pairs(), network()
    objective = Translation(translator)
    changed = Pairs(
        source=batch.source.masked_fill(torch.arange(6) >= batch.source_lengths[:, None], 3),
        source_lengths=batch.source_lengths,
        target=batch.target.masked_fill(torch.arange(5) >= batch.target_lengths[:, None], 6),
        target_lengths=batch.target_lengths,
    )
    losses = [objective.losses(one, objective.phases[0], step_context())["loss"] for one in (batch, changed)]
    torch.testing.assert_close(losses[0], losses[1])


def log_probability(translator: Transformer, source: Tensor, lengths: Tensor, text: tuple[int, ...]) -> float:
    """Of the whole text and its end, read at once."""
    with torch.no_grad():
        steps = translator(source, lengths, torch.tensor([[BOS, *text]])).log_softmax(-1)[0]
    return float(steps[torch.arange(len(text) + 1), torch.tensor([*text, EOS])].sum())


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_a_beam_wide_enough_finds_what_trying_everything_finds(seed: int, alpha: float) -> None:
    torch.manual_seed(seed)
    translator, source, lengths = network(4), torch.tensor([[3, 0]]), torch.tensor([2])
    every = [
        (text, log_probability(translator, source, lengths, text))
        for length in range(5)
        for text in itertools.product((0, 1, 3), repeat=length)
    ]
    best = max(every, key=lambda one: one[1] / length_penalty(len(one[0]) + 1, alpha))
    (found,) = seq2seq_beam_search(
        translator, source, lengths, bos=BOS, eos=EOS, width=130, alpha=alpha, max_extra_tokens=2
    )
    assert found.tokens == best[0]
    assert found.log_probability == pytest.approx(best[1], abs=1e-4)
    assert found.score == pytest.approx(best[1] / length_penalty(len(best[0]) + 1, alpha), abs=1e-4)


def test_greedy_takes_the_likeliest_token_each_time() -> None:
    translator, batch = network(), pairs()
    found = seq2seq_greedy_search(translator, batch.source, batch.source_lengths, bos=BOS, eos=EOS, max_extra_tokens=4)
    assert len({len(one.tokens) for one in found}) > 1
    for row, one in enumerate(found):
        source, lengths = batch.source[row : row + 1], batch.source_lengths[row : row + 1]
        text: list[int] = []
        while len(text) < int(lengths) + 4:
            token = int(translator(source, lengths, torch.tensor([[BOS, *text]]))[0, -1].argmax())
            if token == EOS:
                break
            text.append(token)
        assert list(one.tokens) == text
        expected = log_probability(translator, source, lengths, tuple(text))
        assert one.log_probability == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("width", [1, 3, 5])
def test_a_text_is_translated_alike_alone_and_in_a_batch(width: int) -> None:
    translator, source, lengths = network(), torch.randint(3, 8, (9, 6)), torch.tensor([6, 1, 3, 2, 5, 4, 6, 1, 2])
    together = seq2seq_beam_search(translator, source, lengths, bos=BOS, eos=EOS, width=width, max_extra_tokens=5)
    for row, one in enumerate(together):
        size = int(lengths[row])
        alone = seq2seq_beam_search(
            translator,
            source[row : row + 1, :size],
            lengths[row : row + 1],
            bos=BOS,
            eos=EOS,
            width=width,
            max_extra_tokens=5,
        )
        assert alone[0].tokens == one.tokens and alone[0].score == pytest.approx(one.score, abs=1e-4)


def test_a_wider_beam_finds_likelier_translations_on_the_whole() -> None:
    translator, source, lengths = network(), torch.randint(3, 8, (40, 6)), torch.full((40,), 6)

    def mean(found: list[TranslationHypothesis]) -> float:
        return sum(one.log_probability for one in found) / len(found)

    narrow = seq2seq_beam_search(translator, source, lengths, bos=BOS, eos=EOS, width=1, alpha=0.0)
    wide = seq2seq_beam_search(translator, source, lengths, bos=BOS, eos=EOS, width=6, alpha=0.0)
    assert mean(wide) > mean(narrow) + 0.05


def test_a_higher_penalty_gives_longer_translations() -> None:
    translator, source, lengths = network(), torch.randint(3, 8, (20, 6)), torch.full((20,), 6)
    short, long = (
        sum(
            len(one.tokens)
            for one in seq2seq_beam_search(translator, source, lengths, bos=1, eos=2, width=6, alpha=alpha)
        )
        for alpha in (-1.0, 3.0)
    )
    assert long > short


def test_the_penalty_is_eq_14() -> None:
    assert length_penalty(7, 0.6) == pytest.approx((5 + 7) ** 0.6 / (5 + 1) ** 0.6)
    with pytest.raises(ValueError, match="width"):
        seq2seq_beam_search(network(), torch.zeros(1, 1, dtype=torch.int64), torch.tensor([1]), bos=1, eos=2, width=0)


def test_it_learns_to_copy() -> None:
    translator = Transformer(
        TransformerConfig(vocabulary=8, width=32, heads=2, encoder_layers=1, decoder_layers=1, feedforward=32,
                          dropout=0.0, pre_norm=True)
    )  # fmt: skip
    objective, rng = Translation(translator, label_smoothing=0.0), torch.Generator().manual_seed(1)
    optimiser = torch.optim.Adam(translator.parameters(), lr=5e-3)
    for _ in range(150):
        source = torch.randint(3, 8, (32, 4), generator=rng)
        target = F.pad(F.pad(source, (1, 0), value=BOS), (0, 1), value=EOS)
        batch = Pairs(
            source=source, source_lengths=torch.full((32,), 4), target=target, target_lengths=torch.full((32,), 6)
        )
        optimiser.zero_grad()
        objective.losses(batch, objective.phases[0], step_context(rng))["loss"].backward()
        optimiser.step()
    found = seq2seq_beam_search(translator.eval(), source, torch.full((32,), 4), bos=BOS, eos=EOS, width=2)
    assert sum(one.tokens == tuple(text) for one, text in zip(found, source.tolist(), strict=True)) >= 30
