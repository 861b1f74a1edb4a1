"""The ways of weighing the words of a text that every report tries, and the readers with random weights that they are
checked by."""

from collections.abc import Sequence

import torch
from torch import Tensor

from capas.engine.recipes.one_answer import Reader
from capas.engine.recipes.texts import Embedded, TextReader
from capas.networks.minilm import SentenceEncoder
from capas.trust.attention_maps import attention_to_words
from capas.trust.parts import Contributions, Parts, contributions
from capas.trust.saliency_checks import spearman, with_random_weights
from capas.trust.subject import Subject, see


def weighed(reader: Reader[object], parts: Parts, brought: Contributions) -> dict[str, Tensor]:
    """What each part weighs (P): by what it ``brought``, and in texts by every way of attention there is."""
    weights = {"leave_one_out": brought.weights}
    if isinstance(reader, TextReader):
        text = str(parts.keep(torch.ones(len(parts.names), dtype=torch.bool)))
        weights |= attention_to_words(reader, parts.names, text)
    return weights


def randomised_reader(reader: TextReader, rng: torch.Generator) -> TextReader:
    """The same with random weights everywhere, in the encoder of sentences too."""
    code = reader.code
    if isinstance(code, Embedded):
        encoder = with_random_weights(code.encoder, rng).eval()
        assert isinstance(encoder, SentenceEncoder)
        code = Embedded(encoder, code.pieces)
    return TextReader(with_random_weights(reader.network, rng).eval(), code)


def alike(
    subject: Subject, parts: Parts, output: int, weights: dict[str, Tensor], others: Sequence[TextReader]
) -> dict[str, Tensor]:
    """By way: Spearman's rank correlation of ``weights`` with those of each of the ``others`` (R)."""
    found = [_weighed_by(subject, other, parts, output) for other in others]
    return {name: torch.stack([spearman(own, one[name]) for one in found]) for name, own in weights.items()}


def _weighed_by(subject: Subject, other: TextReader, parts: Parts, output: int) -> dict[str, Tensor]:
    def score(texts: Sequence[object]) -> Tensor:
        return subject.answering.answers.activate(see(other, texts).outputs)[:, output].float()

    return weighed(other, parts, contributions(parts, score))
