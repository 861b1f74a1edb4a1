"""Beam-search translation of encoded texts."""

from collections.abc import Sequence

import torch
from torch import nn

from capas.data.text.vocabulary import BOS, EOS
from capas.decoding.seq2seq_beam import TranslationHypothesis, seq2seq_beam_search
from capas.engine.execution import Execution
from capas.engine.recipes.translation.data import pad_token_rows
from capas.engine.recipes.translation.defaults import BATCH, BEAM_WIDTH, LENGTH_PENALTY
from capas.networks.sequence.transformer import Transformer


@torch.no_grad()
def translate_encoded(
    network: nn.Module,
    encoded: Sequence[Sequence[int]],
    execution: Execution,
    *,
    beam: int = BEAM_WIDTH,
    alpha: float = LENGTH_PENALTY,
) -> list[TranslationHypothesis]:
    """Translate encoded texts by beam search, in batches of similar length.

    Args:
        network: A ``Transformer``.
        encoded: Token ids of each text, without EOS.
        execution: Device and precision.
        beam: Beam width.
        alpha: Exponent of the length penalty.

    Returns:
        The best hypothesis of each text, in order.
    """
    assert isinstance(network, Transformer)
    network.eval()
    by_length = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
    hypotheses: dict[int, TranslationHypothesis] = {}
    for first in range(0, len(by_length), BATCH):
        part = by_length[first : first + BATCH]
        source, lengths = pad_token_rows([[*encoded[i], EOS] for i in part])
        with execution.autocast():
            best = seq2seq_beam_search(
                network, execution.place_batch(source), execution.place_batch(lengths), bos=BOS, eos=EOS, width=beam,
                alpha=alpha,
            )  # fmt: skip
        hypotheses |= dict(zip(part, best, strict=True))
    return [hypotheses[i] for i in range(len(encoded))]
