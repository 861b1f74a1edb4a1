"""The shared subword vocabulary, and padded batches of sentence pairs."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from capas.core.errors import CapasError
from capas.data.collections import ExampleCollection, TextCollection
from capas.data.text.vocabulary import BOS, EOS, PAD, SubwordVocabulary
from capas.engine.config import Config


def fit_vocabulary(config: Config, texts: Sequence[str]) -> SubwordVocabulary:
    """Learn the subword vocabulary from the training texts of both languages. Raises CapasError
    ``vocabulary_too_small``.
    """
    size = int(config.text.vocab_size)
    try:
        return SubwordVocabulary.learn(texts, size=size)
    except ValueError as error:
        least = str(error).partition("at least ")[2].partition(",")[0]
        raise CapasError("vocabulary_too_small", where="text.vocab_size", received=size, least=least) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class PaddedTranslationPairs:
    """A batch of N pairs, padded on the right.

    Attributes:
        source: Token ids, int64, shape (N, S).
        source_lengths: Shape (N,).
        target: Token ids, int64, shape (N, T), from BOS to EOS.
        target_lengths: Shape (N,).
    """

    source: Tensor
    source_lengths: Tensor
    target: Tensor
    target_lengths: Tensor


def pad_token_rows(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Return padded token ids (N, T) and lengths (N,)."""
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=PAD), torch.tensor(
        [len(row) for row in rows]
    )


def collate_translation_pairs(
    sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
) -> PaddedTranslationPairs:
    """Return encoded pairs as a batch; BOS and EOS are added here."""
    source, source_lengths = pad_token_rows([[*row, EOS] for row in sources])
    target, target_lengths = pad_token_rows([[BOS, *row, EOS] for row in targets])
    return PaddedTranslationPairs(
        source=source, source_lengths=source_lengths, target=target, target_lengths=target_lengths
    )


def input_texts(inputs: ExampleCollection | None) -> Sequence[str]:
    assert isinstance(inputs, TextCollection)
    return inputs.texts
