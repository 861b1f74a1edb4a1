"""The sequence labeller: padding is invisible, every input counts, it learns what only its parts together can tell."""

from typing import Literal

import pytest
import torch
from torch import Tensor

from capas.networks.sequence.bilstm_crf import UNKNOWN, SequenceLabeller, SequenceLabellerConfig, step_mask

Encoder = Literal["convolution", "lstm"]


def small(encoder: Encoder = "convolution", word_counts: Tensor | None = None) -> SequenceLabeller:
    config = SequenceLabellerConfig(
        num_words=20, num_chars=9, num_labels=3, feature_sizes=(5, 4), word_dim=6, char_dim=4, char_hidden=5,
        char_encoder=encoder, feature_dim=3, hidden=7,
    )  # fmt: skip
    return SequenceLabeller(config, word_counts=word_counts)


def sentences(lengths: list[int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Words, characters, lengths, features of random sentences, zero where there is no word."""
    steps, n = max(lengths), torch.tensor(lengths)
    mask = step_mask(n, steps)
    words = torch.randint(1, 20, mask.shape) * mask
    spelt = torch.arange(6) < torch.randint(1, 7, mask.shape)[:, :, None]
    chars = torch.randint(1, 9, (*mask.shape, 6)) * spelt * mask[:, :, None]
    features = torch.stack([torch.randint(1, size, mask.shape) * mask for size in (5, 4)], dim=2)
    return words, chars, n, features


@pytest.mark.parametrize("encoder", ["convolution", "lstm"])
def test_batched_equals_single(encoder: Encoder) -> None:
    network = small(encoder).eval()
    words, chars, lengths, features = sentences([5, 2, 4])
    together = network(words, chars, lengths, features)
    for row, n in enumerate(lengths.tolist()):
        own = slice(row, row + 1)
        longest = int((chars[row, :n] != 0).sum(1).max())
        alone = network(words[own, :n], chars[own, :n, :longest], lengths[own], features[own, :n])
        torch.testing.assert_close(together[row, :n], alone[0])


@pytest.mark.parametrize("encoder", ["convolution", "lstm"])
@pytest.mark.parametrize("changed", ["word", "character", "feature 0", "feature 1", "order of characters"])
def test_every_input_reaches_every_word_of_its_sentence_only(encoder: Encoder, changed: str) -> None:
    network = small(encoder).eval()
    words, chars, lengths, features = sentences([4, 4])
    chars[0, 2] = torch.tensor([3, 4, 5, 0, 0, 0])
    before = network(words, chars, lengths, features)
    if changed == "word":
        words[0, 2] = words[0, 2] % 19 + 1
    elif changed == "character":
        chars[0, 2, 1] = 6
    elif changed == "order of characters":
        chars[0, 2, :3] = torch.tensor([5, 4, 3])
    else:
        f = int(changed[-1])
        features[0, 2, f] = features[0, 2, f] % 3 + 1
    after = network(words, chars, lengths, features)
    assert ((after - before).abs().amax(2) > 1e-7).tolist() == [[True] * 4, [False] * 4]


def test_rare_words_are_hidden_as_often_as_stated() -> None:
    """α / (α + count), while training only; never padding."""
    counts = torch.tensor([torch.inf, torch.inf, *([1.0] * 9), *([4.0] * 9)])
    network = small(word_counts=counts)
    seen: list[Tensor] = []
    network.words.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    words = torch.tensor([[2, 11, 1, 0]]).repeat(4000, 1)
    chars = torch.ones(4000, 4, 1, dtype=torch.long)
    network(words, chars, torch.full((4000,), 3), torch.ones(4000, 4, 2, dtype=torch.long))
    hidden = (seen[0] == UNKNOWN).float().mean(0)
    assert hidden.tolist() == pytest.approx([0.2, 0.25 / 4.25, 1.0, 0.0], abs=0.02)
    network.eval()(words, chars, torch.full((4000,), 3), torch.ones(4000, 4, 2, dtype=torch.long))
    assert torch.equal(seen[1], words)


@pytest.mark.parametrize("encoder", ["convolution", "lstm"])
def test_learns_names_by_their_spelling_and_their_neighbours(encoder: Encoder) -> None:
    """Label 2 follows label 1; label 1 goes to words spelt with character 8, all of them unknown words."""
    network = small(encoder)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(80):
        words, chars, lengths, features, labels, mask = task()
        emissions = network(words, chars, lengths, features)
        loss = -network.crf.log_likelihood(emissions, labels, mask).mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    words, chars, lengths, features, labels, mask = task()
    paths, _ = network.crf.viterbi_decode(network.eval()(words, chars, lengths, features), mask)
    right = [path == labels[row, : len(path)].tolist() for row, path in enumerate(paths)]
    assert sum(right) >= 0.9 * len(right)


def task() -> tuple[Tensor, ...]:
    """32 sentences whose labels follow from the spelling alone."""
    words, chars, lengths, features = sentences(torch.randint(2, 7, (32,)).tolist())
    mask = step_mask(lengths, words.shape[1])
    chars[chars == 8] = 7
    named = (torch.rand(mask.shape) < 0.3) & mask
    chars[:, :, 0] = torch.where(named, 8, chars[:, :, 0])
    after = torch.nn.functional.pad(named, (1, 0))[:, :-1]
    labels = torch.where(named, 1, torch.where(after, 2, 0)) * mask
    return torch.full_like(words, UNKNOWN) * mask, chars, lengths, features, labels, mask


def test_saved_and_loaded_is_identical_and_knows_no_counts() -> None:
    """The counts are of the training text: no part of the model."""
    network, other = small(word_counts=torch.ones(20)).eval(), small().eval()
    other.load_state_dict(network.state_dict())
    inputs = sentences([3, 1])
    assert torch.equal(network(*inputs), other(*inputs))


@pytest.mark.parametrize(
    "wrong", [{"num_words": 1}, {"feature_sizes": (3, 0)}, {"dropout": 1.0}, {"unknown_alpha": -1.0}]
)
def test_configurations_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expected|must"):
        SequenceLabellerConfig(**{"num_words": 5, "num_chars": 5, "num_labels": 2, **wrong})  # type: ignore[arg-type]
