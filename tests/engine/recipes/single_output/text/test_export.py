"""Text networks are exported with their vocabulary."""

import pytest
import torch
from torch import nn

from capas.core.errors import CapasError
from capas.data.text.vocabulary import PAD
from capas.engine.recipes.single_output.text.encodings import SentenceEmbeddings, fit_text_encoding
from capas.engine.recipes.single_output.text.export import exportable_texts

TEXTS = ["sea boat", "field sea", "sea"]


def test_a_linear_network_takes_terms_weights_and_offsets() -> None:
    code = fit_text_encoding("text-linear", TEXTS)
    network = code.network("text-linear", 2, 0)
    found = exportable_texts(network, code, ["boat sea", "field"])
    assert [one.name for one in found.inputs] == ["terms", "weights", "offsets"] and found.count == 2
    expected = code.encode(["boat sea", "field"])
    terms, weights, offsets = found.compared[0]
    assert torch.equal(terms, expected.indices) and offsets.tolist() == expected.offsets.tolist()  # type: ignore[union-attr]
    assert torch.equal(network(terms, weights, offsets), found.network(*found.compared[0]))
    assert found.vocabulary == code.as_json() and found.axes == ("batch",)
    made_up = exportable_texts(network, code, [])
    terms, weights, offsets = made_up.compared[0]
    assert made_up.count == 4 and offsets.tolist() == [0, 7, 14, 21] and int(terms.max()) < len(code.tfidf)
    torch.testing.assert_close(weights[:7].square().sum(), torch.tensor(1.0))


def test_a_network_of_words_takes_ids_and_lengths() -> None:
    code = fit_text_encoding("text-cnn", TEXTS)
    found = exportable_texts(code.network("text-cnn", 2, 8), code, ["boat sea", "field"])
    assert [one.name for one in found.inputs] == ["words", "lengths"] and found.count == 2
    assert found.compared[0][1].tolist() == [2, 1] and int(found.compared[0][0][1, 1]) == PAD
    tokens, lengths = exportable_texts(code.network("text-cnn", 2, 8), code, []).compared[0]
    assert tokens.shape == (4, 9) and lengths.tolist() == [9, 3, 7, 5]
    assert tokens[1, 3:].tolist() == [PAD] * 6 and int(tokens.max()) < 4 + 3


def test_embeddings_by_another_network_cannot_be_exported() -> None:
    class Embedded:
        def encode(self, texts: object) -> SentenceEmbeddings:
            return SentenceEmbeddings(embeddings=torch.zeros(1, 2))

        def as_json(self) -> dict[str, object]:
            return {}

    with pytest.raises(CapasError) as error:
        exportable_texts(nn.Identity(), Embedded(), [])
    assert (error.value.key, error.value.received) == ("export_not_possible", "text-minilm")
