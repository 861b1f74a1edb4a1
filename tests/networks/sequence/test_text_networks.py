"""Text networks: what padding must not change, what they are by hand, and that each learns what it is for."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from capas.networks.sequence.bag_of_ngrams import BagOfNgrams, BagOfNgramsConfig
from capas.networks.sequence.sparse_linear import SparseLinear, SparseLinearConfig
from capas.networks.sequence.text_cnn import TextCNN, TextCNNConfig
from capas.networks.sequence.text_transformer import TextTransformer, TextTransformerConfig

READERS: dict[str, Callable[[], nn.Module]] = {
    "bag": lambda: BagOfNgrams(BagOfNgramsConfig(vocabulary=12, num_classes=3, width=8, buckets=64)),
    "cnn": lambda: TextCNN(TextCNNConfig(vocabulary=12, num_classes=3, width=16, maps=12, dropout=0.0)),
    "transformer": lambda: TextTransformer(
        TextTransformerConfig(vocabulary=12, num_classes=3, width=16, heads=2, layers=1, dropout=0.0)
    ),
}


def some_texts() -> tuple[Tensor, Tensor]:
    return torch.randint(12, (6, 9)), torch.tensor([9, 1, 2, 4, 7, 3])


@pytest.mark.parametrize("name", READERS)
def test_a_batch_is_its_texts_one_by_one_whatever_the_padding(name: str) -> None:
    network = READERS[name]().eval()
    tokens, lengths = some_texts()
    together = network(tokens, lengths)
    assert together.shape == (6, 3)
    for row, length in enumerate(lengths.tolist()):
        alone = network(tokens[row : row + 1, :length], lengths[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-5, atol=1e-6)
    padded = F.pad(tokens, (0, 4), value=11)
    torch.testing.assert_close(network(padded, lengths), together, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", READERS)
def test_an_empty_text_has_an_answer(name: str) -> None:
    network = READERS[name]().eval()
    assert network(torch.zeros(2, 4, dtype=torch.long), torch.tensor([0, 4])).isfinite().all()


@pytest.mark.parametrize("name", READERS)
def test_each_learns_which_of_two_words_comes_first(name: str) -> None:
    """Only order tells: 5 before 6 or 6 before 5, next to each other, anywhere among other words."""
    rng = torch.Generator().manual_seed(3)
    tokens = torch.randint(7, 12, (64, 8), generator=rng)
    labels, places = torch.arange(64) % 2, torch.randint(7, (64,), generator=rng)
    rows = torch.arange(64)
    tokens[rows, places], tokens[rows, places + 1] = 5 + labels, 6 - labels
    lengths = torch.full((64,), 8)
    network = READERS[name]()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(120):
        optimiser.zero_grad()
        F.cross_entropy(network(tokens, lengths), labels).backward()
        optimiser.step()
    assert (network.eval()(tokens, lengths).argmax(1) == labels).float().mean() >= 0.95


def test_the_bag_is_the_mean_of_words_and_pairs() -> None:
    network = BagOfNgrams(BagOfNgramsConfig(vocabulary=12, num_classes=3, width=8, buckets=64))
    text = torch.tensor([[3, 5, 3]])
    pairs = network.bigram_ids(text)
    assert pairs.shape == (1, 2) and pairs[0, 0] != pairs[0, 1] and 12 <= int(pairs.min()) <= int(pairs.max()) < 76
    mean = network.vectors.weight[torch.cat([text, pairs], 1)[0]].mean(0)
    torch.testing.assert_close(network(text, torch.tensor([3]))[0], network.head(mean))
    single = BagOfNgrams(BagOfNgramsConfig(vocabulary=12, num_classes=3, width=8, buckets=0))
    swapped = torch.tensor([[5, 3, 3]])
    torch.testing.assert_close(single(text, torch.tensor([3])), single(swapped, torch.tensor([3])))


def test_the_cnn_sees_windows_of_the_text_only() -> None:
    network = TextCNN(TextCNNConfig(vocabulary=12, num_classes=3, width=6, windows=(3,), maps=5, dropout=0.0))
    tokens = torch.randint(12, (1, 6))
    vectors = network.vectors.weight[tokens[0, :5]].T
    answers = [
        (network.convolutions[0].weight * vectors[:, i : i + 3]).sum((1, 2)) + network.convolutions[0].bias
        for i in range(3)
    ]
    strongest = F.relu(torch.stack(answers).amax(0))
    torch.testing.assert_close(network(tokens, torch.tensor([5]))[0], network.head(strongest))


def test_sparse_linear_is_a_linear_layer_with_gradients() -> None:
    network = SparseLinear(SparseLinearConfig(features=10, num_classes=4))
    assert network(torch.tensor([1]), torch.tensor([1.0]), torch.tensor([0])).abs().sum() == 0
    with torch.no_grad():
        network.rows.weight.normal_()
        network.bias.normal_()
    indices, weights = torch.tensor([1, 7, 2, 2, 9]), torch.randn(5)
    offsets = torch.tensor([0, 2, 2])  # the second text is empty
    dense = torch.zeros(3, 10)
    dense.index_put_((torch.tensor([0, 0, 2, 2, 2]), indices), weights, accumulate=True)
    ours = network(indices, weights, offsets)
    expected = dense @ network.rows.weight + network.bias
    torch.testing.assert_close(ours, expected)
    direction = torch.randn(3, 4)
    for parameter in network.parameters():
        (mine,) = torch.autograd.grad((ours * direction).sum(), parameter, retain_graph=True)
        (other,) = torch.autograd.grad((expected * direction).sum(), parameter, retain_graph=True)
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize(
    ("config", "wrong", "name"),
    [
        (BagOfNgramsConfig, {"buckets": -1}, "buckets"),
        (BagOfNgramsConfig, {"vocabulary": 0}, "vocabulary"),
        (TextCNNConfig, {"windows": ()}, "windows"),
        (TextCNNConfig, {"dropout": 1.0}, "dropout"),
        (TextTransformerConfig, {"num_classes": 0}, "num_classes"),
    ],
)
def test_configs_refuse_what_cannot_be(config: type, wrong: dict[str, object], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        config(**{"vocabulary": 5, "num_classes": 2, **wrong})
