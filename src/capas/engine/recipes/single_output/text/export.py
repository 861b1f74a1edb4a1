"""Export of text networks, which take token ids or weighted terms; the vocabulary is a file of its own."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from capas.bundle.export import Exportable, ExportInput
from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.text.tfidf import SparseFeatures

NUM_RANDOM_TEXTS: Final = 4


@runtime_checkable
class PaddedTokens(Protocol):
    """A batch of token ids."""

    @property
    def tokens(self) -> Tensor:
        """Token ids, shape (B, T)."""

    @property
    def lengths(self) -> Tensor:
        """Lengths, shape (B,)."""


@runtime_checkable
class ExportableTextEncoding(Protocol):
    """How texts become inputs of a network."""

    def encode(self, texts: Sequence[str]) -> object:
        """Return ``SparseFeatures``, ``PaddedTokens``, or another input that cannot be exported."""

    def as_json(self) -> Mapping[str, object]:
        """Return the vocabulary."""


def exportable_texts(network: nn.Module, encoding: ExportableTextEncoding, texts: Sequence[str]) -> Exportable:
    """Return a text network for export, with its vocabulary. Raises CapasError ``export_not_possible`` where its inputs
    are embeddings by another network.
    """
    encoded = encoding.encode(list(texts) or ["a", "b"])
    if isinstance(encoded, SparseFeatures):
        compared = (encoded.indices, encoded.weights, encoded.offsets) if texts else _terms(encoding)
        return _weighted(network, encoding, compared)
    if isinstance(encoded, PaddedTokens):
        compared = (encoded.tokens, encoded.lengths) if texts else _tokens(encoding)
        return _numbered(network, encoding, compared)
    name = str(encoding.as_json().get("name", "text-minilm"))
    raise CapasError("export_not_possible", received=name, reason=say("export.encoder_apart"))


def _weighted(network: nn.Module, encoding: ExportableTextEncoding, compared: tuple[Tensor, ...]) -> Exportable:
    indices, weights, offsets = _terms(encoding)
    inputs = [
        ExportInput(name="terms", axes=("terms",), example=indices,
              values="the places of the terms of all texts in the lists of terms, one list after another; those of the "
              "first text first"),
        ExportInput(name="weights", axes=("terms",), example=weights,
              values="(1 + ln of how often a text has the term) * idf of it, those of one list and one text scaled to "
              "length 1, divided by the root of the number of lists"),
        ExportInput(name="offsets", axes=("batch",), example=offsets, values="where among them each text begins"),
    ]  # fmt: skip
    return _of_texts(network, encoding, inputs, compared, len(compared[2]))


def _numbered(network: nn.Module, encoding: ExportableTextEncoding, compared: tuple[Tensor, ...]) -> Exportable:
    tokens, lengths = _tokens(encoding)
    inputs = [
        ExportInput(name="words", axes=("batch", "words"), example=tokens,
              values="4 + the place of each word (lower case) or mark in the list of words, 3 where it is not in it; 0 "
              "behind the end of a text"),
        ExportInput(name="lengths", axes=("batch",), example=lengths,
              values="how many of them each text has, 1 or more"),
    ]  # fmt: skip
    return _of_texts(network, encoding, inputs, compared, len(compared[0]))


def _of_texts(
    network: nn.Module,
    encoding: ExportableTextEncoding,
    inputs: Sequence[ExportInput],
    compared: tuple[Tensor, ...],
    count: int,
) -> Exportable:
    return Exportable(
        network=network, inputs=inputs, output="outputs", axes=("batch",), compared=[compared], count=count,
        vocabulary=encoding.as_json(),
    )  # fmt: skip


def _terms(encoding: ExportableTextEncoding) -> tuple[Tensor, ...]:
    """Random texts of seven terms, each with weights of norm 1."""
    rng, each = torch.Generator().manual_seed(0), 7
    indices = torch.randint(_num_terms(encoding), (NUM_RANDOM_TEXTS * each,), generator=rng)
    weights = torch.full((NUM_RANDOM_TEXTS * each,), each**-0.5)
    return indices, weights, each * torch.arange(NUM_RANDOM_TEXTS)


def _tokens(encoding: ExportableTextEncoding) -> tuple[Tensor, ...]:
    """Random texts of three to nine words."""
    rng = torch.Generator().manual_seed(0)
    lengths = torch.tensor([9, 3, 7, 5])
    words = encoding.as_json().get("words")
    size = len(words) if isinstance(words, list) else 1
    tokens = torch.randint(4 + size, (NUM_RANDOM_TEXTS, 9), generator=rng)
    return tokens.masked_fill(torch.arange(9) >= lengths[:, None], 0), lengths


def _num_terms(encoding: ExportableTextEncoding) -> int:
    parts = encoding.as_json().get("parts")
    return max(1, sum(len(part["list"]) for part in parts)) if isinstance(parts, list) else 1
