"""The explanation methods that every report tries on texts, and encoders with random weights to check them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from capas.engine.recipes.single_output.inputs import InputReader
from capas.engine.recipes.single_output.text.encodings import SentenceEmbeddingEncoding
from capas.engine.recipes.single_output.text.predictor import TextReader
from capas.networks.sequence.minilm import SentenceEncoder
from capas.trust.explanations.attention_maps import attention_to_words
from capas.trust.explanations.feature_ablation import (
    AblationFeatures,
    FeatureAttributions,
    leave_one_out_attributions,
)
from capas.trust.explanations.parameter_randomization import spearman, with_randomized_parameters
from capas.trust.subjects.feature_hooks import forward_with_features
from capas.trust.subjects.single_output import ModelUnderTest


def text_attributions(
    reader: InputReader[object], features: AblationFeatures, attributions: FeatureAttributions
) -> dict[str, Tensor]:
    """Return the weight of each word (P) by method: leave-one-out, and the attention methods of the network."""
    weights = {"leave_one_out": attributions.weights}
    if isinstance(reader, TextReader):
        text = str(features.keep(torch.ones(len(features.names), dtype=torch.bool)))
        weights |= attention_to_words(reader, features.names, text)
    return weights


def randomized_text_reader(reader: TextReader, rng: torch.Generator) -> TextReader:
    """Return the same text reader with random weights everywhere, in the sentence encoder too."""
    code = reader.encoding
    if isinstance(code, SentenceEmbeddingEncoding):
        encoder = with_randomized_parameters(code.encoder, rng).eval()
        assert isinstance(encoder, SentenceEncoder)
        code = SentenceEmbeddingEncoding(encoder, code.pieces)
    return TextReader(with_randomized_parameters(reader.network, rng).eval(), code)


def randomization_correlations(
    subject: ModelUnderTest,
    features: AblationFeatures,
    output: int,
    weights: dict[str, Tensor],
    others: Sequence[TextReader],
) -> dict[str, Tensor]:
    """Return, by method, Spearman's rank correlation of ``weights`` with those of each of the ``others`` (R)."""
    found = [_weighed_by(subject, other, features, output) for other in others]
    return {name: torch.stack([spearman(own, one[name]) for one in found]) for name, own in weights.items()}


def _weighed_by(subject: ModelUnderTest, other: TextReader, parts: AblationFeatures, output: int) -> dict[str, Tensor]:
    def score(texts: Sequence[object]) -> Tensor:
        return subject.predictor.output_head.activate(forward_with_features(other, texts).outputs)[:, output].float()

    return text_attributions(other, parts, leave_one_out_attributions(parts, score))
