"""The explanation methods that every report tries on the words, columns or time segments of an input."""

from collections.abc import Sequence

import torch
from torch import Tensor

from capas.engine.recipes.single_output.feature_hooks import forward_with_features
from capas.trust.explanations.feature_ablation import (
    AblationFeatures,
    FeatureAttributions,
    leave_one_out_attributions,
)
from capas.trust.explanations.parameter_randomization import spearman
from capas.trust.subjects.input_adapter import InputAdapter
from capas.trust.subjects.single_output import ModelUnderTest


def text_attributions(
    adapter: InputAdapter, features: AblationFeatures, attributions: FeatureAttributions
) -> dict[str, Tensor]:
    """Return the weight of each feature (P) by method: leave-one-out, and the attention methods of the network."""
    weights = {"leave_one_out": attributions.weights}
    if adapter.attention_methods:
        text = str(features.keep(torch.ones(len(features.names), dtype=torch.bool)))
        weights |= adapter.attention(features.names, text)
    return weights


def randomization_correlations(
    subject: ModelUnderTest,
    features: AblationFeatures,
    output: int,
    weights: dict[str, Tensor],
    others: Sequence[InputAdapter],
) -> dict[str, Tensor]:
    """Return, by method, Spearman's rank correlation of ``weights`` with those of each of the ``others`` (R)."""
    found = [_weighed_by(subject, other, features, output) for other in others]
    return {name: torch.stack([spearman(own, one[name]) for one in found]) for name, own in weights.items()}


def _weighed_by(
    subject: ModelUnderTest, other: InputAdapter, parts: AblationFeatures, output: int
) -> dict[str, Tensor]:
    def score(texts: Sequence[object]) -> Tensor:
        outputs = forward_with_features(other.reader, texts).outputs
        return subject.predictor.output_head.activate(outputs)[:, output].float()

    return text_attributions(other, parts, leave_one_out_attributions(parts, score))
