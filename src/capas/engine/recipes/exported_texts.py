"""Networks of texts as they are exported: from the numbers of words, or from weighted terms, with the vocabulary."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from capas.bundle.export import Exportable, Given
from capas.core.errors import CapasError
from capas.core.messages import say
from capas.data.text_features import SparseRows

MADE_UP: Final = 4


@runtime_checkable
class PaddedTokens(Protocol):
    """Texts as numbers of words."""

    @property
    def tokens(self) -> Tensor:
        """B×T."""

    @property
    def lengths(self) -> Tensor:
        """B."""


@runtime_checkable
class TextCode(Protocol):
    """How texts become what a network takes."""

    def encode(self, texts: Sequence[str]) -> object:
        """``SparseRows``, ``PaddedTokens`` or something else."""

    def as_json(self) -> Mapping[str, object]:
        """The vocabulary."""


def exportable_texts(network: nn.Module, code: TextCode, texts: Sequence[str]) -> Exportable:
    """``network`` of a text model with its vocabulary. Raises CapasError ``export_not_possible`` where the numbers of a
    text come out of another network."""
    encoded = code.encode(list(texts) or ["a", "b"])
    if isinstance(encoded, SparseRows):
        compared = (encoded.indices, encoded.weights, encoded.offsets) if texts else _terms(code)
        return _weighted(network, code, compared)
    if isinstance(encoded, PaddedTokens):
        compared = (encoded.tokens, encoded.lengths) if texts else _tokens(code)
        return _numbered(network, code, compared)
    raise CapasError("export_not_possible", received="text-minilm", reason=say("export.encoder_apart"))


def _weighted(network: nn.Module, code: TextCode, compared: tuple[Tensor, ...]) -> Exportable:
    indices, weights, offsets = _terms(code)
    inputs = [
        Given(name="terms", axes=("terms",), example=indices,
              values="the places of the terms of all texts in the list of terms, those of the first text first"),
        Given(name="weights", axes=("terms",), example=weights,
              values="(1 + ln of how often a text has the term) * idf of it, those of a text scaled to length 1"),
        Given(name="offsets", axes=("batch",), example=offsets, values="where among them each text begins"),
    ]  # fmt: skip
    return _of_texts(network, code, inputs, compared, len(compared[2]))


def _numbered(network: nn.Module, code: TextCode, compared: tuple[Tensor, ...]) -> Exportable:
    tokens, lengths = _tokens(code)
    inputs = [
        Given(name="words", axes=("batch", "words"), example=tokens,
              values="4 + the place of each word (lower case) or mark in the list of words, 3 where it is not in it; 0 "
              "behind the end of a text"),
        Given(name="lengths", axes=("batch",), example=lengths, values="how many of them each text has, 1 or more"),
    ]  # fmt: skip
    return _of_texts(network, code, inputs, compared, len(compared[0]))


def _of_texts(
    network: nn.Module, code: TextCode, inputs: Sequence[Given], compared: tuple[Tensor, ...], count: int
) -> Exportable:
    return Exportable(
        network=network, inputs=inputs, output="outputs", axes=("batch",), compared=[compared], count=count,
        vocabulary=code.as_json(),
    )  # fmt: skip


def _terms(code: TextCode) -> tuple[Tensor, ...]:
    """Texts of seven terms by chance, each with weights of length one."""
    chance, each = torch.Generator().manual_seed(0), 7
    indices = torch.randint(_size(code, "terms"), (MADE_UP * each,), generator=chance)
    weights = torch.full((MADE_UP * each,), each**-0.5)
    return indices, weights, each * torch.arange(MADE_UP)


def _tokens(code: TextCode) -> tuple[Tensor, ...]:
    """Texts of three to nine words by chance."""
    chance = torch.Generator().manual_seed(0)
    lengths = torch.tensor([9, 3, 7, 5])
    tokens = torch.randint(4 + _size(code, "words"), (MADE_UP, 9), generator=chance)
    return tokens.masked_fill(torch.arange(9) >= lengths[:, None], 0), lengths


def _size(code: TextCode, name: str) -> int:
    found = code.as_json().get(name)
    return max(1, len(found)) if isinstance(found, list) else 1
